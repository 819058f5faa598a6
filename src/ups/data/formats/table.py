"""Tables of numbers as people's programs save them: CSV with commas, semicolons or tabs, of any country's Excel."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ups.errors import DataError

_SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_NOTHING = {"", "nan", "null", "none", "na", "n/a", "n.a.", "<na>", "#n/a", "nil", "-", "(null)", "#num!", "#div/0!", "#value!",
            "--", ".", "?", "missing", "undefined", "-nan", "-nan(ind)", "nan(ind)", "1.#qnan", "-1.#qnan", "1.#ind",
            "-1.#ind"}  # fmt: skip
"""Words of many programs for a number that isn't there."""
_WORDS = {
    "true": 1.0,
    "false": 0.0,
    "yes": 1.0,
    "no": 0.0,
    "tracked": 2.0,
    "inferred": 1.0,
    "nottracked": 0.0,
    "not tracked": 0.0,
}
"""Words for numbers; a Kinect's states are 2, 1 and 0."""
_BLANK = ' \t,;"'
"""Of these an empty row may consist."""
_INDEX = re.compile(r"(unnamed: ?0(_level_0)?)?")
"""Name of the column that pandas writes for its row numbers."""


@dataclass(frozen=True)
class Table:
    """A table as read.

    Attributes:
        path: of the file, for errors.
        notes: what stands behind # in lines of their own above the table, such as "fps = 30".
        head: names of the columns, as written.
        rows: cells, as many in each row as there are names.
        separator: between cells.
    """

    path: Path
    notes: tuple[str, ...]
    head: tuple[str, ...]
    rows: list[list[str]]
    separator: str

    def numbers(self, columns: list[int]) -> np.ndarray:
        """The cells of some columns (rows, columns); NaN where nothing, or a word for it, stands.

        A comma is the sign of decimals where cells are kept apart by something else.

        Raises:
            DataError: a cell that is no number, or both 1,5 and 1.5 in one table.
        """
        values = np.full((len(self.rows), len(columns)), np.nan)
        commas = self.separator != ","
        points: dict[str, str] = {}  # sign of decimals -> the first cell with it
        for r, row in enumerate(self.rows):
            for k, column in enumerate(columns):
                cell = row[column].strip()
                if commas and ("," in cell or "." in cell):
                    points.setdefault("," if "," in cell else ".", cell)
                    cell = cell.replace(",", ".", 1)
                try:
                    values[r, k] = number_of(cell)
                except ValueError:
                    raise self._no_number(r, column) from None
        if len(points) == 2:
            raise DataError(
                f"{self.path}: {points[',']!r} and {points['.']!r} in one table; one sign of decimals, comma or point, is needed"
            )
        return values

    def below(self, headings: int) -> Table:
        """The same without its first rows, which are headings too."""
        return replace(self, rows=self.rows[headings:])

    def _no_number(self, row: int, column: int) -> DataError:
        cell = self.rows[row][column]
        hint = ""
        if self.separator == "," and re.fullmatch(r"\s*-?\d+,\d+\s*", cell):
            hint = "; write decimals with a point, for commas separate the cells"
        elif re.fullmatch(r"\s*-?\d{1,3}([.,' ]\d{3})*[.,]\d+\s*", cell):
            hint = "; write numbers without a sign between thousands"
        return DataError(
            f"{self.path}: data row {row + 1}, column {self.head[column]}: {cell[:40]!r} is no number{hint}"
        )


def number_of(text: str) -> float:
    """The number that a text says: 87% is 0.87, yes is 1; NaN for words that say that there is none.

    Raises:
        ValueError: anything else, 1_0 included, which Python takes for 10.
    """
    try:
        if "_" not in text:
            return float(text)
    except ValueError:
        word = text.lower()
        if word in _WORDS:
            return _WORDS[word]
        if word in _NOTHING:
            return float("nan")
        plain = text.replace("\N{MINUS SIGN}", "-")
        return float(plain[:-1]) / 100 if plain.endswith("%") else float(plain)
    raise ValueError(f"{text!r} is no number")


def read_table(path: Path, nameless: bool = False) -> Table:
    """A table from a text file.

    Text is UTF-8 or UTF-16; the separator is the one that the names of columns are kept apart by, or that a line `sep=;`
    on top names. Lines of # are notes. Blank lines, empty rows at the end, empty
    columns without a name and pandas' row numbers are left out; an empty row between others is a frame with nobody.
    With `nameless`, columns may have no name on top.

    Raises:
        DataError: other text, no separator, no rows, a row of another length, or a column without a name.
        OSError: the file can't be read.
    """
    lines = [line for line in _text(path).splitlines() if line.strip(" ")]
    while lines and not lines[0].strip(_BLANK):
        del lines[0]
    separator = None
    if lines and (given := re.fullmatch(r'"?sep=(.)"?[,;\t]*', lines[0].strip(" "), re.IGNORECASE)):
        separator, lines = given[1], lines[1:]
    notes, lines = _notes_apart(lines)
    lines = lines[next((i for i, line in enumerate(lines) if line.strip(_BLANK)), 0) :]
    if not lines:
        raise DataError(f"{path}: a line of column names and a row a frame are needed")
    separator = separator or max(_SEPARATORS, key=lambda sign: lines[0].count(sign))
    if separator not in lines[0] and re.search(r"[\s|]", lines[0].strip()):
        raise DataError(
            f"{path}: its first line has neither commas nor semicolons nor tabs ({lines[0][:40]!r}); one of them must "
            "separate the columns"
        )
    try:
        table = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator)]
    except csv.Error as error:
        raise DataError(f"{path}: not a table ({error}); save it as CSV") from error
    head, rows = table[0], table[1:]
    while rows and not any(rows[-1]):
        del rows[-1]
    if not rows:
        raise DataError(f"{path}: a line of column names and a row a frame are needed")
    width = len(head)
    for r, row in enumerate(rows):
        if len(row) != width and (len(row) < width or any(row[width:])):
            hint = "; are decimals written with a comma? Then separate by semicolons" if separator == "," else ""
            raise DataError(f"{path}: data row {r + 1} has {len(row)} cells, the column names {width}{hint}")
        del row[width:]
    keep = [c for c in range(width) if not _left_out(head[c], c, rows)]
    unnamed = [c for c in keep if not head[c]]
    if unnamed and not nameless:
        raise DataError(f"{path}: column {unnamed[0] + 1} has no name above {rows[0][unnamed[0]][:20]!r}; name it")
    if len(keep) < width:
        head, rows = [head[c] for c in keep], [[row[c] for c in keep] for row in rows]
    signs = '" \t#' + ",;"
    return Table(path, tuple(note.strip(signs) for note in notes), tuple(head), rows, separator)


