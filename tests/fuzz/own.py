"""What the project writes itself: stores, checkpoints, exported models; and lines of a stream.

Half of the mutants of folders are damage, which checksums show. The others are forged: after the change sizes, checksums
and hashes are made right again, as whoever makes such a folder on purpose can do.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import os
import random
import struct
import sys
import tempfile
import zlib
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from fuzz.mutate import Kind, change_bytes, change_json, change_one, change_text_of, change_zip, poses

BASES = "UPS_FUZZ_BASES"
"""Environment variable: a folder where `make_base` has written the models that are changed."""
MODELS = {"checkpoint": "checkpoint", "export": "export", "figures": "figures", "scores": "figures"}
"""Kind -> which of them it changes."""
CLASSES = ("bow", "kick", "swipe left", "swipe right")


def _files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# Stores


@lru_cache
def store_files() -> dict[str, bytes]:
    from ups.data.store.store import StoreWriter
    from ups.pose import pose_sequence
    from ups.skeletons import COCO_17

    with tempfile.TemporaryDirectory() as folder:
        with StoreWriter(Path(folder, "s"), "s", COCO_17, "image", CLASSES, ("xsub",)) as writer:
            for n in range(3):
                joints = np.abs(poses(random.Random(n), 1 + n % 2, 3, 17, 2)) * 99
                clip = pose_sequence(joints, COCO_17, space="image", fps=30, image_size=(640, 480), id=f"c{n}")
                writer.add(replace(clip, label=n), {"xsub": "train" if n else "test"})
        return _files(Path(folder, "s"))


def make_store(rng: random.Random) -> dict[str, bytes]:
    files = store_files()
    if rng.random() < 0.4:
        return change_one(rng, files, change_bytes)
    facts = json.loads(files["store.json"])
    what = rng.random()
    if what < 0.5:
        facts = change_json(rng, facts)
    elif what < 0.8:
        files = {**files, "clips.npz": _zip_of(rng, files["clips.npz"])}
    else:
        files = change_one(rng, {n: c for n, c in files.items() if n != "store.json"}, change_bytes)
    with contextlib.suppress(AttributeError, TypeError, ValueError):  # where the change left nothing to forge
        written = {name: content for name, content in files.items() if name != "store.json"}
        if what >= 0.5:
            facts["files"] = {name: len(content) for name, content in written.items()}
            facts["checksums"] = {name: f"{zlib.crc32(content):08x}" for name, content in written.items()}
        facts.pop("checksum", None)
        facts["checksum"] = f"{zlib.crc32(json.dumps(facts, sort_keys=True).encode()):08x}"
    return {**files, "store.json": json.dumps(facts).encode(errors="surrogatepass")}


def _zip_of(rng: random.Random, content: bytes) -> bytes:
    import zipfile

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    return change_zip(rng, files, change_bytes)


def _read_store(path: Path) -> object:
    from ups.data.checks.store_info import info
    from ups.data.store.store import Store

    store = Store.open(path)
    store.verify()
    return [store.fingerprint, [store[i] for i in range(len(store))], info(store)]


# Models


def make_base(kind: str, folder: Path) -> None:
    """Write a trained model of a few thousand weights, "checkpoint", one task of it as exported, "export", or "figures"."""
    from helpers import synthetic_stores, trained_model

    from ups.checkpoint.io import save
    from ups.cli.train import Evaluate
    from ups.inference.export import export

    trained = trained_model()
    if kind == "export":
        export(trained, "recognize_2d", folder)
        return
    if kind == "figures":
        with tempfile.TemporaryDirectory() as place:
            make_base("checkpoint", Path(place, "m"))
            synthetic_stores(Path(place), 8)
            output = {"output": folder / "metrics.json", "scores": folder / "scores.npz"}
            Evaluate(Path(place, "m"), Path(place), **output).run()
        return
    tensors = {f"model.{name}": value for name, value in trained.model.state_dict().items()}
    save(trained, folder, trained.model.state_dict(), {"tensors": tensors, "facts": {"step": 3}})


@lru_cache
def base(kind: str) -> dict[str, bytes]:
    return _files(Path(os.environ[BASES], kind))


def _forge(facts: Any, files: dict[str, bytes]) -> bytes:
    """model.json with the hashes of what is there."""
    with contextlib.suppress(AttributeError, TypeError, ValueError):
        facts = {key: value for key, value in facts.items() if key != "hashes"}
        hashes = {name: hashlib.sha256(c).hexdigest() for name, c in sorted(files.items()) if name != "model.json"}
        whole = json.dumps({**facts, "hashes": hashes}, sort_keys=True).encode()
        facts = {**facts, "hashes": {**hashes, "facts": hashlib.sha256(whole).hexdigest()}}
    return json.dumps(facts).encode(errors="surrogatepass")


def _change_safetensors(rng: random.Random, content: bytes) -> bytes:
    """The header's shapes, kinds, places or length; or what follows it."""
    (size,) = struct.unpack("<Q", content[:8])
    header, body = json.loads(content[8 : 8 + size]), content[8 + size :]
    what = rng.randrange(4)
    if what == 0:
        return change_bytes(rng, content)
    if what == 1:
        length = rng.choice([0, 2**63, 2**40, len(content), size + 1])
        return struct.pack("<Q", length) + content[8:]
    if what == 2:  # a tensor of another shape and, sometimes, of as many bytes as that takes
        entry = header[rng.choice([key for key in header if key != "__metadata__"])]
        entry["shape"] = rng.choice(
            [[], [10**12], [2**62, 4], [0], [1] * 60, entry["shape"][::-1], [math.prod(entry["shape"])]]
        )
    else:
        header = change_json(rng, header)
    text = json.dumps(header).encode(errors="surrogatepass")
    return struct.pack("<Q", len(text)) + text + body


