"""Pickles and numpy archives: dtypes, shapes and content that lie, as PYSKL, VideoPose3D and the project's own files."""

from __future__ import annotations

import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
from fuzz.mutate import Kind, change_bytes, change_zip, npy, operations, poses


class Call:
    """Pickled as a call of a function with arguments, then a state."""

    def __init__(self, *how: Any) -> None:
        self.how = how

    def __reduce__(self) -> Any:
        return self.how


_BUILD = np.zeros(0).__reduce__()[0]
_KINDS = ("f8", "i4", "O8", "U3", "S2", "V4", "M8", "f4", "b1", "c16", "U0", "f2", "u8", "S999999", "i3")


def _lying_array(rng: random.Random) -> Call:
    """An array as numpy pickles it, of which the dtype's state, the shape and the content may lie, each sometimes."""
    number = lambda: rng.choice([-1, 0, 8, rng.randrange(-9, 99), 2**31, 2**63, 10**30])  # noqa: E731
    often = rng.choice([0.02, 0.1, 0.4])
    maybe = lambda value, *lies: rng.choice(lies) if rng.random() < often else value  # noqa: E731
    code = rng.choice(_KINDS) if rng.random() < 0.5 else "f8"
    objects = code.startswith("O")
    state = (
        maybe(3, 4, 1, number()),
        maybe("|" if objects else "<", ">", "|", "=", "x", None, 1),
        maybe(None, (np.dtype("f4"), (2,)), (np.dtype(object), (number(),))),
        maybe(None, ("a", "b"), ("a",)),
        maybe(None, {"a": (np.dtype("f4"), 0)}, {"a": (np.dtype(object), number())}),
        maybe(-1, number()),
        maybe(-1, number()),
        maybe(0x3F if objects else 0, 0x3F, 0xFF, rng.randrange(256), number()),
    )
    dtype = Call(np.dtype, (code, False, True), state[: maybe(8, *range(8))])
    shape = tuple(rng.randrange(4) for _ in range(rng.randrange(3)))
    size, item = int(np.prod(shape)), int(code[1:]) * (4 if code[0] == "U" else 1)
    content = [None] * size if objects else rng.randbytes(size * min(item, 99))
    content = maybe(content, rng.randbytes(rng.choice([0, 4, 8, 24])), [1, 2], [None], "abcd", None, 3.5)
    shape = maybe(shape, (number(),), (number(), 0), (1,) * 40, (2, 3), None)
    if rng.random() < 0.15:
        return Call(np.float64(1).__reduce__()[0], (dtype, content))
    start = (np.ndarray, maybe((0,), (number(),)), b"b")
    return Call(_BUILD, start, (1, shape, dtype, rng.random() < 0.5, content)[: maybe(5, 4, 2)])


def _annotations(rng: random.Random) -> dict[str, Any]:
    clips = [
        {
            "frame_dir": f"c{n}",
            "label": n,
            "total_frames": 3,
            "img_shape": (240, 320),
            "keypoint": poses(rng, 1, 3, 17, 2).astype(rng.choice(["f2", "f4"])),
            "keypoint_score": np.ones((1, 3, 17), "f2"),
        }
        for n in range(2)
    ]
    return {"split": {"xsub_train": ["c0"], "xsub_val": ["c1"]}, "annotations": clips}


def make_pickle(rng: random.Random) -> bytes:
    return _pickle(rng, {"x": [_lying_array(rng), np.arange(3)], "y": np.float32(2)})


def make_dtype_states(rng: random.Random) -> bytes:
    return pickle.dumps([_lying_array(rng) for _ in range(rng.randint(1, 3))], rng.randrange(2, 6))


def make_pyskl(rng: random.Random) -> bytes:
    value = _annotations(rng)
    if rng.random() < 0.3:
        value["annotations"][0]["keypoint"] = _lying_array(rng)
    return _pickle(rng, value)


def _pickle(rng: random.Random, value: Any) -> bytes:
    data = pickle.dumps(value, rng.randrange(2, 6))
    return rng.choice([change_bytes, operations, operations])(rng, data)


def make_npz(rng: random.Random) -> bytes:
    fields = {"joints": poses(rng, 1, 4, 17, 2), "skeleton": "coco-17", "fps": 30.0, "image_size": [320, 240]}
    return change_zip(rng, {f"{key}.npy": npy(value) for key, value in fields.items()}, change_bytes)


def make_videopose3d(rng: random.Random) -> bytes:
    """3D poses; `_read_videopose3d` writes the 2D ones beside them."""
    lie = rng.random() < 0.3
    takes: dict[str, Any] = {"Box 1 chunk0": _lying_array(rng) if lie else poses(rng, 4, 15, 3)}
    content = npy(np.array({"Train/S1": takes}, dtype=object))
    return change_zip(rng, {"positions_3d.npy": content}, rng.choice([change_bytes, _npy_operations]))


def _npy_operations(rng: random.Random, content: bytes) -> bytes:
    start = content.index(b"\n") + 1
    return content[:start] + operations(rng, content[start:])


def _read_pickle(path: Path) -> object:
    from ups.data.formats.safe_pickle import restricted_loads

    return repr(restricted_loads(path.read_bytes(), str(path)))


def _read_pyskl(path: Path) -> object:
    from ups.data.datasets.pyskl import pyskl_data_set

    return list(pyskl_data_set(path, "mine").read(path))


def _read_videopose3d(path: Path) -> object:
    from ups.data.datasets import humaneva

    flat = {"Train/S1": {"Box 1 chunk0": [np.ones((4, 15, 2), np.float32)] * 3}}
    np.savez(path.with_name(humaneva.POSES_2D), positions_2d=np.array(flat, dtype=object))  # pyright: ignore
    return list(humaneva.read(path.parent))


def read_recording(path: Path) -> object:
    from ups.data.open_file import read_file

    return read_file(path)


KINDS = {
    "dtype states": Kind("a.pkl", make_dtype_states, _read_pickle),
    "pickle": Kind("a.pkl", make_pickle, _read_pickle),
    "pyskl": Kind("a.pkl", make_pyskl, _read_pyskl),
    "videopose3d": Kind("data_3d_humaneva15.npz", make_videopose3d, _read_videopose3d),
    "npz": Kind("a.npz", make_npz, read_recording),
}
