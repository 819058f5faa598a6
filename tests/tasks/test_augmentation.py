"""Every range and share of augmentation is as large as its setting says: by statistics, and at chosen random numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers import random_clip
from scipy.spatial.transform import Rotation

from ups.config import ActionAugment, Augment, PoseAugment, ShiftAugment
from ups.pose import PoseSequence
from ups.skeleton import Skeleton
from ups.skeletons import COCO_17, H36M_17, KINECT_20
from ups.tasks import anticipate, detector, estimate_pose, recognize_2d, recognize_3d, views
from ups.tasks.geometry import draw_hidden
from ups.tasks.task import Example

NONE = ActionAugment(scale=0, stretch=0, mirror=0, crop=0, noise=0, drop=0, bend=0, pace=0)
CLASSES = ("swipe left", "swipe right", "bow", "kick")
SKELETON = KINECT_20.sorted_by_slot()
PELVIS, WRIST = (SKELETON.joints.index(name) for name in ("pelvis", "left_wrist"))


class Script:
    """Stands in for a generator: random numbers are all at the same place `u` of their range, normal ones `z`
    deviations from their mean; of `first` the first calls of `random` take theirs.
    """

    def __init__(self, u: float, z: float = 0.0, *first: float) -> None:
        self.u, self.z, self.first = u, z, list(first)

    def random(self, size=None):
        value = self.first.pop(0) if self.first and size is None else self.u
        return value if size is None else np.full(size, value)

    def uniform(self, low, high, size=None):
        return low + (high - low) * self.random(size)

    def integers(self, low, high=None, size=None):
        low, high = (0, low) if high is None else (low, high)
        value = low + int(self.u * (high - low))
        return value if size is None else np.full(size, value)

    def choice(self, options):
        return options[min(int(self.u * len(options)), len(options) - 1)]

    def standard_normal(self, size):
        return np.full(size, self.z)

    def normal(self, loc, scale, size=None):
        return loc + scale * (self.z if size is None else np.full(size, self.z))


def scripted(*values: float) -> np.random.Generator:
    return Script(*values)  # pyright: ignore[reportReturnType]


def ramp(frames: int = 101, planar: bool = False) -> PoseSequence:
    """A clip whose left wrist is as many units away from the pelvis as frames have passed, all else at rest."""
    clip = random_clip(COCO_17 if planar else KINECT_20, frames=frames, space="image" if planar else "kinect")
    joints = np.repeat(clip.joints[:, :1], frames, 1)
    joints[:, :, clip.skeleton.joints.index("left_wrist")] = joints[:, :, list(clip.skeleton.root_indices)].mean(2)
    joints[:, :, clip.skeleton.joints.index("left_wrist"), 0] += np.arange(frames)
    return replace(clip, joints=joints, pose_3d=None)


def examples(a: ActionAugment, number: int, clip: PoseSequence, task=recognize_3d, frames: int = 6) -> list[Example]:
    augment = Augment(action_3d=a, action_2d=a)
    return [
        task.training_example(clip, CLASSES, frames, 0, augment, np.random.default_rng([seed, 7]))
        for seed in range(number)
    ]


def assert_uniform(values: np.ndarray, low: float, high: float) -> None:
    """They fill low .. high evenly."""
    span = high - low
    assert low - 1e-4 * span <= values.min() <= low + 0.03 * span, (values.min(), low)
    assert high - 0.03 * span <= values.max() <= high + 1e-4 * span, (values.max(), high)
    np.testing.assert_allclose(
        np.quantile(values, [0.25, 0.5, 0.75]), low + span * np.arange(1, 4) / 4, atol=0.08 * span
    )


def test_without_any_nothing_changes():
    clip = random_clip(frames=6)
    (example,) = examples(NONE, 1, clip)
    np.testing.assert_allclose(example.joints, recognize_3d.example(clip, 6).joints, atol=1e-6)


@pytest.mark.parametrize("planar", [False, True])
def test_noise_has_up_to_the_deviation_given(planar: bool):
    clip = random_clip(COCO_17 if planar else KINECT_20, space="image" if planar else "kinect", frames=6)
    task = recognize_2d if planar else recognize_3d
    plain = task.example(clip, 6).joints
    moved = np.stack([e.joints - plain for e in examples(replace(NONE, noise=0.02), 500, clip, task)])
    if planar:
        assert not moved[..., 2].any()
        moved = moved[..., :2]
    of_each = moved.std((1, 2, 3, 4))
    assert 0.9 * 0.02 < of_each.max() < 1.15 * 0.02 and of_each.min() < 0.001
    assert of_each.mean() == pytest.approx(0.01, rel=0.06)
    assert np.abs(moved.mean()) < 3e-4
    assert np.abs(np.corrcoef(moved[:, 0, 0, 1, 0], moved[:, 0, 1, 1, 0])[0, 1]) < 0.2  # drawn anew in every frame


def test_sizes_and_stretches_fill_their_ranges():
    clip = random_clip(frames=6)
    plain = recognize_3d.example(clip, 6).joints[0, 2, 5]
    alone = np.stack([e.joints[0, 2, 5] / plain for e in examples(replace(NONE, scale=0.15), 400, clip)])
    np.testing.assert_allclose(alone, alone[:, :1].repeat(3, 1), rtol=1e-4)
    assert_uniform(alone[:, 0], 0.85, 1.15)
    each = np.stack([e.joints[0, 2, 5] / plain for e in examples(replace(NONE, stretch=0.1), 400, clip)])
    for axis in range(3):
        assert_uniform(each[:, axis], 0.9, 1.1)
    assert np.abs(np.corrcoef(each.T) - np.eye(3)).max() < 0.2
    both = np.stack([e.joints[0, 2, 5] / plain for e in examples(replace(NONE, scale=0.15, stretch=0.1), 600, clip)])
    assert 0.85 * 0.9 <= both.min() < 0.8 and 1.22 < both.max() <= 1.15 * 1.1 + 1e-5


def test_2d_keeps_the_detector_s_doubt():
    clip = random_clip(COCO_17, space="image", frames=6)
    clip = replace(clip, visibility=clip.visibility * np.float32(0.7))
    for e in examples(replace(NONE, roll=20, scale=0.1, stretch=0.2, noise=0.03, bend=0.05), 20, clip, recognize_2d):
        np.testing.assert_allclose(e.joints[..., 2], 0.3, atol=1e-6)


def test_angles_fill_their_ranges():
    clip = random_clip(frames=6)
    plain = recognize_3d.example(clip, 6).joints[0].reshape(-1, 3)
    found = []
    for e in examples(replace(NONE, yaw=60, tilt=15, roll=10), 400, clip):
        turn = np.linalg.lstsq(plain, e.joints[0].reshape(-1, 3), rcond=None)[0].T
        found.append(Rotation.from_matrix(turn).as_euler("ZXY", degrees=True))
    for angles, limit in zip(np.array(found).T, (10, 15, 60), strict=True):
        assert_uniform(angles, -limit, limit)


def test_mirrors_are_as_frequent_as_told_and_change_the_class():
    clip = random_clip(frames=6)
    plain = recognize_3d.example(clip, 6).joints
    mirror = plain[:, :, list(SKELETON.mirror)] * np.array([-1, 1, 1])
    made = examples(replace(NONE, mirror=0.25), 600, clip)
    turned = np.array([np.allclose(e.joints, mirror, atol=1e-5) for e in made])
    assert turned.mean() == pytest.approx(0.25, abs=0.05)
    assert all(np.allclose(e.joints, plain, atol=1e-5) for e, t in zip(made, turned, strict=True) if not t)
    assert [e.label for e in made] == turned.astype(int).tolist()


@pytest.mark.parametrize("task", [recognize_3d, anticipate])
def test_crops_leave_at_least_their_share_anywhere_in_the_clip(task):
    clip = ramp()
    crop = 0.4 * (0.3 if task is anticipate else 1)
    starts, lengths, wholes = [], [], []
    for e in examples(replace(NONE, crop=0.4), 600, clip, task):
        first, last = e.joints[0, [0, -1], WRIST, 0]
        seconds = float(np.exp(e.context[3])) * clip.fps
        assert last - first == pytest.approx(seconds, abs=1e-2)
        whole = 100.0
        starts.append(first)
        lengths.append(seconds)
        wholes.append(whole)
    if task is recognize_3d:
        assert_uniform(np.array(lengths), 60, 100)
        free = 100 - np.array(lengths)
        wide = free > 5
        assert_uniform(np.array(starts)[wide] / free[wide], 0, 1)
    else:
        assert max(starts) < 100 * crop and max(starts) > 100 * crop * 0.5


def test_prefixes_have_the_lengths_promised():
    clip = ramp(1001)
    last = np.array([e.joints[0, -1, WRIST, 0] + 1 for e in examples(NONE, 600, clip, anticipate)]) / 1001
    u = np.array([0.1, 0.25, 0.5, 0.75, 0.9])
    np.testing.assert_allclose(np.quantile(last, u), 0.1 + 0.9 * u**1.5, atol=0.05)
    assert 0.1 <= last.min() < 0.104 and 0.99 < last.max() <= 1
    for u in (0.0, 0.25):
        e = anticipate.training_example(clip, CLASSES, 6, 0, Augment(action_3d=NONE), scripted(u))
        frames = np.ceil((0.1 + 0.9 * u**1.5) * 1001)
        assert e.joints[0, -1, WRIST, 0] == pytest.approx(frames - 1, abs=1e-3)


@pytest.mark.parametrize("pace", [0.5, 1.0])
def test_paces_wander_as_far_as_told(pace: float):
    times = (
        np.array([e.joints[0, :, WRIST, 0] for e in examples(replace(NONE, pace=pace), 1500, ramp(), frames=9)]) / 100
    )
    assert (np.diff(times) >= -1e-5).all()
    even = np.linspace(0, 1, 9)
    k = np.arange(1, 10)
    mean, variance = k / 10, k * (10 - k) / (100 * 11)  # of the kth of nine sorted uniform numbers
    np.testing.assert_allclose(times.mean(0), even + pace / 2 * (mean - even), atol=0.01)
    expected = pace**2 / 3 * (variance + (mean - even) ** 2)
    np.testing.assert_allclose(((times - even) ** 2).mean(0), expected, rtol=0.12)


@pytest.mark.parametrize("planar", [False, True])
def test_bones_bend_by_up_to_the_deviation_and_change_slowly(planar: bool):
    skeleton = COCO_17 if planar else KINECT_20
    clip, task = (
        random_clip(skeleton, space="image" if planar else "kinect", frames=11),
        recognize_2d if planar else recognize_3d,
    )
    plain, ordered = task.example(clip, 11).joints, skeleton.sorted_by_slot()
    moved = np.stack([e.joints - plain for e in examples(replace(NONE, bend=0.05), 700, clip, task, 11)])[:, 0]
    joint = ordered.joints.index("left_wrist")
    bone = moved[:, :, joint] - moved[:, :, ordered.parents[joint]]
    axes = 2 if planar else 3
    assert (bone[:, 0, :axes] ** 2).mean() == pytest.approx(0.05**2 / 3, rel=0.15)
    assert not planar or not moved[..., 2].any()
    np.testing.assert_allclose(bone[:, 1], (bone[:, 0] + bone[:, 2]) / 2, atol=1e-6)  # 6 knots over 11 frames


def test_joints_are_hidden_as_often_and_as_many_as_told():
    drawn = [draw_hidden(60, 20, np.random.default_rng(seed), 0.4) for seed in range(2000)]
    some = [each for each in drawn if each is not None]
    assert len(some) / len(drawn) == pytest.approx(0.4, abs=0.04)
    share = np.array([joints.mean() for _, joints in some])
    assert share.mean() == pytest.approx((0.05 + 0.3) / 2, abs=0.012)
    length = np.array([part.stop - part.start for part, _ in some]) / 60
    assert length.mean() == pytest.approx(1 / 3, abs=0.03) and length.max() > 0.9
    few = [draw_hidden(3, 20, np.random.default_rng(seed), 1.0) for seed in range(300)]
    ends = {(each[0].start, each[0].stop) for each in few if each is not None}
    assert ends == {(a, b) for a in range(4) for b in range(a, 4)}  # from any frame to any later one
    clip = random_clip(frames=30)
    seen = [e.visible.all() for e in examples(replace(NONE, drop=0.5), 300, clip, frames=30)]
    assert 1 - np.mean(seen) == pytest.approx(0.5 * 0.93, abs=0.1)


def test_persons_change_places_half_of_the_time():
    clip = random_clip(persons=2, frames=6)
    plain = recognize_3d.example(replace(clip, joints=clip.joints[::-1]), 6).joints
    changed = [np.allclose(e.joints, plain, atol=1e-5) for e in examples(NONE, 300, clip)]
    assert np.mean(changed) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("task", [recognize_3d, anticipate])
def test_sensors_and_pauses_are_as_frequent_as_told(task):
    clip = random_clip(frames=12)
    for shift, (sensor, pause) in (
        (ShiftAugment(), (0, 0)),
        (ShiftAugment(detector=0.3), (0.3, 0)),
        (ShiftAugment(pause=0.4), (0, 0.4)),
        (ShiftAugment(detector=1.0, pause=1.0), (1, 1)),
    ):
        made = [task.training_view(clip, Augment(shift=shift), np.random.default_rng([s, 7])) for s in range(300)]
        longer = np.array([other.frames > clip.frames for other in made])
        erring = np.array([not np.isin(other.joints[0, 0], clip.joints[0, 0]).all() for other in made])
        expected = pause * (1 - 1 / (90 if task is recognize_3d else 15))
        assert longer.mean() == pytest.approx(expected, abs=0.08)
        assert erring.mean() == pytest.approx(sensor, abs=0.08)
    ends = [
        task.training_view(clip, Augment(shift=ShiftAugment(pause=1.0)), np.random.default_rng(s)) for s in range(30)
    ]
    held = [(other.joints[:, -2] == other.joints[:, -1]).all() for other in ends]
    assert np.mean(held) > 0.9 if task is recognize_3d else not any(held)


def test_a_window_s_noise_is_in_half_long_sides_of_the_image():
    clip = random_clip(H36M_17, space="image", frames=9)
    augment = Augment(pose=PoseAugment(mirror=0, noise=0.002, drop=0))
    plain = estimate_pose.example(clip, 0, 9, np.array([4]))
    deviations = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        e = estimate_pose.training_example(clip, (), 9, "all", augment, rng)
        starts = [
            s
            for s in range(-4, 9)
            if np.abs(e.joints - estimate_pose.example(clip, s, 9, np.arange(9)).joints).max() < 0.05
        ]
        (start,) = starts
        moved = e.joints - estimate_pose.example(clip, start, 9, np.arange(9)).joints
        deviations.append(moved[..., :2].std() * np.exp(estimate_pose.example(clip, start, 9, np.arange(9)).context[2]))
        assert not moved[..., 2].any()
    assert np.mean(deviations) == pytest.approx(0.001, rel=0.1) and max(deviations) == pytest.approx(0.002, rel=0.1)
    assert plain.joints.shape[1] == 9


# --- views


def body() -> tuple[PoseSequence, dict[str, int]]:
    """Someone in a y-up world whose wrists and head lie on the axes through the pelvis."""
    joints = np.random.default_rng(0).uniform(-0.2, 0.2, (1, 1, 17, 3)).repeat(5, 1)
    index = {name: H36M_17.joints.index(name) for name in ("pelvis", "left_wrist", "right_wrist", "left_ankle")}
    joints[:, :, index["pelvis"]] = 0
    for axis, name in enumerate(("left_wrist", "right_wrist", "left_ankle")):
        joints[:, :, index[name]] = np.eye(3)[axis] * 0.6
    joints[..., 1] += 1
    return PoseSequence(joints, np.ones((1, 5, 17)), H36M_17, "world", 30.0), index


def axes_of(clip: PoseSequence, index: dict[str, int]) -> np.ndarray:
    """Lengths of the three limbs on the axes, as shares of what they were."""
    assert clip.pose_3d is not None
    pose = clip.pose_3d[0, 0]
    names = ("left_wrist", "right_wrist", "left_ankle")
    return np.array([np.linalg.norm(pose[index[name]] - pose[index["pelvis"]]) for name in names]) / 0.6


class Wild:
    """A generator whose normal numbers are ten times as far away."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def __getattr__(self, name: str):
        return getattr(self.rng, name)

    def normal(self, loc=0.0, scale=1.0, size=None):
        return loc + 10 * scale * self.rng.standard_normal(size)


