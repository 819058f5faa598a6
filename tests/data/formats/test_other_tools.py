"""Files of other tools and other conventions of the same recording: read right, warned of, or refused in one clear line."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ups.data.formats.repair import flipped
from ups.data.formats.write import trc
from ups.data.open_file import read_file
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeletons import COCO_17

FRAMES, SIZE, JOINTS = 12, (640, 480), list(COCO_17.joints)
POINTS = np.round(np.random.default_rng(0).uniform(50, 400, (17, 2)) + 2.5 * np.arange(FRAMES)[:, None, None], 3)
FLAT = [f"{joint}_{axis}" for joint in JOINTS for axis in "xy"]


def put(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def table(head: list[str], rows: list[list[Any]]) -> str:
    return "\n".join(",".join(map(str, row)) for row in [head, *rows]) + "\n"


def read(path: Path, **options: Any) -> PoseSequence:
    return read_file(path, **{"fps": 30, "image_size": SIZE, **options})


def check(clip: PoseSequence) -> None:
    np.testing.assert_allclose(clip.joints[0], POINTS, rtol=1e-5)
    assert clip.skeleton.joints == COCO_17.joints


def test_mmposes_inferencer_and_easy_vitpose(tmp_path: Path) -> None:
    people = [[{"keypoints": POINTS[n].tolist(), "keypoint_scores": [0.9] * 17}] for n in range(FRAMES)]
    check(read(put(tmp_path / "a.json", {"predictions": people, "visualization": []})))
    frames = [{"0": [[y, x, 0.9] for x, y in POINTS[n].tolist()]} for n in range(FRAMES)]
    names = {str(i): joint for i, joint in enumerate(JOINTS)}
    check(read(put(tmp_path / "b.json", {"keypoints": frames, "skeleton": names})))


@pytest.mark.parametrize("form", ["kp{}_", "joint_{}_", "keypoint {} "])
def test_numbered_joints_are_a_skeletons_that_the_user_names(tmp_path: Path, form: str) -> None:
    rows = [[n, *POINTS[n].ravel()] for n in range(FRAMES)]
    for first in (0, 1):
        head = ["frame", *(form.format(i + first) + axis for i in range(17) for axis in "xy")]
        path = put(tmp_path / "a.csv", table(head, rows))
        check(read(path, skeleton="coco-17"))
        with pytest.raises(DataError, match="give --skeleton, one of coco-17, h36m-17"):
            read(path)


@pytest.mark.parametrize("form", ['"({}, {})"', '"[{}, {}, 0.9]"', "[{} {}]"])
def test_cells_of_a_whole_joint(tmp_path: Path, form: str) -> None:
    rows = [[n, *(form.format(x, y) for x, y in POINTS[n])] for n in range(FRAMES)]
    check(read(put(tmp_path / "a.csv", table(["frame", *JOINTS], rows))))


def test_times_before_and_after_noon(tmp_path: Path) -> None:
    clocks = [f"11:59:{59.6 + n / 25:.2f} AM" if n < 10 else f"12:00:{n / 25 - 0.4:.2f} PM" for n in range(FRAMES)]
    for date in ("", "3/14/2024 "):
        rows = [[date + clocks[n], *POINTS[n].ravel()] for n in range(FRAMES)]
        clip = read(put(tmp_path / "a.csv", table(["time", *FLAT], rows)), fps=None)
        assert clip.fps == 25
        check(clip)


def test_trc_with_spaces_and_units_in_headings(tmp_path: Path) -> None:
    points = np.concatenate([POINTS / 200, np.full((FRAMES, 17, 1), 0.1)], -1).astype(np.float32)
    clip = PoseSequence(points[None], np.ones((1, FRAMES, 17), np.float32), COCO_17, "world", 30, "a")
    text = "\n".join(" ".join(line.split()) for line in trc(clip).splitlines())
    found = read_file(put(tmp_path / "a.trc", text), up="y")
    np.testing.assert_allclose(found.joints[0], points, rtol=1e-5)
    head = ["frame", *(f"{joint}_{axis} (mm)" for joint in JOINTS for axis in "xyz")]
    rows = [[n, *(points[n] * 1000).ravel()] for n in range(FRAMES)]
    found = read_file(put(tmp_path / "a.csv", table(head, rows)), up="y", fps=30)
    np.testing.assert_allclose(found.joints[0], points, rtol=1e-4)


def test_scores_in_percent_and_flags_in_words(tmp_path: Path) -> None:
    head = ["frame", *(f"{joint}_{axis}" for joint in JOINTS for axis in "xyv")]
    for yes, no in (("87%", "0 %"), ("yes", "no")):
        rows = [[n, *(v for k in range(17) for v in (*POINTS[n, k], no if k == 3 else yes))] for n in range(FRAMES)]
        clip = read(put(tmp_path / "a.csv", table(head, rows)))
        assert (clip.visibility[0] > 0).sum() == 16 * FRAMES
        assert clip.visibility.max() == pytest.approx(0.87 if yes == "87%" else 1)


def frames(key: str, hidden: Any, shown: Any) -> dict[str, Any]:
    def point(n: int, k: int) -> dict[str, Any]:
        x, y = POINTS[n, k]
        return {"name": JOINTS[k], "x": x, "y": y, key: hidden if k == 3 else shown}

    return {"frames": [{"persons": [{"id": 1, "keypoints": [point(n, k) for k in range(17)]}]} for n in range(FRAMES)]}


@pytest.mark.parametrize(
    ("key", "hidden", "shown"), [("outside", 1, 0), ("absent", True, False), ("visible", "no", "yes")]
)
def test_flags_of_keypoints_by_other_names(tmp_path: Path, key: str, hidden: Any, shown: Any) -> None:
    clip = read(put(tmp_path / "a.json", frames(key, hidden, shown)))
    assert (clip.visibility[0] > 0).sum() == 16 * FRAMES


def test_flags_that_are_not_read_are_told_of(tmp_path: Path) -> None:
    clip = read(put(tmp_path / "a.json", frames("status", "lost", "ok")))
    assert any("keys of keypoints are not read" in notice.what for notice in clip.notices)


def test_keypoints_measured_from_their_boxes_are_told_of(tmp_path: Path) -> None:
    people = [
        [{"id": 1, "bbox": [300.0, 300.0, 140.0, 140.0], "keypoints": (POINTS[n] * 0.3).tolist()}]
        for n in range(FRAMES)
    ]
    clip = read(put(tmp_path / "a.json", {"frames": [{"persons": each} for each in people]}))
    assert any("corners" in notice.what for notice in clip.notices)


@pytest.mark.parametrize(("rate", "fps"), [("30/1", 30), ("29.97 fps", 29.97), ("25 Hz", 25), ("29,5", 29.5)])
def test_rates_of_frames_in_words(tmp_path: Path, rate: str, fps: float) -> None:
    record = frames("score", 0.9, 0.9) | {"fps": rate, "image_size": "640x480"}
    clip = read_file(put(tmp_path / "a.json", record))
    assert clip.fps == pytest.approx(fps)
    assert clip.image_size == SIZE


@pytest.mark.parametrize("rate", [0, "0/0", True, "thirty", [30]])
def test_what_is_no_rate_is_refused(tmp_path: Path, rate: Any) -> None:
    with pytest.raises(DataError, match=r"per second"):
        read_file(put(tmp_path / "a.json", frames("score", 0.9, 0.9) | {"fps": rate}), image_size=SIZE)


def test_refusals_that_say_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(gzip.compress(b"x"))
    with pytest.raises(DataError, match="packed"):
        read(tmp_path / "a.csv")
    with pytest.raises(DataError, match="an empty file"):
        read(put(tmp_path / "b.json", ""))
    with pytest.raises(DataError, match="Label Studio; export them as COCO"):
        read(put(tmp_path / "c.json", [{"id": 1, "data": {}, "annotations": []}]))
    with pytest.raises(DataError, match="CVAT"):
        read(put(tmp_path / "d.xml", "<annotations/>"))
    rows = [["1_0", *POINTS[n].ravel()[1:]] for n in range(FRAMES)]
    with pytest.raises(DataError, match="'1_0' is no number"):
        read(put(tmp_path / "e.csv", table(FLAT, rows)))


def test_y_up_moves_the_cameras_centre() -> None:
    clip = PoseSequence(
        POINTS[None].astype(np.float32),
        np.ones((1, FRAMES, 17), np.float32),
        COCO_17,
        "image",
        30,
        "a",
        image_size=SIZE,
    )
    assert flipped(replace(clip, focal=500.0, centre=(320.0, 200.0))).centre == (320.0, 280.0)
