"""The same recording in the many ways in which people write tables and arrays: read right, refused, or warned of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from ups.data.datasets.synthetic import synthesize
from ups.data.formats.write import write
from ups.data.open_file import read_file
from ups.errors import DataError
from ups.pose import PoseSequence, pose_sequence
from ups.skeletons import COCO_17, H36M_17, MEDIAPIPE_33

FRAMES = 12
GAPS = [n for n in range(FRAMES) if n not in (4, 5)]
JOINTS = list(COCO_17.joints)
POINTS = np.round(np.random.default_rng(0).uniform(50, 400, (17, 2)) + 2.5 * np.arange(FRAMES)[:, None, None], 3)
SIZE = (640, 480)


def table(
    path: Path, head: list[str], cells: Callable[[int], list], frames: Iterable[int] = GAPS, joint: str = "{}"
) -> Path:
    """Columns of anything in front of x and y of each joint."""
    lines = [[*head, *(f"{joint.format(name)}_{axis}" for name in JOINTS for axis in "xy")]]
    lines += [[*cells(n), *POINTS[n].ravel()] for n in frames]
    path.write_text("\n".join(",".join(map(str, line)) for line in lines))
    return path


def warnings(clip: PoseSequence) -> list[str]:
    return [notice.what for notice in clip.notices if notice.severity == "warning"]


def check_gaps(clip: PoseSequence) -> None:
    assert np.flatnonzero((clip.visibility[0] > 0).any(-1)).tolist() == GAPS
    np.testing.assert_allclose(clip.joints[0, GAPS], POINTS[GAPS], rtol=1e-5)


@pytest.mark.parametrize("name", ["Bild", "fr", "f", "Frame-Nr", "FrameID"])
def test_frames_in_other_words(name: str, tmp_path: Path) -> None:
    cell = (lambda n: f"frame_{n}") if name == "FrameID" else int
    clip = read_file(table(tmp_path / "a.csv", [name], lambda n: [cell(n)]), fps=25, image_size=SIZE)
    check_gaps(clip)
    assert not warnings(clip)


@pytest.mark.parametrize("name", ["POS_MSEC", "Zeit (ms)", "tiempo [ms]"])
def test_times_in_other_words(name: str, tmp_path: Path) -> None:
    clip = read_file(table(tmp_path / "a.csv", [name], lambda n: [n * 40], range(FRAMES)), image_size=SIZE)
    assert clip.fps == 25
    np.testing.assert_allclose(clip.joints[0], POINTS, rtol=1e-5)


def test_a_column_that_rises_says_when_under_any_name(tmp_path: Path) -> None:
    clip = read_file(table(tmp_path / "a.csv", ["kuva"], lambda n: [n]), fps=25, image_size=SIZE)
    check_gaps(clip)
    assert warnings(clip) == ["column 'kuva' is read as numbers of frames, for it rises from row to row"]
    clip = read_file(table(tmp_path / "b.csv", ["aika"], lambda n: [n * 40]), image_size=SIZE)
    assert clip.fps == 25 and "column 'aika' is read as times" in warnings(clip)[0]
    np.testing.assert_allclose(clip.joints[0, GAPS], POINTS[GAPS], rtol=1e-5)


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        (lambda n: f"{n / 25:.3f}", "rises from row to row as times do, but is not read"),
        (lambda n: f"00:00:{n:02}", "rises from row to row as times do, but is not read"),
        (lambda n: 7 * n % 12, "numbers the rows in another order, but is not read"),
        (lambda n: n // 2, "has each number 2 times, as frames of 2 persons do, but is not read"),
    ],
)
def test_what_may_say_when_is_told(cell: Callable, told: str, tmp_path: Path) -> None:
    clip = read_file(table(tmp_path / "a.csv", ["xyzzy"], lambda n: [cell(n)], range(FRAMES)), fps=25, image_size=SIZE)
    assert warnings(clip) == [f"column 'xyzzy' {told}"]
    assert clip.frames == FRAMES


@pytest.mark.parametrize("cell", [lambda n: n + 7, lambda n: n % 3, lambda n: "walk", lambda n: 60 + n % 2])
def test_other_columns_are_not_warned_of(cell: Callable, tmp_path: Path) -> None:
    clip = read_file(table(tmp_path / "a.csv", ["group"], lambda n: [cell(n)], range(FRAMES)), fps=25, image_size=SIZE)
    assert not warnings(clip) and clip.frames == FRAMES


def test_a_column_that_rises_counts_the_frames_of_each_person(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    head = ",".join(["kuva", "person", *(f"{name}_{axis}" for name in JOINTS for axis in "xy")])
    rows = [",".join(map(str, [n, who, *(POINTS[n] + 50 * who).ravel()])) for n in GAPS for who in (0, 1)]
    path.write_text("\n".join([head, *rows]))
    clip = read_file(path, fps=25, image_size=SIZE)
    assert clip.joints.shape[:2] == (2, FRAMES)
    check_gaps(clip)


@pytest.mark.parametrize("score", ["confidence_score", "accuracy", "presence", "certainty", "inFrameLikelihood"])
def test_scores_by_other_names(score: str, tmp_path: Path) -> None:
    head = ",".join(f"{j}_{a}" for j in JOINTS for a in ("x", "y", score))
    rows = [",".join(f"{x},{y},0.9" for x, y in frame) for frame in POINTS]
    (tmp_path / "a.csv").write_text("\n".join([head, *rows]))
    clip = read_file(tmp_path / "a.csv", fps=25, image_size=SIZE)
    np.testing.assert_allclose(clip.visibility, 0.9, rtol=1e-6)


@pytest.mark.parametrize("mark", ["occluded", "isOccluded", "missing", "outlier"])
def test_joints_that_are_marked_as_hidden_are_not_seen(mark: str, tmp_path: Path) -> None:
    path, hidden = tmp_path / "a.csv", np.zeros((FRAMES, 17), int)
    head = ",".join(f"{j}_{a}" for j in JOINTS for a in ("x", "y", mark))

    def read() -> PoseSequence:
        rows = [",".join(f"{x},{y},{h}" for (x, y), h in zip(POINTS[n], hidden[n], strict=True)) for n in range(FRAMES)]
        path.write_text("\n".join([head, *rows]))
        return read_file(path, fps=25, image_size=SIZE)

    assert not warnings(read())
    hidden[3:7, 9] = 1
    clip = read()
    assert ((clip.visibility[0] > 0) == (hidden == 0)).all()
    assert warnings(clip) == ["joints that are marked as hidden count as not seen"]
    hidden[0, 0] = 5
    assert warnings(read()) == ["columns of how far joints were hidden are not read"]


def test_marks_of_hidden_joints_in_rows_of_joints_and_of_mediapipe(tmp_path: Path) -> None:
    rows = [
        f"{n},{name},{x},{y},{int(n == 3 and j == 9)}"
        for n in range(FRAMES)
        for j, (name, (x, y)) in enumerate(zip(JOINTS, POINTS[n], strict=True))
    ]
    (tmp_path / "a.csv").write_text("\n".join(["frame,joint,x,y,occluded", *rows]))
    clip = read_file(tmp_path / "a.csv", fps=25, image_size=SIZE)
    assert np.argwhere(clip.visibility[0] == 0).tolist() == [[3, 9]] and len(warnings(clip)) == 1
    head = ",".join(f"{axis}{j}" for j in range(33) for axis in ("x", "y", "occluded"))
    cells = [",".join(f"{100 + 5 * j + n},{200 - 3 * j},{int(j == n)}" for j in range(33)) for n in range(6)]
    (tmp_path / "b.csv").write_text("\n".join([head, *cells]))
    clip = read_file(tmp_path / "b.csv", fps=25, image_size=SIZE)
    seen = {joint: clip.visibility[0, :, clip.skeleton.joints.index(joint)].min() for joint in ("nose", "left_knee")}
    assert seen == {"nose": 0, "left_knee": 1} and clip.skeleton is MEDIAPIPE_33


@pytest.mark.parametrize("form", ["cam{}_{}", "{1}_cam{0}", "Camera {}: {}", "view{}.{}", "kinect_{}_{}"])
def test_columns_of_two_cameras_are_refused(form: str, tmp_path: Path) -> None:
    head = ",".join(f"{form.format(c, j)}_{a}" for c in (1, 2) for j in JOINTS for a in "xy")
    rows = [",".join(map(str, [*POINTS[n].ravel(), *POINTS[n].ravel()])) for n in range(FRAMES)]
    (tmp_path / "a.csv").write_text("\n".join([head, *rows]))
    with pytest.raises(DataError, match=r"a.csv: columns of 2 cameras \(.*\); write a file for each, with the columns"):
        read_file(tmp_path / "a.csv", fps=25, image_size=SIZE)
    path = table(tmp_path / "b.csv", ["frame"], lambda n: [n], joint=form.format(1, "{}"))
    if form == "{1}_cam{0}":  # what stands behind a joint's name is not read
        with pytest.raises(DataError, match="'nose_cam1' is no known joint"):
            read_file(path, fps=25, image_size=SIZE)
    else:
        check_gaps(read_file(path, fps=25, image_size=SIZE))


@pytest.mark.parametrize(("first", "second"), [("raw_{}", "filtered_{}"), ("a_{}", "b_{}"), ("front_{}", "side_{}")])
def test_joints_that_are_there_twice_are_refused(first: str, second: str, tmp_path: Path) -> None:
    head = ",".join(f"{form.format(j)}_{a}" for form in (first, second) for j in JOINTS for a in "xy")
    rows = [",".join(map(str, [*POINTS[n].ravel(), *(POINTS[n] + 9).ravel()])) for n in range(FRAMES)]
    (tmp_path / "a.csv").write_text("\n".join([head, *rows]))
    with pytest.raises(DataError, match=r"a.csv: \d+ of 17 joints are there twice, such as .*; write a file for each"):
        read_file(tmp_path / "a.csv", fps=25, image_size=SIZE)


@pytest.mark.parametrize("who", ["SubjectID", "participant", "player name"])
def test_persons_by_other_names(who: str, tmp_path: Path) -> None:
    head = ",".join(["frame", who, *(f"{j}_{a}" for j in JOINTS for a in "xy")])
    people = (("Anna", 0), ("Bob", 70))
    rows = [",".join(map(str, [n, name, *(POINTS[n] + move).ravel()])) for n in range(FRAMES) for name, move in people]
    (tmp_path / "a.csv").write_text("\n".join([head, *rows]))
    clip = read_file(tmp_path / "a.csv", fps=25, image_size=SIZE)
    np.testing.assert_allclose(clip.joints, np.stack([POINTS, POINTS + 70]), rtol=1e-5)


def test_subjects_one_after_another_are_several_recordings(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", ["subject", "frame"], lambda n: ["ab"[n // 6], n % 6], range(FRAMES))
    with pytest.raises(
        DataError, match="column subject: rows of 2 people one after another .* a file for each recording"
    ):
        read_file(path, fps=25, image_size=SIZE)
    clip = read_file(table(tmp_path / "b.csv", ["subject", "frame"], lambda n: ["", n]), fps=25, image_size=SIZE)
    check_gaps(clip)


@pytest.mark.parametrize("nowhere", [-99, -999, -9999.0, 9999, 99999])
def test_numbers_that_stand_for_nowhere_are_not_seen(nowhere: float, tmp_path: Path) -> None:
    points = POINTS.copy()
    points[:, 16], points[:, 15, 0] = nowhere, -99
    np.savez(tmp_path / "a.npz", joints=points, skeleton="coco-17", image_size=SIZE, fps=25)
    clip = read_file(tmp_path / "a.npz")
    assert not clip.visibility[..., 16].any() and clip.visibility[..., 15].all()


@pytest.mark.parametrize(
    "more",
    [
        {"FPS": 25.0, "img_shape": (480, 640)},
        {"video_fps": 25, "resolution": SIZE},
        {"frames_per_second": 25, "image_shape": (480, 640, 3)},
        {"Frame_Rate": 25, "image_width": 640, "image_height": 480},
        {"sampling_rate": "25 Hz", "W": 640, "H": 480},
    ],
)
@pytest.mark.parametrize(("key", "score"), [("keypoint", "keypoint_score"), ("Joints2D", "vis"), ("arr_0", "Scores")])
def test_arrays_by_other_names(key: str, score: str, more: dict, tmp_path: Path) -> None:
    seen = np.full((FRAMES, 17), 0.9)
    seen[:, 3] = -1  # as some tools mark a joint that was not found
    arrays = {key: POINTS, score: seen, "keypoint_names": np.array(JOINTS), **more}
    np.savez(tmp_path / "a.npz", allow_pickle=False, **arrays)
    clip = read_file(tmp_path / "a.npz")
    assert clip.fps == 25 and clip.image_size == SIZE and not clip.visibility[..., 3].any()
    np.testing.assert_allclose(clip.joints[0, :, 4:], POINTS[:, 4:], rtol=1e-5)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("kind", ["bvh", "trc"])
def test_motion_capture_in_texts_of_windows(kind: str, encoding: str, tmp_path: Path) -> None:
    clip = pose_sequence(synthesize(1, 0, (20, 20))[0], H36M_17, space="world", fps=30)
    write(clip, tmp_path / f"a.{kind}", kind)
    text = (tmp_path / f"a.{kind}").read_text().replace("\n", "\r\n")
    (tmp_path / f"b.{kind}").write_bytes(text.encode(encoding))
    np.testing.assert_array_equal(read_file(tmp_path / f"b.{kind}").joints, read_file(tmp_path / f"a.{kind}").joints)


def test_deeplabcut_with_a_row_for_the_name_of_the_frames(tmp_path: Path) -> None:
    heads = [
        ["scorer", *["net"] * 51],
        ["bodyparts", *(j for j in JOINTS for _ in "xyl")],
        ["coords", *["x", "y", "likelihood"] * 17],
        ["frame", *[""] * 51],
    ]
    rows = [[n, *(v for x, y in POINTS[n] for v in (x, y, 0.9))] for n in GAPS]
    (tmp_path / "a.csv").write_text("\n".join(",".join(map(str, row)) for row in [*heads, *rows]))
    check_gaps(read_file(tmp_path / "a.csv", fps=25, image_size=SIZE))


@pytest.mark.parametrize(
    ("name", "lost"), [("valid", "0"), ("isDetected", "False"), ("occluded", "1"), ("Missing", "true")]
)
def test_rows_that_are_marked_as_of_nobody(name: str, lost: str, tmp_path: Path) -> None:
    there = {"0": "1", "False": "True", "1": "0", "true": "false"}[lost]
    cells = lambda n: [n, there if n in GAPS else lost]  # noqa: E731
    clip = read_file(table(tmp_path / "a.csv", ["frame", name], cells, range(FRAMES)), fps=25, image_size=SIZE)
    check_gaps(clip)
    assert warnings(clip) == ["rows that are marked as of nobody count as not seen"]
    clip = read_file(table(tmp_path / "b.csv", ["frame", name], lambda n: [n, there]), fps=25, image_size=SIZE)
    assert not warnings(clip)


@pytest.mark.parametrize(
    ("columns", "value", "told"),
    [
        ("{}_x.1 {}_y.1", 40, "columns look like a second set of coordinates, and are not read"),
        ("{}_x_smooth {}_y_smooth", 40, "columns look like a second set of coordinates, and are not read"),
        ("{}_good", 1, "columns are called after joints and are not read, though they may say which were seen"),
        ("{}_konfidenz", 0.3, "columns are called after joints and are not read, though they may say which were seen"),
        ("state_{}", "lost", "columns are called after joints and are not read, though they may say which were seen"),
        ("{}_error", 3.5, None),
    ],
)
def test_columns_called_after_joints_that_are_not_read(columns: str, value: object, told: str, tmp_path: Path) -> None:
    head = [form.format(name) for name in JOINTS for form in columns.split()]
    clip = read_file(
        table(tmp_path / "a.csv", ["frame", *head], lambda n: [n, *[value] * len(head)]), fps=25, image_size=SIZE
    )
    check_gaps(clip)
    assert warnings(clip) == ([told] if told else [])


def test_rows_of_a_person_whom_nobody_followed_are_told_of(tmp_path: Path) -> None:
    path = table(tmp_path / "a.csv", ["frame", "track_id"], lambda n: [n, -1 if n < 6 else "2.0"], range(FRAMES))
    clip = read_file(path, fps=25, image_size=SIZE)
    assert warnings(clip) == ["rows of person -1, whom nobody followed, are read as one person more"]


def test_a_table_without_names_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("\n".join(",".join(map(str, frame.ravel())) for frame in POINTS))
    with pytest.raises(
        DataError, match="a.csv: its first line holds numbers .*; a line of column names is needed above"
    ):
        read_file(tmp_path / "a.csv", fps=25, image_size=SIZE)


def test_columns_of_rows_of_joints_that_may_be_scores_are_told_of(tmp_path: Path) -> None:
    rows = [
        f"{n},{name},{x},{y},{j / 17}"
        for n in GAPS
        for j, (name, (x, y)) in enumerate(zip(JOINTS, POINTS[n], strict=True))
    ]
    (tmp_path / "a.csv").write_text("\n".join(["Bild,joint,x,y,konfidenz", *rows]))
    clip = read_file(tmp_path / "a.csv", fps=25, image_size=SIZE)
    check_gaps(clip)
    assert warnings(clip) == ["columns are not read, though they may say which joints were seen"]


def test_rows_of_mediapipe_that_are_marked_as_of_nobody(tmp_path: Path) -> None:
    head = ",".join(["kuva", "detected", *(f"{axis}{j}" for j in range(33) for axis in "xy")])
    cells = [
        [n, int(n in GAPS), *(v for j in range(33) for v in (100 + 5 * j + n, 200 - 3 * j))] for n in range(FRAMES)
    ]
    (tmp_path / "a.csv").write_text("\n".join([head, *(",".join(map(str, row)) for row in cells)]))
    clip = read_file(tmp_path / "a.csv", fps=25, image_size=SIZE)
    assert np.flatnonzero((clip.visibility[0] > 0).any(-1)).tolist() == GAPS
    assert warnings(clip) == ["rows that are marked as of nobody count as not seen"]