def _make_model(rng: random.Random, files: dict[str, bytes], change) -> dict[str, bytes]:
    """`change` changes a file that isn't model.json."""
    if rng.random() < 0.25:
        return change_one(rng, files, change_bytes)
    facts = json.loads(files["model.json"])
    if rng.random() < 0.6:
        facts = change_json(rng, facts)
    else:
        files = change_one(rng, {n: c for n, c in files.items() if n != "model.json"}, change)
    return {**files, "model.json": _forge(facts, files)}


def make_checkpoint(rng: random.Random) -> dict[str, bytes]:
    def change(rng: random.Random, content: bytes) -> bytes:
        return change_bytes(rng, content) if content[:1] == b"{" else _change_safetensors(rng, content)

    return _make_model(rng, base("checkpoint"), change)


def make_export(rng: random.Random) -> dict[str, bytes]:
    return _make_model(rng, base("export"), change_bytes)


def _clip() -> Any:
    from ups.pose import pose_sequence

    joints = np.abs(poses(random.Random(1), 1, 6, 17, 2)) * 99 + 100
    return pose_sequence(joints, "h36m-17", space="image", fps=30, image_size=(640, 480))


def _read_checkpoint(path: Path) -> object:
    from ups.checkpoint.describe import describe
    from ups.checkpoint.io import load, load_training
    from ups.inference.predictor import Predictor

    trained = load(path)
    load_training(path)
    predictor = Predictor(trained, "32-true")
    return describe(trained), predictor.recognize(_clip()), predictor.lift(_clip())


def _read_export(path: Path) -> object:
    from ups.inference.onnx import OnnxPredictor

    return OnnxPredictor(path, threads=1).recognize(_clip())


# Figures


def make_figures(rng: random.Random) -> bytes:
    return change_text_of(rng, json.loads(base("figures")["metrics.json"]))


def _read_figures(path: Path) -> object:
    from ups.cli.report import Report

    return Report((path,), path.with_name("report")).run()


def make_scores(rng: random.Random) -> bytes:
    return _zip_of(rng, base("figures")["scores.npz"])


def _read_scores(path: Path) -> object:
    from ups.evaluation.fusion import fuse

    return fuse([path, Path(os.environ[BASES], "figures", "scores.npz")])


# Streams


def make_stream(rng: random.Random) -> bytes:
    """Three to six lines: frames of a list, an object, people as OpenPose has them; one or two of them changed."""
    lines = []
    for _ in range(rng.randint(3, 6)):
        joints = (np.abs(poses(rng, 17, 2)) * 99 + 100).tolist()
        flat = [value for point in joints for value in (*point, 0.9)]
        value = rng.choice([joints, {"joints": joints, "visibility": [1.0] * 17}, {"people": [{"joints": joints}]},
                            {"people": [{"pose_keypoints_2d": flat}]}, {"joints": None}, [joints]])  # fmt: skip
        what = rng.random()
        text = json.dumps(change_json(rng, value) if what < 0.3 else value).encode(errors="surrogatepass")
        lines.append(change_bytes(rng, text) if 0.3 < what < 0.5 else text)
    return rng.choice([b"\n", b"\n", b"\r\n", b"\n\n"]).join(lines) + rng.choice([b"", b"\n"])


