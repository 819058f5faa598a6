"""The BVH reader: forward kinematics by hand, against scipy and on real files; damaged files."""

import tarfile
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ups.data.datasets import bandai_namco
from ups.data.formats.bvh import read_bvh
from ups.errors import DataError

ARM = """HIERARCHY
ROOT Shoulder
{
  OFFSET 1 2 3
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Elbow
  {
    OFFSET 10 0 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 5 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.04
0 0 0 0 0 0 0 0 0
1 1 1 90 0 0 0 90 0
"""


def test_forward_kinematics_by_hand() -> None:
    arm = read_bvh(ARM, "arm.bvh")
    assert arm.joint_names == ("Shoulder", "Elbow", "Elbow_end")
    assert arm.parents == (-1, 0, 1)
    assert arm.fps == pytest.approx(25)
    # frame 0: position channels replace the root's offset; frame 1: x turns to y at the root, then y to z at the elbow
    np.testing.assert_allclose(
        arm.positions, [[[0, 0, 0], [10, 0, 0], [10, 5, 0]], [[1, 1, 1], [1, 11, 1], [1, 11, 6]]], atol=1e-12
    )


@pytest.mark.parametrize("order", ["XYZ", "YZX", "ZYX", "ZXY"])
def test_any_rotation_order_agrees_with_scipy(order: str) -> None:
    rng = np.random.default_rng(1)
    angles = rng.uniform(-180, 180, (6, 2, 3))
    text = ARM.replace("Zrotation Xrotation Yrotation", " ".join(f"{axis}rotation" for axis in order))
    rows = [" ".join(map(str, [0, 0, 0, *frame.ravel()])) for frame in angles]
    arm = read_bvh(text[: text.index("Frames")] + "Frames: 6\nFrame Time: .02\n" + "\n".join(rows), "arm.bvh")
    root, elbow = (Rotation.from_euler(order, angles[:, j], degrees=True) for j in (0, 1))
    np.testing.assert_allclose(arm.positions[:, 1], root.apply([10, 0, 0]), atol=1e-9)
    np.testing.assert_allclose(arm.positions[:, 2], root.apply([10, 0, 0]) + (root * elbow).apply([0, 5, 0]), atol=1e-9)


def test_positions_may_follow_rotations_and_name_one_axis() -> None:
    text = ARM.replace(
        "CHANNELS 3 Zrotation Xrotation Yrotation", "CHANNELS 4 Zrotation Yposition Xrotation Yrotation"
    ).replace("0 0 0 0 0 0 0 0 0\n1 1 1 90 0 0 0 90 0", "0 0 0 0 0 0 0 7 0 0\n0 0 0 90 0 0 0 7 0 0")
    np.testing.assert_allclose(read_bvh(text, "arm").positions[:, 1], [[10, 7, 0], [-7, 10, 0]], atol=1e-12)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("1 1 1 90 0 0 0 90 0\n", "", r"line 19: the file ends after 1 frames; it announces 2"),
        ("1 1 1 90 0 0 0 90 0", "1 1 1 90 0", r"line 20: 5 values; the hierarchy has 9 channels"),
        ("1 1 1 90 0 0 0 90 0", "1 1 1 nan 0 0 0 90 0", r"line 20: a value is not finite: nan"),
        ("1 1 1 90 0 0 0 90 0", "1 1 1 x 0 0 0 90 0", r"line 20: could not convert string to float: 'x'"),
        ("Frames: 2", "Frames: 0", r"line 17: 'Frames: 0'"),
        ("Frames: 2", "Frames: two", r"line 17: 'Frames: two'"),
        ("Frame Time: 0.04", "Frame Time: -1", r"line 18: 'Frame Time: -1'"),
        ("Frame Time: 0.04", "Frame Time: e", r"line 18: could not convert"),
        ("OFFSET 10 0 0", "OFFSET 10 0", r"line 9: could not convert string to float: 'CHANNELS'"),
        ("OFFSET 10 0 0", "OFFSET 10 0 inf", r"line 8: a value is not finite: inf"),
        ("    OFFSET 10 0 0\n", "", r"line 13: a joint without OFFSET"),
        ("CHANNELS 3", "CHANNELS 2", r"line 9: unexpected 'Yrotation'"),
        ("CHANNELS 3", "CHANNELS 999999999999", r"line 9: CHANNELS 999999999999"),
        ("CHANNELS 3 Zrotation", "CHANNELS 3 Wrotation", r"line 9: CHANNELS Wrotation"),
        ("CHANNELS 3 Zrotation", "CHANNELS 3 Yrotation", r"line 9: CHANNELS Yrotation Xrotation Yrotation"),
        ("  JOINT Elbow\n", "  JOINT Elbow }\n", r"line 6: '{' is needed after JOINT Elbow"),
        ("ROOT", "JOINT", r"line 2: JOINT is out of place"),
        ("}\nMOTION", "MOTION", r"line 14: the hierarchy ends with 3 joints, 1 of them not closed"),
        ("MOTION", "", r"line 20: the file ends without a line MOTION"),
        ("HIERARCHY", "SOMETHING", r"line 1: a BVH file begins with HIERARCHY"),
    ],
)  # fmt: skip
def test_damaged_files_are_refused_by_line(old: str, new: str, message: str) -> None:
    assert old in ARM
    with pytest.raises(DataError, match=f"^arm.bvh: {message}"):
        read_bvh(ARM.replace(old, new, 1), "arm.bvh")


def test_every_truncation_is_refused() -> None:
    """Cut anywhere before the last value, the file is an error that names itself, never a shorter recording."""
    for end in range(len(ARM.rstrip()) - 1):
        with pytest.raises(DataError, match=r"^arm.bvh: line \d+"):
            read_bvh(ARM[:end], "arm.bvh")


def _real_files(folder: Path) -> dict[str, str]:
    """Texts of real .bvh files by stem, unpacked or packed."""
    packed = folder / "bandai_namco_bvh_samples.tar.xz"
    if not packed.is_file():
        return {path.stem: path.read_text() for path in folder.rglob("dataset-*.bvh")}
    with tarfile.open(packed) as archive:
        files = [m for m in archive if m.name.endswith(".bvh")]
        return {Path(m.name).stem: archive.extractfile(m).read().decode() for m in files}  # pyright: ignore


def test_real_files_agree_with_the_published_positions(data_folder: Path) -> None:
    """The .npz holds the same kinematics in float16: equal up to half the spacing of float16 (1 mm at 2 to 4 m)."""
    files = _real_files(data_folder)
    if not files or not (data_folder / bandai_namco.ARCHIVE).is_file():
        pytest.skip(f"{data_folder} holds no .bvh files beside {bandai_namco.ARCHIVE}")
    stored = {item[0].id: item[0] for item in bandai_namco.read(data_folder) if not isinstance(item, DataError)}
    for name, text in files.items():
        clip = bandai_namco.bandai_sequence(read_bvh(text, name), name)
        assert clip.fps == 30
        expected = stored[name].joints
        half_spacing = np.spacing(np.abs(expected).astype(np.float16)).astype(np.float64) / 2
        assert (np.abs(clip.joints[:, ::2] - expected) <= half_spacing + 2e-6).all(), name
