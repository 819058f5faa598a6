"""Damaged and hostile files, made from a seed, and what the readers do with them.

`python tests/fuzz/mutants.py 10000` reads that many of every kind and prints a table; `make fuzz` does so. Readers run in
a process of their own, so that a crash is seen, which goes on after the mutant that ended it.
"""

from __future__ import annotations

import io
import json
import pickle
import pickletools
import random
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

SECONDS, MEGABYTES = 10, 1000
"""What one file may take."""
_ROOM = 4 << 30
"""Bytes of address space of a reading process: what takes more is a MemoryError there, and no trouble elsewhere."""


# Making


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


def _poses(rng: random.Random, *shape: int) -> np.ndarray:
    return np.random.default_rng(rng.randrange(99)).normal(size=shape).round(3)


def _annotations(rng: random.Random) -> dict[str, Any]:
    clips = [
        {
            "frame_dir": f"c{n}",
            "label": n,
            "total_frames": 3,
            "img_shape": (240, 320),
            "keypoint": _poses(rng, 1, 3, 17, 2).astype(rng.choice(["f2", "f4"])),
            "keypoint_score": np.ones((1, 3, 17), "f2"),
        }
        for n in range(2)
    ]
    return {"split": {"xsub_train": ["c0"], "xsub_val": ["c1"]}, "annotations": clips}


def _operations(rng: random.Random, data: bytes) -> bytes:
    """Instructions of a pickle left out, repeated, exchanged, or others put in."""
    starts = [place for _, _, place in pickletools.genops(data) if place is not None] + [len(data)]
    parts = [data[a:b] for a, b in zip(starts, starts[1:], strict=False)]
    for _ in range(rng.choice([1, 1, 2, 4])):
        at, what = rng.randrange(len(parts)), rng.randrange(5)
        if what == 0:
            parts[at] = b""
        elif what == 1:
            parts[at] *= rng.choice([2, 3, 200])
        elif what == 2:
            other = rng.randrange(len(parts))
            parts[at], parts[other] = parts[other], parts[at]
        elif what == 3:
            parts[at] += rng.choice(
                [b"(", b"]", b"}", b"t", b"R", b"b", b"N", b"0", b"2", b"1", b"a", b"s", b"Q", b"."]
            )
        else:
            parts[at] += rng.choice([b"h", b"q", b"K"]) + bytes([rng.randrange(30)])
    return b"".join(parts)


def _bytes(rng: random.Random, content: bytes) -> bytes:
    """Bytes changed, lost, added or repeated, or the end cut off; in text, other numbers."""
    data = bytearray(content)
    for _ in range(rng.choice([0, 1, 1, 1, 2, 4])):
        at, what = rng.randrange(len(data) + 1), rng.randrange(9)
        if what == 0:
            data[at : at + rng.randint(1, 30)] = b""
        elif what == 1:
            data[at:at] = rng.randbytes(rng.randint(1, 8))
        elif what == 2:
            data[at : at + 1] = rng.randbytes(1)
        elif what == 3:
            data[at:at] = data[at : at + rng.randint(1, 60)] * rng.choice([1, 2, 500])
        elif what == 4:
            data[at : at + 1] = rng.choice([b"9", b"e", b"-", b".", b",", b" ", b"\n", b"[", b"{", b'"', b"_", b"\0"])
        elif what == 5:
            data[at:at] = rng.choice(_ABSURD)
        elif what == 6 and len(data) - at >= 4:
            data[at : at + 4] = struct.pack("<I", rng.choice([0, 1, 2**31 - 1, 2**31, 2**32 - 1, len(data)]))
        elif what == 7:
            data[at : at + 1] = rng.choice(b"0123456789").to_bytes(1, "big")
        elif rng.random() < 0.3:
            del data[at:]
    return bytes(data)


_ABSURD = (
    b"1e400",
    b"9" * 25,
    b"9" * 5000,
    b"nan",
    b"null",
    b"1e39",
    b"1e30",
    b"[" * 9999,
    b"Infinity",
    b"[]",
    b"\\ud800",
)


def _npy(value: Any) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(value), allow_pickle=True)
    return buffer.getvalue()


def _zip(rng: random.Random, files: dict[str, bytes], change: Callable[[random.Random, bytes], bytes]) -> bytes:
    """A zip in which one file was changed before it was packed, or the whole after."""
    inside = rng.random() < 0.6
    if inside:
        chosen = rng.choice(list(files))
        files = {**files, chosen: change(rng, files[chosen])}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue() if inside else _bytes(rng, buffer.getvalue())


