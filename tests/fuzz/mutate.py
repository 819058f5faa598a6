"""Damage, made from a seed: of bytes, text, JSON, zip archives and pickles; what all generators of mutants share."""

from __future__ import annotations

import copy
import io
import json
import pickletools
import random
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Kind:
    """One kind of input.

    Attributes:
        name: of the file or folder that `read` is given; its ending says what it is to some readers.
        make: the content of a mutant, made of that generator alone: of a file, or of a folder's files by relative path.
        read: given the path; an error of ours, OSError or an answer is right, everything else a fault.
        slow: a mutant takes tens of milliseconds or a process of its own, so that fewer are tried.
    """

    name: str
    make: Callable[[random.Random], bytes | dict[str, bytes]]
    read: Callable[[Path], object]
    slow: bool = False


def poses(rng: random.Random, *shape: int) -> np.ndarray:
    return np.random.default_rng(rng.randrange(99)).normal(size=shape).round(3)


def npy(value: Any) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(value), allow_pickle=True)
    return buffer.getvalue()


def operations(rng: random.Random, data: bytes) -> bytes:
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


def change_bytes(rng: random.Random, content: bytes) -> bytes:
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
            data[at:at] = rng.choice(ABSURD)
        elif what == 6 and len(data) - at >= 4:
            data[at : at + 4] = struct.pack("<I", rng.choice([0, 1, 2**31 - 1, 2**31, 2**32 - 1, len(data)]))
        elif what == 7:
            data[at : at + 1] = rng.choice(b"0123456789").to_bytes(1, "big")
        elif rng.random() < 0.3:
            del data[at:]
    return bytes(data)


ABSURD = (
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


def change_zip(rng: random.Random, files: dict[str, bytes], change: Callable[[random.Random, bytes], bytes]) -> bytes:
    """A zip in which one file was changed before it was packed, or the whole after."""
    inside = rng.random() < 0.6
    if inside:
        chosen = rng.choice(list(files))
        files = {**files, chosen: change(rng, files[chosen])}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue() if inside else change_bytes(rng, buffer.getvalue())


_LEAVES = (
    None, True, 0, -1, 7, 2**31, 2**63, 10**12, 10**30, 1e30, 1e308, -1e-300, "", "x", "9", "a/../../b", "\x1b[31m", "[/b]",
    "\ud800", [], {}, [[]], {"a": 1}, [None], "x" * 5000,
)  # fmt: skip


def change_json(rng: random.Random, value: Any) -> Any:
    """A copy of plain JSON values in which one to three places are lost, repeated, exchanged or something absurd."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice([1, 1, 2, 3])):
        places = list(_places(value))
        if not places:
            break
        holder, key = rng.choice(places)
        what = rng.randrange(6)
        if what == 0:
            del holder[key]
        elif what == 1 and isinstance(holder, list):
            holder[key:key] = [copy.deepcopy(holder[key])] * rng.choice([1, 2, 50])
        elif what == 2:
            other, place = rng.choice(places)
            try:
                holder[key] = copy.deepcopy(other[place])
            except LookupError:
                pass
        elif what == 3 and isinstance(holder[key], int | float):
            holder[key] = holder[key] * rng.choice([-1, 0, 2, 10**6, 1e300]) + rng.choice([0, 1, -1, 0.5])
        else:
            holder[key] = copy.deepcopy(rng.choice(_LEAVES))
    return value


def _places(value: Any) -> Any:
    """(container, key) of everything in it."""
    if isinstance(value, list | dict):
        for key in list(range(len(value)) if isinstance(value, list) else value):
            yield value, key
            yield from _places(value[key])


def change_text_of(rng: random.Random, value: Any) -> bytes:
    """The text of JSON values in which a value, or else a byte, was changed."""
    if rng.random() < 0.5:
        value = change_json(rng, value)
        try:
            return json.dumps(value).encode()
        except ValueError:
            return b"[NaN]"
    return change_bytes(rng, json.dumps(value).encode())


def change_one(rng: random.Random, files: dict[str, bytes], change: Callable[[random.Random, bytes], bytes]) -> dict:
    """The files of a folder, one of them changed, lost or exchanged with another."""
    name, what = rng.choice(sorted(files)), rng.random()
    if what < 0.05:
        return {other: content for other, content in files.items() if other != name}
    if what < 0.1:
        other = rng.choice(sorted(files))
        return {**files, name: files[other], other: files[name]}
    return {**files, name: change(rng, files[name])}
