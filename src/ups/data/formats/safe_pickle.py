"""Pickled arrays, read without pickle: an interpreter of our own that knows arrays and plain containers only.

A pickle is a program. Python's unpickler runs it, and numpy's classes rebuild themselves from whatever state it hands
them, which crashes the interpreter where the state of a dtype lies about its flags. Here no class of a file's choosing
is ever called: a dtype is looked up by kind and size, an array is made from bytes of the length that its shape needs,
and objects come from lists alone. docs/security.md says what is admitted.
"""

from __future__ import annotations

import io
import math
import os
import pickletools
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ups.errors import DataError

T = TypeVar("T")

DEPTH = 64
"""Containers inside one another, at most."""
FREE, GROWTH = 1_000_000, 8
"""The containers of a pickle stand for at most FREE values and GROWTH more for each of its bytes, and so for the bytes
of its arrays. What is written plainly stays below; only parts that are named again and again come above."""
ELEMENTS = 2**31
"""Elements of an array, at most."""
LARGE, EXPANSION = 2**28, 100
"""What is read of an archive, if it unpacks to more than LARGE bytes, may be at most EXPANSION times its packed size."""

_SIZES = {"b": (1,), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8), "c": (8, 16), "O": (8,)}
"""Item sizes of each kind of dtype; text (S, U) may have any, see `_dtype`."""
_TEXT = 10_000
"""Characters of an item of text, at most."""
_KEYS = (str, bytes, int, float, np.integer, np.floating, np.bool_)
_CODECS = ("latin1", "latin-1", "ascii", "utf-8", "utf8")

_FUNCTIONS = {
    "numpy.ndarray": "array",
    "numpy.dtype": "dtype",
    "_codecs.encode": "encode",
    "builtins.bytes": "bytes",  # of nothing, as protocols 0 to 2 write empty bytes
    "__builtin__.bytes": "bytes",
    **{
        f"numpy.{core}.{module}.{name}": name
        for core in ("core", "_core")
        for module, name in (("multiarray", "_reconstruct"), ("multiarray", "scalar"), ("numeric", "_frombuffer"))
    },
}
"""What a pickle may ask for; the values are names of ours, not things that are called."""


class _Function(str):
    """One of `_FUNCTIONS`, on the stack."""


class _Unbuilt:
    """An array or a dtype whose state is still to come; `places` are the memo's entries for it."""

    def __init__(self, dtype: np.dtype | None) -> None:
        self.dtype = dtype
        self.places: list[int] = []


class _Refused(Exception):
    """What the pickle asks for is not admitted."""


def restricted_loads(data: bytes, name: str) -> object:
    """Rebuild numpy arrays, dicts, lists, tuples, strings, bytes and numbers of a pickle; nothing in it is run.

    Args:
        data: a pickle of any protocol; strings of Python 2 are read as latin-1.
        name: what to call the data in errors.

    Raises:
        DataError: the pickle asks for any other class or function (named in the message), or is damaged.
    """
    try:
        value = _Interpreter(data).run()
        _Extent(FREE + GROWTH * len(data)).measure(value, DEPTH)
        return value
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise DataError(
            f"{name}: not read: {str(error)[:200] or type(error).__name__}; only arrays, dicts, lists, strings and "
            "numbers are admitted in a pickle"
        ) from error


