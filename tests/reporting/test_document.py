"""Documents: the same blocks as Markdown and as a page, with nothing in them that either would take for markup."""

from pathlib import Path
from xml.etree import ElementTree

from ups.reporting.document import Chart, Code, Heading, Section, Table, Text, write_document

SVG = '<svg xmlns="http://www.w3.org/2000/svg" style=""><text>a</text></svg>'
LONG = "Words of a long paragraph that has to be wrapped, " * 5 + "- 5 < 7 & 3 &lt; | end"
SECTIONS: list[Section] = [
    ("", [Text("Introduction")]),
    (
        "A <b> & c",
        [
            Text(LONG),
            Heading("Inner | <i>"),
            Code("ups <run>\nups report"),
            Table(("a", "b", "c"), [("<b>x</b> & y|z\\", "12.5 ± 0.4 mm", None), ("two\nlines", "7 %", 3)]),
            Chart("curve", SVG, "What the <curve> shows; " * 8),
        ],
    ),
]
MARKDOWN = r"""# Title &lt;1>

Introduction

## A &lt;b> & c

Words of a long paragraph that has to be wrapped, Words of a long paragraph that has to be wrapped, Words of a long
paragraph that has to be wrapped, Words of a long paragraph that has to be wrapped, Words of a long paragraph that has
to be wrapped, - 5 &lt; 7 & 3 &amp;lt; \| end

### Inner \| &lt;i>

    ups <run>
    ups report

| a | b | c |
|---|---:|---:|
| &lt;b>x&lt;/b> & y\|z\\ | 12.5 ± 0.4 mm | – |
| two lines | 7 % | 3 |
"""


def test_markdown_is_wrapped_and_escaped(tmp_path: Path) -> None:
    write_document(tmp_path, "Title <1>", SECTIONS)
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert text.startswith(MARKDOWN)
    assert all(len(line) <= 120 for line in text.splitlines())
    drawn, caption = text[len(MARKDOWN) :].strip().split("\n\n")
    assert drawn.split()[-1] == "](figures/curve.svg)" and "&lt;curve>" in drawn
    assert caption[0] == caption[-1] == "*" and caption.count("&lt;curve>") == 8
    ElementTree.parse(tmp_path / "figures" / "curve.svg")


def test_no_line_of_wrapped_prose_begins_a_list_or_a_heading(tmp_path: Path) -> None:
    for mark, shown in (("-", "\\-"), ("1.", "1\\."), ("##", "\\##"), ("+", "\\+"), (">", "\\>")):
        write_document(tmp_path, "t", [("", [Text("x" * 119 + f" {mark} y")])])
        assert (tmp_path / "report.md").read_text().splitlines()[3] == f"{shown} y"


def test_page_shows_the_same_blocks_in_order(tmp_path: Path) -> None:
    page = write_document(tmp_path, "Title <1>", SECTIONS).read_text(encoding="utf-8")
    pieces = (
        "<title>Title &lt;1&gt;</title>", "<p>Introduction</p>", "<h2>A &lt;b&gt; &amp; c</h2>", "&lt; 7 &amp; 3 &amp;lt; |",
        "<h3>Inner | &lt;i&gt;</h3>", "<pre>ups &lt;run&gt;\nups report</pre>", "<td>&lt;b&gt;x&lt;/b&gt; &amp; y|z\\</td>",
        '<td class="number">–</td>', SVG, "<figcaption>What the &lt;curve&gt; shows;",
    )  # fmt: skip
    places = [page.index(piece) for piece in pieces]
    assert places == sorted(places)
