"""What is drawn and written to be looked at: charts, pictures, documents and pages, of hostile names and poses.

A mutant is the seed of its names and numbers. What comes out has to be whole: SVG that is XML, a PNG, a page whose
scripts and attributes are those of the templates, and every name to be read in it as it was given.
"""

from __future__ import annotations

import json
import random
import re
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from fuzz.mutate import Kind, poses

NAMES = (
    "sit", "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' onload='x", "</style></title><svg/onload=1>",
    "{{ 7*7 }}{% raw %}", "%s {0} %(a)s", "]]><!--", "--><b>", "&amp;&#60;b&#62;", "$x^2$", "$\\frac{$", "\\alpha", "_",
    "_hidden", "__a", "", " ", "\x00", "\x1b[31mred\x1b[0m", "a\nb\r\nc", "\t", "\x85\u2028\u2029", "\u202egnp", "\ud800",
    "x\udcff.json", "\ufffe\uffff", "x" * 3000, "w " * 500, "\n" * 300, "字" * 40, "\U0001f600", "e" + "\u0301" * 60,
    "\u0627\u0644", 'x id="y" z', 'href="#a" xlink:href="#b" url(#c)', "#010203", "'a', 'b', sans-serif", "a | b",
    "[a](javascript:alert(1))", "# a", "- a", "`a`", "../../x", "9" * 400, "nan", "None",
)  # fmt: skip
"""Of classes, files, models, people and joints."""
_NUMBERS = (0.0, 1.0, 0.5, -1.0, 1e-300, 1e300, 1.7e308, float("nan"), float("inf"), -float("inf"), 1e6)
_TAGS = {"svg", "g", "path", "rect", "text", "tspan", "use", "defs", "clipPath", "style", "line", "circle", "image", "metadata",
         "polyline", "polygon"}  # fmt: skip


def make(rng: random.Random) -> bytes:
    return str(rng.randrange(2**60)).encode()


def names(rng: random.Random, count: int) -> list[str]:
    """Different names, in any order."""
    return rng.sample(NAMES, min(count, len(NAMES)))


def numbers(rng: random.Random, count: int) -> list[float]:
    odd = rng.random() < 0.5
    return [rng.choice(_NUMBERS) if odd and rng.random() < 0.3 else rng.uniform(0, 1) for _ in range(count)]


# What has to be true of what was written


def seen(text: str) -> str:
    """Without what can't be seen, and what stands in its place."""
    return "".join(c for c in text if unicodedata.category(c)[0] not in "CZ" and c != "\ufffd")


def shown(name: str) -> str:
    """What has to be found of a name: its beginning, for long ones are cut."""
    return seen(name)[:20]


def check_svg(svg: str, names: Sequence[str] = ()) -> None:
    """A fragment that is XML, with elements of drawings alone, in whose texts the names are found."""
    svg.encode()
    tree = ElementTree.fromstring(svg)
    texts = []
    for element in tree.iter():
        tag = str(element.tag).rpartition("}")[2]
        assert tag in _TAGS, tag
        for key, value in element.attrib.items():
            assert not key.lower().startswith("on"), key
            if key.rpartition("}")[2] == "href":
                assert value.startswith(("#", "data:image/png;base64,")), value[:80]
        if tag in ("text", "tspan"):
            texts.append(seen(element.text or ""))
    for name in names:
        assert any(shown(name) in text for text in texts), f"{name[:40]!a} is not shown"


