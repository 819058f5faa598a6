"""Markers as joints: sets on the skin, several people in a file, frames left out, and which way is up."""

from pathlib import Path

import numpy as np
import pytest

from ups.data.formats.markers import joints_of_markers
from ups.data.open_file import read_file
from ups.errors import DataError

HIP, WIDTH = 0.92, 0.24
"""Height of the hips and distance of the front spines of the standing figure, metres."""


def standing(side: str) -> dict[str, tuple[float, float, float]]:
    """Skin markers of one side of somebody who stands facing z, y up; Plug-in Gait's names."""
    x = 1 if side == "L" else -1
    front = HIP + 0.30 * WIDTH
    own = {
        "SHO": (0.2, 1.42, 0), "ELB": (0.28, 1.12, 0.02), "WRA": (0.3, 0.88, 0.04), "WRB": (0.3, 0.84, 0.02),
        "FIN": (0.3, 0.76, 0.04), "ASI": (WIDTH / 2, front, 0.19 * WIDTH), "PSI": (0.05, front, -0.15),
        "KNE": (0.14, 0.5, 0), "ANK": (0.13, 0.09, 0), "HEE": (0.1, 0.04, -0.06), "TOE": (0.1, 0.03, 0.16),
    }  # fmt: skip
    return {f"{side}{name}": (x * place[0], *place[1:]) for name, place in own.items()}


GAIT = {**standing("L"), **standing("R"), "C7": (0, 1.5, -0.06), "CLAV": (0, 1.42, 0.08), "STRN": (0, 1.25, 0.1),
        "T10": (0, 1.2, -0.08)}  # fmt: skip
STUDY = {"r_shoulder": "RSHO", "r_knee": "RKNE", "r_mknee": "RKNE", "r_ankle": "RANK", "r_mankle": "RANK",
         "r.ASIS": "RASI", "r.PSIS": "RPSI", "r_calc": "RHEE", "r_toe": "RTOE", "r_lelbow": "RELB", "r_melbow": "RELB",
         "r_lwrist": "RWRA", "r_mwrist": "RWRB"}  # fmt: skip


def write(path: Path, names: list[str], points: np.ndarray, numbers=None, rate: float = 60, clock: float = 60) -> Path:
    """A TRC file of points (N, J, 3) in metres; frames have the numbers given."""
    numbers = list(range(1, len(points) + 1)) if numbers is None else numbers
    head = [
        "PathFileType\t4\t(X/Y/Z)\ta.trc", "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits",
        f"{rate:g}\t{rate:g}\t{len(points)}\t{len(names)}\tmeter", "Frame#\tTime\t" + "\t\t\t".join(names), "", "",
    ]  # fmt: skip
    rows = [[k, f"{k / clock:.5f}", *row.ravel()] for k, row in zip(numbers, points, strict=True)]
    path.write_text("\n".join([*head, *("\t".join(map(str, row)) for row in rows)]) + "\n")
    return path


def moving(places: dict[str, tuple[float, float, float]], frames: int = 6) -> np.ndarray:
    """(N, J, 3): the figure walks along x."""
    return np.array(list(places.values())) + np.arange(frames)[:, None, None] * np.array([0.02, 0, 0])


def test_plug_in_gait_becomes_joints(tmp_path: Path) -> None:
    clip = read_file(write(tmp_path / "a.trc", list(GAIT), moving(GAIT)))
    place = {joint: clip.joints[0, 0, j] for j, joint in enumerate(clip.skeleton.joints)}
    np.testing.assert_allclose(place["left_hip"], (0.36 * WIDTH, HIP, 0), atol=1e-6)  # Bell's figures, turned back
    np.testing.assert_allclose(place["right_hip"], (-0.36 * WIDTH, HIP, 0), atol=1e-6)
    np.testing.assert_allclose(place["left_wrist"], (0.3, 0.86, 0.03), atol=1e-6)
    np.testing.assert_allclose(place["right_ankle"], (-0.13, 0.09, 0), atol=1e-6)
    assert {"left_shoulder", "right_elbow", "neck", "pelvis", "left_foot"} <= set(place)
    assert ["markers on the skin" in notice.what for notice in clip.notices] == [True]