def _mat(rng: random.Random, name: str, value: np.ndarray) -> bytes:
    data = value.astype("<f8").tobytes(order="F")
    shape = struct.pack(f"<{value.ndim}i", *value.shape)
    shape = struct.pack("<2I", 5, len(shape)) + shape + bytes(-len(shape) % 8)
    label = struct.pack("<2I", 1, len(name)) + name.encode() + bytes(-len(name) % 8)
    body = struct.pack("<4I", 6, 8, 6, 0) + shape + label + struct.pack("<2I", 9, len(data)) + data
    element = struct.pack("<2I", 14, len(body)) + body
    inside = rng.random() < 0.7
    element = _bytes(rng, element) if inside else element
    for _ in range(rng.choice([0, 0, 0, 1, 1, 1, 2])):
        packed = zlib.compress(element)
        element = struct.pack("<2I", 15, len(packed)) + packed
    content = bytes(126) + b"IM" + element
    return content if inside else content[:126] + _bytes(rng, content[126:])


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
    return rng.choice([_bytes, _operations, _operations])(rng, data)


def make_npz(rng: random.Random) -> bytes:
    fields = {"joints": _poses(rng, 1, 4, 17, 2), "skeleton": "coco-17", "fps": 30.0, "image_size": [320, 240]}
    return _zip(rng, {f"{key}.npy": _npy(value) for key, value in fields.items()}, _bytes)


def make_videopose3d(rng: random.Random) -> bytes:
    """3D poses; `read_videopose3d_mutant` writes the 2D ones beside them."""
    lie = rng.random() < 0.3
    takes: dict[str, Any] = {"Box 1 chunk0": _lying_array(rng) if lie else _poses(rng, 4, 15, 3)}
    content = _npy(np.array({"Train/S1": takes}, dtype=object))
    return _zip(rng, {"positions_3d.npy": content}, rng.choice([_bytes, _npy_operations]))


def _npy_operations(rng: random.Random, content: bytes) -> bytes:
    start = content.index(b"\n") + 1
    return content[:start] + _operations(rng, content[start:])