def wild(seed: int) -> np.random.Generator:
    return Wild(seed)  # pyright: ignore[reportReturnType]


def test_filmed_bodies_vary_in_size_as_people_do():
    clip, index = body()
    sizes = np.array([axes_of(views.film(clip, np.random.default_rng(s)), index) for s in range(400)])
    np.testing.assert_allclose(sizes, sizes[:, :1].repeat(3, 1), rtol=1e-4)
    assert sizes[:, 0].std() == pytest.approx(0.05, rel=0.12) and sizes.mean() == pytest.approx(1, abs=0.01)
    far = np.array([axes_of(views.film(clip, wild(s)), index)[0] for s in range(60)])
    assert far.min() == pytest.approx(0.85, abs=1e-4) and far.max() == pytest.approx(1.15, abs=1e-4)


def test_wide_views_vary_in_proportion_too_and_miss_what_is_outside():
    clip, index = body()
    made = [views.film(clip, np.random.default_rng(s), wide=True) for s in range(1500)]
    shares = np.array([axes_of(each, index) for each in made])
    proportion = shares / shares.mean(1, keepdims=True)
    assert proportion.std() == pytest.approx(0.03 * np.sqrt(2 / 3), rel=0.15)
    far = np.array([axes_of(views.film(clip, wild(s), wide=True), index) for s in range(100)])
    assert far.min() == pytest.approx(0.85 * 0.9, abs=1e-3) and far.max() == pytest.approx(1.15 * 1.1, abs=1e-3)
    assert np.mean([each.focal is not None for each in made]) == pytest.approx(0.3, abs=0.06)
    cut = hidden = 0
    for each in made:
        outside = ((each.joints < 0) | (each.joints >= each.image_size)).any(-1)
        if outside.any() and outside.mean() < 0.7:
            cut += 1
            hidden += bool((each.visibility[outside] == 0).all() and (each.visibility[~outside] == 1).all())
            assert (each.visibility[outside] == 0).all() or (each.visibility == 1).all()
        elif outside.any():
            assert (each.visibility == 1).all()
    assert cut > 100 and hidden / cut == pytest.approx(0.8, abs=0.06)


