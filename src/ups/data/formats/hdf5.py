"""HDF5, through h5py, which the extra `[h5]` installs: what is in a file, within limits.

h5py runs in a process of its own, for its library may crash or never end on damaged files.
"""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ups.data.formats.safe_pickle import restricted_loads
from ups.errors import DataError

NUMBERS = 50_000_000
"""Numbers of all arrays of a file, at most: an HDF5 file of a few bytes may declare any shape."""
_SECONDS = 8
"""What a file of any size may take; a large one takes more, by `_PER_SECOND`."""
_PER_SECOND = 20 << 20
_CHILD = """
import json, sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]),) * 2)
except (ImportError, ValueError, OSError):
    pass
import h5py, numpy
most, arrays, facts = int(sys.argv[3]), [], {}

def plain(value):
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return value.item() if isinstance(value, numpy.generic) else value

def keep(name, item):
    global most
    fact = {"attrs": {}}
    for key in list(item.attrs)[:99]:
        value = plain(item.attrs[key])
        if isinstance(value, (str, int, float)):
            fact["attrs"][key] = value
    if isinstance(item, h5py.Dataset) and item.shape is not None:
        fact["shape"] = item.shape
        size = item.size * max(item.dtype.itemsize // 8, 1)
        if size <= most and item.dtype.hasobject and item.size <= 10000 and item.dtype.names is None:
            values = numpy.asarray(item).ravel().tolist()
            fact["texts"] = [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values]
            most -= size
        elif size <= most and not item.dtype.hasobject:
            fact["array"] = len(arrays)
            arrays.append(numpy.asarray(item))
            most -= size
    facts[name] = fact
    return True if len(facts) >= 300 else None

with h5py.File(sys.argv[1], "r") as file:
    keep("", file)
    file.visititems(keep)
sys.stdout.buffer.write(json.dumps(facts).encode() + b"\\n")
for array in arrays:
    numpy.lib.format.write_array(sys.stdout.buffer, array, allow_pickle=False)
"""
"""Writes a line of JSON, name -> attributes, shape, texts or number of the array, then the arrays as .npy."""


@dataclass(frozen=True)
class H5:
    """What is in an HDF5 file.

    Attributes:
        path: of the file, for errors.
        facts: name -> "attrs", and of arrays "shape", and "texts" or "array", the number among `arrays`.
        arrays: those within the limit.
    """

    path: Path
    facts: dict[str, dict[str, Any]]
    arrays: list[np.ndarray]

    @property
    def top(self) -> list[str]:
        """Names at the top."""
        return [name for name in self.facts if name and "/" not in name]

    def attrs(self, name: str) -> dict[str, Any]:
        """Attributes that are numbers or text; bytes as text of Latin-1."""
        return self.facts.get(name, {}).get("attrs", {})

    def has(self, name: str) -> bool:
        """Whether there is an array called `name`."""
        return "shape" in self.facts.get(name, {})

    def array(self, name: str) -> np.ndarray:
        """The array called `name`; DataError where there is none, or it is too large."""
        fact = self.facts.get(name, {})
        if "shape" not in fact:
            raise DataError(f"{self.path}: no array {name!r} in it")
        if "array" not in fact:
            shape = tuple(fact["shape"])
            raise DataError(f"{self.path}: {name} has shape {shape}; at most {NUMBERS:,} numbers are read")
        return self.arrays[fact["array"]]

    def texts(self, name: str) -> list[str]:
        """A list of names."""
        if "texts" in self.facts.get(name, {}):
            return self.facts[name]["texts"]
        values = np.atleast_1d(self.array(name)).ravel().tolist()
        return [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values]


def read_h5(path: Path) -> H5:
    """All that is in a file, within `NUMBERS`.

    Raises:
        DataError: h5py is not installed, or can't read the file.
        OSError: there is no such file.
    """
    size = path.stat().st_size
    if importlib.util.find_spec("h5py") is None:
        raise DataError(f"{path}: HDF5 needs h5py; pip install 'unified-pose-sequence[h5]'")
    seconds = _SECONDS + size // _PER_SECOND
    command = [sys.executable, "-c", _CHILD, str(path.resolve()), str((3 << 30) + 4 * size), str(NUMBERS)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise DataError(f"{path}: h5py does not come to an end within {seconds} s; the file is damaged") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"it ended with {done.returncode}"]
        raise DataError(f"{path}: not an HDF5 file, or a damaged one ({said[0][:200]})")
    stream = io.BytesIO(done.stdout)
    facts = json.loads(stream.readline())
    count = sum("array" in fact for fact in facts.values())
    return H5(path, facts, [np.lib.format.read_array(stream, allow_pickle=False) for _ in range(count)])


def pandas_table(file: H5, group: str) -> tuple[list[tuple[str, ...]], np.ndarray]:
    """(names of the columns at every level, values (N, columns) float64) of a DataFrame that pandas wrote, of one kind
    of numbers; its headings are read without running anything.

    Raises:
        DataError: another group, or a DataFrame of columns of several kinds.
    """
    path = file.path
    if file.has(f"{group}/table"):
        rows = file.array(f"{group}/table")
        kind = file.attrs(f"{group}/table").get("values_block_0_kind")
        if rows.dtype.names is None or "values_block_0" not in rows.dtype.names or not isinstance(kind, str):
            raise DataError(f"{path}: not a table of pandas with numbers of one kind; save it as csv")
        names = restricted_loads(kind.encode("latin-1"), str(path))
        values = np.asarray(rows["values_block_0"], np.float64)
        if not isinstance(names, list):
            raise DataError(f"{path}: the headings of its table are no list")
        columns = [tuple(map(str, name)) if isinstance(name, tuple) else (str(name),) for name in names]
    elif file.has(f"{group}/block0_values") and not file.has(f"{group}/block1_values"):
        values = file.array(f"{group}/block0_values").astype(np.float64)
        levels = [
            np.array(file.texts(f"{group}/block0_items_level{k}"))[file.array(f"{group}/block0_items_label{k}")]
            for k in range(int(file.attrs(group)["block0_items_nlevels"]))
        ]
        columns = list(zip(*(level.tolist() for level in levels), strict=True))
    else:
        raise DataError(f"{path}: not a table of pandas with numbers of one kind; save it as csv")
    if values.ndim != 2 or values.shape[1] != len(columns):
        raise DataError(f"{path}: values {values.shape} for {len(columns)} columns")
    return columns, values


def pandas_rows(file: H5, group: str, count: int) -> list[str]:
    """What the rows of the same table are called: numbers as text, or the levels of their names joined by /."""
    if file.has(f"{group}/table"):
        rows = file.array(f"{group}/table")
        found = [str(value) for value in rows["index"].tolist()] if "index" in (rows.dtype.names or ()) else []
    elif file.has(f"{group}/axis1"):
        found = file.texts(f"{group}/axis1")
    else:
        levels = []
        while file.has(f"{group}/axis1_level{len(levels)}"):
            names = np.array(file.texts(f"{group}/axis1_level{len(levels)}"))
            levels.append(names[file.array(f"{group}/axis1_label{len(levels)}")].tolist())
        found = ["/".join(names) for names in zip(*levels, strict=True)]
    return found if len(found) == count else [str(row) for row in range(count)]
