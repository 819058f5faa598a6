"""How training sees clips: other cameras, picture frames, rates and pauses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from ups.cameras import Camera, any_camera, project, view
from ups.pose import PoseSequence
from ups.skeletons import H36M_17
from ups.tasks.placement import FOCAL
from ups.tasks.pose import estimate_pose
from ups.tasks.views import at_rate, film, piece, reframed, with_pause


def walker(frames: int = 40) -> PoseSequence:
    """A body of 1.7 m in a y-up world that walks two metres."""
    rng = np.random.default_rng(3)
    joints = rng.uniform((-0.3, 0, -0.3), (0.3, 1.7, 0.3), (1, 1, 17, 3)).repeat(frames, 1)
    joints[..., 0] += np.linspace(-1, 1, frames)[:, None]
    return PoseSequence(joints, np.ones(joints.shape[:3]), H36M_17, "world", 30.0)


def filmed(seed: int = 0, wide: bool = False) -> PoseSequence:
    return film(walker(), np.random.default_rng(seed), wide)


def test_any_camera_keeps_its_promises():
    points = walker().joints[0]
    cameras = [any_camera(np.random.default_rng(i), points) for i in range(500)]
    depths = np.array([view(points, camera)[1][..., 2].min() for camera in cameras])
    assert depths.min() > 0.3
    assert 1.2 < np.percentile(depths, 5) < 2.5 and 8 < np.percentile(depths, 95) < 16
    heights = np.array([c.translation[1] for c in cameras]) - points[..., 1].min()
    assert heights.min() >= 0 and heights.max() <= 5
    ratios = np.array([c.image_size[0] / c.image_size[1] for c in cameras])
    assert 0.5 <= ratios.min() < 0.55 and 1.75 < ratios.max() <= 1.9
    focals = np.array([c.focal[0] / max(c.image_size) for c in cameras])
    assert 0.6 <= focals.min() < 0.7 and 2.7 < focals.max() <= 3
    ahead = np.array([Rotation.from_quat(c.orientation, scalar_first=True).apply([0, 0, 1]) for c in cameras])
    assert 30 < np.rad2deg(np.arcsin(np.abs(ahead[:, 1]))).max() < 75  # pitch, and the person beside the middle
    across = np.array([Rotation.from_quat(c.orientation, scalar_first=True).apply([1, 0, 0]) for c in cameras])
    roll = np.rad2deg(np.arcsin(across[:, 1] / np.sqrt(1 - ahead[:, 1] ** 2)))
    assert 15 < np.abs(roll).max() < 21 and 5 < roll.std() < 9


def test_what_is_filmed_is_the_projection_of_what_lies_behind():
    for seed in range(20):
        clip = filmed(seed, wide=True)
        width, height = clip.image_size
        behind = clip.pose_3d[0].astype(float)
        focal = (clip.joints[0, 0, 0, 0] - width / 2) / (behind[0, 0, 0] / behind[0, 0, 2])
        pixels = project(behind, (focal, focal), (width / 2, height / 2))
        np.testing.assert_allclose(clip.joints[0], pixels, atol=0.5)
        assert clip.focal is None or clip.focal == pytest.approx(focal, rel=1e-3)
    assert 0.15 < np.mean([filmed(seed, wide=True).focal is not None for seed in range(100)]) < 0.45
    assert filmed(0).focal is None


def test_a_new_frame_moves_and_turns_the_picture_and_the_poses_alike():
    clip = filmed(1)
    sizes = []
    for seed in range(200):
        other = reframed(clip, np.random.default_rng(seed))
        sizes.append(other.image_size[0] / other.image_size[1])
        a = clip.joints[0] - clip.joints[0].mean((0, 1))
        b = other.joints[0] - other.joints[0].mean((0, 1))
        np.testing.assert_allclose(np.linalg.norm(a, axis=-1), np.linalg.norm(b, axis=-1), rtol=1e-3, atol=0.05)
        np.testing.assert_allclose(other.pose_3d[..., 2], clip.pose_3d[..., 2])
        turn_2d = np.arctan2(*(b.reshape(-1, 2)[0][::-1])) - np.arctan2(*(a.reshape(-1, 2)[0][::-1]))
        turn_3d = np.arctan2(*other.pose_3d[0, 0, 0, 1::-1]) - np.arctan2(*clip.pose_3d[0, 0, 0, 1::-1])
        assert np.sin(turn_2d - turn_3d) == pytest.approx(0, abs=0.02)
    assert 0.49 < min(sizes) < 0.6 and 1.7 < max(sizes) < 1.92


def test_another_rate_keeps_the_time():
    clip = filmed(2)
    half, double = at_rate(clip, 0.5), at_rate(clip, 2.0)
    assert (half.fps, double.fps) == (15.0, 60.0)
    assert (half.frames, double.frames) == (20, 79)
    np.testing.assert_allclose(double.joints[:, ::2], clip.joints, rtol=1e-5)
    np.testing.assert_allclose(double.pose_3d[:, 1::2], (clip.pose_3d[:, 1:] + clip.pose_3d[:, :-1]) / 2, atol=1e-5)
    assert (double.visibility == 1).all()


def test_pauses_hold_the_first_and_the_last_pose():
    clip = walker()
    lengths = []
    for seed in range(100):
        paused = with_pause(clip, np.random.default_rng(seed))
        lengths.append(paused.frames - clip.frames)
        first = int((paused.joints == clip.joints[:, :1]).all((0, 2, 3)).sum()) - 1
        np.testing.assert_array_equal(paused.joints[:, first : first + clip.frames], clip.joints)
        assert (paused.joints[:, first + clip.frames :] == clip.joints[:, -1:]).all()
    assert max(lengths) <= 90 and 30 < np.mean(lengths) < 60
    begun = [with_pause(clip, np.random.default_rng(seed), after=False).frames - clip.frames for seed in range(100)]
    assert max(begun) <= 15


def test_a_piece_is_a_part_of_the_clip():
    clip = walker(50)
    part = piece(clip, 20, np.random.default_rng(0))
    start = int(np.flatnonzero((clip.joints[0] == part.joints[0, 0]).all((1, 2)))[0])
    np.testing.assert_array_equal(part.joints, clip.joints[:, start : start + 20])
    assert piece(clip, 50, np.random.default_rng(0)) is clip


def test_the_picture_s_shape_does_not_matter_where_its_long_side_stays():
    clip = replace(filmed(3), image_size=(1000, 1000))
    cut = replace(clip, joints=clip.joints - np.float32([0, 200]), image_size=(1000, 600))
    a, b = (estimate_pose.example(c, 0, 9, np.array([4])) for c in (clip, cut))
    np.testing.assert_allclose(a.joints, b.joints, atol=1e-5)
    np.testing.assert_allclose(a.context, b.context, atol=1e-5)


def test_a_known_focal_length_takes_the_place_of_the_picture_s_size():
    clip = replace(filmed(4), focal=1300.0, centre=(500.0, 500.0))
    padded = replace(clip, joints=clip.joints + np.float32([300, 40]), image_size=(1700, 1080), centre=(800.0, 540.0))
    a, b = (estimate_pose.example(c, 0, 9, np.array([4])) for c in (clip, padded))
    np.testing.assert_allclose(a.context, b.context, atol=1e-5)
    plain = estimate_pose.example(replace(clip, focal=None, centre=None), 0, 9, np.array([4]))
    assert FOCAL == 1.3  # 1,300 pixels are 1.3 of this picture's long side
    np.testing.assert_allclose(a.context, plain.context, atol=1e-6)


@pytest.fixture
def seen_from_there(monkeypatch) -> list[np.ndarray]:
    """Any camera has a picture of 100 x 50 pixels, and sees each point at (100 x, 50 y); the points that it was shown."""
    shown: list[np.ndarray] = []

    def see(clip: PoseSequence, points: np.ndarray, camera: object) -> PoseSequence:
        shown.append(points)
        pixels = clip.joints[..., :2] * np.float32([100, 50])
        return replace(clip, joints=pixels, space="image", image_size=(100, 50), pose_3d=points[None])

    monkeypatch.setattr("ups.tasks.views._seen_by", see)
    camera = Camera(np.array([1.0, 0, 0, 0]), np.zeros(3), (700.0, 900.0), (50.0, 25.0), (100, 50))
    monkeypatch.setattr("ups.tasks.views.any_camera", lambda rng, points: camera)
    return shown


def within(share: float) -> PoseSequence:
    """A clip of which so large a share of the points lies in the picture, two of them at its first pixel and edge."""
    joints = np.full((1, 2, 17, 3), 0.5, np.float32)
    outside = np.arange(34).reshape(2, 17) >= round(34 * share)
    joints[0, :, :, 0] = np.where(outside, [[1.0], [-0.1]], 0.0)  # 1.0 is the first place beyond the edge
    return PoseSequence(joints, np.ones((1, 2, 17)), H36M_17, "world", 30.0)


def test_bodies_before_any_camera_vary_in_size_and_proportion(seen_from_there):
    clip = within(1.0)
    clip = replace(clip, joints=clip.joints + 0.25)
    for seed in range(3000):
        film(clip, np.random.default_rng(seed), wide=True)
    ratio = np.stack([points[0, 0] / clip.joints[0, 0, 0] for points in seen_from_there])
    np.testing.assert_allclose(ratio.mean(0), 1.0, atol=0.004)
    assert 0.054 < ratio.std(0).min() and ratio.std(0).max() < 0.062  # 5 % in size and 3 % along each axis
    apart = ratio[:, 0] / ratio[:, 1]
    assert 0.039 < apart.std() < 0.046 and 0.9 / 1.1 <= apart.min() and apart.max() <= 1.1 / 0.9


@pytest.mark.parametrize(("share", "hidden"), [(0.25, False), (0.4, True), (0.9, True)])
def test_what_lies_outside_the_picture_is_mostly_not_seen(seen_from_there, share, hidden):
    clip = within(share)
    inside = np.arange(34).reshape(1, 2, 17) < round(34 * share)
    draws = [film(clip, np.random.default_rng(seed), wide=True) for seed in range(1500)]
    cut = [np.array_equal(draw.visibility > 0, inside) for draw in draws]
    assert all(c or (draw.visibility > 0).all() for c, draw in zip(cut, draws, strict=True))
    assert 0.76 < np.mean(cut) < 0.84 if hidden else not any(cut)
    known = [draw.focal for draw in draws if draw.focal is not None]
    assert set(known) == {700.0} and 0.26 < len(known) / len(draws) < 0.34