def test_the_test_camera_of_a_clip_is_always_the_same_and_another_for_another():
    clip, index = body()
    a, b, c = (views.fixed_view(clip, number) for number in (3, 3, 4))
    np.testing.assert_array_equal(a.joints, b.joints)
    assert not np.allclose(a.joints, c.joints)
    np.testing.assert_allclose(axes_of(a, index), 1, rtol=1e-4)


def _turn(clip: PoseSequence, normal: float) -> np.ndarray:
    """First column of the turn that a normal number makes."""
    other = views.reframed(clip, scripted(0.0, normal))
    assert clip.pose_3d is not None and other.pose_3d is not None
    both = (pose[..., :2].reshape(-1, 2) for pose in (clip.pose_3d, other.pose_3d))
    return np.linalg.lstsq(*both, rcond=None)[0][0, ::-1]


def test_pictures_are_turned_cut_and_widened_as_far_as_told():
    clip = views.fixed_view(body()[0], 0)
    assert clip.image_size is not None and clip.pose_3d is not None
    angles, heights, ratios, places = [], [], [], []
    for seed in range(600):
        other = views.reframed(clip, np.random.default_rng(seed))
        assert other.pose_3d is not None and other.image_size is not None
        turn = np.linalg.lstsq(clip.pose_3d[..., :2].reshape(-1, 2), other.pose_3d[..., :2].reshape(-1, 2), rcond=None)[
            0
        ].T
        angles.append(np.rad2deg(np.arctan2(turn[1, 0], turn[0, 0])))
        heights.append(other.image_size[1] / clip.image_size[1])
        ratios.append(other.image_size[0] / other.image_size[1])
        places.append(other.joints.mean((0, 1, 2)) / np.array(other.image_size))
    turned = np.abs(angles) > 1e-3
    assert turned.mean() == pytest.approx(0.3, abs=0.06)
    assert np.std(np.array(angles)[turned]) == pytest.approx(7, abs=1)
    assert np.mean(np.array(angles)[turned]) == pytest.approx(0, abs=1.5)
    assert max(np.rad2deg(np.arctan2(*_turn(clip, far))) for far in (-9.0, 9.0)) == pytest.approx(20)
    assert_uniform(np.log(heights), np.log(0.8), np.log(1.5))
    assert_uniform(np.log(ratios), np.log(0.5), np.log(1.9))
    for axis in range(2):
        assert_uniform(np.array(places)[:, axis], 0.2, 0.8)
    nobody = views.reframed(replace(clip, visibility=np.zeros_like(clip.visibility)), scripted(0.5))
    assert nobody.image_size is not None and not nobody.joints.any()
    tall = clip.image_size[1] * np.exp((np.log(0.8) + np.log(1.5)) / 2)
    wide = tall * np.exp((np.log(0.5) + np.log(1.9)) / 2)
    assert nobody.image_size == (round(wide), round(tall))