class _Interpreter:
    """The stack machine that a pickle is written for, with the instructions that plain data needs."""

    def __init__(self, data: bytes) -> None:
        self.file = io.BytesIO(data)
        self.left = FREE + GROWTH * len(data)  # bytes that may still be made of the file's
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> object:
        """The value that the pickle describes."""
        while True:
            code = self.file.read(1).decode("latin-1")
            if not code:
                raise _Refused("it ends too early")
            operation = pickletools.code2op.get(code)  # pyright: ignore[reportAttributeAccessIssue]
            if operation is None:
                raise _Refused(f"{code!r} is no instruction of a pickle")
            if operation.name == "STOP":
                return self.stack.pop()
            if operation.name == "STRING":
                argument: Any = pickletools.read_stringnl(self.file, decode=False)
                argument = argument.decode("latin-1") if isinstance(argument, bytes) else argument
            else:
                argument = operation.arg.reader(self.file) if operation.arg else None
            self._do(operation.name, argument)

    def _do(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _LITERALS:
            stack.append(argument)
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name in ("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"):
            self._remember(len(self.memo) if name == "MEMOIZE" else argument)
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif name == "MARK":
            self.marks.append(len(stack))
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            size = int(name[-1])
            stack[-size:] = [tuple(stack[-size:])]
        elif name in ("TUPLE", "LIST"):
            items = self._since_mark()
            stack.append(tuple(items) if name == "TUPLE" else items)
        elif name == "DICT":
            items = self._since_mark()
            stack.append({})
            self._set(items)
        elif name in ("APPEND", "APPENDS"):
            items = [stack.pop()] if name == "APPEND" else self._since_mark()
            _of_type(stack[-1], list).extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = [stack.pop(-2), stack.pop()] if name == "SETITEM" else self._since_mark()
            self._set(items)
        elif name == "GLOBAL":
            stack.append(_function(*argument.split(" ", 1)))
        elif name == "STACK_GLOBAL":
            stack[-2:] = [_function(*map(str, stack[-2:]))]
        elif name == "REDUCE":
            arguments = _of_type(stack.pop(), tuple)
            stack[-1] = self._made(_call(_of_type(stack[-1], _Function), arguments))
        elif name == "BUILD":
            self._build(stack.pop())
        elif name == "POP":
            stack.pop()
        elif name not in ("PROTO", "FRAME"):
            raise _Refused(f"it holds the instruction {name}")

    def _since_mark(self) -> list[Any]:
        mark = self.marks.pop()
        items = self.stack[mark:]
        del self.stack[mark:]
        return items

    def _set(self, items: list[Any]) -> None:
        target = _of_type(self.stack[-1], dict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, _KEYS) and key is not None:
                raise _Refused(f"a key of a dict is a {type(key).__name__}")
            if isinstance(key, int) and key.bit_length() > 60:  # from there on numbers share their hash, at will
                raise _Refused(f"a key of a dict is a number of {key.bit_length()} bits")
            target[key] = value

    def _remember(self, place: int) -> None:
        self.memo[place] = self.stack[-1]
        if isinstance(self.stack[-1], _Unbuilt):
            self.stack[-1].places.append(place)

    def _made(self, value: Any) -> Any:
        """`value`, its bytes counted: one piece of a file may be made into arrays again and again."""
        self.left -= value.nbytes if isinstance(value, np.ndarray) else len(value) if isinstance(value, bytes) else 0
        if self.left < 0:
            raise _Refused(f"its arrays and bytes take more than {GROWTH} times the room that the pickle takes")
        return value

    def _build(self, state: Any) -> None:
        unbuilt = _of_type(self.stack[-1], _Unbuilt)
        state = _of_type(state, tuple)
        if unbuilt.dtype is not None:  # (version, byte order, sub-array, names, fields, size, alignment, flags, ...)
            order = state[1]
            if order not in ("<", ">", "|", "=") or any(part is not None for part in state[2:5]):
                raise _Refused("a dtype is not one of plain numbers, text or objects")
            value: Any = unbuilt.dtype if order in ("|", "=") else unbuilt.dtype.newbyteorder(order)
            value = value.newbyteorder("=") if value.isnative else value
        else:  # (version, shape, dtype, is_fortran, data), without the version in old files
            shape, dtype, fortran, data = state[-4:]
            value = self._made(_array(shape, dtype, bool(fortran), data))
        self.stack[-1] = value
        for place in unbuilt.places:
            self.memo[place] = value


_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple}
_LITERALS = frozenset(
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES "
    "BINBYTES8 BYTEARRAY8 UNICODE SHORT_BINUNICODE BINUNICODE BINUNICODE8".split()
)


def _of_type(value: Any, kind: type[T]) -> T:
    if not isinstance(value, kind):
        raise _Refused(f"a {type(value).__name__} stands where a {kind.__name__.strip('_').lower()} is needed")
    return value


