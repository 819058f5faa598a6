"""Our own files as people's programs save them: tables of any country's Excel, frames with numbers or times, nobody."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ups.data.open_file import read_file
from ups.errors import DataError
from ups.pose import PoseSequence

JOINTS = ("left_hip", "right_hip", "neck")
HEAD = [f"{joint}_{axis}" for joint in JOINTS for axis in "xyv"]
POINTS = np.random.default_rng(2).uniform(10, 300, (6, 3, 3)).round(2)
POINTS[..., 2] = (POINTS[..., 2] / 300).round(2)
POINTS[2, 1] = np.nan
NOTES = ["# fps = 12,5", "# image_size = 640 x 480"]


def table(separator: str = ",", comma: bool = False, frame: bool = True, head: list[str] = HEAD) -> list[str]:
    """Lines of the recording as a table."""

    def cell(value: float) -> str:
        text = "" if np.isnan(value) else f"{value:.2f}"
        return text.replace(".", ",") if comma else text

    rows = [[str(n)] * frame + [cell(v) for v in row] for n, row in enumerate(POINTS.reshape(6, 9))]
    return [separator.join(row) for row in [["frame"] * frame + head, *rows]]


def check(clip: PoseSequence, fps: float = 12.5) -> None:
    assert clip.fps == fps and clip.image_size == (640, 480) and set(clip.skeleton.joints) == set(JOINTS)
    order = [JOINTS.index(joint) for joint in clip.skeleton.joints]
    np.testing.assert_allclose(clip.joints[0], np.nan_to_num(POINTS[:, order, :2]), rtol=1e-6)
    np.testing.assert_allclose(clip.visibility[0], np.nan_to_num(POINTS[:, order, 2]), rtol=1e-6)


def padded(lines: list[str], separator: str) -> list[str]:
    return [line + 3 * separator for line in lines]


def quoted(lines: list[str], separator: str) -> list[str]:
    return [separator.join(f'"{cell}"' for cell in line.split(separator)) for line in lines]


ROUND_TRIPS = {
    "plain": "\n".join([*NOTES, *table()]),
    "semicolons": "\n".join([*NOTES, *table(";")]),
    "decimal commas": "\n".join([*NOTES, *table(";", comma=True)]),
    "tabs": "\n".join([*NOTES, *table("\t")]),
    "tabs and decimal commas": "\n".join([*NOTES, *table("\t", comma=True)]),
    "sep=": "\r\n".join(["sep=;", *NOTES, *table(";", comma=True)]),
    "lines of Windows": "\r\n".join([*NOTES, *table()]),
    "trailing cells": "\n".join(padded([*NOTES, *table()], ",")),
    "trailing semicolons and rows": "\n".join([*padded([*NOTES, *table(";", comma=True)], ";"), ";" * 12, ";" * 12]),
    "quoted": "\n".join(['"# fps = 12,5",,,', '"# image_size = 640 x 480",,', *quoted(table(), ",")]),
    "upper-case names": "\n".join([*NOTES, *table(head=[name.upper() for name in HEAD])]),
    "mixed names": "\n".join([*NOTES, *table(head=[name.replace("_", " ").title() for name in HEAD])]),
    "row numbers of pandas": "\n".join(
        [*NOTES, *(f"{'' if i == 0 else i - 1},{line}" for i, line in enumerate(table()))]
    ),
    "words for nothing": "\n".join([*NOTES, *table()]).replace(",,,,", ",NaN,null,N/A,"),
    "old Mac": "\r".join([*NOTES, *table()]),
}


@pytest.mark.parametrize("kind", ROUND_TRIPS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_tables_of_every_program(kind, encoding, tmp_path):
    (tmp_path / "a.CSV").write_bytes(ROUND_TRIPS[kind].encode(encoding))
    check(read_file(tmp_path / "a.CSV"))


def test_utf_16_without_a_mark(tmp_path):
    for encoding in ("utf-16-le", "utf-16-be"):
        (tmp_path / "a.csv").write_bytes(ROUND_TRIPS["plain"].encode(encoding))
        check(read_file(tmp_path / "a.csv"))


def test_a_byte_order_mark(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + ROUND_TRIPS["sep="].encode())
    check(read_file(tmp_path / "a.csv"))


@pytest.mark.parametrize("ending", [".NPZ", ".Json"])
def test_endings_of_any_case(ending, tmp_path):
    if ending == ".NPZ":
        with (tmp_path / "a.NPZ").open("wb") as file:
            np.savez(file, joints=np.ones((2, 17, 2)), skeleton="coco-17", image_size=(9, 9), fps=9)
    else:
        (tmp_path / "a.Json").write_text(
            json.dumps({"joints": [[[1, 2]] * 17] * 2, "skeleton": "coco-17", "image_size": [9, 9]})
        )
    assert read_file(tmp_path / f"a{ending}").frames == 2


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["left_hip_x left_hip_y", "1 2"], "neither commas nor semicolons nor tabs"),
        (["left_hip_x;left_hip_y", "1.234,5;2"], "write numbers without a sign between thousands"),
        (["left_hip_x,left_hip_y", '"1,5","2,5"'], "'1,5' is no number; write decimals with a point"),
        (["left_hip_x,left_hip_y", "1,5,2,5"], "has 4 cells, the column names 2; are decimals written with a comma"),
        (["left_hip_x;left_hip_y", "1,5;2.5"], "'1,5' and '2.5' in one table; one sign of decimals"),
        (["left_hip_x;left_hip_y", "1.234,5;2"], "'1.234,5' is no number"),
        (["left_hip_x,left_hip_y,", "1,2,3"], "column 3 has no name above '3'"),
        (["a,b,c,d,e", "1,2,3,4,5"], "columns 'a', 'b', 'c' and 2 more; they are called frame"),
        (["frame,left_hip_x,left_hip_y", "0,1,1", "0,2,2"], "data row 2: frame 0 occurs twice"),
        (["frame,person,left_hip_x,left_hip_y", "0,,1,1"], "data row 1: no person"),
        (["left_hip_x,left_hip_y", "1,2. Mai"], "data row 1, column left_hip_y: '2. Mai' is no number"),
    ],
)
def test_other_tables_are_refused_in_one_line(lines, told, tmp_path):
    (tmp_path / "a.csv").write_text("\n".join(["# image_size = 9 x 9", *lines]))
    with pytest.raises(DataError) as error:
        read_file(tmp_path / "a.csv")
    assert told in str(error.value) and "\n" not in str(error.value) and str(tmp_path / "a.csv") in str(error.value)


def times_file(folder: Path, kind: str, name: str, times: np.ndarray, joints: np.ndarray) -> Path:
    """The recording (N, 2, 2) with the times of its frames."""
    names = ["left_hip", "right_hip"]
    path = folder / f"a.{kind}"
    if kind == "csv":
        head = ",".join([name, *(f"{joint}_{axis}" for joint in names for axis in "xy")])
        rows = [
            ",".join(map(repr, [float(t), *row])) for t, row in zip(times, joints.reshape(-1, 4).tolist(), strict=True)
        ]
        path.write_text("\n".join(["# image_size = 640 x 480", head, *rows]))
    elif kind == "json":
        record = {"joints": joints.tolist(), "joint_names": names, "image_size": [640, 480], name: times.tolist()}
        path.write_text(json.dumps(record))
    else:
        np.savez(path, joints=joints, joint_names=names, image_size=(640, 480), **{name: times})
    return path


@pytest.mark.parametrize("kind", ["csv", "json", "npz"])
@pytest.mark.parametrize(
    ("name", "factor"),
    [
        ("time", 1),
        ("timestamp", 1),
        ("time_s", 1),
        ("time_ms", 1e3),
        ("timestamp", 1e3),
        ("time_us", 1e6),
        ("frame", 1),
    ],
)
def test_times_become_even(kind, name, factor, tmp_path):
    times = np.cumsum(np.tile([0.02, 0.04, 0.04, 0.04, 0.06], 12))
    joints = np.repeat((100 + 50 * times)[:, None], 4, 1).reshape(-1, 2, 2)
    clip = read_file(times_file(tmp_path, kind, name, times * factor, joints))
    assert clip.fps == 25 and clip.frames == 60
    at = times[0] + np.arange(clip.frames) / 25
    np.testing.assert_allclose(clip.joints[0, :, 0, 0], 100 + 50 * at, rtol=1e-6)
    assert any("even times" in notice.what for notice in clip.notices)
    assert not any("assumed" in notice.what for notice in clip.notices)


def test_frame_numbers_in_uneven_steps_are_milliseconds(tmp_path):
    times = np.round(np.arange(1, 31) * 1000 / 30)
    clip = read_file(times_file(tmp_path, "csv", "frame", times, np.ones((30, 2, 2)) * 7))
    assert clip.frames == 30 and clip.fps == 30
    assert any("read as milliseconds" in notice.what and notice.severity == "warning" for notice in clip.notices)


def test_clock_times(tmp_path):
    rows = [f"00:00:{n / 25:06.3f},{n + 1},5,3,4" for n in range(30)]
    head = "time,left_hip_x,left_hip_y,right_hip_x,right_hip_y"
    (tmp_path / "a.csv").write_text("\n".join(["# image_size = 9 x 9", head, *rows]))
    clip = read_file(tmp_path / "a.csv")
    assert clip.fps == 25 and clip.joints[0, :, 0, 0].tolist() == list(range(1, 31))


@pytest.mark.parametrize("kind", ["csv", "json", "npz"])
def test_frames_stand_where_their_numbers_say(kind, tmp_path):
    numbers = np.array([4, 5, 9, 10])
    joints = np.arange(1, 17, dtype=float).reshape(4, 2, 2)
    clip = read_file(times_file(tmp_path, kind, "frame", numbers, joints), fps=20)
    assert clip.frames == 7 and clip.fps == 20
    assert (clip.visibility[0] > 0).all(1).tolist() == [True, True, False, False, False, True, True]
    np.testing.assert_array_equal(clip.joints[0, [0, 1, 5, 6]], joints)


def test_persons_of_a_table_are_who_it_says(tmp_path):
    lines = ["track_id,frame_id,left_hip_x,left_hip_y,right_hip_x,right_hip_y"]
    for n in range(4):
        lines += [f"anna,{n},{100 + 50 * n},5,7,8", f"bert,{n},{250 - 50 * n},5,7,8"][:: (-1) ** n]
    (tmp_path / "a.csv").write_text("\n".join(["# image_size = 640 x 480", *lines]))
    clip = read_file(tmp_path / "a.csv")
    assert clip.joints[:, :, 0, 0].tolist() == [[100, 150, 200, 250], [250, 200, 150, 100]]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_an_empty_row_is_a_frame_with_nobody(separator, tmp_path):
    lines = table(separator, frame=False)
    lines[3] = separator * 8
    (tmp_path / "a.csv").write_text("\n".join([*NOTES, *lines, "", separator * 8]))
    clip = read_file(tmp_path / "a.csv")
    assert (clip.visibility[0] > 0).any(1).tolist() == [True, True, False, True, True, True]


def test_many_persons_keep_those_seen_best(tmp_path):
    joints = np.random.default_rng(0).uniform(1, 90, (11, 5, 17, 2))
    for m in range(11):
        joints[m, :, : 11 - m] = 0
    np.savez(tmp_path / "a.npz", joints=joints, skeleton="coco-17", image_size=(99, 99), fps=30)
    clip = read_file(tmp_path / "a.npz")
    assert clip.persons == 8
    np.testing.assert_allclose(clip.joints, joints[3:], rtol=1e-6)
    assert "8 persons seen best" in clip.notices[-1].what and "11 persons" in clip.notices[-1].detail


def test_frames_without_anybody_in_json(tmp_path):
    joints = [[[1, 2]] * 17, None, [], [[3, 4], None, *[[5, 6]] * 15]]
    (tmp_path / "a.json").write_text(json.dumps({"joints": joints, "skeleton": "coco-17", "image_size": [9, 9]}))
    clip = read_file(tmp_path / "a.json")
    assert (clip.visibility[0] > 0).sum(1).tolist() == [17, 0, 0, 16]


def test_the_example_for_mediapipe_survives_frames_with_nobody(tmp_path, monkeypatch):
    class Point:
        x, y, visibility = 0.5, 0.25, 0.9

    class Result:
        def __init__(self, people):
            self.pose_landmarks = people

    page = (Path(__file__).parents[3] / "docs" / "own_data.md").read_text(encoding="utf-8")
    example = page.split("**MediaPipe**")[1].split("```python")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)
    results = [Result([]), Result([[Point()] * 33]), Result(None), Result([])]
    exec(compile(example, "own_data.md", "exec"), {"np": np, "results": results})
    clip = read_file(tmp_path / "a.npz")
    assert (clip.visibility[0] > 0).all(1).tolist() == [False, True, False, False]
    assert clip.joints[0, 1, 0].tolist() == [640, 180]
