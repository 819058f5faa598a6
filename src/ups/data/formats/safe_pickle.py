"""Reading pickled arrays without running what is in them: only arrays and plain containers are rebuilt."""

from __future__ import annotations

import io
import pickle
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ups.errors import DataError

_BUILDERS = {
    "_reconstruct": np.ndarray((0,)).__reduce__()[0],
    "scalar": np.float64(0).__reduce__()[0],
    "_frombuffer": np.ndarray((0,)).__reduce_ex__(5)[0],
}
"""numpy's own functions, taken from what numpy itself writes, since its private modules were renamed in version 2."""

T = TypeVar("T")

_ADMITTED: dict[str, Any] = {
    "numpy.ndarray": np.ndarray,
    "numpy.dtype": np.dtype,
    "_codecs.encode": str.encode,  # which, unlike the original, knows text encodings only
    **{
        f"numpy.{core}.{name}": _BUILDERS[name.split(".")[1]]
        for core in ("core", "_core")
        for name in ("multiarray._reconstruct", "multiarray.scalar", "numeric._frombuffer")
    },
}


class _RestrictedUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" not in _ADMITTED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _ADMITTED[f"{module}.{name}"]


def restricted_loads(data: bytes, name: str) -> object:
    """Unpickle numpy arrays, dicts, lists, tuples, strings, bytes and numbers; nothing else, and nothing is run.

    Args:
        data: a pickle of any protocol; strings of Python 2 are read as latin-1.
        name: what to call the data in errors.

    Raises:
        DataError: the pickle asks for any other class or function (named in the message), or is damaged.
    """
    try:
        return _RestrictedUnpickler(io.BytesIO(data), encoding="latin1").load()
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise DataError(
            f"{name}: not read: {error}; only arrays, dicts, lists, strings and numbers are admitted in a pickle"
        ) from error


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
            for member in archive.namelist():
                yield member.removesuffix(".npy"), read(archive.read(member), f"{path}: {member}")
    except DataError:
        raise
    except (
        zipfile.BadZipFile,
        EOFError,
        zlib.error,
        RuntimeError,
        OSError,
        ValueError,
    ) as error:  # RuntimeError: encrypted
        if isinstance(error, OSError) and error.filename is not None:  # it can't be opened
            raise
        raise DataError(f"{path}: not a readable .npz file ({error})") from error


def _read_array(data: bytes, name: str) -> np.ndarray:
    try:
        return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except Exception as error:  # a damaged header can raise nearly anything
        raise DataError(f"{name}: only plain arrays of numbers or text are read ({error})") from error


def _read_member(data: bytes, name: str) -> object:
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        _, _, dtype = read_header(stream)
    except Exception as error:
        raise DataError(f"{name}: not a readable array ({error})") from error
    if not dtype.hasobject:
        return _read_array(data, name)
    value = restricted_loads(data[stream.tell() :], name)
    return value.item() if isinstance(value, np.ndarray) and value.shape == () else value
