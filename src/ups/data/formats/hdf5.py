"""HDF5, through h5py, which the extra `[h5]` installs: open a file, and read its arrays within limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ups.data.formats.safe_pickle import restricted_loads
from ups.errors import DataError

NUMBERS = 50_000_000
"""Numbers of one array, at most: an HDF5 file of a few bytes may declare any shape."""


def open_h5(path: Path) -> Any:
    """An open h5py.File, to be closed by the caller.

    Raises:
        DataError: h5py is not installed, or the file is no HDF5.
    """
    try:
        import h5py
    except ImportError as error:
        raise DataError(f"{path}: HDF5 needs h5py; pip install 'unified-pose-sequence[h5]'") from error
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise DataError(f"{path}: not an HDF5 file ({error})") from error


def array(file: Any, name: str, path: Path) -> np.ndarray:
    """The array called `name`; DataError where there is none, or it is too large."""
    values = file.get(name)
    if values is None or not hasattr(values, "dtype"):
        raise DataError(f"{path}: no array {name!r} in it")
    if values.size * max(values.dtype.itemsize // 8, 1) > NUMBERS:
        raise DataError(f"{path}: {name} has shape {values.shape}; at most {NUMBERS:,} numbers are read")
    return np.asarray(values)


def texts(file: Any, name: str, path: Path) -> list[str]:
    """A list of names."""
    return [text(value) for value in np.atleast_1d(array(file, name, path)).ravel().tolist()]


def text(value: Any) -> str:
    """Text, of bytes or text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def pandas_table(group: Any, path: Path) -> tuple[list[tuple[str, ...]], np.ndarray]:
    """(names of the columns at every level, values (N, columns) float64) of a DataFrame that pandas wrote, of one kind
    of numbers; its headings are read without running anything.

    Raises:
        DataError: another group, or a DataFrame of columns of several kinds.
    """
    if "table" in group:
        rows = group["table"]
        if rows.size * rows.dtype.itemsize // 8 > NUMBERS:
            raise DataError(f"{path}: a table of {rows.shape} rows; at most {NUMBERS:,} numbers are read")
        names = restricted_loads(bytes(rows.attrs["values_block_0_kind"]), str(path))
        values = np.asarray(rows["values_block_0"], np.float64)
        if not isinstance(names, list):
            raise DataError(f"{path}: the headings of its table are no list")
        columns = [tuple(map(str, name)) if isinstance(name, tuple) else (str(name),) for name in names]
    elif "block0_values" in group and "block1_values" not in group:
        values = array(group, "block0_values", path).astype(np.float64)
        levels = [
            np.array(texts(group, f"block0_items_level{k}", path))[array(group, f"block0_items_label{k}", path)]
            for k in range(int(group.attrs["block0_items_nlevels"]))
        ]
        columns = list(zip(*(level.tolist() for level in levels), strict=True))
    else:
        raise DataError(f"{path}: not a table of pandas with numbers of one kind; save it as csv")
    if values.ndim != 2 or values.shape[1] != len(columns):
        raise DataError(f"{path}: values {values.shape} for {len(columns)} columns")
    return columns, values
