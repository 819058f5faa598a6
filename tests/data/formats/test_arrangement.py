"""Arrays whose numbers stand in another order than they are read in: the body tells, and they are refused."""

from __future__ import annotations

from itertools import islice, permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ups.data.checks.clip import check_clip
from ups.data.datasets.synthetic import generate_2d, synthesize
from ups.data.formats.arrangement import check_arrangement
from ups.data.formats.layouts import LAYOUTS
from ups.data.open_file import read_file
from ups.errors import DataError

SIZE = (1000, 1000)


def flat() -> list[np.ndarray]:
    """(N, 17, 2) pixels of generated people, in the order of Human3.6M."""
    return [clip.joints[0, :60] for clip, *_ in islice(generate_2d(8), 8)]


def solid() -> list[np.ndarray]:
    """(N, 17, 3) metres, y up."""
    return [synthesize(1, n, (60, 60))[0] for n in range(4)]


def read(path: Path, array: np.ndarray, bodies: Any = flat) -> Any:
    np.save(path, array)
    options: dict[str, Any] = {} if bodies is flat else {"up": "y", "unit": "m"}
    return read_file(path, "h36m-17", fps=30, image_size=SIZE, **options)


@pytest.mark.parametrize("bodies", [flat, solid])
def test_numbers_of_a_row_by_axis_are_refused(bodies, tmp_path: Path) -> None:
    for points in bodies():
        frames, joints, axes = points.shape
        clip = read(tmp_path / "a.npy", points.reshape(frames, -1), bodies)
        np.testing.assert_allclose(clip.joints[0], points, atol=1e-5)
        assert any("numbers of a row are read as x0, y0, x1, y1" in notice.what for notice in clip.notices)
        planes = points.swapaxes(1, 2).reshape(frames, -1)
        with pytest.raises(DataError, match=r"a\.npy: shape .* with all x before all y; save array\.reshape") as error:
            read(tmp_path / "a.npy", planes, bodies)
        recipe = eval(str(error.value).rpartition("save ")[2].rpartition(", or")[0], {"array": planes})
        np.testing.assert_array_equal(recipe, points)


def test_scores_behind_all_coordinates_are_refused(tmp_path: Path) -> None:
    points = flat()[0]
    rows = np.concatenate([points.reshape(len(points), -1), np.full((len(points), 17), 0.9)], 1)
    with pytest.raises(DataError, match="with all scores behind all x and y; save"):
        read(tmp_path / "a.npy", rows, None)


@pytest.mark.parametrize("bodies", [flat, solid])
def test_every_order_of_axes_is_read_rightly_or_refused(bodies, tmp_path: Path) -> None:
    for points in bodies()[:1]:
        for frames in (17, 40):  # as many as there are joints, and another number
            one = points[:frames]
            two = np.stack([one, np.roll(one, 5, 0) + np.ptp(one) / 3])
            three = np.concatenate([two, two[:1] * 1.1])
            for array in (one, two, three, np.stack([one, np.zeros_like(one)])):
                for axes in permutations(range(array.ndim)):
                    if axes == tuple(range(array.ndim)):
                        clip = read(tmp_path / "a.npy", array, bodies)
                        np.testing.assert_allclose(clip.joints[0], one, atol=1e-5)
                        continue
                    with pytest.raises(DataError, match="shape|joints"):
                        read(tmp_path / "a.npy", array.transpose(axes), bodies)


def test_our_own_files_and_a_number_of_joints_that_says_who(tmp_path: Path) -> None:
    points = flat()[0][:17].transpose(1, 0, 2)
    np.savez(tmp_path / "a.npz", joints=points, skeleton="h36m-17", image_size=SIZE, fps=30)
    with pytest.raises(DataError, match=r"a\.npz: shape .* as \(joints, frames, coordinates\); save array\.transpose"):
        read_file(tmp_path / "a.npz")
    whole = np.full((26, 40, 2), np.nan)  # Halpe's 26 joints of 40 frames, joints first
    h36m = {"left_hip": 4, "right_hip": 1, "left_knee": 5, "right_knee": 2, "left_ankle": 6, "right_ankle": 3}
    h36m |= {"left_shoulder": 11, "right_shoulder": 14, "left_elbow": 12, "right_elbow": 15, "neck": 8, "pelvis": 0}
    for joint, place in h36m.items():
        whole[LAYOUTS[26].places[joint]] = flat()[0][:40, place]
    with pytest.raises(DataError, match="makes no body than as"):
        check_arrangement(whole, whole[None], None, "a.npy")


def test_what_nobody_can_tell_is_warned_of(tmp_path: Path) -> None:
    points = np.where(np.arange(17)[:, None] < 4, flat()[0], np.nan)
    clip = read(tmp_path / "a.npy", points.reshape(len(points), -1))
    assert any(s == "warning" and "numbers of a row" in what for s, what, *_ in check_clip(clip))


def test_movenets_fractions_with_y_before_x_and_scores(tmp_path: Path) -> None:
    size = (1600, 900)
    points = flat()[0] * (1.6, 0.9)
    marks = np.stack([points[..., 1] / 900, points[..., 0] / 1600, np.full(points.shape[:2], 0.9)], -1)
    np.save(tmp_path / "a.npy", marks)
    with pytest.raises(DataError, match="add --fix score-z if the third are scores"):
        read_file(tmp_path / "a.npy", "h36m-17", image_size=size)
    fixes = ("score-z", "swap-xy")
    clip = read_file(tmp_path / "a.npy", "h36m-17", image_size=size, fixes=fixes, coordinates="fractions")
    np.testing.assert_allclose(clip.joints[0], points, atol=0.01)