@lru_cache
def _predictor() -> Any:
    from helpers import trained_model

    from ups.inference.predictor import Predictor

    return Predictor(trained_model(), "32-true")


def _read_stream(path: Path) -> object:
    """What `ups stream` does: as many lines of JSON as there are lines with something in them, whatever they hold."""
    from ups.cli.stream import Stream
    from ups.errors import DataError

    content = path.read_bytes()
    stream = Stream(
        Path("-"), "h36m-17", image_size=(640, 480), tasks=("anticipate", "estimate_pose"), delay=3, stride=2
    )
    stream._model = lambda folder: _predictor()  # pyright: ignore[reportAttributeAccessIssue]
    kept, printed = sys.stdin, io.StringIO()
    sys.stdin = io.TextIOWrapper(io.BytesIO(content))
    failed = None
    try:
        with contextlib.redirect_stdout(printed):
            stream.run()
    except DataError as error:
        failed = error
    finally:
        sys.stdin = kept

    def refuse(value: str) -> None:
        raise AssertionError(f"{value} is no JSON")

    answers = [json.loads(line, parse_constant=refuse) for line in printed.getvalue().splitlines()]
    text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", errors="backslashreplace").read()
    assert len(answers) == sum(bool(line.strip()) for line in text.split("\n")), "a line has no answer"
    assert (failed is not None) == any("error" in answer for answer in answers)
    if failed:
        raise failed
    return answers


def make_push(rng: random.Random) -> bytes:
    return str(rng.randrange(2**60)).encode()


_VALUES = (
    None, [], {}, "x", 3, float("nan"), True, b"x", object(), [[1, 2]] * 17, [[1, 2], [3]], [None] * 17, np.zeros(0),
    np.full((17, 2), 1e30), np.full((17, 2), np.inf), np.full((1, 17, 2), 1e-320), np.zeros((17, 2), complex),
    np.full((17, 2), "x"), np.full((17, 2), None), np.full((17, 2), 10**30, object), np.zeros((17, 2), "M8[s]"),
    np.zeros((17, 2), bool), np.zeros((0, 17, 2)), np.zeros((2, 17, 2)), np.zeros((17, 3)), np.zeros(()),
    np.zeros((1,) * 30), np.ma.masked_all((17, 2)), np.zeros((17, 2), [("a", "f8")]), np.zeros((17, 2), "V8"),
    np.zeros((17,)), np.ones((17,)), np.full((17,), -5), np.full((1, 17), np.nan), np.full((17,), 200),
)  # fmt: skip


def _read_push(path: Path) -> object:
    from ups.inference.streaming import OnlinePredictor

    rng = random.Random(path.read_bytes())
    online = OnlinePredictor(_predictor(), "h36m-17", space="image", fps=30, image_size=(640, 480), delay=3, stride=2)
    good, found = np.abs(poses(rng, 17, 2)) * 99 + 100, []
    for _ in range(4):
        joints = rng.choice([good, good.astype(np.float32), good.tolist(), rng.choice(_VALUES)])
        before = online.frames
        try:
            online.push(joints, rng.choice([None, None, rng.choice(_VALUES)]))
            found.append([online.action(), online.pose()])
        finally:
            assert online.frames - before in (0, 1)
    return found


KINDS = {
    "store": Kind("store", make_store, _read_store),
    "checkpoint": Kind("checkpoint", make_checkpoint, _read_checkpoint, slow=True),
    "export": Kind("export", make_export, _read_export, slow=True),
    "figures": Kind("metrics.json", make_figures, _read_figures, slow=True),
    "scores": Kind("scores.npz", make_scores, _read_scores),
    "stream": Kind("lines", make_stream, _read_stream, slow=True),
    "push": Kind("seed", make_push, _read_push, slow=True),
}

if __name__ == "__main__":
    make_base(sys.argv[1], Path(sys.argv[2]))
