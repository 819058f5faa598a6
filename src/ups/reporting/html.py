"""Tables and self-contained HTML pages from the templates beside this file, and a file that is either whole or absent."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ups.errors import SettingError
from ups.files import write_whole
from ups.reporting.names import clean

if TYPE_CHECKING:
    from jinja2 import Environment

_NUMBER = re.compile(r"[+\-−]?[\d.,]+(e[+-]?\d+)?( ?± ?[\d.,]+)?( ?[%×]| [a-zA-Zµ]{1,4}(/s)?)?|[–-]?")


def html_table(header: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    """An HTML table that scrolls sideways where the screen is narrow; every cell is escaped, None is shown as "–".

    More than ten columns are set closer together.

    Raises:
        SettingError: a row with another number of cells than the header.
    """
    return str(blocks().table(header, rows))


def figure(content: str, caption: str) -> str:
    """HTML (a chart, an animation) with a caption, which is escaped."""
    return str(blocks().figure(content, caption))


def page(title: str, sections: Sequence[tuple[str, str]]) -> str:
    """One self-contained HTML page: it loads nothing, fits phones, and follows the reader's light or dark mode.

    Args:
        title: plain text, escaped here.
        sections: (heading, content); the heading is plain text and escaped here, the content is HTML. An empty heading
            makes an introduction that is not listed among the contents.
    """
    return render("page.html", title=title, sections=sections)


def write_page(path: str | Path, title: str, sections: Sequence[tuple[str, str]]) -> None:
    """Write `page(title, sections)` to a file, see `ups.files.write_whole`."""
    write_whole(path, page(title, sections).encode())


def render(name: str, **values: object) -> str:
    """The text of a template of this folder; values are cleaned, in .html also escaped unless they are marked safe."""
    return _templates().get_template(name).render(**values)


def blocks() -> Any:
    """The macros of blocks.html, by name."""
    return _templates().get_template("blocks.html").module


@lru_cache(maxsize=1)
def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=PackageLoader("ups.reporting", ""),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        finalize=_cleaned,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["columns"] = _columns
    environment.filters |= {"plain": _plain, "wrap": _wrap}
    return environment


def _cleaned(value: object) -> object:
    """A value as templates show it; what is marked safe stays as it is."""
    return clean(value) if type(value) is str else value


def _plain(text: str) -> str:
    """Text that Markdown shows as it is: no HTML, no table, no link, on one line without control characters."""
    text = re.sub(r"&(?=#?\w+;)", "&amp;", text).replace("<", "&lt;")
    text = re.sub(r"[\\|]", r"\\\g<0>", text).replace("](", r"]\(")
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", " ", text)


def _wrap(text: str) -> str:
    """Markdown prose in lines of at most 120 characters; none begins a list, a heading or a quotation."""
    lines = textwrap.fill(text, 119, break_long_words=False, break_on_hyphens=False)
    return re.sub(r"(?m)^(\d*)(?=[-+*#>=.)~]+(\s|$))", r"\1\\", lines)


def _columns(header: Sequence[object], rows: Sequence[Sequence[object]]) -> tuple[list[list[str]], list[bool]]:
    """Header and rows as texts, and which columns are numeric."""
    cells = _cells(header, rows)
    return cells, _numeric_columns(cells)


def _cells(header: Sequence[object], rows: Sequence[Sequence[object]]) -> list[list[str]]:
    """Header and rows as texts."""
    for i, row in enumerate(rows):
        if len(row) != len(header):
            raise SettingError(f"row {i} of the table has {len(row)} cells, its header {len(header)}: {list(row)}")
    return [["–" if value is None else str(value) for value in row] for row in (header, *rows)]


def _numeric_columns(cells: list[list[str]]) -> list[bool]:
    """Which columns hold nothing but numbers (with a unit, a spread, or a dash for a missing one) below the header."""
    columns = zip(*cells[1:], strict=True) if len(cells) > 1 else [()] * len(cells[0])
    return [any(map(_has_digit, column)) and all(map(_NUMBER.fullmatch, column)) for column in columns]


def _has_digit(text: str) -> bool:
    return any(c.isdigit() for c in text)
