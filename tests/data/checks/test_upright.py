"""Which way is up: bodies that stand along z are refused until somebody says so, and z up is one fixed turn in all formats."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ups.data.checks.check import check
from ups.data.checks.clip import check_clip, check_or_refuse
from ups.data.datasets.synthetic import synthesize
from ups.data.formats.native import write_file
from ups.data.formats.write import write
from ups.data.open_file import read_file
from ups.errors import DataError
from ups.pose import PoseSequence, pose_sequence
from ups.skeletons import H36M_17

LYING = "bodies lie along z in the whole recording"
TURN = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
"""y up -> z up, as Blender and Rokoko export it: 90 degrees about x."""


def walker() -> PoseSequence:
    """A generated person, 3D, metres, y up."""
    return pose_sequence(synthesize(1, 0, (40, 40))[0], H36M_17, space="world", fps=30)


def turned(clip: PoseSequence) -> PoseSequence:
    return replace(clip, joints=(clip.joints @ TURN.T).astype(np.float32))


def found(clip: PoseSequence) -> list[str]:
    return [severity for severity, what, *_ in check_clip(clip) if LYING in what]


def test_standing_along_z_is_refused_until_somebody_says_what_is_up(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_file(turned(walker()), path)
    with pytest.raises(DataError, match="add --up z, or --up y if they really lie, or --force"):
        check_or_refuse(read_file(path), "a")
    assert any(LYING in line for line in check_or_refuse(read_file(path), "a", force=True))
    for up in ("y", "z"):  # who says that y is up has somebody who lies
        assert not any(LYING in line for line in check_or_refuse(read_file(path, up=up), "a"))
    (finding,) = [f for f in check(path) if f.severity == "error"]
    assert LYING in finding.what


def test_standing_along_x_is_refused_too(tmp_path: Path) -> None:
    clip = walker()
    write_file(replace(clip, joints=clip.joints[..., [1, 2, 0]]), tmp_path / "a.npz")
    with pytest.raises(DataError, match="bodies lie along x .*; add --up x, or --up y if they really lie, or --force"):
        check_or_refuse(read_file(tmp_path / "a.npz"), "a")
    for up in ("x", "y"):
        assert not any("lie along" in line for line in check_or_refuse(read_file(tmp_path / "a.npz", up=up), "a"))


def test_pixels_with_y_before_x_are_refused_until_somebody_says_that_they_lie(tmp_path: Path) -> None:
    points = walker().joints[0]
    pixels = np.stack([500 + 250 * points[..., 0], 700 - 250 * points[..., 1]], -1)
    np.savez(tmp_path / "a.npz", joints=pixels[..., ::-1], skeleton="h36m-17", fps=30, image_size=(1000, 1000))
    with pytest.raises(
        DataError, match=r"on their side .*; add --rotate \d+, or --fix swap-xy, or --up -y if they really lie"
    ):
        check_or_refuse(read_file(tmp_path / "a.npz"), "a")
    for how in ({"up": "-y"}, {"fixes": ("swap-xy",)}):
        assert not check_or_refuse(read_file(tmp_path / "a.npz", **how), "a")


def test_a_file_that_says_what_is_up_is_believed(tmp_path: Path) -> None:
    clip = turned(walker())
    values = {"joints": clip.joints, "skeleton": "h36m-17", "space": "world", "fps": 30.0}
    np.savez(tmp_path / "y.npz", up="y", **values)
    np.savez(tmp_path / "z.npz", up="z", **values)
    assert not found(read_file(tmp_path / "y.npz")) and not found(read_file(tmp_path / "z.npz"))
    np.testing.assert_allclose(read_file(tmp_path / "z.npz").joints, walker().joints, atol=1e-6)


def test_a_bare_array_in_a_space_is_refused_too(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", turned(walker()).joints[0])
    assert found(read_file(tmp_path / "a.npy", H36M_17, 30, space="world")) == ["error"]
    assert not found(read_file(tmp_path / "a.npy", H36M_17, 30, up="z", unit="m"))


def test_arms_held_forwards_are_no_push_ups() -> None:
    clip = turned(walker())
    points, names = clip.joints.copy(), H36M_17.joints
    for side in ("left", "right"):
        shoulder = points[:, :, names.index(f"{side}_shoulder")]
        points[:, :, names.index(f"{side}_elbow")] = shoulder + (0, 0.28, 0)
        points[:, :, names.index(f"{side}_wrist")] = shoulder + (0, 0.53, 0)
    assert found(replace(clip, joints=points)) == ["error"]


def test_push_ups_along_z_and_stored_clips_are_warned_of_only() -> None:
    clip = turned(walker())
    points, names = clip.joints.copy(), H36M_17.joints
    for side in ("left", "right"):  # hands on the floor before the shoulders, and feet there too
        shoulder = points[:, :, names.index(f"{side}_shoulder")]
        points[:, :, names.index(f"{side}_elbow")] = shoulder + (0, -0.28, 0)
        points[:, :, names.index(f"{side}_wrist")] = shoulder + (0, -0.53, 0)
        points[:, :, names.index(f"{side}_ankle"), 1] = shoulder[..., 1] - 0.5
        points[:, :, names.index(f"{side}_knee"), 1] = shoulder[..., 1] - 0.3
    assert found(replace(clip, joints=points)) == ["warning"]
    assert [severity for severity, what, *_ in check_clip(clip, stored=True) if LYING in what] == ["warning"]


@pytest.mark.parametrize("kind", ["bvh", "trc", "npz", "csv"])
def test_the_same_motion_with_y_and_with_z_up_is_the_same(tmp_path: Path, kind: str) -> None:
    write(walker(), tmp_path / f"y.{kind}", kind)
    write(turned(walker()), tmp_path / f"z.{kind}", kind)
    expected = read_file(tmp_path / f"y.{kind}").joints
    np.testing.assert_allclose(read_file(tmp_path / f"z.{kind}", up="z").joints, expected, atol=1e-4)
    if kind == "bvh":
        clip = read_file(tmp_path / "z.bvh")
        np.testing.assert_allclose(clip.joints, expected, atol=1e-4)
        assert "z is taken for the axis that points up" in str(clip.notices)


@pytest.mark.parametrize("places", [True, False])
def test_a_motion_is_the_same_where_only_the_root_is_turned(tmp_path: Path, places: bool) -> None:
    """Exporters that keep the rest pose and turn the root's channels instead; some of them its rotations alone."""
    clip = walker()
    clip = replace(clip, joints=clip.joints + np.arange(40, dtype=np.float32)[:, None, None] * (0, 0, 0.05))
    foot = H36M_17.joints.index("left_ankle")  # one foot stands while the body goes on
    clip.joints[0, :, foot] = clip.joints[0, :1, foot] + np.arange(40)[:, None] // 20 * (0, 0, 1.0)
    write(clip, tmp_path / "y.bvh", "bvh")
    lines = (tmp_path / "y.bvh").read_text().splitlines()
    start = lines.index("MOTION") + 3
    channels = next(line for line in lines if "CHANNELS 6" in line).split()[2:]
    position = [channels.index(f"{axis}position") for axis in "XYZ"]
    turns = [i for i, name in enumerate(channels) if name.endswith("rotation")]
    axes = "".join(channels[i][0] for i in turns)
    for n in range(start, len(lines)):
        values = np.array(lines[n].split(), float)
        values[position] = (TURN if places else np.eye(3)) @ values[position]
        root = Rotation.from_matrix(TURN) * Rotation.from_euler(axes, values[turns], degrees=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # at 90 degrees two of the angles are as good as one
            values[turns] = root.as_euler(axes, degrees=True)
        lines[n] = " ".join(f"{v:.7f}" for v in values)
    (tmp_path / "z.bvh").write_text("\n".join(lines) + "\n")
    found = read_file(tmp_path / "z.bvh")
    np.testing.assert_allclose(found.joints, read_file(tmp_path / "y.bvh").joints, atol=1e-4)
    assert ("the root goes where y is up" in str(found.notices)) != places


def test_nobody_is_an_error_of_the_check(tmp_path: Path) -> None:
    for n, joints in enumerate((0, 2)):
        clip = walker()
        seen = np.zeros_like(clip.visibility)
        seen[..., :joints] = 1
        write_file(replace(clip, joints=clip.joints * seen[..., None], visibility=seen), tmp_path / f"{n}.npz")
        (finding,) = check(tmp_path / f"{n}.npz")
        assert finding.severity == "error" and f"at most {joints} of 17 joints in any of 40 frames" in finding.what
