"""The same recording in the many ways in which people write JSON and a file a frame: read right, refused, or warned of."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ups.data.formats.timing import milliseconds_apart
from ups.data.open_file import read_file
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeletons import COCO_17

FRAMES = 12
GAPS = [n for n in range(FRAMES) if n not in (4, 5)]
JOINTS = list(COCO_17.joints)
POINTS = np.round(np.random.default_rng(0).uniform(50, 400, (17, 2)) + 2.5 * np.arange(FRAMES)[:, None, None], 3)
SIZE = (640, 480)


def rows(n: int) -> list[list[float]]:
    return [[float(x), float(y), 0.9] for x, y in POINTS[n]]


def named(n: int) -> dict[str, list[float]]:
    return dict(zip(JOINTS, rows(n), strict=True))


def put(path: Path, record: Any) -> Path:
    path.write_text(json.dumps(record))
    return path


def warnings(clip: PoseSequence) -> list[str]:
    return [notice.what for notice in clip.notices if notice.severity == "warning"]


def check_gaps(clip: PoseSequence) -> None:
    assert clip.fps == 25
    assert np.flatnonzero((clip.visibility[0] > 0).any(-1)).tolist() == GAPS
    np.testing.assert_allclose(clip.joints[0, GAPS], POINTS[GAPS], rtol=1e-5)


@pytest.mark.parametrize(
    "frame",
    [
        lambda n: {"index": n, "bodies": [{"id": 1, "keypoints": rows(n)}]},
        lambda n: {"frame_number": f"{n:04}", "persons": [{"keypoints": rows(n)}]},
        lambda n: {"frame": f"frame_{n:04}.jpg", "persons": [{"keypoints": rows(n)}]},
        lambda n: {"Bild": n, "persons": [{"keypoints": rows(n)}]},
        lambda n: {"filename": f"v_{n}.png", "persons": [{"keypoints": rows(n)}]},
        lambda n: {"timestamp": n / 25, "persons": [{"keypoints": rows(n)}]},
        lambda n: {"time_ms": n * 40, "people": [{"keypoints": rows(n)}]},
        lambda n: {"time": f"00:00:{n / 25:06.3f}", "people": [{"keypoints": rows(n)}]},
        lambda n: {"frame": n, "persons": [{"keypoints": named(n)}]},
        lambda n: {"frame": n, "joints": named(n)},
        lambda n: {"frame": n, "joints": {j: {"x": x, "y": y} for j, (x, y, _) in named(n).items()}},
        lambda n: {"frame": n, "keypoints": rows(n)},
        lambda n: {"frame": str(n), "keypoints": rows(n)},
        lambda n: {"t": n / 25, "keypoints": rows(n)},
    ],
)
def test_frames_of_json_in_many_forms(frame: Callable[[int], dict[str, Any]], tmp_path: Path) -> None:
    frames = [frame(n) for n in GAPS]
    facts = [
        {"fps": 25, "width": 640, "height": 480},
        {"info": {"frame_rate": 25}, "resolution": SIZE},
        {"video": {"FPS": "25", "img_shape": [480, 640]}},
    ]
    for i, fact in enumerate(facts):
        check_gaps(read_file(put(tmp_path / f"{i}.json", {**fact, "frames": frames})))
    clip = read_file(put(tmp_path / "b.json", list(reversed(frames))), fps=25, image_size=SIZE)
    check_gaps(clip)
    assert not warnings(clip)


def test_keys_that_rise_and_frames_of_which_some_have_no_number(tmp_path: Path) -> None:
    frames: list[dict[str, Any]] = [{"kuva": n, "persons": [{"keypoints": rows(n)}]} for n in GAPS]
    clip = read_file(put(tmp_path / "a.json", frames), fps=25, image_size=SIZE)
    check_gaps(clip)
    assert warnings(clip) == ["key 'kuva' is read as numbers of frames, for it rises from frame to frame"]
    frames = [{"frame": n if n != 6 else None, "persons": [{"keypoints": rows(n)}]} for n in GAPS]
    with pytest.raises(DataError, match=r"frame 5 of 10: frame None; a whole number is needed"):
        read_file(put(tmp_path / "b.json", frames), fps=25, image_size=SIZE)


def test_times_as_keys(tmp_path: Path) -> None:
    frames = {f"{n / 25:.2f}": [{"keypoints": rows(n)}] for n in GAPS}
    check_gaps(read_file(put(tmp_path / "a.json", frames), image_size=SIZE))


def test_images_that_say_only_a_time(tmp_path: Path) -> None:
    people = [{"image_id": n, "category_id": 1, "keypoints": rows(n)} for n in GAPS]
    check_gaps(read_file(put(tmp_path / "a.json", people), fps=25, image_size=SIZE))
    images = [{"id": n, "timestamp": n / 25, "width": 640, "height": 480} for n in GAPS]
    check_gaps(read_file(put(tmp_path / "b.json", {"images": images, "annotations": people})))


def test_files_that_are_named_by_milliseconds(tmp_path: Path) -> None:
    def record(step: float) -> list[dict[str, Any]]:
        return [{"image_id": f"{n * step:.0f}.jpg", "category_id": 1, "keypoints": rows(n)} for n in GAPS]

    clip = read_file(put(tmp_path / "a.json", record(1000 / 30)), image_size=SIZE)
    assert clip.fps == 30 and clip.frames == FRAMES
    assert warnings(clip) == ["numbers of frames are read as milliseconds, 33.34 apart: 30 frames per second"]
    clip = read_file(put(tmp_path / "b.json", record(40)), fps=25, image_size=SIZE)
    check_gaps(clip)
    assert "read as milliseconds" in str(warnings(clip))
    with pytest.raises(DataError, match=r"in steps of 40, .* less than one a second; .* give --fps 25"):
        read_file(put(tmp_path / "b.json", record(40)), image_size=SIZE)


@pytest.mark.parametrize(
    ("numbers", "fps", "expected"),
    [
        ([0, 33, 67, 100, 133], None, 33.3),
        ([0, 31, 68, 100, 135, 165], None, 33),
        ([0, 40, 80, 120, 200], 25, 40),
        ([0, 40, 80, 120, 160], 30, None),
        ([0, 5, 10, 15, 20], 200, None),
        ([3, 20, 41, 70, 77, 96], 30, None),
        ([0, 1, 2, 3, 4], 1000, None),
    ],
)
def test_what_milliseconds_are(numbers: list[int], fps: float | None, expected: float | None) -> None:
    found = milliseconds_apart(np.array(numbers), fps)
    assert found == (None if expected is None else pytest.approx(expected, rel=0.01))


def test_a_folder_of_yolo_whose_first_frames_show_nobody(tmp_path: Path) -> None:
    for n in range(FRAMES):
        line = "0 .5 .5 .3 .6 " + " ".join(f"{x / 640:.8f} {y / 480:.8f} 0.9" for x, y in POINTS[n])
        (tmp_path / f"v_{n}.txt").write_text(line if n > 2 else "")
    clip = read_file(tmp_path, fps=30, image_size=SIZE)
    assert (clip.visibility[0] > 0).any(-1).tolist() == [n > 2 for n in range(FRAMES)]