def first_rows(path: Path) -> list[list[str]]:
    """The first five rows of a text file, names included, to tell what kind of table it is."""
    with path.open("rb") as file:
        start = file.read(1 << 20)
    text = start.decode(_wide(start) or "utf-8-sig", "replace")
    _, lines = _notes_apart([line for line in text.splitlines() if line.strip()])
    lines = lines[:5]
    separator = max(_SEPARATORS, key=lines[0].count) if lines else ","
    return [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=separator)]


def _notes_apart(lines: list[str]) -> tuple[list[str], list[str]]:
    """Lines of # and the others. The last of # above numbers is their heading where it has a name for each, as numpy.savetxt
    writes it.
    """
    notes, body = [], []
    for line in lines:  # below the heading, #N/A is a cell of Excel's
        heading = body[0] if body else ""
        cell = any(heading.count(sign) > 1 and heading.count(sign) == line.count(sign) for sign in _SEPARATORS)
        (notes if line.lstrip(_BLANK).startswith("#") and not cell else body).append(line)
    if not notes or not body or not re.fullmatch(r"(?:[-+\s\d.,;eE\"]|nan)+", body[0], re.IGNORECASE):
        return notes, body
    sign = max(_SEPARATORS, key=body[0].count)
    heading = notes[-1].strip().strip('"').lstrip("#").strip(" ")
    if body[0].count(sign) < 2 or heading.count(sign) != body[0].count(sign):
        return notes, body
    return notes[:-1], ["frame" + heading if heading.startswith(sign) else heading, *body]


def text_of(path: Path) -> str:
    """The text of a motion capture program's file: UTF-8 or UTF-16, with or without a mark on top; letters of other encodings
    are lost.

    Raises:
        OSError: the file can't be read.
    """
    content = path.read_bytes()
    return content.decode(_wide(content) or "utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")


def _wide(content: bytes) -> str | None:
    """UTF-16 by its mark or its zero bytes; None where text is something else."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if content[:200].count(0) * 3 > len(content[:200]):
        return "utf-16-be" if content[:1] == b"\0" else "utf-16-le"
    return None


def first_facts(path: Path) -> dict[str, Any]:
    """What lines of # on top of a text file say, as `facts_of` has it."""
    with path.open("rb") as file:
        start = file.read(1 << 16)
    text = start.decode(_wide(start) or "utf-8-sig", "replace")
    lines = [line.strip(_BLANK + "#") for line in text.splitlines() if line.lstrip(_BLANK).startswith("#")]
    return facts_of(lines)


def facts_of(notes: Sequence[str]) -> dict[str, Any]:
    """What notes such as "fps = 30", "image_size: 640x480" say: text by key, in small letters; sizes and places as lists."""
    facts: dict[str, Any] = {}
    for note in notes:
        key, equals, value = (part.strip() for part in note.partition("="))
        if not equals and re.fullmatch(r"[A-Za-z_ ]+", note.partition(":")[0]):
            key, equals, value = (part.strip() for part in note.partition(":"))
        key = key.lower().replace(" ", "_")
        if equals and key in ("image_size", "centre"):
            facts[key] = [part for part in re.split(r"[xX×*,;\s()\[\]]+", value) if part]
        elif equals:
            facts[key] = re.sub(r"^(\d+),(\d+)$", r"\1.\2", value)
    return facts


def _text(path: Path) -> str:
    content = path.read_bytes()
    wide = _wide(content)
    try:
        text = content.decode(wide or "utf-8-sig")
    except UnicodeDecodeError as error:
        if wide or re.search(rb"[\x00-\x08\x0e-\x1f\x7f]", content):
            raise DataError(f"{path}: not a text file ({error}); save it as CSV in UTF-8") from error
        text = content.decode("cp1252", "replace")  # older Windows; only letters beyond ASCII differ
    if "\0" in text:
        raise DataError(f"{path}: not a text file (it holds zero bytes); save it as CSV in UTF-8")
    return text


def _left_out(name: str, column: int, rows: list[list[str]]) -> bool:
    """Whether a column is nothing: without a name and empty, or pandas' row numbers."""
    if name and not (column == 0 and _INDEX.fullmatch(name.lower())):
        return False
    cells = [row[column] for row in rows]
    if column == 0 and cells in ([str(i) for i in range(len(rows))], [str(i + 1) for i in range(len(rows))]):
        return True
    return not name and not any(cells)
