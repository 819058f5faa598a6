"""The model of a detector's errors has the statistics that it promises."""

from __future__ import annotations

import numpy as np

from ups.pose import PoseSequence
from ups.skeletons import COCO_17
from ups.tasks.detector import CONSTANT, FAST, SHAKY, SLOW, body_size, detected


def still(frames: int = 60) -> PoseSequence:
    joints = np.random.default_rng(1).uniform(300, 700, (1, 1, 17, 2)).repeat(frames, 1)
    return PoseSequence(joints, np.ones((1, frames, 17)), COCO_17, "image", 30.0, image_size=(1000, 1000))


def drawn(clip: PoseSequence, seeds: int) -> list[PoseSequence]:
    return [detected(clip, np.random.default_rng(seed)) for seed in range(seeds)]


def test_the_size_of_a_body_is_the_long_side_of_its_box():
    clip = still()
    box = np.ptp(clip.joints[0, 0], axis=0)
    assert body_size(clip) == box.max()


def test_errors_are_as_large_as_promised_and_nothing_is_without():
    clip = still()
    size = body_size(clip)
    rough = []
    for other in drawn(clip, 200):
        seen = other.visibility > 0
        error = np.where(seen[..., None], other.joints - clip.joints, np.nan) / size
        jitter = np.diff(error, axis=1)
        rough.append(np.nanmedian(np.abs(jitter)))
    assert 0.002 < np.median(rough) < FAST
    assert FAST < max(rough) < 3 * SHAKY + SLOW and min(rough) < 0.1 * FAST


def test_ends_of_limbs_err_more_than_the_trunk_and_fast_joints_more_than_still_ones():
    clip = still()
    moving = clip.joints.copy()
    moving[:, :, 9] += np.linspace(0, 600, clip.frames)[:, None]  # the left wrist
    fast = PoseSequence(moving, clip.visibility, COCO_17, "image", 30.0, image_size=(2000, 1000))

    def errors(clip: PoseSequence, joint: int) -> float:
        each = [np.diff((o.joints - clip.joints)[0, :, joint], axis=0) for o in drawn(clip, 120)]
        return float(np.median([np.median(np.abs(e)) for e in each])) / body_size(clip)

    assert errors(clip, 9) > 1.1 * errors(clip, 5)
    assert errors(fast, 9) > 1.05 * errors(clip, 9)


def test_shares_of_missing_joints_exchanges_and_doubt():
    clip = still()
    others = drawn(clip, 400)
    missing = np.array([1 - (o.visibility > 0).mean() for o in others])
    assert 0.3 < (missing > 0).mean() < 0.8 and missing.mean() < 0.12 and missing.max() < 0.9
    doubtful = np.mean([len(np.unique(o.visibility)) > 2 for o in others])
    assert 0.4 < doubtful < 0.6
    size = body_size(clip)
    far = [np.abs(o.joints - clip.joints)[o.visibility > 0].max() / size > 0.25 for o in others]
    assert 0.25 < np.mean(far) < 0.5  # sides exchanged, or another person


def test_confidence_falls_with_the_error():
    clip = still()
    rank = []
    for other in drawn(clip, 200):
        seen = other.visibility > 0
        error = np.linalg.norm(other.joints - clip.joints, axis=-1)[seen]
        if len(np.unique(other.visibility)) > 2:
            rank.append(np.corrcoef(error, other.visibility[seen])[0, 1])
    assert np.mean(rank) < -0.02 and np.mean(np.array(rank) < 0) > 0.6


def test_the_constant_part_stays_and_3d_clips_work_too():
    clip = still()
    joints = np.concatenate([clip.joints, clip.joints[..., :1]], -1) / 300
    spatial = PoseSequence(joints, clip.visibility, COCO_17, "kinect", 30.0)
    offsets = []
    for other in drawn(spatial, 100):
        assert other.joints.shape == spatial.joints.shape and np.isfinite(other.joints).all()
        assert (other.joints[other.visibility == 0] == 0).all()
        offsets.append(np.median(other.joints - spatial.joints, axis=1).std() / body_size(spatial))
    assert 0.1 * CONSTANT < np.median(offsets) < 2 * CONSTANT


def test_another_person_stands_there_for_up_to_three_frames_in_one_clip_of_twenty(monkeypatch):
    clip = still(8)
    monkeypatch.setattr("ups.tasks.detector._errors", lambda clip, size, rng: np.zeros(clip.joints.shape, np.float32))
    monkeypatch.setattr("ups.tasks.detector._missing", lambda skeleton, shape, rng: np.zeros(shape, bool))
    monkeypatch.setattr("ups.tasks.detector._exchanged", lambda joints, skeleton, rng: joints)
    moved, starts, lengths = [], set(), set()
    for other in drawn(clip, 4000):
        offset = (other.joints - clip.joints)[0]
        there = np.flatnonzero(np.abs(offset).max((1, 2)) > 1e-3)
        if len(there):
            assert (np.diff(there) == 1).all()
            np.testing.assert_allclose(
                offset[there], np.broadcast_to(offset[there[0], 0], (len(there), 17, 2)), atol=1e-2
            )
            moved.append(offset[there[0], 0] / body_size(clip))
            starts.add(int(there[0]))
            lengths.add((int(there[0]), len(there)))
    assert 0.04 < len(moved) / 4000 < 0.06
    assert starts == set(range(8)) and {n for start, n in lengths if start < 6} == {1, 2, 3}
    np.testing.assert_allclose(np.std(moved, axis=0), 0.5, atol=0.1)
    np.testing.assert_allclose(np.mean(moved, axis=0), 0, atol=0.12)
