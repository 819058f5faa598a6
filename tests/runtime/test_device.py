"""Where models answer: what is asked for is there or an error, and answers follow the model."""

from __future__ import annotations

import pytest
import torch
from helpers import random_clip, trained_model

from ups.cli import main
from ups.inference.predictor import Predictor
from ups.runtime.device import choose_device
from ups.skeletons import H36M_17


def test_the_first_accelerator_is_taken_and_the_processor_where_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    assert choose_device() == choose_device("cpu") == torch.device("cpu")
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 2)
    assert choose_device() == torch.device("cuda") and choose_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ValueError, match="'cuda:2' is not there; PyTorch finds 2 of cuda"):
        choose_device("cuda:2")


def test_what_is_not_there_is_named(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    with pytest.raises(ValueError, match="none but cpu"):
        choose_device("cuda")
    with pytest.raises(ValueError, match="cuda:NUMBER is needed"):
        choose_device("gpu 1")
    assert main(["evaluate", "ups-small", "--stores", str(tmp_path), "--device", "cuda"]) == 2
    assert "is not there" in capsys.readouterr().err


def test_a_predictor_moves_its_model_and_answers_as_before():
    trained, clip = trained_model(), random_clip(H36M_17)
    plain = Predictor(trained).recognize(clip).probabilities
    assert Predictor(trained, device=torch.device("cpu")).recognize(clip).probabilities == plain
    assert Predictor(trained, device=torch.device("meta")).device.type == "meta"