def test_other_rates_stay_between_one_and_a_thousand_frames_a_second():
    clip = views.fixed_view(body()[0], 0)
    assert views.at_rate(clip, 1e-3).fps == 1 and views.at_rate(clip, 1e3).fps == 1000
    assert views.at_rate(clip, 1e-3).frames == 2
    assert views.at_rate(clip, 2).frames == 9 and views.at_rate(clip, 0.5).frames == 3
    assert views.at_rate(clip, 1.5).frames == 7
    moving = replace(clip, joints=clip.joints + np.arange(5, dtype=np.float32)[None, :, None, None])
    slow = views.at_rate(moving, 0.5)
    np.testing.assert_allclose(slow.joints, moving.joints[:, ::2], rtol=1e-5)
    np.testing.assert_allclose(views.at_rate(moving, 1e-3).joints[:, 1], moving.joints[:, 4], rtol=1e-5)


@pytest.mark.parametrize(
    ("after", "u", "frames"), [(True, 0.5, 22 + 22), (True, 1.0, 90), (False, 0.5, 7), (False, 1.0, 15)]
)
def test_pauses_are_as_long_as_told(after: bool, u: float, frames: int):
    clip = body()[0]
    paused = views.with_pause(clip, scripted(u), after)
    assert paused.frames == clip.frames + frames
    many = [views.with_pause(clip, np.random.default_rng(s), after).frames - clip.frames for s in range(400)]
    assert np.mean(many) == pytest.approx(45 if after else 7.2, rel=0.1)
    filmed = views.with_pause(views.fixed_view(clip, 0), scripted(u), after)
    assert filmed.pose_3d is not None and filmed.pose_3d.shape[1] == filmed.frames == clip.frames + frames


