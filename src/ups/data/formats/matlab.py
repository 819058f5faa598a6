"""Variables of a MATLAB file: numbers and text of the format of versions 5 to 7, which the public data sets use.

Source: The MathWorks, "MAT-File Format". Every length is checked before it is used: SciPy's reader, which knows more
kinds of variables, can end the whole process on a damaged file.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np

from ups.errors import DataError

_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""Kind of the stored values -> type; a variable may be stored in a smaller type than its own."""
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_MATRIX, _COMPRESSED, _TEXT = 14, 15, 4
_HEAD = 128
MOST = 2**25
"""Bytes that the compressed elements of a file may unpack to, or 20 times the file's size if that is more; stored in
one byte each, their numbers take eight times the room."""


def load_mat(name: str, content: bytes) -> dict[str, np.ndarray]:
    """The variables of a MATLAB file by name: arrays of numbers, and text as an array of one string.

    Cells, structures, sparse and complex arrays are left out.

    Raises:
        DataError: names the file, if it is damaged or of version 4 or 7.3.
    """
    try:
        order = {b"IM": "<", b"MI": ">"}.get(content[126:128])
        if order is None or len(content) < _HEAD:
            raise DataError("it does not begin as a MATLAB file of version 5 to 7 does")
        return dict(_variables(content[_HEAD:], order))
    except (ValueError, IndexError, OverflowError, zlib.error, MemoryError, RecursionError) as error:
        raise DataError(f"{name}: not a readable MATLAB file ({error}); fetch it again") from error


def _variables(content: bytes, order: str, inside: bool = False) -> Iterator[tuple[str, np.ndarray]]:
    left = most = max(MOST, 20 * len(content))
    for kind, value in _elements(content, order):
        if kind == _COMPRESSED:  # not by zlib.decompress: files of Penn Action lack the checksum at the stream's end
            if inside:
                raise DataError("a compressed element lies in a compressed element")
            unpacker = zlib.decompressobj()
            unpacked = unpacker.decompress(value, left)
            left -= len(unpacked)
            if left <= 0:
                raise DataError(f"it unpacks to more than {most:,} bytes; save it uncompressed if you trust it")
            yield from _variables(unpacked, order, inside=True)
        elif kind == _MATRIX:
            yield from _variable(value, order)


def _elements(content: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """(kind, value) one after another. A value of up to four bytes may stand in the second half of its own head."""
    at = 0
    while at < len(content):
        kind, size = (int(v) for v in _array(content[at : at + 8], f"{order}u4", 2))
        start, room = at + 8, len(content) - at - 8
        if kind >> 16:
            kind, size, start, room = kind & 0xFFFF, kind >> 16, at + 4, 4
        if size > room:
            raise DataError(f"an element of {size} bytes where {room} are left; the file was cut off")
        yield kind, content[start : start + size]
        at = start + size if kind == _COMPRESSED else start + size + -(start + size) % 8


def _variable(content: bytes, order: str) -> Iterator[tuple[str, np.ndarray]]:
    parts = _elements(content, order)
    head = [value for _, value in (next(parts, (0, b"")) for _ in range(3))]
    flags = int(_array(head[0], f"{order}u4", 2)[0])
    kind, shape = flags & 0xFF, tuple(int(v) for v in _array(head[1], f"{order}i4"))
    name = head[2].decode("ascii")
    if flags & 0x800 or kind not in (*_CLASSES, _TEXT):
        return
    stored, value = next(parts, (0, b""))
    if min(shape, default=-1) < 0:
        raise DataError(f"{name} has shape {shape}")
    if kind == _TEXT:
        wide = "utf-16-le" if order == "<" else "utf-16-be"
        yield name, np.array([value.decode({4: wide, 16: "utf-8", 17: wide}.get(stored, "latin-1"))])
    elif stored in _NUMBERS:
        values = _array(value, order + _NUMBERS[stored])
        if len(values) != np.prod(shape, dtype=object):
            raise DataError(f"{name} has {len(values)} values, but shape {shape}")
        with np.errstate(invalid="ignore"):
            yield name, values.astype(_CLASSES[kind]).reshape(shape, order="F")
    else:
        raise DataError(f"{name} is stored as kind {stored}")


def _array(content: bytes, kind: str, count: int | None = None) -> np.ndarray:
    values = np.frombuffer(content, kind)
    if count is not None and len(values) != count:
        raise DataError(f"{len(values)} numbers where {count} are needed; the file was cut off")
    return values
