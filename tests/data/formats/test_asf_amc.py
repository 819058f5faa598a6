"""Acclaim files: positions by hand, and messages for what is damaged."""

import numpy as np
import pytest

from ups.data.formats.asf_amc import read_amc, read_asf
from ups.errors import DataError

ASF = """# a body of two bones
:version 1.10
:name BODY
:units
  mass 1.0
  length 0.5
  angle deg
:documentation
   written by a test
:root
   order TX TY TZ RX RY RZ
   axis XYZ
   position 0 0 0
   orientation 0 0 0
:bonedata
  begin
     id 1
     name upper
     direction 0 -1 0
     length 5
     axis 0 0 90 XYZ
    dof rx ry rz
    limits (-160.0 20.0)
           (-70.0 70.0)
           (-60.0 70.0)
  end
  begin
     id 2
     name lower
     direction 0 -1 0
     length 4
     axis 0 0 0 XYZ
  end
:hierarchy
  begin
    root upper
    upper lower
  end
"""
AMC = """#!OML:ASF
:FULLY-SPECIFIED
:DEGREES
1
root 1 2 3 0 0 0
upper 0 0 0
2
root 0 0 0 0 0 90
upper 0 0 0
3
root 0 0 0 0 0 0
upper 0 90 0
4
root 0 0 0 90 90 0
upper 0 0 0
"""
UNIT = 0.0254 / 0.5


def test_positions_by_hand() -> None:
    skeleton = read_asf(ASF, "body.asf")
    assert skeleton.joint_names == ("root", "upper", "lower")
    ends = read_amc(AMC, skeleton, "body.amc") / UNIT
    at_rest = [[1, 2, 3], [1, -3, 3], [1, -7, 3]]
    turned = [[0, 0, 0], [5, 0, 0], [9, 0, 0]]  # 90 degrees about z: down becomes +x
    # the bone's own y axis is the world's -x: 90 degrees about it turn down to +z
    bent = [[0, 0, 0], [0, 0, 5], [0, 0, 9]]
    # first about x (down becomes -z), then about the fixed y axis (-z becomes -x)
    twice = [[0, 0, 0], [-5, 0, 0], [-9, 0, 0]]
    np.testing.assert_allclose(ends, [at_rest, turned, bent, twice], atol=1e-9)


def test_step_keeps_every_nth_frame() -> None:
    skeleton = read_asf(ASF, "body.asf")
    every = read_amc(AMC, skeleton, "body.amc")
    np.testing.assert_array_equal(read_amc(AMC, skeleton, "body.amc", step=2), every[::2])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (":hierarchy", "", "no section :hierarchy"),
        ("angle deg", "angle rad", "angles is rad; deg is needed"),
        ("length 0.5", "length 0", "length 0 in :units"),
        ("direction 0 -1 0", "direction 0 nan 0", "3 numbers are needed"),
        ("dof rx ry rz", "dof rx l", "dof rx l of upper"),
        ("upper lower", "upper upper", "'upper' is not described in :bonedata, or has two parents"),
        ("    upper lower\n", "", "lower of :bonedata not in the hierarchy"),
        ("axis 0 0 90 XYZ", "axis 0 0 90 XXZ", "order of axes 'XXZ'"),
    ],
)
def test_damaged_skeletons(old: str, new: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_asf(ASF.replace(old, new, 1), "body.asf")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (":DEGREES\n", "", "no line :DEGREES"),
        ("upper 0 90 0", "other 0 90 0", "line 12: 'other' is no moving bone"),
        ("upper 0 90 0", "upper 0 90", "line 12: '0 90'; 3 numbers"),
        ("upper 0 90 0\n", "", "frame 3 ends without upper"),
        ("upper 0 90 0", "upper 0 90 0\nupper 0 90 0", "line 13: upper stands twice in frame 3"),
    ],
)
def test_damaged_motions(old: str, new: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_amc(AMC.replace(old, new, 1), read_asf(ASF, "body.asf"), "body.amc")