def test_pieces_begin_anywhere():
    frames = np.arange(30, dtype=np.float32)[None, :, None, None]
    clip = body()[0]
    clip = replace(clip, joints=np.zeros((1, 30, 17, 3), np.float32) + frames, visibility=np.ones((1, 30, 17)))
    parts = [views.piece(clip, 28, np.random.default_rng(s)) for s in range(60)]
    assert {int(p.joints[0, 0, 0, 0]) for p in parts} == {0, 1, 2} and {p.frames for p in parts} == {28}
    assert views.piece(clip, 30, np.random.default_rng(0)) is clip
    filmed = views.fixed_view(clip, 0)
    part = views.piece(filmed, 7, np.random.default_rng(0))
    assert part.pose_3d is not None and part.pose_3d.shape[1] == 7


@pytest.mark.parametrize("given", [estimate_pose])
def test_lifting_sees_cameras_rates_and_detectors_as_often_as_told(given):
    clip = body()[0]
    assert views.LONGEST == 300 and views.RATES == (0.35, 3.0)
    long = replace(clip, joints=clip.joints.repeat(80, 1), visibility=np.ones((1, 400, 17)))
    assert given.training_view(long, Augment(), np.random.default_rng(0)).frames == 300
    rates = []
    for seed in range(300):
        seen = given.training_view(clip, Augment(shift=ShiftAugment(rate=0.5)), np.random.default_rng(seed))
        rates.append(seen.fps / clip.fps)
    changed = np.array(rates) != 1
    assert changed.mean() == pytest.approx(0.5, abs=0.09)
    assert_uniform(np.log(np.array(rates)[changed]), np.log(0.35), np.log(3))


