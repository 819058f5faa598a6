"""What a store says of itself: store.json, the columns of its clips, and whether they are those that were written."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

import numpy as np

from ups.data.datasets.base import SPLITS
from ups.data.formats.safe_pickle import load_npz
from ups.errors import DataError
from ups.files import checksum
from ups.pose import IMAGE_SIDE, Space

FORMAT = 1
"""Version of the layout."""
COLUMNS = {
    "offset": np.int64,
    "persons": np.int32,
    "frames": np.int32,
    "label": np.int32,
    "subject": np.int32,
    "view": np.int32,
    "fps": np.float64,
    "width": np.int32,
    "height": np.int32,
}
SOURCE, CRC = "source", "crc32"
FOCAL, CENTRE = "focal", ("centre_x", "centre_y")
"""Columns of the cameras' intrinsics in pixels, NaN where unknown."""
OPTIONAL = {SOURCE: np.uint64, CRC: np.uint32, **dict.fromkeys((FOCAL, *CENTRE), np.float64)}
"""Columns that stores may have; the others they must."""


def read_facts(folder: Path) -> dict[str, Any]:
    """store.json, after checking the format version, its checksum, and the size of every file it names."""
    path = folder / "store.json"
    if not path.is_file():
        raise DataError(f"{folder} is not a store (it has no store.json); prepare the data set first")
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        version, files = facts["format"], dict(facts["files"])
        texts = [facts[k] for k in ("name", "space", "terms")] + [t for k in _LISTS for t in facts[k]]
        if not all(isinstance(text, str) for text in texts) or facts["space"] not in get_args(Space):
            raise ValueError("a name is no text, or the space is unknown")
        if [k for k in _LISTS if not isinstance(facts[k], list)] or not isinstance(facts.get("origin", {}), dict):
            raise ValueError("a list or the origin is something else")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{path}: damaged ({error!r}); prepare the data set again with --force") from error
    if version != FORMAT:
        raise DataError(f"{path}: format {version}, this version reads {FORMAT}; prepare the data set again")
    for name, size in files.items():
        found = (folder / name).stat().st_size if (folder / name).is_file() else None
        if found != size:
            state = "missing" if found is None else f"{found} bytes long"
            raise DataError(f"{folder / name}: {state}, {size} bytes were written; prepare the data set again")
    return facts


def check_sums(folder: Path, facts: dict[str, Any]) -> None:
    """Raises DataError where the facts, columns or names are not those that were written."""
    sums, known = facts.get("checksums", {}), facts.get("checksum")
    if not isinstance(sums, dict) or (sums and {*sums} != {*facts["files"]}):
        raise DataError("the files with checksums are others than those of the store")
    if (sums or known is not None) and known != checksum_of({k: v for k, v in facts.items() if k != "checksum"}):
        raise DataError("the CRC-32 of store.json is not the one that was written")
    for name in sums.keys() & {"clips.npz", "ids.txt"}:
        if checksum(folder / name) != sums[name]:
            raise DataError(f"the CRC-32 of {name} is not the one that was written")


_LISTS = ("classes", "protocols", "problems")


def checksum_of(facts: dict[str, Any]) -> str:
    """CRC-32 of facts that JSON can hold, however they are laid out."""
    return f"{zlib.crc32(json.dumps(facts, sort_keys=True).encode()):08x}"


def read_columns(path: Path, facts: dict[str, Any]) -> dict[str, np.ndarray]:
    """The columns of clips.npz, (clips,) each; raises DataError for one of another kind."""
    kinds = {key: COLUMNS.get(key, np.int8) for key in column_names(facts["protocols"])}
    table = load_npz(path)
    kinds |= {key: kind for key, kind in OPTIONAL.items() if key in table}
    columns = {key: table[key] for key in kinds}
    for key, column in columns.items():
        if column.dtype != kinds[key] or column.ndim != 1:
            raise DataError(
                f"column {key} is {column.dtype} {column.shape}; one {np.dtype(kinds[key])} a clip is needed"
            )
    return columns


def wrong_columns(columns: dict[str, np.ndarray], facts: dict[str, Any]) -> list[str]:
    """Which columns can't be those of the store."""
    c, size = columns, (columns["width"], columns["height"])
    if {len(column) for column in c.values()} != {facts["clips"]} or not facts["clips"]:
        return ["clips"]
    poses = c["persons"].astype(np.int64) * c["frames"]
    planar = facts["space"] == "image"
    right = {
        "persons": (c["persons"] >= 1).all(),
        "frames": (c["frames"] >= 1).all(),
        "offsets": np.array_equal(c["offset"], np.cumsum(poses) - poses) and poses.sum() == facts["rows"],
        "labels": ((c["label"] >= -1) & (c["label"] < len(facts["classes"]))).all(),
        "frame rates": ((c["fps"] >= 1) & (c["fps"] <= 1000)).all(),
        "image sizes": all(((n >= planar) & (n <= IMAGE_SIDE)).all() for n in size),
        "focal lengths": FOCAL not in c
        or (np.isnan(c[FOCAL]) | (c[FOCAL] >= 1) & (c[FOCAL] <= 100 * IMAGE_SIDE)).all(),
        "splits": all(np.isin(c[f"split_{p}"], (0, *SPLITS.values())).all() for p in facts["protocols"]),
    }
    return [key for key, fine in right.items() if not fine]


def column_names(protocols: Iterable[str]) -> list[str]:
    """The columns that every store of these protocols has."""
    return [*COLUMNS, *(f"split_{p}" for p in protocols)]


def npy_header(shape: tuple[int, ...]) -> bytes:
    """The header of a .npy file of float32; numpy leaves room for the first axis to grow, so its length is constant."""
    buffer = io.BytesIO()
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype("<f4")), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue()
