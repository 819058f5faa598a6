"""An installation without extras says what to install; and nothing heavy is imported before it is needed."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from ups.cli import main
from ups.errors import SettingError, extras_needed, lacking


@pytest.mark.parametrize(
    ("words", "package", "extra"),
    [
        (["serve", "ups-small"], "uvicorn", "serve"),
        (["batch", "x", "--model", "ups-small", "--output", "out"], "pyarrow", "batch"),
        (["batch", "x", "--model", "ups-small", "--output", "out", "--ray", "local"], "ray", "ray"),
        (["predict", "x.npz", "--model", "me/none"], "huggingface_hub", "hub"),
    ],
)
def test_what_is_lacking_is_named_with_its_extra(words, package, extra, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == package or name.startswith("ups.serving")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.startswith("ups.bulk")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    if words[0] == "predict":
        from helpers import random_clip

        from ups.data.formats.native import write_file

        write_file(random_clip(), tmp_path / "x.npz")
        words = [*words, "--force"]
    assert main(words) == 2
    told = capsys.readouterr().err
    assert f"unified-pose-sequence[{extra}]" in told and package in told and "Traceback" not in told


def test_training_is_an_extra():
    told = lacking(ModuleNotFoundError("no", name="lightning_fabric.strategies"))
    assert told is not None and "[train]" in told and lacking(ImportError("circle")) is None


def test_other_imports_fail_as_they_do():
    with pytest.raises(ModuleNotFoundError), extras_needed():
        import nobody_knows_this  # noqa: F401
    with pytest.raises(SettingError, match=r"\[ray\]"), extras_needed():
        raise ModuleNotFoundError("no", name="ray.data")


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        ("import ups", "numpy torch scipy tyro rich"),
        ("from ups.cli import main; main(['models', '--json'])", "torch scipy matplotlib fastapi pyarrow ray"),
        ("import ups.serving.client", "torch scipy numpy fastapi"),
    ],
)
def test_what_is_light_stays_light(code, heavy, tmp_path):
    """Each in a process of its own; the bound in seconds is for a machine with much else to do."""
    check = f"import sys; found = set({heavy.split()}) & set(sys.modules); assert not found, found"
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-c", f"{code}\n{check}"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - begun < 60
