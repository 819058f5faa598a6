"""Tables and self-contained HTML pages: text in, text out, and a file that is either whole or absent."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from ups.errors import SettingError
from ups.files import write_whole

_NUMBER = re.compile(r"[+\-−]?[\d.,]+(e[+-]?\d+)?( ?± ?[\d.,]+)?( ?[%×]| [a-zA-Zµ]{1,4}(/s)?)?|[–-]?")


def markdown_table(header: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; numeric columns are right-aligned, None is shown as "–".

    Raises:
        SettingError: a row with another number of cells than the header.
    """
    cells = _cells(header, rows)

    def line(texts: Sequence[str]) -> str:
        return "| " + " | ".join(t.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ") for t in texts) + " |"

    rule = "|" + "|".join("---:" if numeric else "---" for numeric in _numeric_columns(cells)) + "|"
    return "\n".join([line(cells[0]), rule, *map(line, cells[1:])]) + "\n"


def html_table(header: Sequence[object], rows: Sequence[Sequence[object]]) -> str:
    """An HTML table that scrolls sideways where the screen is narrow; every cell is escaped, None is shown as "–".

    More than ten columns are set closer together.

    Raises:
        SettingError: a row with another number of cells than the header.
    """
    cells = _cells(header, rows)
    classes = [' class="number"' if numeric else "" for numeric in _numeric_columns(cells)]

    def line(tag: str, texts: Sequence[str]) -> str:
        row = zip(classes, texts, strict=True)
        return "<tr>" + "".join(f"<{tag}{kind}>{escape(text)}</{tag}>" for kind, text in row) + "</tr>"

    body = "\n".join(line("td", row) for row in cells[1:])
    return (
        f'<div class="table{" wide" if len(header) > 10 else ""}"><table>\n<thead>{line("th", cells[0])}</thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table></div>\n"
    )


def figure(content: str, caption: str) -> str:
    """HTML (a chart, an animation) with a caption, which is escaped."""
    return f"<figure>\n{content}\n<figcaption>{escape(caption)}</figcaption>\n</figure>\n"


def page(title: str, sections: Sequence[tuple[str, str]]) -> str:
    """One self-contained HTML page: it loads nothing, fits phones, and follows the reader's light or dark mode.

    Args:
        title: plain text, escaped here.
        sections: (heading, content); the heading is plain text and escaped here, the content is HTML. An empty heading
            makes an introduction that is not listed among the contents.
    """
    headed = [(i, heading) for i, (heading, _) in enumerate(sections, 1) if heading]
    links = "".join(f'<a href="#section-{i}">{escape(heading)}</a>' for i, heading in headed)
    contents = f'<nav aria-label="Contents">{links}</nav>\n' if len(headed) > 1 else ""
    body = ""
    for i, (heading, content) in enumerate(sections, 1):
        top = f"<h2>{escape(heading)}</h2>\n" if heading else ""
        body += f'<section id="section-{i}">\n{top}{content}\n</section>\n'
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(title)}</h1>\n{contents}{body}</main>\n</body>\n</html>\n"
    )


def write_page(path: str | Path, title: str, sections: Sequence[tuple[str, str]]) -> None:
    """Write `page(title, sections)` to a file, see `ups.files.write_whole`."""
    write_whole(path, page(title, sections).encode())


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


_STYLE = """
:root { color-scheme: light dark; --ink: #1d2129; --soft: #5b6472; --line: #dfe3e9; --paper: #ffffff;
  --tint: #f5f7fa; --accent: #1f6fc9; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e7ec; --soft: #9aa4b2; --line: #30363f; --paper: #15181d; --tint: #1d2128; --accent: #6db1ff; }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: clamp(1.6rem, 4.5vw, 2.3rem); line-height: 1.2; letter-spacing: -0.01em; margin: 0 0 0.75rem; }
h2 { font-size: 1.35rem; line-height: 1.3; margin: 3rem 0 0.75rem; padding-top: 0.9rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1.08rem; margin: 1.75rem 0 0.5rem; }
section { scroll-margin-top: 1rem; }
p, ul, ol { max-width: 44rem; }
a { color: var(--accent); }
nav { display: flex; flex-wrap: wrap; gap: 0.4rem; margin: 1rem 0 0; }
nav a { text-decoration: none; font-size: 0.9rem; padding: 0.2rem 0.7rem; border: 1px solid var(--line);
  border-radius: 1rem; background: var(--tint); }
nav a:hover { border-color: var(--accent); }
code, pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 0.9em; }
code { background: var(--tint); padding: 0.1em 0.3em; border-radius: 4px; }
pre { background: var(--tint); border: 1px solid var(--line); border-radius: 8px; padding: 0.9rem 1rem;
  overflow-x: auto; }
pre code { background: none; padding: 0; }
.table { overflow-x: auto; margin: 1.25rem 0; border: 1px solid var(--line); border-radius: 8px; }
table { border-collapse: collapse; width: 100%; font-size: 0.94rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.5rem 0.85rem; text-align: left; vertical-align: top; }
th { background: var(--tint); color: var(--soft); font-weight: 600; white-space: nowrap; vertical-align: bottom; }
td { border-top: 1px solid var(--line); }
tbody tr:hover { background: var(--tint); }
.number { text-align: right; white-space: nowrap; }
th.number { white-space: normal; }
.wide table { font-size: 0.8rem; }
.wide th, .wide td { padding: 0.4rem 0.28rem; white-space: nowrap; }
figure { margin: 1.5rem 0; }
figure svg, figure img { display: block; max-width: 100%; height: auto; margin: 0 auto; }
figcaption { color: var(--soft); font-size: 0.9rem; max-width: 44rem; margin: 0.6rem auto 0; text-align: center; }
@media (max-width: 40rem) {
  main { padding: 1.5rem 1rem 3rem; }
  th, td { padding: 0.4rem 0.6rem; }
}
@media print { nav { display: none; } h2 { break-after: avoid; } figure, .table { break-inside: avoid; } }
"""
