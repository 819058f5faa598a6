"""Charts and diagrams: valid SVG that takes the page's colours, says what it is given, and refuses what makes no sense."""

from __future__ import annotations

import re
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from ups.reporting import charts

SVG = "{http://www.w3.org/2000/svg}"


def texts_of(svg: str) -> list[str]:
    """Every text of a drawing."""
    return ["".join(e.itertext()).strip() for e in ElementTree.fromstring(svg).iter(SVG + "text")]


def test_importing_charts_does_not_import_matplotlib() -> None:
    code = (
        "import sys, ups.reporting.charts; assert not [m for m in sys.modules if m.startswith(('matplotlib', 'torch'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def chart(log_y: bool = False) -> str:
    x = np.arange(30)
    series = {"UPS <1>": (x, np.exp(-x / 9)), "a & b": (x, np.exp(-x / 5))}
    return charts.line_chart(series, "epoch", "loss & co", "Loss in $", log_y=log_y)


@pytest.mark.parametrize("log_y", [False, True])
def test_chart_is_xml_with_its_texts_and_curves(log_y: bool) -> None:
    root = ElementTree.fromstring(chart(log_y))
    assert root.tag == SVG + "svg"
    texts = {"".join(element.itertext()).strip() for element in root.iter(SVG + "text")}
    assert {"UPS <1>", "a & b", "epoch", "loss & co", "Loss in $"} <= texts
    strokes = [element.get("style", "") for element in root.iter(SVG + "path")]
    for colour in charts.SERIES[:2]:
        assert any(colour in style for style in strokes)
    assert not re.search(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T", chart(log_y)), "a date would make two runs differ"
    assert ("0.1" in texts and "0.05" in texts) == log_y


def test_charts_are_deterministic_and_share_no_ids() -> None:
    assert chart() == chart()
    ids = [[e.get("id") for e in ElementTree.fromstring(chart(log)).iter() if e.get("id")] for log in (False, True)]
    assert ids[0] and len(set(ids[0] + ids[1])) == len(ids[0]) + len(ids[1])
    used = set(re.findall(r'(?:url\(#|href="#)([^")]+)', chart()))
    assert used == set(ids[0])


def test_chart_takes_the_colour_of_the_page_and_leaves_gaps() -> None:
    text = charts.line_chart({"a": ([0, 1, 2, 3], [1, np.nan, 0, 10])}, "x", "y", "t", log_y=True)
    assert "currentColor" in text and "#000000" not in text and "nan" not in text.lower()
    with pytest.raises(ValueError, match="series 'a'"):
        charts.line_chart({"a": ([0, 1], [1])}, "x", "y", "t")
    with pytest.raises(ValueError, match="no series"):
        charts.line_chart({}, "x", "y", "t")


def test_route_diagram_draws_each_task_through_its_blocks() -> None:
    routes = {"3D <pose>": [0, 1, 1], "recognition": [0, 0, 1]}
    root = ElementTree.fromstring(charts.route_diagram(routes, 2))
    assert len(list(root.iter(SVG + "rect"))) == 6
    assert len(list(root.iter(SVG + "path"))) == 2
    texts = [element.text for element in root.iter(SVG + "text")]
    assert texts.count("Block 2") == 3 and "Layer 3" in texts and "3D <pose>" in texts
    boxes = [tuple(float(box.get(key, "")) for key in ("x", "y", "width", "height")) for box in root.iter(SVG + "rect")]
    dots = [(float(dot.get("cx", "")), float(dot.get("cy", ""))) for dot in root.iter(SVG + "circle")]
    hit = [i for cx, cy in dots for i, (x, y, w, h) in enumerate(boxes) if x < cx < x + w and y < cy < y + h]
    assert hit == [0, 3, 5, 0, 2, 5], "boxes run layer by layer; a dot lies in each box chosen"


def test_route_figure_fills_the_chosen_block_of_each_layer() -> None:
    routes = {"3D <pose>": [0, 1, 1], "recognition": [2, 0, 1]}
    svg = charts.route_figure(routes, 3)
    root = ElementTree.fromstring(svg)
    kinds = [box.get("class") for box in root.iter(SVG + "rect") if box.get("class")]
    assert len(kinds) == 2 * 3 * 3
    chosen = [kinds[i : i + 3].index("chosen") for i in range(0, len(kinds), 3)]
    assert chosen == [*routes["3D <pose>"], *routes["recognition"]] and kinds.count("chosen") == 6
    assert {"3D <pose>", "recognition", "Layer 1", "Layer 3"} <= set(texts_of(svg))


def test_bars_have_the_lengths_of_their_values() -> None:
    values = {"MPJPE": {"walk & <run>": 30.0, "jog": 15.0}, "P-MPJPE": {"jog": 7.5}}
    svg = charts.bar_chart(values, "mm", "Errors")
    assert {"walk & <run>", "jog", "MPJPE", "P-MPJPE", "mm", "Errors"} <= set(texts_of(svg))
    lengths: dict[str, list[float]] = {colour: [] for colour in charts.SERIES[:2]}
    for path in ElementTree.fromstring(svg).iter(SVG + "path"):
        for colour, found in lengths.items():
            if f"fill: {colour}" in path.get("style", "") and path.get("clip-path"):
                x = [float(n) for n in re.findall(r"[ML] ([\d.]+)", path.get("d", ""))]
                found.append(max(x) - min(x))
    (walk, jog), (aligned,) = lengths.values()
    assert walk == pytest.approx(2 * jog, rel=1e-3) and jog == pytest.approx(2 * aligned, rel=1e-3)
    for bad in ({}, {"a": {}}):
        with pytest.raises(ValueError, match="without values"):
            charts.bar_chart(bad, "mm", "t")


def test_confusion_chart_shows_counts_where_there_is_room() -> None:
    counts = np.diag([7, 8, 9])
    counts[0, 2] = 5
    texts = texts_of(charts.confusion_chart(counts, ("sit <1>", "b", "c"), "Who"))
    assert sorted(t for t in texts if t.isdigit()) == ["5", "7", "8", "9"] and texts.count("sit <1>") == 2
    many = charts.confusion_chart(np.eye(80, dtype=int), [f"class {i}" for i in range(80)], "Many")
    assert "class 3" not in texts_of(many) and "data:image/png;base64" in many
    with pytest.raises(ValueError, match="for 2 classes"):
        charts.confusion_chart(counts, ("a", "b"), "t")


@pytest.mark.parametrize("draw", [charts.route_diagram, charts.route_figure])
def test_routes_that_do_not_fit_are_refused(draw) -> None:
    with pytest.raises(ValueError, match="leaves the blocks"):
        draw({"a": [0, 2]}, 2)
    for routes in ({"a": [0, 1], "b": [0]}, {}, {"a": []}):
        with pytest.raises(ValueError, match="one block in each layer"):
            draw(routes, 2)
    for routes, blocks in (({"a": [0]}, 2**63), ({"a": [0] * 101}, 1), ({}, 101)):
        with pytest.raises(ValueError, match="at most 100 are drawn"):
            draw(routes, blocks)
