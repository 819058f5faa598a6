"""A folder of the user's own recordings as a data set: files of any kind that `read_file` knows, and a table of them.

`clips.csv` has a row a recording. Columns: `file` (below the folder); `label` (the action in words, may be empty);
`subject`, `view` (numbers or names); `fps`, `width`, `height`, `space`, `up`, `unit`, `coordinates`, `rotate`, `fix` for
files that don't say, as `read_file` takes them; every other column is a protocol, with train, test or nothing in its
cells. Only `file` is needed. A `joint_map.toml` beside it says which joint of the files is which.
"""

from __future__ import annotations

import csv
import io
import logging
import shlex
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

from ups.data.datasets.base import SPLITS, Clip, DataSet
from ups.data.formats.joint_map import FOLDER_MAP, JointMap, read_joint_map
from ups.data.formats.joint_names import quoted
from ups.data.open_file import read_file
from ups.errors import DataError
from ups.labels import canonical_text, near_alike, one_spelling
from ups.pose import PoseSequence, Space
from ups.skeleton import Skeleton

log = logging.getLogger("ups")

TABLE = "clips.csv"
_REPAIRS = ("up", "unit", "coordinates", "rotate", "fix")
_COLUMNS = ("file", "label", "subject", "view", "fps", "width", "height", "space", *_REPAIRS)


