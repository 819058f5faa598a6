"""A document of texts, tables and charts, written as Markdown and as one self-contained HTML page from one source.

Each form has its template (blocks.html and page.html, report.md) that renders the same blocks, so nothing has to turn
Markdown into HTML.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ups.errors import SettingError
from ups.files import write_whole
from ups.reporting.html import blocks, render, write_page


@dataclass(frozen=True)
class Heading:
    """A heading within a section; plain text."""

    text: str


@dataclass(frozen=True)
class Text:
    """A paragraph; plain text."""

    text: str


@dataclass(frozen=True)
class Code:
    """Lines to type; plain text."""

    text: str


@dataclass(frozen=True)
class Table:
    """A table; numeric columns are right-aligned, None is shown as "–"."""

    header: Sequence[object]
    rows: Sequence[Sequence[object]]


@dataclass(frozen=True)
class Chart:
    """A drawing.

    Attributes:
        name: of its file, letters, digits, "-" and "_"; the only one of that name in a document.
        svg: an inline fragment, see `ups.reporting.charts`.
        caption: plain text below.
    """

    name: str
    svg: str
    caption: str


Block = Heading | Text | Code | Table | Chart
Section = tuple[str, Sequence[Block]]
"""Heading (empty for an introduction) and content."""


def write_document(folder: Path, title: str, sections: Sequence[Section]) -> Path:
    """Write FOLDER/index.html, FOLDER/report.md, and for the latter the charts as FOLDER/figures/NAME.svg.

    Returns:
        The HTML page, which needs none of the other files.

    Raises:
        OSError: a file can't be written; none is left half-written.
        SettingError: two charts of one name, or a table with rows of another length than its header.
    """
    charts = [block for _, content in sections for block in content if isinstance(block, Chart)]
    names = [chart.name for chart in charts]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SettingError(f"several charts are called {', '.join(twice)}; each needs a name of its own")
    named = [(heading, [(type(block).__name__, block) for block in content]) for heading, content in sections]
    text = render("report.md", title=title, sections=named).rstrip() + "\n"
    draw = blocks().block
    html = [(heading, "".join(draw(kind, block) for kind, block in content)) for heading, content in named]
    for chart in charts:
        write_whole(folder / "figures" / f"{chart.name}.svg", _standalone(chart.svg).encode())
    write_whole(folder / "report.md", text.encode())
    write_page(folder / "index.html", title, html)
    return folder / "index.html"


def _standalone(svg: str) -> str:
    """A fragment as a file: dark on white, whatever page shows it."""
    return svg.replace('style="', 'style="background:#ffffff;color:#1d2129;', 1)