def make_csv(rng: random.Random) -> bytes:
    names = ("nose", "left_hip", "right_hip", "left_wrist")
    head = ["frame", "person", *(f"{name}_{axis}" for name in names for axis in "xyz")]
    rows = [[str(n // 2), str(n % 2), *(f"{v:.3f}" for v in _poses(rng, 12))] for n in range(8)]
    return _bytes(rng, ("# space = world\n# fps = 25\n" + "\n".join(",".join(row) for row in [head, *rows])).encode())


def make_json(rng: random.Random) -> bytes:
    fields = {"joints": _poses(rng, 3, 17, 2).tolist(), "skeleton": "coco-17", "fps": 30.0, "image_size": [320, 240]}
    return _bytes(rng, json.dumps(fields).encode())


def make_coco(rng: random.Random) -> bytes:
    points = [[*np.abs(point).tolist(), 0.9] for point in _poses(rng, 17, 2) * 100]
    results = [{"image_id": n, "category_id": 1, "keypoints": sum(points, []), "score": 0.9} for n in (1, 2, 2)]
    images = [{"id": n, "width": 320, "height": 240} for n in (1, 2)]
    return _bytes(rng, json.dumps({"images": images, "annotations": results}).encode())


def make_bvh(rng: random.Random) -> bytes:
    turns = "Zrotation Xrotation Yrotation"
    leg = "JOINT {0}UpLeg {{ OFFSET 1 0 0 CHANNELS 3 " + turns + " JOINT {0}Leg {{ OFFSET 0 -42 0 CHANNELS 3 " + turns
    leg += " End Site {{ OFFSET 0 -40 0 }} }} }}"
    head = "HIERARCHY\nROOT Hips\n{\nOFFSET 0 0 0\nCHANNELS 6 Xposition Yposition Zposition " + turns
    rows = "\n".join(" ".join(f"{v:.2f}" for v in row) for row in _poses(rng, 4, 18) * 30)
    text = f"{head}\n{leg.format('Left')}\n{leg.format('Right')}\n}}\nMOTION\nFrames: 4\nFrame Time: 0.04\n{rows}\n"
    return _bytes(rng, text.encode())


def make_archive(rng: random.Random) -> bytes:
    recording = _mat(random.Random(1), "d_skel", _poses(rng, 20, 3, 4))
    return _zip(rng, {f"Skeleton/a1_s{n}_t1_skeleton.mat": recording for n in (1, 2)}, _bytes)


# Reading


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


def _read_archive(path: Path) -> object:
    from ups.data.datasets import utd_mhad

    return list(utd_mhad.read(path))


def _read_file(path: Path) -> object:
    from ups.data.open_file import read_file

    return read_file(path)


KINDS: dict[str, tuple[str, Callable[[random.Random], bytes], Callable[[Path], object]]] = {
    "dtype states": ("a.pkl", make_dtype_states, _read_pickle),
    "pickle": ("a.pkl", make_pickle, _read_pickle),
    "pyskl": ("a.pkl", make_pyskl, _read_pyskl),
    "videopose3d": ("data_3d_humaneva15.npz", make_videopose3d, _read_videopose3d),
    "npz": ("a.npz", make_npz, _read_file),
    "mat": ("a1_s1_t1_skeleton.mat", lambda rng: _mat(rng, "d_skel", _poses(rng, 20, 3, 4)), _read_file),
    "csv": ("a.csv", make_csv, _read_file),
    "json": ("a.json", make_json, _read_file),
    "coco": ("a.json", make_coco, _read_file),
    "bvh": ("a.bvh", make_bvh, _read_file),
    "zip": ("utd_mhad.zip", make_archive, _read_archive),
}
"""Kind -> name of the file, what makes a mutant, what reads it."""


# Running


@dataclass
class Result:
    """What became of the mutants of one kind; crashes, hangs and so on are listed by number."""

    read: int = 0
    refused: int = 0
    crashes: list[str] = field(default_factory=list)
    tracebacks: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)
    large: list[str] = field(default_factory=list)
    slowest: float = 0.0
    megabytes: float = 0.0

    @property
    def faults(self) -> list[str]:
        return [*self.crashes, *self.tracebacks, *self.hangs, *self.large]


class _Hang(BaseException):
    pass


def _ring(*_: object) -> None:
    raise _Hang


def mutant(kind: str, number: int) -> bytes:
    """The same for the same numbers, on every machine."""
    return KINDS[kind][1](random.Random(f"{kind} {number}"))


def read_mutants(kind: str, first: int, last: int, folder: Path) -> None:
    """Reads mutants one after another; `number` in the folder says which is being read, `result` what came of them."""
    from ups.errors import DataError

    resource.setrlimit(resource.RLIMIT_AS, (_ROOM, _ROOM))
    signal.signal(signal.SIGALRM, _ring)
    name, _, read = KINDS[kind]
    result = Result()
    for number in range(first, last):
        (folder / "number").write_text(str(number))
        (folder / name).write_bytes(mutant(kind, number))
        start = time.monotonic()
        try:
            signal.alarm(SECONDS)
            read(folder / name)
            result.read += 1
        except (DataError, OSError):
            result.refused += 1
        except _Hang:
            result.hangs.append(f"{number}: over {SECONDS} s")
        except BaseException as error:
            result.tracebacks.append(f"{number}: {type(error).__name__}: {str(error)[:80]!a}")
        finally:
            signal.alarm(0)
        result.slowest = max(result.slowest, time.monotonic() - start)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
        if peak > MEGABYTES >= result.megabytes:  # the peak never falls; the first to exceed it is named
            result.large.append(f"{number}: {peak:.0f} MB")
        result.megabytes = peak
        (folder / "result").write_text(json.dumps(asdict(result)))


def fuzz(kind: str, count: int, first: int = 0) -> Result:
    """The first `count` mutants of a kind, read by another process, and by one more after each that ends it."""
    total, at, last = Result(), first, first + count
    while at < last:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "number").write_text(str(at))
            (folder / "result").write_text(json.dumps(asdict(Result())))
            command = [sys.executable, __file__, kind, str(at), str(last), name]
            child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            seen, message = -1, ""
            while child.poll() is None:
                try:
                    message = child.communicate(timeout=3 * SECONDS)[1]
                except subprocess.TimeoutExpired:
                    number = int((folder / "number").read_text() or seen)
                    if number == seen:  # the alarm did not wake it
                        child.kill()
                    seen = number
            at = last if child.returncode == 0 else int((folder / "number").read_text()) + 1
            part = Result(**json.loads((folder / "result").read_text()))
            if child.returncode == -signal.SIGKILL:
                part.hangs.append(f"{at - 1}: killed")
            elif child.returncode:
                part.crashes.append(f"{at - 1}: ended with {child.returncode} {message.strip()[-200:]}")
            for key, value in asdict(part).items():
                old = getattr(total, key)
                setattr(total, key, max(old, value) if isinstance(value, float) else old + value)
    return total


def main(count: int) -> int:
    """Prints a line for every kind; 1 if there was any fault."""
    head = ("reader", "mutants", "read", "refused", "crashes", "tracebacks", f">{SECONDS}s", f">{MEGABYTES}MB")
    print(("{:13}" + "{:>11}" * 7 + "{:>10}{:>8}").format(*head, "slowest", "peak"), flush=True)
    faults = []
    for kind in KINDS:
        r = fuzz(kind, count)
        numbers = (count, r.read, r.refused, *(len(x) for x in (r.crashes, r.tracebacks, r.hangs, r.large)))
        print(
            ("{:13}" + "{:11}" * 7 + "{:8.2f} s{:5.0f} MB").format(kind, *numbers, r.slowest, r.megabytes), flush=True
        )
        faults += [f"{kind} {fault}" for fault in r.faults]
    print("\n".join(faults[:50]))
    return bool(faults)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        sys.exit(main(int(sys.argv[1])))
    read_mutants(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