@dataclass(frozen=True)
class Row:
    """A line of clips.csv.

    Attributes:
        file: path below the folder, with /; without its ending it is the clip's id.
        label, subject, view: as written, "" where nothing is; the label in the spelling of its class.
        fps, image_size, space: as written, None where nothing is.
        splits: protocol -> "train" or "test".
        repairs: up, unit, coordinates, rotate, fixes: what `read_file` is told of the file.
    """

    file: str
    label: str
    subject: str
    view: str
    fps: float | None
    image_size: tuple[int, int] | None
    splits: dict[str, str]
    space: Space | None = None
    repairs: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Name of the clip."""
        path = Path(self.file)
        ending = path.suffix and not path.suffix[1:].isdigit()  # "take.1" is a folder of OpenPose
        return str((path.with_suffix("") if ending else path).as_posix())


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
    folder: Path | str,
    name: str,
    skeleton: Skeleton | None = None,
    joint_map: JointMap | None = None,
    repairs: dict[str, Any] | None = None,
) -> DataSet:
    """The recordings of `folder` as a data set called `name`, from which `ups.data.store.prepare.write_store` makes a store.

    Args:
        folder: holds clips.csv and the files.
        name: of the data set.
        skeleton: of files that don't name their joints; from the others its joints are picked. None: the files say,
            and the first one that can be read decides.
        joint_map: which joint of the files is which; by default joint_map.toml of the folder, if there is one.
        repairs: up, unit, coordinates, rotate and fixes, as for `read_file`, of files of which clips.csv doesn't say.

    Raises:
        DataError: clips.csv is not as described above, or not one recording can be read.
        FileNotFoundError: no clips.csv.
    """
    folder = Path(folder)
    table = with_repairs(read_table(folder), repairs or {})
    for alike in near_alike(table.classes):
        log.warning(
            "%s: labels that may be one action: %s; write them alike, if they are", folder / TABLE, quoted(alike)
        )
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
    clip = read_file(
        place_of(folder, row),
        skeleton,
        row.fps,
        row.image_size,
        joint_map or folder_map(folder),
        row.space,
        **row.repairs,
    )
    return replace(clip, id=row.id, label=-1, subject=-1, view=-1)


def with_repairs(table: ClipTable, repairs: dict[str, Any]) -> ClipTable:
    """The table, where what a row does not say of its file is as in `repairs`."""
    given = {name: value for name, value in repairs.items() if value}
    return replace(table, rows=tuple(replace(row, repairs=given | row.repairs) for row in table.rows))


def place_of(folder: Path, row: Row) -> Path:
    """Where a row's file is. Accents that a Mac wrote as characters of their own don't matter."""
    spellings = [row.file, *(unicodedata.normalize(form, row.file) for form in ("NFC", "NFD"))]
    return next((folder / name for name in spellings if (folder / name).exists()), folder / row.file)


def read_table(folder: Path) -> ClipTable:
    """clips.csv of `folder`, with commas, semicolons or tabs. Spellings of one action become one label, and a warning says so.

    Raises:
        DataError: no rows, no column `file`, a file twice, a path that leaves the folder, a split of a protocol that is
            neither train nor test, a label without a letter or digit, or fps, width, height that are no numbers; names
            the line.
        FileNotFoundError: there is no clips.csv.
    """
    path = folder / TABLE
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: missing; `ups data table {shlex.quote(str(folder))}` writes one from the names of files and folders"
        )
    lines = _lines(path)
    head = [name.lower() if name.lower() in (*_COLUMNS, "split") else name for name in lines[0]] if lines else []
    if "file" not in head or len(set(head)) < len(head) or "" in head:
        raise DataError(
            f"{path}: columns {', '.join(map(repr, head[:8])) or 'missing'}; different names, one of them file, are needed"
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
    counts = Counter(row.label for row in rows.values() if row.label)
    names = sorted(counts)
    found = one_spelling(names, [counts[name] for name in names])
    if found.merged:
        log.warning("%s: %s", path, found.told)
    label = {name: found.classes[place] for name, place in zip(names, found.places, strict=True)} | {"": ""}
    listed = (replace(rows[i], label=label[rows[i].label]) for i in sorted(rows))
    return ClipTable(tuple(listed), tuple(sorted(found.classes)), protocols)


def _lines(path: Path) -> list[list[str]]:
    """Cells of the table, without columns that have neither name nor content, as spreadsheets leave them."""
    content = path.read_bytes()
    try:
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
        first = text.partition("\n")[0]
        signs = {sign: first.count(sign) for sign in ",;\t"}
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(signs, key=signs.__getitem__))
        lines = [[cell.strip() for cell in line] for line in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a table ({error}); save it as CSV in UTF-8, with commas") from error
    width = max((place for line in lines for place, cell in enumerate(line, start=1) if cell), default=0)
    return [line[:width] for line in lines]


def _row(cells: dict[str, str], protocols: tuple[str, ...], where: str) -> Row:
    file = Path(cells["file"].replace("\\", "/"))
    if not cells["file"] or file.is_absolute() or ".." in file.parts:
        raise DataError(f"{where}: file {cells['file']!r}; a path below the folder is needed")
    splits = {protocol: cells[protocol].lower() for protocol in protocols if cells[protocol]}
    for protocol, split in splits.items():
        if split not in SPLITS:
            hint = f"; {protocol} is taken for a protocol, for it is none of {', '.join(_COLUMNS)}"
            raise DataError(
                f"{where}: {split!r} in column {protocol}; {' or '.join(SPLITS)} or nothing is needed{hint}"
            )
    try:
        fps = float(cells["fps"]) if cells.get("fps") else None
        width, height = (int(float(cells[key])) if cells.get(key) else 0 for key in ("width", "height"))
    except (ValueError, OverflowError) as error:
        raise DataError(f"{where}: fps, width and height are numbers ({error})") from error
    if cells.get("label") and not canonical_text(cells["label"]):
        raise DataError(f"{where}: label {cells['label']!r}; the action in words, or nothing, is needed")
    space = next((known for known in get_args(Space) if known == cells.get("space", "").lower()), None)
    if cells.get("space") and space is None:
        raise DataError(f"{where}: space {cells['space']!r}; {', '.join(get_args(Space))} or nothing is needed")
    size = (width, height) if width and height else None
    texts = (cells.get(key, "") for key in ("label", "subject", "view"))
    repairs: dict[str, Any] = {key: cells[key].lower() for key in ("up", "unit", "coordinates") if cells.get(key)}
    if cells.get("rotate"):
        if not cells["rotate"].isdecimal():
            raise DataError(f"{where}: rotate {cells['rotate']!r}; 90, 180 or 270 is needed")
        repairs["rotate"] = int(cells["rotate"])
    if cells.get("fix"):
        repairs["fixes"] = tuple(cells["fix"].lower().split())
    return Row(file.as_posix(), *texts, fps=fps, image_size=size, splits=splits, space=space, repairs=repairs)


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
    """Text -> number: itself if all are whole numbers of 32 bits, else its place among the sorted; nothing -> -1.

    Spellings of one name are one number.
    """
    names = sorted(set(texts) - {""})
    if all(name.isdecimal() and int(name) < 2**31 for name in names):
        numbers = [int(name) for name in names]
    else:
        numbers = list(one_spelling(names).places)
    return {**dict(zip(names, numbers, strict=True)), "": -1}
