"""Some dozens of damaged and hostile inputs of every kind: an answer or an error of ours, soon, in little memory."""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz import drawn
from fuzz.flips import flip
from fuzz.kinds import KINDS
from fuzz.own import BASES, MODELS, make_base
from fuzz.run import SLOW, fuzz, mutant

MUTANTS = 30
NEEDED = {"c3d": "ezc3d", "hdf5": "h5py", "export": "onnxscript"}
FAST = [kind for kind in KINDS if not KINDS[kind].slow and kind not in MODELS]
OWN = ["c3d", "checkpoint", "stream", "push"]


def check(kinds: list[str], count: int) -> None:
    for kind in kinds:
        if kind in NEEDED:
            pytest.importorskip(NEEDED[kind])
    results = fuzz(kinds, count)
    assert [f"{kind} {fault}" for kind, result in results.items() for fault in result.faults] == []
    for kind, result in results.items():
        assert result.read + result.refused == count, kind
        assert count < MUTANTS or (result.read > 0 and result.refused > 0), kind


def test_mutants_end_in_a_value_or_an_error_of_ours() -> None:
    check(FAST, MUTANTS)


def test_models_and_streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BASES, str(tmp_path))
    make_base("checkpoint", tmp_path / "checkpoint")
    check(OWN, MUTANTS // SLOW)


def test_what_is_drawn_is_whole_and_holds_every_name() -> None:
    check(list(drawn.KINDS), 8)


@pytest.mark.slow
def test_more_models_and_exports() -> None:
    check([*OWN, "export", "figures", "scores"], 200)


def test_mutants_are_the_same_every_time() -> None:
    assert all(mutant(kind, 7) == mutant(kind, 7) != mutant(kind, 8) for kind in FAST)


def test_no_changed_byte_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BASES, str(tmp_path))
    make_base("checkpoint", tmp_path / "checkpoint")
    for kind, count in (("store", 100), ("checkpoint", 12)):
        outcomes, silent = flip(kind, count)
        assert silent == [] and outcomes["seen"] > count // 2 and outcomes.total() == count


@pytest.mark.slow
def test_no_changed_byte_of_an_export_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxscript")
    monkeypatch.setenv(BASES, str(tmp_path))
    make_base("export", tmp_path / "export")
    assert flip("export", 100)[1] == []
