"""Which recordings are asked about: those of a folder, a pattern, or a table of paths."""

from __future__ import annotations

import csv
import glob
import os
from collections.abc import Iterator
from pathlib import Path

from ups.data.formats.coco_like import is_frames_folder
from ups.errors import DataError, SettingError

ENDINGS = (
    ".npz", ".json", ".jsonl", ".csv", ".tsv", ".npy", ".bvh", ".trc", ".c3d", ".h5", ".slp", ".skeleton", ".mat", ".txt",
)  # fmt: skip
"""Of files in a folder that are taken for recordings."""
_FOLDER = "_keypoints.json"
"""Ending of OpenPose's files, of which a folder is one recording."""
TABLE = "clips.csv"
"""What lists the recordings of a folder, and is none."""


def list_recordings(where: str) -> list[str]:
    """Paths of recordings, sorted, each once.

    Args:
        where: a folder, searched with all below it; a pattern such as "clips/**/*.bvh"; a .csv or .parquet table with a
            column `path`, whose paths count from the table's folder.

    Raises:
        DataError: nothing found, or a table without that column.
        SettingError: a Parquet table without pyarrow.
    """
    place = Path(where)
    if place.is_dir():
        found = list(_below(place))
    elif place.is_file():
        found = [os.path.join(place.parent, path) for path in _column(place)]
    else:
        found = [path for path in glob.iglob(where, recursive=True) if not os.path.basename(path).startswith(".")]
        found = [path for path in found if os.path.isfile(path) or is_recording(path)]
    if not found:
        raise DataError(
            f"{where}: no recordings found; give a folder, a pattern in quotes, or a table with column path"
        )
    return sorted({os.path.normpath(path) for path in found})


def _below(folder: Path) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if is_recording(place):
            folders.clear()
            yield place
            continue
        yield from (
            os.path.join(place, name)
            for name in files
            if name != TABLE and not name.startswith(".") and os.path.splitext(name)[1].lower() in ENDINGS
        )


def is_recording(path: str) -> bool:
    """Whether a folder is one recording, with a file a frame of OpenPose, YOLO-pose or MMPose."""
    if not os.path.isdir(path):
        return False
    names = os.listdir(path)
    if TABLE in names:
        return False
    return any(name.lower().endswith(_FOLDER) for name in names) or is_frames_folder(Path(path))


def _column(table: Path) -> list[str]:
    """The column `path` of a table."""
    kind = table.suffix.lower()
    if kind == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return pq.read_table(table, columns=["path"]).column("path").to_pylist()
        except (KeyError, pa.ArrowException) as error:
            raise DataError(f"{table}: no table with a column path ({error!s:.200})") from error
    if kind != ".csv":
        raise SettingError(f"{table}: one file; a folder, a pattern, or a table (.csv, .parquet) of paths is needed")
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            if "path" not in (rows.fieldnames or ()):
                raise DataError(f"{table}: no column path; the first line is to name the columns")
            return [row["path"] for row in rows if row["path"]]
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{table}: can't be read as a table ({error})") from error