def test_markers_of_opencap_become_joints(tmp_path: Path) -> None:
    names = [f"{ours}_study" for ours in STUDY] + [f"{'L' + ours[1:]}_study" for ours in STUDY]
    places = [GAIT[theirs] for theirs in STUDY.values()] + [GAIT["L" + theirs[1:]] for theirs in STUDY.values()]
    clip = read_file(write(tmp_path / "a.trc", names, moving(dict(zip(names, places, strict=True)))))
    place = {joint: clip.joints[0, 0, j] for j, joint in enumerate(clip.skeleton.joints)}
    np.testing.assert_allclose(place["left_hip"], (0.36 * WIDTH, HIP, 0), atol=1e-6)
    np.testing.assert_allclose(place["right_elbow"], (-0.28, 1.12, 0.02), atol=1e-6)
    assert len(place) == 17


def test_markers_that_are_lost_are_lost_joints() -> None:
    points = moving(GAIT)[None].copy()
    points[0, 2, list(GAIT).index("LASI")] = np.nan
    made = joints_of_markers(points, list(GAIT))
    assert made is not None
    joints, names = made
    lost = np.argwhere(np.isnan(joints[0]).any(-1)).tolist()
    assert {(n, names[j]) for n, j in lost} == {(2, "left_hip"), (2, "right_hip"), (2, "pelvis")}
    assert joints_of_markers(points[:, :, :3], list(GAIT)[:3]) is None


def test_people_of_one_file_are_told_apart_by_their_prefix(tmp_path: Path) -> None:
    names = [f"{who}:{name}" for who in ("Anna", "Bob") for name in GAIT]
    both = np.concatenate([moving(GAIT), moving(GAIT) + np.array([1.0, 0, 0])], 1)
    clip = read_file(write(tmp_path / "a.trc", names, both))
    np.testing.assert_allclose(
        clip.joints[1] - clip.joints[0], np.broadcast_to((1.0, 0, 0), clip.joints[0].shape), atol=1e-5
    )


def test_frames_stand_where_their_numbers_and_times_say(tmp_path: Path) -> None:
    clip = read_file(write(tmp_path / "a.trc", list(GAIT), moving(GAIT), [1, 2, 3, 7, 8, 9]))
    assert np.flatnonzero((clip.visibility[0] > 0).any(-1)).tolist() == [0, 1, 2, 6, 7, 8]
    clip = read_file(write(tmp_path / "b.trc", list(GAIT), moving(GAIT), rate=30, clock=60))
    assert clip.fps == 60 and "the times count" in str(clip.notices)
    path = tmp_path / "c.trc"
    write(path, list(GAIT), moving(GAIT))
    path.write_text("\n".join(path.read_text().splitlines()[:-2]) + "\n")
    assert "announces 6 frames, and there are 4" in str(read_file(path).notices)


@pytest.mark.parametrize("up", ["z", "-y", "x"])
def test_a_file_that_does_not_have_y_up_is_turned_and_told(tmp_path: Path, up: str) -> None:
    turn = {"z": [[1, 0, 0], [0, 0, -1], [0, 1, 0]], "-y": [[1, 0, 0], [0, -1, 0], [0, 0, -1]],
            "x": [[0, 1, 0], [-1, 0, 0], [0, 0, 1]]}[up]  # fmt: skip
    points = moving(GAIT) @ np.array(turn).T
    expected = read_file(write(tmp_path / "a.trc", list(GAIT), moving(GAIT)))
    found = read_file(write(tmp_path / "b.trc", list(GAIT), points))
    assert f"{up} is taken for the axis that points up" in str(found.notices)
    np.testing.assert_allclose(found.joints[..., 1], expected.joints[..., 1], atol=1e-5)
    kept = read_file(tmp_path / "b.trc", up="y")
    assert "taken for the axis" not in str(kept.notices)


def test_markers_that_are_no_body_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="say which is which with --joint-map"):
        read_file(write(tmp_path / "a.trc", ["LASI", "RASI", "LPSI", "wand"], np.ones((3, 4, 3))))
