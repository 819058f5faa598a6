"""bfloat16 where the processor has it, float32 elsewhere; what a model answers in is said, and can be chosen."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import TRAIN, random_clip, synthetic_stores, trained_model

from ups.checkpoint.io import save
from ups.cli import main
from ups.data.datasets import synthetic
from ups.inference.predictor import Predictor
from ups.runtime.distributed import start
from ups.runtime.precision import computes_bfloat16, resolve_precision

CPU = torch.device("cpu")


@pytest.fixture
def processor(monkeypatch):
    """Pretends that the processor has these abilities."""
    return lambda **abilities: monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: abilities, raising=False)


@pytest.mark.parametrize("ability", ["avx512_bf16", "amx_bf16", "bf16"])
def test_auto_takes_bfloat16_where_the_processor_has_it(processor, monkeypatch, ability):
    processor(avx2=True, **{ability: True})
    assert computes_bfloat16(CPU) and resolve_precision("auto", CPU) == "bf16-mixed"
    processor(avx2=True, **{ability: False})
    assert not computes_bfloat16(CPU) and resolve_precision("auto", CPU) == "32-true"
    monkeypatch.delattr(torch.cpu, "get_capabilities")  # an older PyTorch can't tell
    assert resolve_precision("auto", CPU) == "32-true"
    assert resolve_precision("bf16-mixed", CPU) == "bf16-mixed" and resolve_precision("32-true", CPU) == "32-true"


@pytest.mark.parametrize("trained_in", ["auto", "bf16-mixed"])
def test_a_model_of_mixed_precision_answers_in_float32_where_bfloat16_is_worked_out_in_software(processor, trained_in):
    processor(avx2=True)
    mixed = trained_model(replace(TRAIN, precision=trained_in))
    answers, exact, rough = (
        p.class_scores("recognize_3d", [random_clip()], synthetic.CLASSES)
        for p in (Predictor(mixed), Predictor(trained_model()), Predictor(mixed, "bf16-mixed"))
    )
    assert np.array_equal(answers, exact) and not np.array_equal(answers, rough)
    processor(avx512_bf16=True)
    assert Predictor(mixed).precision == "bf16-mixed" and Predictor(mixed, "32-true").precision == "32-true"
    assert Predictor(trained_model()).precision == "32-true"


def test_training_warns_of_bfloat16_in_software(processor, caplog):
    with caplog.at_level(logging.WARNING, "ups"):
        processor(avx512_bf16=True)
        start("bf16-mixed")
        processor(avx2=True)
        assert start("auto")._precision.precision == "32-true"  # pyright: ignore[reportAttributeAccessIssue]
        assert not caplog.messages
        start("bf16-mixed")
    assert len(caplog.messages) == 1 and "many times slower" in caplog.text and "--train.precision auto" in caplog.text


def test_a_build_for_an_accelerator_that_is_not_there_counts_as_the_processor(processor, monkeypatch, caplog):
    """PyTorch's usual build names CUDA as its accelerator, whether there is one or not."""
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda *args, **kw: torch.device("cuda"))
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    processor(avx512_bf16=True)
    assert start("auto")._precision.precision == "bf16-mixed"  # pyright: ignore[reportAttributeAccessIssue]
    start("bf16-mixed")
    assert "many times slower" not in caplog.text


def test_an_evaluation_says_the_precision_of_its_answers(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("UPS_CACHE", str(tmp_path / "cache"))
    synthetic_stores(tmp_path / "stores")
    trained = trained_model()
    save(trained, tmp_path / "m" / "checkpoint", dict(trained.model.state_dict()))
    command = ["evaluate", str(tmp_path / "m" / "checkpoint"), "--stores", str(tmp_path / "stores")]
    record = tmp_path / "m" / "metrics.json"
    for given, told in (([], "32-true"), (["--precision", "bf16-mixed"], "bf16-mixed")):
        assert main([*command, "--tasks", "recognize_3d", *given]) == 0
        assert json.loads(record.read_text())["precision"] == told