# --- the detector


def still(skeleton: Skeleton = COCO_17, frames: int = 60) -> PoseSequence:
    joints = np.random.default_rng(1).uniform(300, 700, (1, 1, len(skeleton), 2)).repeat(frames, 1)
    return PoseSequence(joints, np.ones((1, frames, len(skeleton))), skeleton, "image", 30.0, image_size=(1000, 1000))


@pytest.mark.parametrize("u", [1.0, 0.25])
def test_errors_of_joints_at_rest(u: float):
    """Constant and slow error of 1.2 and 2 % of the body's size at most, a fast one of 1, or 3 in three clips of ten; 40 %
    more at the ends of limbs.
    """
    error = detector._errors(still(), 400.0, scripted(u, 1.0))[0]
    spread = np.exp(0.3)
    sum_of_both = 0.05 if u < 0.3 else 0.03
    rest = sum_of_both * u**1.5 * spread + 0.012 * u
    end = 1.4 * sum_of_both * u**1.5 * spread + 0.012 * u
    for name in ("left_shoulder", "right_knee", "nose"):
        np.testing.assert_allclose(error[:, COCO_17.joints.index(name)], rest, rtol=1e-5)
    for name in ("left_wrist", "right_ankle"):
        np.testing.assert_allclose(error[:, COCO_17.joints.index(name)], end, rtol=1e-5)


def test_errors_grow_with_speed_up_to_a_tenth_of_the_body_a_frame():
    clip = still(frames=4)
    joints = clip.joints.copy()
    nose = COCO_17.joints.index("nose")
    joints[0, 1:, nose, 0] += 20  # 5 % of a body of 400
    joints[0, 2:, nose, 1] += 200  # half of it
    moving = replace(clip, joints=joints)
    for u, growth in ((1.0, 40 / 3 + 15 * 2 / 3), (0.5, 20 / 3 + 7.5 * 2 / 3), (0.2, 3.0)):  # 0.2 = a shaky detector
        rest = detector._errors(clip, 400.0, scripted(u, 1.0))[0, :, nose, 0] - 0.012 * u
        error = detector._errors(moving, 400.0, scripted(u, 1.0))[0, :, nose, 0] - 0.012 * u
        np.testing.assert_allclose(error / rest, [1, 1 + growth * 0.05, 1 + growth * 0.1, 1], rtol=1e-4)
    for unseen in (0, 1):  # a speed is known between frames that are both seen
        visibility = clip.visibility.copy()
        visibility[0, unseen, nose] = 0
        error = detector._errors(replace(moving, visibility=visibility), 400.0, scripted(1.0, 1.0))[0, :, nose, 0]
        assert error[1] == pytest.approx(error[0])