class _Page(HTMLParser):
    """The scripts and the attributes that run something, and all text."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts, self.texts, self.inside = 0, [], ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag
        self.scripts += tag == "script"
        assert tag not in ("img", "iframe", "object", "embed", "base", "form"), tag
        for key, value in attrs:
            assert not key.startswith("on"), key
            if key in ("href", "src"):
                assert value is not None and value.startswith(
                    ("#", "data:,", "data:image/png;base64,", "annotated.mp4")
                ), value

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside not in ("script", "style"):
            self.texts.append(data)


def check_page(path: Path, names: Sequence[str], scripts: int) -> None:
    """A page with as many scripts as its templates have, that loads nothing, and in which the names are read."""
    parser = _Page()
    text = path.read_bytes().decode()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text), "a control character"
    parser.feed(text)
    parser.close()
    assert parser.scripts == scripts, f"{parser.scripts} scripts"
    whole = seen("".join(parser.texts))
    for name in names:
        assert shown(name) in whole, f"{name[:40]!a} is not shown"


def check_png(path: Path) -> None:
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n" and content[-8:-4] == b"IEND"
    assert all(side < 20_000 for side in np.frombuffer(content[16:24], ">u4").tolist())


def check_markdown(text: str) -> None:
    """Without control characters, and no HTML of a name: "<" stands for itself nowhere."""
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text), "a control character"
    assert "<" not in re.sub(r"(?m)^    .*$", "", text), "HTML"


# What is drawn


def charts(rng: random.Random) -> None:
    from ups.reporting.charts import bar_chart, confusion_chart, line_chart, route_diagram, route_figure

    what, title = rng.randrange(5), rng.choice(NAMES)
    if what == 0:
        count, labels = rng.choice([0, 1, 2, 13]), names(rng, rng.randint(1, 9))
        series = {name: (numbers(rng, count), numbers(rng, count)) for name in labels}
        axes = names(rng, 2)
        check_svg(line_chart(series, *axes, title, rng.random() < 0.5), [*labels, *axes, title])
    elif what == 1:
        rows, labels = names(rng, rng.randint(1, 9)), names(rng, rng.randint(1, 4))
        series = {label: dict(zip(rows, numbers(rng, len(rows)), strict=True)) for label in labels}
        check_svg(bar_chart(series, rng.choice(NAMES), title), [*rows, *(labels if len(labels) > 1 else []), title])
    elif what == 2:
        classes = names(rng, rng.choice([1, 2, 9, 40]))
        counts = [[rng.choice([0, 0, 1, 10**6, 2**62]) for _ in classes] for _ in classes]
        check_svg(confusion_chart(counts, classes, title), [*classes, title])
    else:
        blocks, tasks = rng.randint(1, 5), names(rng, rng.randint(1, 5))
        routes = {task: [rng.randrange(blocks) for _ in range(3)] for task in tasks}
        check_svg((route_diagram if what == 3 else route_figure)(routes, blocks), tasks)


def _clip(rng: random.Random, space: str | None = None) -> Any:
    """Poses as they may be in a file: nobody there, single joints absent, far away, all in one place, one frame."""
    from ups.pose import PoseSequence
    from ups.skeletons import COCO_17, H36M_17

    space = space or rng.choice(["image", "camera", "kinect", "world"])
    persons, frames, channels = rng.choice([1, 1, 2, 5]), rng.choice([1, 2, 7]), 2 if space == "image" else 3
    joints = poses(rng, persons, frames, 17, channels) * rng.choice([0, 1e-12, 1, 100, 1e5])
    seen = rng.choice([np.zeros, np.ones])((persons, frames, 17))
    if rng.random() < 0.6:
        seen = np.random.default_rng(rng.randrange(99)).random(seen.shape) < rng.choice([0.05, 0.5, 0.95])
    truth = poses(rng, persons, frames, 17, 3) if space == "image" and rng.random() < 0.5 else None
    if rng.random() < 0.5:
        joints = np.where(seen[..., None] > 0, joints, 0)
    if truth is not None and rng.random() < 0.3:
        truth[rng.randrange(persons), rng.randrange(frames)] = rng.choice(_NUMBERS)
    return PoseSequence(
        joints.astype(np.float32), np.asarray(seen, np.float32), rng.choice([COCO_17, H36M_17]), space, 30.0,
        id="", image_size=(640, 480), pose_3d=None if truth is None else truth.astype(np.float32),
    )  # pyright: ignore[reportArgumentType]  # fmt: skip


def pictures(rng: random.Random, path: Path) -> None:
    from ups.reporting.poses import save_joints_picture, save_lift_picture, save_picture

    what, title = rng.randrange(4), rng.choice(NAMES)
    if what == 3:
        frame(rng)
        return
    if what == 0:
        clip, count = _clip(rng), rng.choice([0, 1, 5, 12])
        save_picture(clip, path, title, list(zip(names(rng, count), numbers(rng, count), strict=True)))
    elif what == 1:
        save_joints_picture(_clip(rng), [rng.choice(NAMES) for _ in range(17)], path, title)
    else:
        clip = _clip(rng, "image" if rng.random() < 0.9 else None)
        lifted = poses(rng, clip.frames, 17, 3) * rng.choice([0, 1, 1e6])
        if rng.random() < 0.4:
            lifted[rng.randrange(clip.frames)] = rng.choice(_NUMBERS)
        if rng.random() < 0.1:
            lifted[rng.randrange(clip.frames), rng.randrange(17)] = np.nan
        save_lift_picture(clip, lifted, path, title, rng.randrange(clip.persons))
    check_png(path)


def frame(rng: random.Random) -> None:
    """A frame of a video, however small, with its people and an action."""
    from ups.video.draw import drawn

    clip, size = _clip(rng, "image"), rng.choice([(64, 48), (1, 1), (640, 2)])
    picture = drawn(np.zeros((size[1], size[0], 3), np.uint8), clip, rng.randrange(clip.frames), rng.choice(NAMES))
    assert picture.shape == (size[1], size[0], 3)


def documents(rng: random.Random, folder: Path) -> None:
    from ups.reporting.charts import bar_chart
    from ups.reporting.document import Chart, Code, Heading, Table, Text, write_document

    title, heading, text, head, caption, code = names(rng, 6)
    cells = [names(rng, 3) for _ in range(rng.randint(0, 4))]
    svg = bar_chart({"a": {"b": 1.0}}, "x", "t")
    content = [Heading(heading), Text(text), Code(code), Table((head, "b", "c"), cells), Chart("c", svg, caption)]
    page = write_document(folder, title, [("", content[:2]), (rng.choice(NAMES), content)])
    check_page(page, [title, heading, text, head, caption, code, *(name for row in cells for name in row)], 0)
    check_markdown((folder / "report.md").read_bytes().decode())
    check_svg((folder / "figures" / "c.svg").read_bytes().decode())


def evaluations(rng: random.Random, path: Path) -> None:
    from ups.evaluation.page import write_evaluation_page

    classes, count = names(rng, rng.choice([1, 3, 9])), rng.choice([1, 5, 20])
    metrics: dict[str, Any] = {
        "clips": count, "top1": numbers(rng, 1)[0], "top5": numbers(rng, 1)[0], "classes": classes,
        "labels": [rng.randrange(len(classes)) for _ in range(count)],
        "predicted": [rng.randrange(len(classes)) for _ in range(count)],
    }  # fmt: skip
    model = rng.choice(NAMES)
    write_evaluation_page(path, {"checkpoint": model, "results": {"recognize_3d/a:b": metrics}})
    check_page(path, [model, *(classes[k] for k in set(metrics["labels"]))], 0)


def videos(rng: random.Random, path: Path) -> None:
    """The page about a video: its name, a timeline of any actions, and poses in which people come and go."""
    from ups.skeletons import H36M_17
    from ups.tasks.predictions import Lifted
    from ups.tasks.timeline import Segment, Timeline
    from ups.video.answer import _write_page

    clip, actions = _clip(rng, "image"), names(rng, rng.randint(1, 6))
    segments = tuple(Segment(float(i), i + 1.0, action, 0.5) for i, action in enumerate(actions))
    joints = poses(rng, clip.persons, clip.frames, 17, 3)
    joints[rng.randrange(clip.persons), rng.randrange(clip.frames) :] = np.nan
    if rng.random() < 0.2:
        joints[rng.randrange(clip.persons), 0, rng.randrange(17), 0] = rng.choice(_NUMBERS)
    lifted = Lifted(joints.astype(np.float32), np.zeros(joints.shape[:3], np.float32), H36M_17)
    name, remarks = rng.choice(NAMES), names(rng, rng.randint(0, 3))
    result = {"reprojection": rng.choice([None, 0.1]), "remarks": remarks}
    _write_page(
        path, name, clip, Timeline(segments, tuple(actions), 1.0, np.zeros((1, 1)), np.zeros(1)), lifted, result
    )
    check_page(path, [name, *actions, *remarks], 2)


def animations(rng: random.Random, path: Path) -> None:
    """Moving figures with names of any kind, in a page: one script, and its data are JSON."""
    from ups.reporting.html import figure, write_page
    from ups.reporting.poses import skeleton_animation
    from ups.skeletons import H36M_17

    shown, frames = names(rng, rng.randint(1, 3)), rng.choice([1, 4])
    figures = {name: poses(rng, frames, 17, 3) * rng.choice([0, 1, 1e6, 1e30]) for name in shown}
    if rng.random() < 0.3:
        figures[shown[0]][0, rng.randrange(17)] = rng.choice(_NUMBERS)
    moving = skeleton_animation(figures, H36M_17, rng.choice([30.0, 1e-3, 1e4]), rng.random() < 0.5, "a")
    caption = rng.choice(NAMES)
    write_page(path, "x", [("", figure(moving, caption))])
    check_page(path, [caption], 1)
    data = re.search(r"const data = (\{.*\});", path.read_text())
    assert data is not None and json.loads(data[1])["names"] is not None


_PAGES: tuple[Callable[[random.Random, Path], None], ...] = (documents, evaluations, videos, animations)


def _read_charts(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of letters that no font has
        charts(random.Random(path.read_bytes()))


def _read_pictures(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pictures(random.Random(path.read_bytes()), path.with_name("picture.png"))


def _read_pages(path: Path) -> None:
    rng = random.Random(path.read_bytes())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rng.choice(_PAGES)(rng, path.with_name("page"))


KINDS = {
    "charts": Kind("seed", make, _read_charts, slow=True),
    "pictures": Kind("seed", make, _read_pictures, slow=True),
    "pages": Kind("seed", make, _read_pages, slow=True),
}