def _function(module: str, name: str) -> _Function:
    if f"{module}.{name}" not in _FUNCTIONS:
        raise _Refused(f"it asks for {f'{module}.{name}'[:80]}")
    return _Function(_FUNCTIONS[f"{module}.{name}"])


def _call(function: _Function, arguments: tuple[Any, ...]) -> Any:
    """What one of `_FUNCTIONS` makes of its arguments."""
    if function == "_reconstruct":
        if not isinstance(arguments[0], _Function) or arguments[0] != "array":
            raise _Refused("a kind of array other than numpy's own")
        return _Unbuilt(None)
    if function == "dtype":
        return _Unbuilt(_dtype(arguments[0]))
    if function == "scalar":
        dtype, data = arguments
        return _array((), dtype, False, data)[()]
    if function == "_frombuffer":
        data, dtype, shape, order = arguments
        return _array(shape, dtype, order == "F", data)
    if function == "bytes" and not arguments:
        return b""
    if function == "encode":
        text, codec = _of_type(arguments[0], str), arguments[1] if len(arguments) > 1 else "utf-8"
        if codec not in _CODECS:
            raise _Refused(f"text in the encoding {str(codec)[:40]!r}")
        return text.encode(codec)
    raise _Refused(f"it calls {function}")


def _dtype(code: Any) -> np.dtype:
    """The dtype of a code such as "f4", "U12" or "O8"."""
    found = re.fullmatch(r"([biufcOSU])(\d{1,6})", _of_type(code, str))
    if found is None:
        raise _Refused(f"a dtype {code[:20]!r}")
    kind, size = found[1], int(found[2])
    if size not in _SIZES[kind] if kind in _SIZES else not 0 < size <= _TEXT:
        raise _Refused(f"a dtype {code!r}")
    return np.dtype(object) if kind == "O" else np.dtype(f"{kind}{size}")


def _array(shape: Any, dtype: Any, fortran: bool, data: Any) -> np.ndarray:
    """An array of that shape; `data` are its bytes, or a list of its objects."""
    dtype = dtype.dtype if isinstance(dtype, _Unbuilt) else dtype
    dtype = _of_type(dtype, np.dtype)
    shape = tuple(_of_type(n, int) for n in _of_type(shape, tuple))
    if len(shape) > 32 or not all(0 <= n <= ELEMENTS for n in shape) or math.prod(shape) > ELEMENTS:
        sides = ", ".join(str(n) if abs(n) <= ELEMENTS else "..." for n in shape[:3])
        raise _Refused(f"an array of shape ({sides}{', ...' if len(shape) > 3 else ''})")
    size = math.prod(shape)
    order = "F" if fortran else "C"
    if dtype.hasobject:
        items = _of_type(data, list)
        if len(items) != size:
            raise _Refused(f"{len(items)} objects for an array of shape {shape}")
        objects = np.empty(size, object)
        for i, item in enumerate(items):
            objects[i] = item
        return objects.reshape(shape, order=order)
    data = data.encode("latin-1") if isinstance(data, str) else data
    if not isinstance(data, (bytes, bytearray)) or len(data) != size * dtype.itemsize:
        raise _Refused(f"an array of shape {shape} and type {dtype} with other than its {size * dtype.itemsize} bytes")
    return np.frombuffer(data, dtype).reshape(shape, order=order).copy(order=order)


