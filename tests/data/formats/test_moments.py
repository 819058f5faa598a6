"""Which column says when and who, in anybody's spelling: rows stand where it says, or the file is refused."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from ups.data.formats.moments import role_of
from ups.data.open_file import read_file
from ups.errors import DataError
from ups.skeletons import COCO_17

FRAMES = 12
POINTS = np.random.default_rng(0).uniform(100, 400, (FRAMES, 17, 2)).round(2)
JOINTS = [f"{joint}_{axis}" for joint in COCO_17.joints for axis in "xy"]


def write(
    path: Path, head: list[str], cells: Callable[[int], list], order: Iterable[int] = range(FRAMES), fps: str = "30"
) -> Path:
    """Rows in any order, with columns before those of the joints."""
    rows = [[*cells(n), *POINTS[n].ravel()] for n in order]
    lines = [",".join(map(str, row)) for row in [[*head, *JOINTS], *rows]]
    notes = ([f"# fps = {fps}"] if fps else []) + ["# image_size = 500 x 500"]
    path.write_text("\n".join([*notes, *lines]) + "\n")
    return path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("frame", ("frame", None)), ("Frame #", ("frame", None)), ("FrameNumber", ("frame", None)),
        ("frameIdx", ("frame", None)), ("FRAME_ID", ("frame", None)), ("image_id", ("frame", None)),
        ("Time (s)", ("time", "seconds")), ("time [ms]", ("time", "milliseconds")), ("t_us", ("time", "microseconds")),
        ("timestampMs", ("time", "milliseconds")), ("TimeStamp", ("time", None)), ("ts", ("time", None)),
        ("elapsed time in s", ("time", "seconds")), ("msec", ("time", "milliseconds")), ("time_ns", ("time", "nanoseconds")),
        ("file name", ("image", None)), ("img_path", ("image", None)), ("PersonID", ("person", None)),
        ("track id", ("person", None)), ("video", ("source", None)), ("Camera", ("source", None)),
        ("left_hip_x", (None, None)), ("s", (None, None)), ("x1", (None, None)), ("label", (None, None)), ("", (None, None)),
    ],
)  # fmt: skip
def test_roles(name: str, expected: tuple) -> None:
    assert role_of(name) == expected


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("Frame #", lambda n: n + 1),
        ("frameId", lambda n: n),
        ("image_id", lambda n: n + 100),
        ("index", lambda n: n),
        ("filename", lambda n: f"img_{n}.png"),
        ("img path", lambda n: f"walk/{n:06}.jpg"),
    ],
)
def test_rows_in_any_order_stand_where_their_numbers_say(name: str, cell: Callable[[int], object], tmp_path) -> None:
    clip = read_file(write(tmp_path / "a.csv", [name], lambda n: [cell(n)], reversed(range(FRAMES))))
    np.testing.assert_allclose(clip.joints[0], POINTS, rtol=1e-6)
    gaps = [0, 1, 2, 6, 7, 8]
    clip = read_file(write(tmp_path / "b.csv", [name], lambda n: [cell(n)], gaps))
    assert np.flatnonzero((clip.visibility[0] > 0).any(-1)).tolist() == gaps


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("Time (s)", lambda n: n / 25),
        ("TimeStamp(ms)", lambda n: n * 40),
        ("ts", lambda n: 1690000000000 + n * 40),
        ("elapsed", lambda n: f"{n * 40} ms"),
        ("datetime", lambda n: f"2023-07-22 10:00:{n / 25:06.3f}"),
        ("Time", lambda n: n * 400_000),
    ],
)
def test_times_of_any_name_and_unit(name: str, cell: Callable[[int], object], tmp_path) -> None:
    """The last one counts ticks of 100 nanoseconds, as Kinect does."""
    path = write(tmp_path / "a.csv", [name], lambda n: [cell(n)], fps="")
    clip = read_file(path)
    assert clip.fps == 25
    np.testing.assert_allclose(clip.joints[0], POINTS, rtol=1e-6)


def test_columns_of_a_video_or_camera_say_nothing_or_are_refused(tmp_path) -> None:
    clip = read_file(write(tmp_path / "a.csv", ["video", "frame"], lambda n: ["a.mp4", n]))
    assert clip.frames == FRAMES and not clip.notices
    with pytest.raises(
        DataError, match=r"column cam: rows of 2 recordings or cameras \('left', 'right'\); write a file"
    ):
        read_file(write(tmp_path / "b.csv", ["cam"], lambda n: [("left", "right")[n % 2]]))
    with pytest.raises(DataError, match="names of frames differ in more than their number"):
        read_file(write(tmp_path / "c.csv", ["image"], lambda n: [f"cam{n % 2}_{n}.png"]))


def test_a_frame_without_a_number_is_named(tmp_path) -> None:
    with pytest.raises(DataError, match=r"a.csv: data row 4, column frame: '\?'; every row needs a number there"):
        read_file(write(tmp_path / "a.csv", ["frame"], lambda n: [n if n != 3 else "?"]))


def test_json_may_call_its_frames_and_joints_by_other_names(tmp_path) -> None:
    order = np.random.default_rng(1).permutation(FRAMES)
    np.savez(
        tmp_path / "a.npz", keypoints=POINTS[order], frame_idx=order, skeleton="coco-17", fps=np.array([30.0]),
        width=500, height=500, scores=np.ones((FRAMES, 17, 1)),
    )  # fmt: skip
    clip = read_file(tmp_path / "a.npz")
    np.testing.assert_allclose(clip.joints[0], POINTS, rtol=1e-6)
    assert clip.image_size == (500, 500) and clip.visibility.all()


@pytest.mark.parametrize("form", ["person{}_{}_{}", "P{}.{}.{}", "Anna{}:{}_{}"])
def test_persons_told_apart_by_the_names_of_columns(form: str, tmp_path) -> None:
    head = ",".join(form.format(m, joint, axis) for m in (1, 2) for joint in COCO_17.joints for axis in "xy")
    both = np.stack([POINTS, POINTS + 50], 1)
    rows = [",".join(map(str, row)) for row in both.reshape(FRAMES, -1)]
    (tmp_path / "a.csv").write_text("\n".join(["# fps = 30", "# image_size = 500 x 500", head, *rows]))
    clip = read_file(tmp_path / "a.csv")
    np.testing.assert_allclose(clip.joints, both.transpose(1, 0, 2, 3), rtol=1e-6)


def test_two_rows_of_headings_as_pandas_writes_them(tmp_path) -> None:
    names = [joint for joint in COCO_17.joints for _ in "xy"]
    rows = [[n, *POINTS[n].ravel()] for n in reversed(range(FRAMES))]
    for first in ([["", *names], ["", *"xy" * 17]], [["", *names], ["", *"xy" * 17], ["frame", *[""] * 34]]):
        (tmp_path / "a.csv").write_text("\n".join(",".join(map(str, row)) for row in [*first, *rows]))
        clip = read_file(tmp_path / "a.csv", image_size=(500, 500), fps=30)
        np.testing.assert_allclose(clip.joints[0], POINTS, rtol=1e-6)


@pytest.mark.parametrize(
    ("fps", "expected"), [("29,97", 29.97), ("30 fps", 30), ("60000/1001", 60000 / 1001), ("25Hz", 25)]
)
def test_rates_as_people_write_them(fps: str, expected: float, tmp_path) -> None:
    assert read_file(write(tmp_path / "a.csv", [], lambda n: [], fps=fps)).fps == pytest.approx(expected)
