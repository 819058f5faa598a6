"""What writes files and folders, on inputs that take a second: what stands there before, what is run, what is whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

INPUTS, TARGET = "inputs", "target"
STEPS = 3
"""Of the run that is killed, which begins at the second."""


@dataclass(frozen=True)
class Operation:
    """One writer.

    Attributes:
        prepare: makes INPUTS and an older TARGET in an empty folder.
        run: does the work, in such a folder, in a process of its own.
        whole: raises whatever it does unless what stands at TARGET can be used; called before the files are compared.
        steps: of a training that goes on: what `whole` returns may be any number from the older one's on.
    """

    prepare: Callable[[Path], None]
    run: Callable[[Path], object]
    whole: Callable[[Path], object]
    steps: bool = False


def tree(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder, or of the file itself."""
    files = [folder] if folder.is_file() else sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


# Files alone


def _write(folder: Path, content: str) -> None:
    from ups.files import new_folder, write_whole

    with new_folder(folder / TARGET / "thing", "a thing", "mark") as part:
        (part / "mark").write_text(content * 1000)
        (part / "more").mkdir()
        (part / "more" / "file").write_text(content)
    write_whole(folder / TARGET / "file", content.encode() * 1000)


def _whole_files(folder: Path) -> None:
    from ups.files import put_back

    put_back(folder / TARGET / "thing")
    content = (folder / TARGET / "thing" / "mark").read_text()[:3]
    assert (folder / TARGET / "thing" / "mark").read_text() == content * 1000, "a folder of two versions"
    assert (folder / TARGET / "thing" / "more" / "file").read_text() == content, "a folder of two versions"
    content = (folder / TARGET / "file").read_text()[:3]
    assert (folder / TARGET / "file").read_text() == content * 1000


# Stores


def _recordings(folder: Path, count: int) -> None:
    import struct

    import numpy as np

    (folder / INPUTS / "Skeleton").mkdir(parents=True, exist_ok=True)
    for n in range(1, count + 1):
        data = np.random.default_rng(n).normal(size=(20, 3, 4)).astype("<f8").tobytes(order="F")
        body = struct.pack("<4I2I3i4x2I6s2x2I", 6, 8, 6, 0, 5, 12, 20, 3, 4, 1, 6, b"d_skel", 9, len(data)) + data
        path = folder / INPUTS / "Skeleton" / f"a{n}_s{n}_t1_skeleton.mat"
        path.write_bytes(bytes(126) + b"IM" + struct.pack("<2I", 14, len(body)) + body)


def _old_store(folder: Path) -> None:
    _recordings(folder, 2)
    _prepare(folder)
    _recordings(folder, 5)


def _prepare(folder: Path) -> None:
    from ups.data.store.prepare import prepare

    prepare("utd_mhad", folder / INPUTS, folder / TARGET)


def _shards(folder: Path) -> None:
    from ups.data.store.prepare import prepare

    _old_store(folder)
    for i in (1, 2):
        prepare("utd_mhad", folder / INPUTS, folder / INPUTS / f"shard{i}", (i, 2))


def _merge(folder: Path) -> None:
    from ups.data.store.merge import merge

    merge([folder / INPUTS / f"shard{i}" for i in (1, 2)], folder / TARGET)


def _whole_store(folder: Path) -> None:
    from ups.data.store.store import Store

    store = Store.open(folder / TARGET)
    store.verify()


# Models


def _model(folder: Path, seed: int = 0, scale: float = 1.0) -> None:
    from helpers import trained_model

    from ups.checkpoint.io import save

    trained = trained_model(seed=seed)
    save(trained, folder, {name: value * scale for name, value in trained.model.state_dict().items()})


def _packed(folder: Path) -> None:
    _model(folder / INPUTS / "one", 1)
    _model(folder / INPUTS / "two", 1, scale=1.5)
    _model(folder / TARGET, 3)


