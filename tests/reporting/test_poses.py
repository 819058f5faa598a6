"""Pictures, animations and pages: valid, self-contained, escaped, and written whole."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.image import imread

from ups.errors import DataError
from ups.pose import PoseSequence
from ups.reporting import charts
from ups.reporting import html as report
from ups.reporting import poses as visualise
from ups.skeleton import Skeleton
from ups.skeletons import H36M_17, SBU_15, SKELETONS

SVG = "{http://www.w3.org/2000/svg}"


def standing(skeleton: Skeleton = H36M_17) -> np.ndarray:
    """(J, 3): a person in metres, y up, facing +z, the left arm raised to the side."""
    height = {"ankle": 0.1, "foot": 0.05, "knee": 0.5, "hip": 0.95, "shoulder": 1.45, "elbow": 1.2, "wrist": 1.0}
    height |= {"hand": 0.95, "pelvis": 1.0, "spine": 1.2, "chest": 1.4, "neck": 1.5, "nose": 1.6, "head": 1.7}
    pose = np.zeros((len(skeleton), 3))
    for i, joint in enumerate(skeleton.joints):
        side, _, part = joint.rpartition("_")
        pose[i] = ({"left": 0.2, "right": -0.2}.get(side, 0.0), height[part], 0.05 if part in ("nose", "foot") else 0.0)
        if joint in ("left_elbow", "left_wrist", "left_hand"):
            pose[i] = (0.5 if part == "elbow" else 0.8, 1.45, 0)
    return pose


def turned(pose: np.ndarray, degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return pose @ np.array([[c, 0, -s], [0, 1, 0], [s, 0, c]])


def world(frames: int = 9, persons: int = 1, **fields) -> PoseSequence:
    step = np.linspace(0, 0.5, frames)[:, None, None] * np.array([1.0, 0, 0])
    joints = np.stack([standing() + step + (1.2 * m, 0, 0) for m in range(persons)])
    return PoseSequence(joints, np.ones(joints.shape[:3]), H36M_17, "world", 25, **fields)


def image(frames: int = 9, truth: bool = True) -> PoseSequence:
    camera = (standing() * (1, -1, -1) + (0, 1, 4))[None, None].repeat(frames, 1)
    pixels = 1000 * camera[..., :2] / camera[..., 2:] + 500
    target = camera if truth else None
    return PoseSequence(
        pixels, np.ones(pixels.shape[:3]), H36M_17, "image", 25, image_size=(1000, 1000), pose_3d=target
    )


def colour_share(picture: np.ndarray, colour: str) -> float:
    """Share of the pixels that have this colour exactly."""
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return float((np.rint(picture[..., :3] * 255) == rgb).all(-1).mean())


class Addresses(HTMLParser):
    """Collects whatever a page could load or link to, ids, and whether its tags are balanced."""

    VOID = ("meta", "link", "input", "img", "br")

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "srcset", "action", "data"):
                self.addresses.append(value or "")
            if name == "id":
                self.ids.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def read(html: str) -> Addresses:
    parser = Addresses()
    parser.feed(html)
    parser.close()
    assert not parser.open
    return parser


def test_importing_visualise_does_not_import_matplotlib() -> None:
    code = (
        "import sys, ups.reporting.poses; assert not [m for m in sys.modules if m.startswith(('matplotlib', 'torch'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_picture_has_its_size_and_shows_both_sides(tmp_path: Path) -> None:
    path = tmp_path / "made" / "walk.png"
    visualise.save_picture(world(), path, "A $walk$ & more", [("walk $around$", 0.9), ("sit <down>", 0.1)])
    picture = imread(path)
    assert picture.shape[:2] == (360, 1520)
    for colour in (visualise.LEFT, visualise.RIGHT, visualise.CENTRE):
        assert colour_share(picture, colour) > 0.0005
    assert [p.name for p in path.parent.iterdir()] == ["walk.png"]


def test_picture_of_fewer_frames_than_six_is_narrower(tmp_path: Path) -> None:
    visualise.save_picture(world(frames=1), tmp_path / "a.png")
    assert imread(tmp_path / "a.png").shape[:2] == (360, 190)


@pytest.mark.parametrize("space", ["camera", "kinect", "world"])
def test_3d_pictures_stand_upright_with_the_left_side_at_the_right(tmp_path: Path, space: str) -> None:
    """Whatever the frame of reference, the raised left arm is drawn in the upper right part of the frame."""
    upright = standing() * (1.0, 1, 1)
    joints = {
        "camera": upright * (1, -1, -1) + (0, 0, 3),
        "kinect": upright * (-1, 1, -1) + (0, 0, 3),
        "world": turned(upright, 137),
    }[space]
    sequence = PoseSequence(joints[None, None], np.ones((1, 1, 17)), H36M_17, space, 25)  # type: ignore[arg-type]
    visualise.save_picture(sequence, tmp_path / "a.png")
    rgb = np.rint(imread(tmp_path / "a.png")[..., :3] * 255)
    left = np.argwhere((rgb == [0x2F, 0x86, 0xD6]).all(-1))
    right = np.argwhere((rgb == [0xE2, 0x66, 0x2C]).all(-1))
    assert left[:, 1].mean() > right[:, 1].mean() + 20
    assert left[left[:, 1].argmax(), 0] < 180 < left[:, 0].max(), "the arm is above the middle, the leg below"


def test_kinect_recordings_of_either_handedness_look_alike(tmp_path: Path) -> None:
    for name, mirror in (("a", 1), ("b", -1)):
        joints = (standing() * (mirror, 1, -1) + (0, 0, 3))[None, None]
        sequence = PoseSequence(joints, np.ones((1, 1, 17)), H36M_17, "kinect", 25)
        visualise.save_picture(sequence, tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_two_persons_and_other_skeletons(tmp_path: Path) -> None:
    visualise.save_picture(world(persons=1), tmp_path / "one.png")
    visualise.save_picture(world(persons=2), tmp_path / "two.png")
    assert (tmp_path / "one.png").read_bytes() != (tmp_path / "two.png").read_bytes()
    joints = standing(SBU_15)[None, None]
    visualise.save_picture(PoseSequence(joints, np.ones((1, 1, 15)), SBU_15, "kinect", 15), tmp_path / "sbu.png")
    assert colour_share(imread(tmp_path / "sbu.png"), visualise.LEFT) > 0.001


def test_unseen_joints_are_not_drawn(tmp_path: Path) -> None:
    sequence = image()
    left = [i for i, joint in enumerate(H36M_17.joints) if joint.startswith("left_")]
    sequence.visibility[..., left] = 0
    visualise.save_picture(sequence, tmp_path / "a.png")
    picture = imread(tmp_path / "a.png")
    assert colour_share(picture, visualise.LEFT) == 0
    assert colour_share(picture, visualise.RIGHT) > 0.001
    sequence.visibility[:] = 0
    with pytest.raises(DataError, match="no joint is visible"):
        visualise.save_picture(sequence, tmp_path / "b.png")
    assert not (tmp_path / "b.png").exists()


def test_lift_picture_shows_the_truth_only_where_it_is_known(tmp_path: Path) -> None:
    sequence = image()
    assert sequence.pose_3d is not None
    lifted = sequence.pose_3d[0] + np.random.default_rng(0).normal(0, 0.05, sequence.pose_3d[0].shape)
    visualise.save_lift_picture(sequence, lifted, tmp_path / "known.png", "Lifting")
    visualise.save_lift_picture(image(truth=False), lifted, tmp_path / "unknown.png", "Lifting")
    known, unknown = imread(tmp_path / "known.png"), imread(tmp_path / "unknown.png")
    assert known.shape[:2] == unknown.shape[:2] == (900, 800)
    assert colour_share(known, visualise.TRUTH) > 0.0005 > 0 == colour_share(unknown, visualise.TRUTH)


def test_lift_picture_refuses_wrong_poses(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\(9, 17, 3\) is needed"):
        visualise.save_lift_picture(image(), np.zeros((9, 16, 3)), tmp_path / "a.png")
    with pytest.raises(ValueError, match="not finite"):
        visualise.save_lift_picture(image(), np.full((9, 17, 3), np.nan), tmp_path / "a.png")
    with pytest.raises(ValueError, match="starts from 2D"):
        visualise.save_lift_picture(world(), np.zeros((9, 17, 3)), tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


def animation_data(html: str) -> dict:
    found = re.search(r"const data = (.*);\n", html)
    assert found
    return json.loads(found[1])


def test_animation_holds_the_poses_in_millimetres_with_y_up() -> None:
    pose = turned(standing(), 200)[None].repeat(3, 0).round(3)
    html = visualise.skeleton_animation({"a": pose, "b": 2 * pose}, H36M_17, 25, True, "walk-1")
    data = animation_data(html)
    np.testing.assert_array_equal(np.reshape(data["poses"][1], (3, 17, 3)), np.rint(2000 * pose))
    flipped = visualise.skeleton_animation({"a": pose * (1, -1, -1)}, H36M_17, 25, False, "walk-1")
    assert animation_data(flipped)["poses"][0] == data["poses"][0]
    assert data["bones"] == [list(bone) for bone in H36M_17.bones]
    assert data["colours"][H36M_17.joints.index("left_wrist")] == visualise.LEFT
    assert (data["yaw"] + np.radians(200)) % (2 * np.pi) == pytest.approx(np.radians(30), abs=0.005)


def test_animation_escapes_names_and_needs_nothing_from_outside() -> None:
    pose = standing()[None]
    html = visualise.skeleton_animation({"</script><b>": pose, "$id & $data": pose}, H36M_17, 25, True, "a")
    assert html.count("</script>") == 1
    assert animation_data(html)["names"] == ["</script><b>", "$id & $data"]
    assert read(html).addresses == [] and "http" not in html


def test_animation_refuses() -> None:
    pose = standing()[None]
    for poses, fps, name, message in (
        ({}, 25, "a", "at least one sequence"),
        ({"a": pose, "b": pose[:, :5]}, 25, "a", "'b' have shape"),
        ({"a": pose * np.nan}, 25, "a", "not finite"),
        ({"a": pose[:0]}, 25, "a", "at least one frame"),
        ({"a": pose}, 0, "a", "positive"),
        ({"a": pose}, 25, 'a" onload="', "element_id"),
    ):
        with pytest.raises(ValueError, match=message):
            visualise.skeleton_animation(poses, H36M_17, fps, True, name)


@pytest.mark.parametrize("name", SKELETONS)
def test_every_skeleton_can_be_drawn_and_animated(tmp_path: Path, name: str) -> None:
    skeleton = SKELETONS[name]
    joints = np.random.default_rng(0).normal(size=(1, 2, len(skeleton), 3))
    sequence = PoseSequence(joints, np.ones(joints.shape[:3]), skeleton, "world", 25)
    visualise.save_picture(sequence, tmp_path / "a.png")
    assert imread(tmp_path / "a.png").std() > 0.02
    html = visualise.skeleton_animation({"a": joints[0]}, skeleton, 25, True, "a")
    assert np.shape(animation_data(html)["poses"]) == (1, 2 * len(skeleton) * 3)


def test_tables_escape_and_align() -> None:
    rows = [["<b>x</b> & y|z", "12.5 ± 0.4 mm", None], ["two\nlines", "7 %", 3]]
    html = report.html_table(["a<", "b", "c"], rows)
    assert "<td>&lt;b&gt;x&lt;/b&gt; &amp; y|z</td>" in html and "<th>a&lt;</th>" in html
    assert '<td class="number">12.5 ± 0.4 mm</td><td class="number">–</td>' in html
    ElementTree.fromstring(html)
    assert html + "<p>" == html.strip() + "\n<p>", "a plain string, which takes more HTML behind it"
    with pytest.raises(ValueError, match="row 1 of the table has 1 cells"):
        report.html_table(["a", "b"], [[1, 2], [1]])


def chart(name: str) -> str:
    return charts.line_chart({name: ([0, 1], [1, 2])}, "epoch", "loss", "Loss")


def test_page_is_self_contained_and_its_contents_lead_to_its_sections() -> None:
    animations = [visualise.skeleton_animation({"a": standing()[None]}, H36M_17, 25, True, f"walk-{i}") for i in (1, 2)]
    content = report.figure(chart("a"), "A <caption>") + report.figure(chart("b"), "") + "".join(animations)
    html = report.page("Title <1>", [("", "<p>Hello</p>"), ("Curves & co", content), ("Empty", "")])
    page = read(html)
    assert page.addresses[:3] == ["data:,", "#section-2", "#section-3"]
    assert all(address.startswith(("data:", "#")) for address in page.addresses)
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert "<title>Title &lt;1&gt;</title>" in html and "<h2>Curves &amp; co</h2>" in html
    assert "A &lt;caption&gt;" in html and "prefers-color-scheme: dark" in html
    assert set(re.findall(r"https?://[^\"' ]+", html)) == {"http://www.w3.org/2000/svg"}, "a namespace, never loaded"
    assert "@import" not in html and "url(http" not in html


def test_a_page_that_fails_to_be_written_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "folder" / "page.html"
    report.write_page(path, "One", [("A", "ä")])
    old = path.read_bytes()
    assert old.decode() == report.page("One", [("A", "ä")])

    def full(one: Path, other: Path) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="no space left"):
        report.write_page(path, "Two", [])
    monkeypatch.undo()
    assert path.read_bytes() == old
    assert [p.name for p in path.parent.iterdir()] == ["page.html"]
    report.write_page(path, "Two", [])
    assert "<h1>Two</h1>" in path.read_text()
