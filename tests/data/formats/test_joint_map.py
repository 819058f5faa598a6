"""The user's word on which joint is which."""

from pathlib import Path

import pytest

from ups.data.formats.joint_map import JointMap, joint_map_text, read_joint_map
from ups.errors import DataError


def put(folder: Path, text: str) -> Path:
    (folder / "map.TOML").write_text(text)
    return folder / "map.TOML"


@pytest.mark.parametrize("head", ["", "[joints]\n"])
def test_names_and_numbers(tmp_path: Path, head: str) -> None:
    text = head + '"L Sho" = "left_shoulder"\n5 = "left_hip"\nhat = ""\nR_Hip = "right_hip"\n'
    joint_map = read_joint_map(put(tmp_path, text))
    names = ["R_Hip", "a", "b", "L Sho", "c", "d"]
    assert joint_map.places(names, 6, "x") == {"left_shoulder": 3, "left_hip": 5, "right_hip": 0}
    with pytest.raises(
        DataError, match=r"x: .*map.TOML names 'L Sho', 'R_Hip'; the recording has 6 joints without names"
    ):
        joint_map.places(None, 6, "x")
    with pytest.raises(DataError, match=r"names 'L Sho'; did you mean 'L_Sho'"):
        JointMap("m", {"L Sho": "left_shoulder"}).places(["L_Sho", "b"], 2, "x")


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    names = ["Bip01 L Thigh", 'a"b', "knee", "ü", "7"]
    text = joint_map_text(names, {"left_hip": 0, "right_hip": 1, "left_knee": 4}, ["to correct"])
    joint_map = read_joint_map(put(tmp_path, text))
    assert joint_map.places(names, 5, "x") == {"left_hip": 0, "right_hip": 1, "left_knee": 4}
    assert text.startswith("# to correct\n") and 'knee = ""' in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "nothing in it"),
        ("a = 3", "'a'; lines like"),
        ('a = "left_wirst"', "did you mean left_wrist"),
        ('a = "left_hip"\nb = "left_hip"', "left_hip is given to 'a', 'b'; keep one"),
        ("a = [", "not a TOML file"),
        ("# " + "x" * 30_000, "at most 20,000"),
    ],
)
def test_bad_maps(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_joint_map(put(tmp_path, text))