def _pack(folder: Path) -> None:
    from ups.checkpoint.io import pack

    pack([folder / INPUTS / "one", folder / INPUTS / "two"], folder / TARGET)


def _whole_model(folder: Path) -> None:
    from ups.checkpoint.io import load

    load(folder / TARGET)


def _exported(folder: Path) -> None:
    _model(folder / INPUTS / "one", 1)
    _export(folder)
    _model(folder / INPUTS / "one", 2)


def _export(folder: Path) -> None:
    from ups.checkpoint.io import load
    from ups.inference.export import export

    export(load(folder / INPUTS / "one"), "recognize_3d", folder / TARGET)


def _whole_export(folder: Path) -> None:
    from ups.inference.onnx import OnnxPredictor

    OnnxPredictor(folder / TARGET, threads=1)


def _begun(folder: Path) -> None:
    from helpers import synthetic_stores

    synthetic_stores(folder / INPUTS, 8)
    _train(folder, stop_after=1)


def _train(folder: Path, stop_after: int | None = None) -> None:
    from helpers import MIXES, TRAIN, trained_model

    from ups.data.store.store import Store
    from ups.errors import SettingError
    from ups.training.loop import train

    stores = {name: Store.open(folder / INPUTS / name) for name in ("synthetic_2d", "synthetic_3d")}
    if _finished(folder):  # a finished model is not trained again
        with suppress(SettingError):
            train(trained_model(TRAIN), stores, folder / TARGET)
            raise AssertionError("a finished run began anew")
        return
    config = replace(TRAIN, tasks=MIXES[1:2], cycles=STEPS, checkpoint_minutes=0)
    train(trained_model(config), stores, folder / TARGET, stop_after)


def _finished(folder: Path) -> bool:
    from ups.checkpoint.io import load_training

    return (folder / TARGET / "checkpoint").is_dir() and load_training(folder / TARGET / "checkpoint") is None


def _whole_run(folder: Path) -> int:
    """The step of its checkpoint; its log and the entry of the first one, which is never written again, are there."""
    from ups.checkpoint.io import load, load_training
    from ups.training.progress import read_log

    trained, state = load(folder / TARGET / "checkpoint"), load_training(folder / TARGET / "checkpoint")
    assert trained.steps == (state["facts"]["step"] if state else STEPS), "a checkpoint of two steps"
    assert [entry["step"] for entry in read_log(folder / TARGET)][:1] == [1], "a log that began anew"
    return trained.steps


def _measured(folder: Path) -> None:
    from helpers import synthetic_stores

    synthetic_stores(folder / INPUTS, 8)
    _model(folder / INPUTS / "one", 1)
    _evaluate(folder)
    _model(folder / INPUTS / "one", 2)


def _evaluate(folder: Path) -> None:
    from ups.cli.train import Evaluate

    files = {"output": folder / TARGET / "metrics.json", "scores": folder / TARGET / "scores.npz"}
    Evaluate(folder / INPUTS / "one", folder / INPUTS, tasks=("recognize_2d",), **files).run()


def _whole_figures(folder: Path) -> None:
    from ups.evaluation.fusion import read_scores

    assert json.loads((folder / TARGET / "metrics.json").read_text())["results"]
    assert (folder / TARGET / "metrics.html").read_text().rstrip().endswith("</html>")
    assert read_scores(folder / TARGET / "scores.npz")


OPERATIONS = {
    "files": Operation(lambda folder: _write(folder, "old"), lambda folder: _write(folder, "new"), _whole_files),
    "prepare": Operation(_old_store, _prepare, _whole_store),
    "merge": Operation(_shards, _merge, _whole_store),
    "train": Operation(_begun, _train, _whole_run, steps=True),
    "pack": Operation(_packed, _pack, _whole_model),
    "evaluate": Operation(_measured, _evaluate, _whole_figures),
    "export": Operation(_exported, _export, _whole_export),
}