def test_slow_errors_change_over_eight_frames_and_fast_ones_at_once():
    clip = still(frames=64)
    only = {"FAST": 0.0, "SHAKY": 0.0, "CONSTANT": 0.0}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in only.items():
            patch.setattr(detector, name, value)
        slow = np.stack([detector._errors(clip, 400.0, np.random.default_rng(s))[0, :, :, 0] for s in range(60)])
    knots = np.linspace(0, 63, 8)
    inner = [k for k in range(1, 63) if not any(abs(k - at) <= 1 for at in knots)]
    curve = slow[:, 2:] - 2 * slow[:, 1:-1] + slow[:, :-2]
    assert np.abs(curve[:, [k - 1 for k in inner]]).max() < 1e-6 < np.abs(curve).max()
    short = still(frames=5)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in only.items():
            patch.setattr(detector, name, value)
        error = detector._errors(short, 400.0, np.random.default_rng(0))[0, :, :, 0]
    np.testing.assert_allclose(error[1], (error[0] + error[2]) / 2, atol=1e-6)  # three knots at least
    assert np.abs(error[2] - (error[1] + error[3]) / 2).max() > 1e-4


def test_joints_limbs_and_all_are_missing_as_often_as_told():
    made = [detector._missing(COCO_17, (1, 40, 17), np.random.default_rng(s))[0] for s in range(3000)]
    whole = np.array([m.all(1).any() and not m.all(1).all() for m in made])
    limbs = [tuple(COCO_17.joints.index(j) for j in group if j in COCO_17.joints) for group in detector._GROUPS]
    stretch = np.array([max(m[:, list(limb)].all(1).sum() for limb in limbs) for m in made])
    single = np.array([m[:, [0, 1, 2, 3, 4]].mean() for m in made])  # of the head, which is in no limb
    quiet = ~whole
    assert (single[quiet] > 0).mean() == pytest.approx(0.5 * 0.97, abs=0.04)
    assert single[quiet & (single > 0)].mean() == pytest.approx(0.1, abs=0.015) and single[quiet].max() < 0.3
    assert whole.mean() == pytest.approx(0.15, abs=0.02)
    assert (stretch > 12).mean() == pytest.approx(0.3 * 0.7, abs=0.03)
    assert not any(m.all() for m in made)
    lengths = [m.all(1).sum() for m, w in zip(made, whole, strict=True) if w]
    assert max(lengths) == 8 and np.mean(lengths) == pytest.approx(4, abs=0.4)
    assert detector._missing(COCO_17, (1, 1, 17), scripted(0.0)).sum() == 0  # not everything, always


def test_hidden_limbs_are_arms_legs_or_both_legs():
    found = set()
    for seed in range(200):
        rng = np.random.default_rng(seed)
        missing = detector._missing(COCO_17, (1, 40, 17), rng)[0]
        always = missing[20]
        if 2 <= always.sum() <= 4:
            found.add(tuple(COCO_17.joints[i] for i in np.flatnonzero(always)))
    for side in ("left", "right"):
        assert (f"{side}_elbow", f"{side}_wrist") in found and (f"{side}_knee", f"{side}_ankle") in found
    assert ("left_knee", "right_knee", "left_ankle", "right_ankle") in found


def test_sides_are_exchanged_in_one_clip_of_three():
    clip = still(frames=50)
    number, parts = 0, {"arms": 0, "legs": 0, "all": 0}
    arms = [COCO_17.joints.index(f"{side}_{j}") for side in ("left", "right") for j in ("elbow", "wrist")]
    legs = [COCO_17.joints.index(f"{side}_{j}") for side in ("left", "right") for j in ("knee", "ankle")]
    mirror = list(COCO_17.mirror)
    lengths, runs = [], set()
    for seed in range(2000):
        other = detector._exchanged(clip.joints, COCO_17, np.random.default_rng(seed))
        changed = (other != clip.joints).any((0, 3))
        frames, joints = changed.any(1), changed.any(0)
        if not changed.any():
            continue
        number += 1
        lengths.append(frames.sum())
        runs.add(int((np.diff(frames.astype(int), prepend=0) == 1).sum()))
        at = int(np.flatnonzero(frames)[0])
        moved = np.flatnonzero(joints)
        np.testing.assert_array_equal(other[0, at, moved], clip.joints[0, at, [mirror[i] for i in moved]])
        kind = "arms" if set(moved) == set(arms) else "legs" if set(moved) == set(legs) else "all"
        assert kind != "all" or set(moved) == {i for i in range(17) if mirror[i] != i}
        parts[kind] += 1
    assert number / 2000 == pytest.approx(1 / 3, abs=0.03)
    assert parts["legs"] / number == pytest.approx(0.5, abs=0.05)
    assert min(parts["arms"], parts["all"]) > 0.2 * number
    assert max(lengths) > 12 and min(lengths) == 1 and np.mean(lengths) == pytest.approx(5.3, abs=0.6)
    assert runs >= {1, 2, 3}


