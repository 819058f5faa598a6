"""MediaPipe's landmarks in the forms that people save them in: order by name or number, frames and times, persons."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ups.data.formats.mediapipe import NAMES
from ups.data.open_file import read_file
from ups.errors import DataError
from ups.skeletons import MEDIAPIPE_33

FRAMES, SIZE = 6, (1000, 500)
FRACTIONS = np.random.default_rng(0).uniform(0.2, 0.7, (FRAMES, 33, 2)).round(4)
PIXELS = FRACTIONS * SIZE


def marks(n: int, shift: float = 0.0) -> list[dict[str, Any]]:
    return [{"x": x + shift, "y": y, "z": -0.1, "visibility": 0.9} for x, y in FRACTIONS[n].tolist()]


def save(path: Path, record: Any) -> Path:
    path.write_text(json.dumps(record))
    return path


def shuffled(n: int, key: str, values: Any) -> list[dict[str, Any]]:
    order = np.random.default_rng(n).permutation(33).tolist()
    return [marks(n)[j] | {key: values[j]} for j in order]


@pytest.mark.parametrize(
    "frame",
    [
        lambda n: marks(n),
        lambda n: shuffled(n, "name", NAMES),
        lambda n: shuffled(n, "id", range(33)),
        lambda n: shuffled(n, "index", range(1, 34)),
        lambda n: dict(zip(NAMES, marks(n), strict=True)),
        lambda n: {name.upper(): mark for name, mark in zip(NAMES, marks(n), strict=True)},
        lambda n: {"pose_landmarks": [marks(n)]},
        lambda n: {"results": 1, "poseLandmarks": {"landmark": marks(n)}},
    ],
)
def test_every_landmark_is_where_its_name_or_number_says(frame, tmp_path: Path) -> None:
    clip = read_file(save(tmp_path / "a.json", [frame(n) for n in range(FRAMES)]), image_size=SIZE)
    assert clip.skeleton is MEDIAPIPE_33
    np.testing.assert_allclose(clip.joints[0], PIXELS, rtol=1e-5)


@pytest.mark.parametrize(
    ("frame", "fps", "frames"),
    [
        (lambda n: {"frame": 2 * n + 7, "landmarks": marks(n)}, 12.5, FRAMES),
        (lambda n: {"frame_id": n if n < 3 else n + 4, "landmarks": marks(n)}, 25, FRAMES + 4),
        (lambda n: {"timestamp_ms": 20 * n, "landmarks": marks(n)}, 50, FRAMES),
        (lambda n: {"time": 0.05 * n, "landmarks": marks(n)}, 20, FRAMES),
    ],
)
def test_frames_stand_where_their_numbers_and_times_say(frame, fps: float, frames: int, tmp_path: Path) -> None:
    record = {"fps": 25, "width": SIZE[0], "height": SIZE[1], "frames": [frame(n) for n in range(FRAMES)]}
    clip = read_file(save(tmp_path / "a.json", record))
    seen = (clip.visibility[0] > 0).any(-1)
    assert (clip.fps, clip.frames, clip.image_size) == (fps, frames, SIZE)
    np.testing.assert_allclose(clip.joints[0, seen], PIXELS, rtol=1e-5)


def test_a_dict_of_frames_is_in_the_order_of_its_numbers(tmp_path: Path) -> None:
    names = {f"frame_{n}.png": marks(n) for n in (3, 1, 5, 0, 2, 4)}
    clip = read_file(save(tmp_path / "a.json", names), image_size=SIZE)
    np.testing.assert_allclose(clip.joints[0], PIXELS, rtol=1e-5)


def test_persons_in_any_order_are_followed(tmp_path: Path) -> None:
    steady = np.repeat(FRACTIONS[:1], FRAMES, 0)
    frames = [[[{"x": x + shift, "y": y} for x, y in steady[n].tolist()] for shift in ((0, 0.25)[:: (-1) ** n])]
              for n in range(FRAMES)]  # fmt: skip
    clip = read_file(save(tmp_path / "a.json", [{"pose_landmarks": frame} for frame in frames]), image_size=SIZE)
    assert clip.persons == 2
    assert np.ptp(clip.joints, 1).max() < 1e-3, "each person stays where he is"
    np.testing.assert_allclose(np.ptp(clip.joints[:, 0, 0, 0]), 250, rtol=1e-5)


def test_world_landmarks_of_several_people_are_told(tmp_path: Path) -> None:
    world = np.random.default_rng(1).normal(0, 0.3, (33, 3))
    world[[23, 24]] = [[0.1, 0, 0], [-0.1, 0, 0]]
    body = [dict(zip("xyz", point, strict=True)) for point in world.tolist()]
    clip = read_file(save(tmp_path / "a.json", [{"worldLandmarks": [body, body]}] * 3))
    assert clip.space == "camera" and clip.persons == 1 and "only the first of each frame" in str(clip.notices)


def test_numbers_of_landmarks_that_are_none_are_refused(tmp_path: Path) -> None:
    frame = [mark | {"id": j // 2} for j, mark in enumerate(marks(0))]
    with pytest.raises(DataError, match="landmarks with id 0 to 16; 33 different ones in a row are needed"):
        read_file(save(tmp_path / "a.json", [frame] * 3), image_size=SIZE)


def table(path: Path, head: list[str], rows: list[list]) -> Path:
    path.write_text("\n".join(",".join(map(str, row)) for row in [head, *rows]) + "\n")
    return path


WIDE = [f"{axis}{j}" for j in range(33) for axis in "xy"]
NAMED = [f"world_{name}_{axis}" for name in NAMES for axis in "xy"]


@pytest.mark.parametrize("columns", [WIDE, NAMED, [name.replace("world_", "") for name in NAMED]])
def test_tables_of_rows_in_any_order_with_numbers_or_times(columns: list[str], tmp_path: Path) -> None:
    rows = [[2 * n, *FRACTIONS[n].ravel()] for n in reversed(range(FRAMES))]
    clip = read_file(table(tmp_path / "a.csv", ["Frame Number", *columns], rows), image_size=SIZE, fps=60)
    np.testing.assert_allclose(clip.joints[0], PIXELS, rtol=1e-5)
    assert clip.fps == 30
    rows = [[20 * n, *FRACTIONS[n].ravel()] for n in range(FRAMES)]
    assert read_file(table(tmp_path / "b.csv", ["Time (ms)", *columns], rows), image_size=SIZE).fps == 50
    rows = [[n, person, *(FRACTIONS[n] + 0.1 * person).ravel()] for n in range(FRAMES) for person in (0, 1)]
    clip = read_file(table(tmp_path / "c.csv", ["frame", "person_id", *columns], rows), image_size=SIZE)
    np.testing.assert_allclose(clip.joints[1], (FRACTIONS + 0.1) * SIZE, rtol=1e-5)
    with pytest.raises(DataError, match="its frame occurs twice; several persons need a column person"):
        read_file(table(tmp_path / "d.csv", ["frame", *columns], [row[:1] + row[2:] for row in rows]), image_size=SIZE)


@pytest.mark.parametrize("persons", [1, 2])
def test_a_row_a_landmark(persons: int, tmp_path: Path) -> None:
    """In any order of rows, by name, with a time for each frame; hands and faces beside the body are left out."""
    rows = [[n / 25, m, name, *(point + 0.1 * m)] for n in range(FRAMES) for m in range(persons)
            for name, point in zip(NAMES, FRACTIONS[n], strict=True)]  # fmt: skip
    rows += [[n / 25, 0, "left_hand_pinky_tip", 0.1, 0.1] for n in range(FRAMES)]
    order = np.random.default_rng(0).permutation(len(rows)).tolist()
    head = ["timestamp", "person", "keypoint", "x", "y"]
    clip = read_file(table(tmp_path / "a.csv", head, [rows[i] for i in order]), image_size=SIZE)
    expected = np.stack([(FRACTIONS + 0.1 * m) * SIZE for m in range(persons)])
    np.testing.assert_allclose(clip.joints, expected, rtol=1e-5)
    assert clip.fps == 25


def test_rows_of_another_tools_joints_are_not_taken_for_mediapipes(tmp_path: Path) -> None:
    rows = [[n, j, *PIXELS[n, j]] for n in range(FRAMES) for j in range(17)]
    path = table(tmp_path / "a.csv", ["frame", "keypoint", "x", "y"], rows)
    with pytest.raises(DataError, match="17 joints, but not which"):
        read_file(path, image_size=SIZE)
    clip = read_file(path, "coco-17", image_size=SIZE)
    np.testing.assert_allclose(clip.joints[0], PIXELS[:, :17], rtol=1e-5)
    with pytest.raises(
        DataError, match="data row 103: '0' occurs twice in a frame; several persons need a column person"
    ):
        read_file(table(tmp_path / "b.csv", ["frame", "joint", "x", "y"], [*rows, rows[0]]), "coco-17", image_size=SIZE)


@pytest.mark.parametrize(
    ("array", "space"),
    [(FRACTIONS, "image"), (PIXELS, "image"), (np.concatenate([FRACTIONS, np.ones((FRAMES, 33, 2))], -1), "image")],
)
def test_arrays_of_33_joints_need_no_skeleton(array: np.ndarray, space: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array)
    clip = read_file(tmp_path / "a.npy", image_size=SIZE)
    assert clip.space == space
    np.testing.assert_allclose(clip.joints[0], PIXELS, rtol=1e-5)


@pytest.mark.parametrize("width", [132, 1662])
def test_landmarks_of_a_frame_in_one_row(width: int, tmp_path: Path) -> None:
    marks = np.random.default_rng(0).uniform(0.2, 0.8, (9, 33, 4))
    rows = np.zeros((9, width))
    rows[:, :132] = marks.reshape(9, -1)
    np.save(tmp_path / "a.npy", rows)
    for skeleton in (None, "mediapipe-33"):
        clip = read_file(tmp_path / "a.npy", skeleton, image_size=SIZE)
        np.testing.assert_allclose(clip.joints[0], marks[..., :2] * SIZE, rtol=1e-5)
        np.testing.assert_allclose(clip.visibility[0], marks[..., 3], rtol=1e-5)


def test_a_third_number_that_is_a_visibility(tmp_path: Path) -> None:
    marks = np.random.default_rng(0).uniform(0.2, 0.8, (9, 33, 3))
    np.save(tmp_path / "a.npy", marks)
    clip = read_file(tmp_path / "a.npy", image_size=SIZE)
    np.testing.assert_allclose(clip.visibility[0], marks[..., 2], rtol=1e-5)
    marks[..., 2] -= 0.5
    np.save(tmp_path / "a.npy", marks)
    assert (read_file(tmp_path / "a.npy", image_size=SIZE).visibility == 1).all()
