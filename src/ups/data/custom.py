"""A folder of the user's own recordings as a data set: files of any kind that `read_file` knows, and a table of them.

`clips.csv` has a row a recording. Columns: `file` (below the folder); `label` (the action in words, may be empty);
`subject`, `view` (numbers or names); `fps`, `width`, `height` for files that don't say; every other column is a
protocol, with train, test or nothing in its cells. Only `file` is needed. A `joint_map.toml` beside it says which joint
of the files is which.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ups.data.datasets.base import SPLITS, Clip, DataSet
from ups.data.formats.joint_map import FOLDER_MAP, JointMap, read_joint_map
from ups.data.open_file import read_file
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeleton import Skeleton

TABLE = "clips.csv"
_COLUMNS = ("file", "label", "subject", "view", "fps", "width", "height")


@dataclass(frozen=True)
class Row:
    """A line of clips.csv.

    Attributes:
        file: path below the folder, with /; without its ending it is the clip's id.
        label, subject, view: as written, "" where nothing is.
        fps, image_size: as written, None where nothing is.
        splits: protocol -> "train" or "test".
    """

    file: str
    label: str
    subject: str
    view: str
    fps: float | None
    image_size: tuple[int, int] | None
    splits: dict[str, str]

    @property
    def id(self) -> str:
        """Name of the clip."""
        return str(Path(self.file).with_suffix("").as_posix())


@dataclass(frozen=True)
class ClipTable:
    """clips.csv as read.

    Attributes:
        rows: sorted by id.
        classes: every label that occurs, sorted.
        protocols: in the order of the columns.
    """

    rows: tuple[Row, ...]
    classes: tuple[str, ...]
    protocols: tuple[str, ...]


def custom_data_set(
    folder: Path | str, name: str, skeleton: Skeleton | None = None, joint_map: JointMap | None = None
) -> DataSet:
    """The recordings of `folder` as a data set called `name`, from which `ups.data.store.prepare.write_store` makes a store.

    Args:
        folder: holds clips.csv and the files.
        name: of the data set.
        skeleton: of files that don't name their joints; from the others its joints are picked. None: the files say,
            and the first one that can be read decides.
        joint_map: which joint of the files is which; by default joint_map.toml of the folder, if there is one.

    Raises:
        DataError: clips.csv is not as described above, or not one recording can be read.
        FileNotFoundError: no clips.csv.
    """
    folder = Path(folder)
    table = read_table(folder)
    first = first_clip(folder, table, skeleton, joint_map)
    return DataSet(
        name=name,
        skeleton=first.skeleton,
        space=first.space,
        classes=table.classes,
        protocols=table.protocols,
        terms="The user's own recordings.",
        read=partial(_read, table, first.skeleton, joint_map),
        summary=f"{len(table.rows)} recordings of {folder}",
        paired=first.pose_3d is not None,
    )


def folder_map(folder: Path) -> JointMap | None:
    """What joint_map.toml of a folder says, None where there is none; DataError where it is wrong."""
    path = folder / FOLDER_MAP
    return read_joint_map(path) if path.is_file() else None


def read_clip(
    folder: Path, row: Row, skeleton: Skeleton | None = None, joint_map: JointMap | None = None
) -> PoseSequence:
    """The recording of one row, with the row's id; label, subject and view are not set. Raises DataError or OSError.

    Without `joint_map` that of the folder counts, if there is one.
    """
    clip = read_file(folder / row.file, skeleton, row.fps, row.image_size, joint_map or folder_map(folder))
    return replace(clip, id=row.id, label=-1, subject=-1, view=-1)


def read_table(folder: Path) -> ClipTable:
    """clips.csv of `folder`.

    Raises:
        DataError: no rows, no column `file`, a file twice, a path that leaves the folder, a split of a protocol that is
            neither train nor test, or fps, width, height that are no numbers; names the line.
        FileNotFoundError: there is no clips.csv.
    """
    path = folder / TABLE
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: missing; a table with the columns file, label, split is needed beside the files"
        )
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = [[cell.strip() for cell in line] for line in csv.reader(file)]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a table ({error}); save it as CSV in UTF-8, with commas") from error
    head = lines[0] if lines else []
    if "file" not in head or len(set(head)) < len(head) or "" in head:
        raise DataError(
            f"{path}: columns {', '.join(head) or 'missing'}; different names, one of them file, are needed"
        )
    protocols = tuple(name for name in head if name not in _COLUMNS)
    rows: dict[str, Row] = {}
    for number, line in enumerate(lines[1:], start=2):
        if not any(line):
            continue
        if len(line) != len(head):
            raise DataError(f"{path}: line {number} has {len(line)} cells, the column names {len(head)}")
        row = _row(dict(zip(head, line, strict=True)), protocols, f"{path}: line {number}")
        if row.id in rows:
            raise DataError(f"{path}: line {number}: a second {row.id}; names without their ending must be unique")
        rows[row.id] = row
    if not rows:
        raise DataError(f"{path}: no recording is listed")
    labels = {row.label for row in rows.values()} - {""}
    return ClipTable(tuple(rows[i] for i in sorted(rows)), tuple(sorted(labels)), protocols)


def _row(cells: dict[str, str], protocols: tuple[str, ...], where: str) -> Row:
    file = Path(cells["file"].replace("\\", "/"))
    if not cells["file"] or file.is_absolute() or ".." in file.parts:
        raise DataError(f"{where}: file {cells['file']!r}; a path below the folder is needed")
    splits = {protocol: cells[protocol] for protocol in protocols if cells[protocol]}
    for protocol, split in splits.items():
        if split not in SPLITS:
            hint = f"; {protocol} is taken for a protocol, for it is none of {', '.join(_COLUMNS)}"
            raise DataError(
                f"{where}: {split!r} in column {protocol}; {' or '.join(SPLITS)} or nothing is needed{hint}"
            )
    try:
        fps = float(cells["fps"]) if cells.get("fps") else None
        width, height = (int(cells[key]) if cells.get(key) else 0 for key in ("width", "height"))
    except ValueError as error:
        raise DataError(f"{where}: fps, width and height are numbers ({error})") from error
    size = (width, height) if width and height else None
    texts = (cells.get(key, "") for key in ("label", "subject", "view"))
    return Row(file.as_posix(), *texts, fps=fps, image_size=size, splits=splits)


def first_clip(
    folder: Path, table: ClipTable, skeleton: Skeleton | None, joint_map: JointMap | None = None
) -> PoseSequence:
    """The first recording of a table that can be read, as `read_clip` reads it; DataError if none can."""
    problems: list[str] = []
    for row in table.rows:
        try:
            return read_clip(folder, row, skeleton, joint_map)
        except (DataError, OSError) as problem:
            problems.append(str(problem))
    raise DataError(f"{folder}: none of {len(problems)} recordings can be read; the first: {problems[0]}")


def _read(table: ClipTable, skeleton: Skeleton, joint_map: JointMap | None, folder: Path) -> Iterator[Clip | DataError]:
    label = {name: i for i, name in enumerate(table.classes)}
    subjects = _numbers([row.subject for row in table.rows])
    views = _numbers([row.view for row in table.rows])
    for row in table.rows:
        try:
            clip = read_clip(folder, row, skeleton, joint_map)
        except DataError as problem:
            yield problem
            continue
        except OSError as problem:
            yield DataError(str(problem))
            continue
        known = {"label": label.get(row.label, -1), "subject": subjects[row.subject], "view": views[row.view]}
        yield replace(clip, **known), row.splits


def _numbers(texts: list[str]) -> dict[str, int]:
    """Text -> number: itself if all are whole numbers, else its place among the sorted; nothing -> -1."""
    names = sorted(set(texts) - {""})
    numbers = [int(n) for n in names] if all(n.isdecimal() for n in names) else list(range(len(names)))
    return {**dict(zip(names, numbers, strict=True)), "": -1}
