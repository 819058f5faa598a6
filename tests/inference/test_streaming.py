"""The online predictor: at every frame it says what the offline one says of the frames so far, in bounded memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import CLASSES, FRAMES, IMAGE, TRAIN, hidden, random_clip, trained_model

from ups import OnlinePredictor
from ups.config import TaskMix
from ups.errors import DataError
from ups.inference.captured import CapturedPredictor
from ups.inference.predictor import Predictor
from ups.pose import PoseSequence
from ups.skeletons import COCO_17, H36M_17, KINECT_20


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(trained_model(classes=CLASSES))


def stream_of(predictor: Predictor, clip: PoseSequence, **settings) -> OnlinePredictor:
    return OnlinePredictor(
        predictor, clip.skeleton, space=clip.space, fps=clip.fps, image_size=clip.image_size, persons=clip.persons,
        **settings,
    )  # fmt: skip


def push(online: OnlinePredictor, clip: PoseSequence, frame: int) -> None:
    online.push(clip.joints[:, frame], clip.visibility[:, frame])


def last(clip: PoseSequence, stop: int, frames: int) -> PoseSequence:
    """At most `frames` frames before frame number `stop`."""
    part = slice(max(0, stop - frames), stop)
    return replace(clip, joints=clip.joints[:, part], visibility=clip.visibility[:, part], pose_3d=None)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(("space", "skeleton"), [("kinect", KINECT_20), ("image", COCO_17)])
@pytest.mark.parametrize("persons", [1, 2])
def test_the_action_is_that_of_the_frames_so_far(predictor, whole, space, skeleton, persons):
    clip = hidden(random_clip(skeleton, persons, 17, space, seed=1), 0, slice(2, 5), [3, 4])
    clip = hidden(clip, persons - 1, slice(7, 17), list(range(len(skeleton))))  # the last person leaves
    task = ("recognize_2d" if space == "image" else "recognize_3d") if whole else "anticipate"
    ask = predictor.recognize if whole else predictor.anticipate
    online = stream_of(predictor, clip, task=task, horizon=7)
    for t in range(clip.frames):
        push(online, clip, t)
        answer = online.action()
        if persons == 1 and t >= 7 + 6:  # he left seven frames ago
            assert answer is None
            with pytest.raises(DataError, match="nobody is seen: at most 0"):
                ask(last(clip, t + 1, 7))
            continue
        offline = ask(last(clip, t + 1, 7))
        assert answer is not None and answer.classes == offline.classes
        np.testing.assert_allclose(answer.probabilities, offline.probabilities, atol=1e-6)


@pytest.mark.parametrize(
    ("stride", "delay", "persons"),
    [(1, None, 2), (1, 0, 1), (1, 2, 1), (1, FRAMES - 1, 1), (2, None, 1), (3, None, 1), (3, 2, 2), (FRAMES, None, 1)],
)
def test_the_pose_is_that_of_a_frame_before(predictor, stride, delay, persons):
    clip = hidden(random_clip(H36M_17, persons, 20, "image", seed=2), 0, slice(3, 9), [3, 4])
    online = stream_of(predictor, clip, stride=stride, delay=delay, horizon=1)
    offline = predictor.lift(clip, flip=False, stride=stride, delay=delay)
    assert delay is None or online.delay == delay
    for t in range(clip.frames):
        push(online, clip, t)
        pose = online.pose()
        if t < online.delay:
            assert pose is None
            continue
        assert pose is not None and pose.frame == t - online.delay and pose.skeleton == offline.skeleton
        np.testing.assert_allclose(pose.joints, offline.joints[:, pose.frame], atol=1e-5)
        np.testing.assert_allclose(pose.spread, offline.spread[:, pose.frame], atol=1e-5)


def test_the_default_delay_is_half_a_window(predictor):
    clip = random_clip(H36M_17, space="image")
    assert stream_of(predictor, clip, stride=1).delay == FRAMES // 2
    central = predictor.lift(clip, flip=False, stride=1)
    np.testing.assert_array_equal(predictor.lift(clip, flip=False, stride=1, delay=FRAMES // 2).joints, central.joints)
    late = predictor.lift(clip, flip=False, stride=1, delay=0)
    assert not np.allclose(late.joints, central.joints, atol=1e-3)


def test_questions_may_be_asked_now_and_then_and_again(predictor):
    clip = random_clip(H36M_17, 1, 15, "image", seed=3)
    online, other = stream_of(predictor, clip, stride=3), stream_of(predictor, clip, stride=3)
    poses = []
    for t in range(clip.frames):
        push(online, clip, t)
        push(other, clip, t)
        poses.append(online.pose())
        if t in (4, 9, 10, 14):
            pose, before = other.pose(), poses[-1]
            assert pose is not None and before is not None and pose.frame == before.frame
            np.testing.assert_array_equal(pose.joints, before.joints)
            assert other.action() == online.action() == online.action()
    first = poses[online.delay]
    assert first is not None and poses[-1] is not None and not np.allclose(first.joints, poses[-1].joints, atol=1e-3)
    kept = first.joints.copy()  # what was told does not change when more is asked
    online.pose()
    assert np.array_equal(kept, first.joints)


def test_the_memory_does_not_grow(predictor):
    clip = random_clip(H36M_17, 1, 40, "image")
    online = stream_of(predictor, clip, horizon=9, stride=3)
    size = online._joints.nbytes + online._visibility.nbytes
    for t in range(1000):
        push(online, clip, t % clip.frames)
        if t % 50 == 0:
            online.action()
            online.pose()
    assert online.frames == 1000 and online.seen(100).frames == 9
    assert online._joints.nbytes + online._visibility.nbytes == size
    assert isinstance(online._namer, CapturedPredictor) and online._lifter is online._namer
    assert len(online._namer.recordings) == 2  # one an answer
    np.testing.assert_array_equal(online.seen(9).joints, clip.joints[:, 31:40])


def test_a_new_stream_knows_nothing_of_the_old_one(predictor):
    clips = [random_clip(H36M_17, 1, 9, "image", seed=seed) for seed in (1, 2)]
    used, fresh = stream_of(predictor, clips[0]), stream_of(predictor, clips[0])
    for t in range(9):
        push(used, clips[0], t)
    used.action(), used.pose()
    used.reset()
    assert used.frames == 0 and used.pose() is None
    for t in range(9):
        push(used, clips[1], t)
        push(fresh, clips[1], t)
        assert used.action() == fresh.action()
        a, b = used.pose(), fresh.pose()
        assert (a is None) == (b is None) and (a is None or b is None or np.array_equal(a.joints, b.joints))


def test_not_a_number_means_not_seen(predictor):
    clip = hidden(random_clip(KINECT_20, 1, 6), 0, slice(0, 6), [2, 5])
    plain, marked = stream_of(predictor, clip), stream_of(predictor, clip)
    for t in range(clip.frames):
        push(plain, clip, t)
        joints = clip.joints[0, t].copy()
        joints[[2, 5]] = np.nan
        marked.push(joints)
    assert plain.action() == marked.action()
    marked.push(np.full((20, 3), np.nan))  # nobody is there
    assert marked.action().classes


def test_candidates_are_those_asked_for(predictor):
    clip = random_clip()
    online = stream_of(predictor, clip, classes=("Kick", "swipe_left", "kick"))
    push(online, clip, 0)
    assert online.action() == predictor.anticipate(last(clip, 1, 1), ("Kick", "swipe_left"))
    with pytest.raises(ValueError, match="no class 'jump'"):
        stream_of(predictor, clip, classes=("jump",))


def test_float32_answers_for_a_model_of_mixed_precision():
    rough = Predictor(trained_model(classes=CLASSES), "bf16-mixed")
    clip = random_clip()
    online = stream_of(rough, clip)
    for t in range(clip.frames):
        push(online, clip, t)
    assert online.action() == online.predictor.anticipate(clip) != rough.anticipate(clip)
    ours, theirs = (
        dict(zip(a.classes, a.probabilities, strict=True)) for a in (online.action(), rough.anticipate(clip))
    )
    assert all(abs(ours[name] - theirs[name]) < 0.05 for name in CLASSES)


def test_wrong_input_is_named(predictor):
    clip = random_clip()
    online = stream_of(predictor, clip)
    with pytest.raises(DataError, match="no frame yet"):
        online.action()
    for wrong in (np.zeros((17, 3)), np.zeros((20, 2)), np.zeros((2, 20, 3))):
        with pytest.raises(DataError, match=r"frame 0: joints have shape .*\(1, 20, 3\) is needed.*'kinect-20'"):
            online.push(wrong)
    with pytest.raises(DataError, match=r"frame 0: visibility has shape \(3,\)"):
        online.push(np.zeros((20, 3)), np.zeros(3))
    with pytest.raises(DataError, match="frame 0.*inf"):
        online.push(np.full((20, 3), np.inf))
    assert online.frames == 0
    with pytest.raises(DataError, match="estimated from 2D joints.*'kinect'"):
        online.pose()
    with pytest.raises(DataError, match="horizon of 0"):
        stream_of(predictor, clip, horizon=0)
    with pytest.raises(DataError, match="2D joints need image_size"):
        OnlinePredictor(predictor, "coco-17", space="image", fps=30)
    with pytest.raises(ValueError, match="unknown skeleton"):
        OnlinePredictor(predictor, "coco-18", space="image", fps=30)
    flat = random_clip(H36M_17, space="image")
    for stride, delay in ((3, 1), (1, -1), (1, FRAMES)):
        with pytest.raises(DataError, match=f"delay of {delay} frames"):
            stream_of(predictor, flat, stride=stride, delay=delay)
    with pytest.raises(DataError, match="stride 0"):
        stream_of(predictor, flat, stride=0)


def test_what_the_model_was_not_trained_on_is_named():
    mix = TaskMix("anticipate", ("synthetic_3d:xsub",), batch=4, frames=FRAMES)
    online = OnlinePredictor(
        Predictor(trained_model(replace(TRAIN, tasks=(mix,)), classes=CLASSES)),
        H36M_17, space="image", fps=30, image_size=IMAGE,
    )  # fmt: skip
    online.push(np.ones((17, 2)))
    assert online.action().classes
    with pytest.raises(ValueError, match="not trained on 'estimate_pose'"):
        online.pose()


@pytest.mark.slow
def test_the_process_does_not_grow_over_many_frames(predictor):
    status = Path("/proc/self/status")
    if not status.is_file():
        pytest.skip("the system does not tell the memory of a process")

    def kilobytes() -> int:
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmRSS"))

    clip = random_clip(H36M_17, 1, 50, "image")
    online = stream_of(predictor, clip)
    sizes = []
    for t in range(6000):
        push(online, clip, t % clip.frames)
        online.action()
        online.pose()
        if t % 600 == 599:
            sizes.append(kilobytes())
    assert sizes[-1] - sizes[1] < 2000, f"{sizes} kB"