@pytest.mark.parametrize(
    ("u", "frames", "length", "start"), [(0.0, 40, 1, 0), (0.5, 40, 4, 18), (1.0, 40, 8, 33), (0.5, 3, 1, 1)]
)
def test_stretches_last_up_to_their_share(u: float, frames: int, length: int, start: int):
    part = detector._stretch(frames, 0.2, scripted(u))
    assert (part.start, part.stop) == (start, start + length)


def test_another_person_is_taken_for_this_one_now_and_then():
    clip = still(frames=30)
    size = detector.body_size(clip)
    jumps, lengths, starts = [], [], set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detector, "_errors", lambda clip, size, rng: np.zeros(clip.joints.shape, np.float32))
        patch.setattr(detector, "_missing", lambda skeleton, shape, rng: np.zeros(shape, bool))
        patch.setattr(detector, "_exchanged", lambda joints, skeleton, rng: joints.copy())
        for seed in range(3000):
            other = detector.detected(clip, np.random.default_rng(seed))
            moved = (other.joints - clip.joints)[0]
            frames = np.abs(moved).max((1, 2)) > 1
            if frames.any():
                lengths.append(frames.sum())
                starts.add(int(frames.argmax()))
                jumps.append(moved[frames][0, 0] / size)
                np.testing.assert_allclose(
                    moved[frames], moved[frames][:1, :1].repeat(17, 1).repeat(frames.sum(), 0), atol=0.1
                )
    assert len(jumps) / 3000 == pytest.approx(0.05, abs=0.012)
    assert {0, 29} <= starts and len(starts) > 25
    assert set(lengths) == {1, 2, 3} and np.std(jumps) == pytest.approx(0.5, rel=0.15)


def confidence(u: float, z: float, error: float, *first: float) -> float:
    clip = still(frames=3)
    with pytest.MonkeyPatch.context() as patch:
        made = np.zeros(clip.joints.shape, np.float32)
        made[..., 0] = error
        patch.setattr(detector, "_errors", lambda clip, size, rng: made)
        patch.setattr(detector, "_missing", lambda skeleton, shape, rng: np.zeros(shape, bool))
        patch.setattr(detector, "_exchanged", lambda joints, skeleton, rng: joints)
        return float(detector.detected(clip, scripted(u, z, *first)).visibility[0, 0, 0])


def test_confidence_falls_with_the_error_in_half_of_the_clips():
    """By up to 0.1 at an error of 5 % of the body, from 0.7 to 1, with noise of up to 0.1; between 0.05 and 1."""
    assert confidence(1.0, 0.0, 0.02, 0.9, 0.6) == 1  # no doubt in this clip
    for u in (0.2, 0.6, 0.9):
        expected = 0.7 + 0.3 * u - 0.1 * u * 0.02 / 0.05 + 0.5 * 0.1 * u
        assert confidence(u, 0.5, 0.02, 0.9, 0.4) == pytest.approx(min(expected, 1), rel=1e-4)
    assert confidence(1.0, 0.0, 50.0, 0.9, 0.4) == pytest.approx(0.05)
    assert confidence(1.0, 1.0, 0.0, 0.9, 0.4) == 1
    others = [detector.detected(still(), np.random.default_rng(seed)) for seed in range(400)]
    assert np.mean([len(np.unique(o.visibility)) > 2 for o in others]) == pytest.approx(0.5, abs=0.07)


def test_what_is_not_seen_has_neither_place_nor_confidence():
    clip = still(frames=3)
    visibility = clip.visibility.copy()
    visibility[0, 1, 4] = 0
    other = detector.detected(replace(clip, visibility=visibility), scripted(0.95, 0.0))
    assert other.visibility[0, 1, 4] == 0 and not other.joints[0, 1, 4].any()
    assert (np.delete(other.visibility, 4, 2) > 0).all()
    np.testing.assert_allclose(np.delete(other.joints, 4, 2), np.delete(clip.joints, 4, 2), rtol=1e-5)


def test_errors_are_shares_of_the_body():
    clip = still(frames=3)
    size = detector.body_size(clip)
    other = detector.detected(clip, scripted(0.99, 1.0))
    error = detector._errors(clip, size, scripted(0.99, 1.0))
    np.testing.assert_allclose((other.joints - clip.joints) / size, error, atol=1e-5)


def test_a_body_of_which_less_than_four_joints_are_seen_tells_no_size():
    clip = still(frames=3)
    few = clip.visibility.copy()
    few[..., 3:] = 0
    assert detector.body_size(replace(clip, visibility=few)) == 1
    few[..., 3] = 1
    box = np.ptp(clip.joints[0, 0, :4], axis=0)
    assert detector.body_size(replace(clip, visibility=few)) == pytest.approx(box.max())
    assert detector.body_size(replace(clip, joints=clip.joints * 0)) == 1e-3
