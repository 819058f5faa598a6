"""Names of classes and files in charts, pictures and pages: shown as they are, whatever they hold."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from ups.pose import pose_sequence
from ups.reporting.charts import bar_chart, confusion_chart, line_chart, route_diagram, route_figure
from ups.reporting.document import Code, Text, write_document
from ups.reporting.html import html_table, page
from ups.reporting.moving import pictures
from ups.reporting.names import MOST, clean, label
from ups.reporting.poses import save_joints_picture, save_picture
from ups.video.draw import drawn

UNFIT = "a\x00b\x1b[31m\x7f\x85\u2028\u202e\ud800\uffffc"
SHOWN = "a\ufffdb\ufffd[31m\ufffd\ufffd\ufffd\ufffd\ufffd\ufffdc"
ODD = (
    "_hidden",
    "",
    'x id="y"',
    'href="#z"',
    "url(#w)",
    "#010203",
    "'a', 'b', sans-serif",
    "<b>",
    UNFIT.replace("\x85\u2028", ""),
)


def texts(svg: str) -> list[str]:
    return [
        "".join(element.itertext()) for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("}text")
    ]


def test_what_no_page_has_is_replaced_and_the_rest_is_left():
    assert clean(UNFIT) == SHOWN
    assert (
        clean("two\nlines\tund Umlaute äöü 字 \U0001f600 e\u0301 \u200d")
        == "two\nlines\tund Umlaute äöü 字 \U0001f600 e\u0301 \u200d"
    )
    assert label("a\r\nb\tc ") == "a b c"
    assert label("x" * MOST) == "x" * MOST
    assert label("x" * (MOST + 1)) == "x" * (MOST - 1) + "…"
    assert label("字" * 25) == "字" * 25
    assert label("字" * 26) == "字" * 24 + "…"
    assert label("") == ""


def test_charts_show_every_name():
    numbers = {name: ([0, 1], [1, 2]) for name in ODD}
    bars = {name: {"b": 1.0} for name in ODD}
    for svg in (
        line_chart(numbers, "x", "y", "t"),
        bar_chart(bars, "x", "t"),
        bar_chart({"a": dict.fromkeys(ODD, 1.0)}, "x", "t"),
        confusion_chart(np.eye(len(ODD), dtype=int), ODD, "t"),
    ):
        assert {label(name) for name in ODD if name} <= set(texts(svg))
    for draw in (route_diagram, route_figure):
        assert {label(name) for name in ODD} <= set(texts(draw({name: [0] for name in ODD}, 1)))


def test_legends_name_each_curve_beside_its_line():
    svg = line_chart({"_first": ([0], [1]), "second": ([0], [1])}, "x", "y", "t")
    assert texts(svg)[-2:] == ["_first", "second"] or texts(svg)[-3:-1] == ["_first", "second"]


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("name", [UNFIT, "x" * 5000, "\n" * 500, "字" * 500])
def test_charts_of_names_that_cannot_be_shown_whole_keep_their_size(name):
    plain, hostile = (bar_chart({"a": {each: 1.0}, each: {each: 1.0}}, "x", "t") for each in ("sit", name))
    assert re.findall(r'viewBox="[^"]+"', plain) == re.findall(r'viewBox="[^"]+"', hostile)
    assert len(hostile) < 3 * len(plain)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1.7e308, -1e300])
def test_values_that_no_axis_holds_leave_gaps(value):
    for svg in (
        bar_chart({"a": {"b": value, "c": 1.0}}, "x", "t"),
        line_chart({"a": ([0, value, 2], [1, 2, value])}, "x", "y", "t"),
        line_chart({"a": ([0, 1, 2], [1, 2, value])}, "x", "y", "t", log_y=True),
        line_chart({"a": ([0, 1], [value, value])}, "x", "y", "t", log_y=True),
    ):
        ElementTree.fromstring(svg)
        assert "nan" not in svg and "inf" not in svg


def test_pages_hold_no_control_character(tmp_path):
    assert SHOWN in page(UNFIT, [(UNFIT, html_table((UNFIT,), [(UNFIT,)]))])
    write_document(tmp_path, UNFIT, [(UNFIT, [Text(UNFIT), Code("one\ntwo" + UNFIT)])])
    for name in ("index.html", "report.md"):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", (tmp_path / name).read_bytes().decode())
    assert "one\ntwo" + SHOWN in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize("name", [UNFIT, "x" * 5000, "$\\frac{$"])
def test_pictures_of_any_name(tmp_path, name):
    joints = np.random.default_rng(0).random((2, 17, 2)) * 99
    clip = pose_sequence(joints, "coco-17", space="image", fps=30, image_size=(640, 480))
    save_picture(clip, tmp_path / "a.png", name, [(name, 0.5)])
    save_joints_picture(clip, [name] * 17, tmp_path / "b.png", name)
    assert drawn(np.zeros((48, 64, 3), np.uint8), clip, 0, name).shape == (48, 64, 3)
    assert next(pictures(clip, 30, (64, 64), name))[1].shape == (64, 64, 3)