class _Extent:
    """How many values a container stands for and how deep it is, counting what lies in it twice twice.

    Lists that share one another stand for exponentially more values than the pickle has bytes.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.known: dict[int, tuple[int, int]] = {}

    def measure(self, value: object, left: int) -> tuple[int, int]:
        """(values, containers inside one another); refuses too many, more than `left`, and what was never built."""
        if isinstance(value, (_Unbuilt, _Function)):
            raise _Refused("an array, a dtype or a function was left unfinished")
        if isinstance(value, np.ndarray):
            inside: Any = value.ravel() if value.dtype.hasobject else ()
        elif isinstance(value, dict):
            inside = value.values()
        else:
            inside = value if isinstance(value, (list, tuple)) else ()
        if not len(inside):
            return 1, 0
        known = self.known.get(id(value))
        if left < (1 if known is None else known[1]):
            raise _Refused(f"containers lie more than {DEPTH} deep in one another")
        if known is None:
            total, depth = 0, 0
            for item in inside:
                if isinstance(item, _NESTED):
                    values, below = self.measure(item, left - 1)
                    total, depth = total + values, max(depth, below)
                else:
                    total += 1
            if total > self.most:
                raise _Refused(f"its containers stand for more than {self.most:,} values")
            known = self.known[id(value)] = total, depth + 1
        return known


_NESTED = (list, tuple, dict, np.ndarray, _Unbuilt, _Function)


def load_object_npz(path: Path) -> dict[str, object]:
    """Every member of an .npz whose arrays may hold objects, as VideoPose3D writes them.

    Arrays of numbers come back as arrays, 0-d object arrays as the object they hold (dicts of dicts of arrays).

    Raises:
        DataError: not an .npz, a damaged member, or a pickle that asks for more than `restricted_loads` admits.
        OSError: the file can't be opened.
    """
    return dict(_members(path, _read_member))


def load_npz(path: Path) -> dict[str, np.ndarray]:
    """Every member of an .npz of plain arrays.

    Raises:
        DataError: not an .npz, a damaged member, or one that holds objects.
        OSError: the file can't be opened.
    """
    return dict(_members(path, _read_array))


def _members(path: Path, read: Callable[[bytes, str], T]) -> Iterator[tuple[str, T]]:
    try:
        with zipfile.ZipFile(path) as archive:
            check_expansion(archive.infolist(), path)
            for member in archive.infolist():
                name = member.filename
                yield name.removesuffix(".npy"), read(archive.read(member), f"{path}: {name}")
    except DataError:
        raise
    except Exception as error:  # a damaged list of members can raise nearly anything
        if isinstance(error, OSError) and error.filename is not None:  # it can't be opened
            raise
        raise DataError(f"{path}: not a readable .npz file ({error})") from error


def check_expansion(files: Sequence[zipfile.ZipInfo], path: Path) -> None:
    """Refuses files of a zip of which a few bytes unpack to gigabytes, before anything is unpacked."""
    size = sum(file.file_size for file in files)
    packed = min(sum(file.compress_size for file in files), path.stat().st_size)  # what the archive says may be a lie
    if size > LARGE and size > most_expansion() * packed:
        largest = max(files, key=lambda file: file.file_size)
        raise expansion_error(path, f"{len(files)} files, the largest of which is {largest.filename[:80]!r},", size)


def most_expansion() -> int:
    """How many times its packed size an archive may unpack to."""
    return int(os.environ.get("UPS_MAX_EXPANSION", EXPANSION))


def expansion_error(path: Path, what: str, size: int) -> DataError:
    """The error of an archive of which `what` unpacks to `size` bytes or more."""
    return DataError(
        f"{path}: {what} would unpack to {size:,} bytes or more, over {most_expansion()} times the packed size; set "
        "UPS_MAX_EXPANSION to a larger number if you trust the file"
    )


def _read_array(data: bytes, name: str) -> np.ndarray:
    try:
        shape, _, dtype = _read_header(io.BytesIO(data))
        if math.prod(shape) * max(dtype.itemsize, 1) > len(data):
            raise ValueError(f"its header says {shape} of {dtype}, and there are {len(data)} bytes")
        return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except Exception as error:  # a damaged header can raise nearly anything
        raise DataError(f"{name}: only plain arrays of numbers or text are read ({error})") from error


def _read_member(data: bytes, name: str) -> object:
    stream = io.BytesIO(data)
    try:
        _, _, dtype = _read_header(stream)
    except Exception as error:
        raise DataError(f"{name}: not a readable array ({error})") from error
    if not dtype.hasobject:
        return _read_array(data, name)
    value = restricted_loads(data[stream.tell() :], name)
    return value.item() if isinstance(value, np.ndarray) and value.shape == () else value


def _read_header(stream: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether by columns, and dtype of a .npy file."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(stream)
