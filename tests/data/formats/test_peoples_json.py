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
    assert warnings(clip) == ["numbers of frames are read as milliseconds, 33.36 apart: 30 frames per second"]
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


def yolo(n: int, kind: int = 0, move: float = 0) -> str:
    return f"{kind} .5 .5 .3 .6 " + " ".join(f"{(x + move) / 640:.8f} {y / 480:.8f} 0.9" for x, y in POINTS[n])


@pytest.mark.parametrize("classes", ["", "person\ndog\n", "cat\nhuman"])
def test_what_is_no_person_is_left_out_of_yolos_labels(classes: str, tmp_path: Path) -> None:
    person, dog = (1, 0) if classes.startswith("cat") else (0, 1)
    if classes:
        (tmp_path / "classes.txt").write_text(classes)
    for n in range(FRAMES):
        (tmp_path / f"v_{n}.txt").write_text(f"{yolo(n, dog, 100)}\n{yolo(n, person)}\n")
    clip = read_file(tmp_path, fps=30, image_size=SIZE)
    assert clip.persons == 1
    np.testing.assert_allclose(clip.joints[0], POINTS, rtol=1e-4)
    name = classes.split()[person] if classes else "0"
    assert warnings(clip) == [f"only class {name} is read; others are left out"]


def test_classes_without_persons_are_told_or_refused(tmp_path: Path) -> None:
    for n in range(FRAMES):
        (tmp_path / f"v_{n}.txt").write_text(yolo(n, 16))
    told = warnings(read_file(tmp_path, fps=30, image_size=SIZE))
    assert told == ["all that was found is of class 16, and is read as persons; persons are class 0 in most models"]
    (tmp_path / "v_3.txt").write_text(yolo(3, 17))
    with pytest.raises(DataError, match=r"2 classes \('16', '17'\), none of which is called person"):
        read_file(tmp_path, fps=30, image_size=SIZE)


def test_what_is_no_person_is_left_out_of_json(tmp_path: Path) -> None:
    def found(n: int, name: str, kind: int) -> dict[str, Any]:
        points = {"x": POINTS[n, :, 0].tolist(), "y": POINTS[n, :, 1].tolist()}
        return {"name": name, "class": kind, "box": {"x1": 1}, "keypoints": points}

    frames = [[found(n, "dog", 16), found(n, "person", 0)] for n in range(FRAMES)]
    clip = read_file(put(tmp_path / "a.json", frames), fps=30, image_size=SIZE)
    assert clip.persons == 1 and warnings(clip) == ["only class 0 is read; others are left out"]
    people = [{"image_id": n, "category_id": kind, "keypoints": rows(n)} for n in range(FRAMES) for kind in (18, 1)]
    clip = read_file(put(tmp_path / "b.json", people), fps=30, image_size=SIZE)
    assert clip.persons == 1 and warnings(clip) == ["only class 1 is read; others are left out"]
    images = [{"id": n, "width": 640, "height": 480, "frame_id": n} for n in range(FRAMES)]
    kinds = [{"id": 1, "name": "person", "keypoints": JOINTS}, {"id": 18, "name": "dog"}]
    record = {"images": images, "annotations": people, "categories": kinds}
    clip = read_file(put(tmp_path / "c.json", record), fps=30)
    assert clip.persons == 1 and warnings(clip) == ["only class person is read; others are left out"]
    actions = [[{"class": "ab"[n % 2], "keypoints": p["keypoints"]} for p in found] for n, found in enumerate(frames)]
    assert read_file(put(tmp_path / "d.json", actions), fps=30, image_size=SIZE).persons == 2


@pytest.mark.parametrize("key", ["scores", "confidence", "keypoint_scores", "visibility"])
@pytest.mark.parametrize("flat", [True, False])
def test_scores_that_stand_beside_the_keypoints(key: str, flat: bool, tmp_path: Path) -> None:
    scores = [0.0 if name == "nose" else 0.8 for name in JOINTS]
    places = [P.ravel().tolist() if flat else P.tolist() for P in POINTS]
    frames = [{"frame": n, "persons": [{"keypoints": places[n], key: scores}]} for n in GAPS]
    clip = read_file(put(tmp_path / "a.json", frames), fps=25, image_size=SIZE)
    np.testing.assert_allclose(clip.visibility[0, GAPS], np.tile(scores, (len(GAPS), 1)), atol=1e-6)
    np.testing.assert_allclose(clip.joints[0, GAPS, 1:], POINTS[GAPS, 1:], rtol=1e-5)


@pytest.mark.parametrize(
    "mark",
    [{"visible": False}, {"likelihood": 0.0}, {"occluded": True}, {"conf": 0}, {"score": -1}, {"x": None, "y": None}],
)
def test_marks_of_single_keypoints(mark: dict[str, Any], tmp_path: Path) -> None:
    def points(n: int) -> list[dict[str, Any]]:
        return [
            {"name": name, "x": x, "y": y} | (mark if name == "nose" else {})
            for name, (x, y) in zip(JOINTS, POINTS[n].tolist(), strict=True)
        ]

    frames = [{"frame": n, "persons": [{"keypoints": points(n)}]} for n in GAPS]
    clip = read_file(put(tmp_path / "a.json", frames), fps=25, image_size=SIZE)
    assert not clip.visibility[0, :, 0].any() and (clip.visibility[0, GAPS, 1:] == 1).all()


def test_keypoints_that_are_null(tmp_path: Path) -> None:
    for name, nobody in (("a", None), ("b", [None, None, 0.5])):
        frames = [{"frame": n, "persons": [{"keypoints": [nobody, *rows(n)[1:]]}]} for n in GAPS]
        clip = read_file(put(tmp_path / f"{name}.json", frames), fps=25, image_size=SIZE)
        assert not clip.visibility[0, :, 0].any()
        np.testing.assert_allclose(clip.joints[0, GAPS, 1:], POINTS[GAPS, 1:], rtol=1e-5)


@pytest.mark.parametrize("key", ["label", "joint", "bodypart", "id", "index"])
def test_keypoints_in_any_order_by_name_or_number(key: str, tmp_path: Path) -> None:
    def points(n: int) -> list[dict[str, Any]]:
        marks = range(17) if key in ("id", "index") else JOINTS
        found = [{key: mark, "x": x, "y": y} for mark, (x, y) in zip(marks, POINTS[n].tolist(), strict=True)]
        return found[::-1] if n % 2 else found

    frames = [{"frame": n, "persons": [{"keypoints": points(n)}]} for n in GAPS]
    check_gaps(read_file(put(tmp_path / "a.json", frames), fps=25, image_size=SIZE))


def test_one_person_under_the_number_of_each_frame(tmp_path: Path) -> None:
    for name, frames in (
        ("a", {str(n): named(n) for n in GAPS}),
        ("b", {f"frame_{n}": {"keypoints": rows(n)} for n in reversed(GAPS)}),
    ):
        check_gaps(read_file(put(tmp_path / f"{name}.json", frames), fps=25, image_size=SIZE))


def test_names_of_frames_with_seconds_in_them(tmp_path: Path) -> None:
    people = [{"image_id": f"t_{n / 25:.2f}.jpg", "category_id": 1, "keypoints": rows(n)} for n in GAPS]
    check_gaps(read_file(put(tmp_path / "a.json", people), fps=25, image_size=SIZE))
