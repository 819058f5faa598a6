"""Windows that are cut in the store are, to the bit, those that are made of whole clips; and less is read for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import hidden, random_clip, synthetic_stores, trained_model

from ups.config import Augment, PoseAugment, ShiftAugment
from ups.data.loader import StoredClips
from ups.data.store.store import Store, StoreWriter
from ups.skeletons import COCO_17, H36M_17
from ups.tasks import get_task
from ups.tasks.pose import estimate_pose
from ups.tasks.pose_windows import CHUNK, can_cut
from ups.training.batches import make_batch

FRAMES = 9


def store_of(folder: Path, skeleton, clips: int = 3 * CHUNK + 5, sure: bool = True) -> Store:
    """Filmed clips of one person with 3D poses behind them, some shorter than a window, some with joints not seen."""
    with StoreWriter(folder, "filmed", skeleton, "image", ("a",), ("all",), paired=True) as writer:
        for i in range(clips):
            clip = random_clip(skeleton, 1, 1 + i % 14, "image", i)
            if i % 5 == 4:
                clip = hidden(clip, 0, slice(0, 1 + i % 3), [1, 2], value=3.0)
            if not sure:
                doubt = np.random.default_rng(i).uniform(0.2, 1, clip.visibility.shape) * (clip.visibility > 0)
                clip = replace(clip, visibility=doubt.astype(np.float32))
            size = (640, 480) if i % 2 else (1000, 500)
            writer.add(replace(clip, fps=25.0 + i % 3, image_size=size), {"all": "train"})
    return Store.open(folder)


@pytest.mark.parametrize("skeleton", [H36M_17, COCO_17], ids=lambda s: s.name)
@pytest.mark.parametrize("confidence", [True, False])
@pytest.mark.parametrize("targets", [1, 3])
def test_to_the_bit_what_whole_clips_give(tmp_path, skeleton, confidence, targets):
    store = store_of(tmp_path / "s", skeleton, sure=confidence)
    augment = Augment(pose=PoseAugment(mirror=0.5, noise=0.01, drop=0.5))
    clips = StoredClips(store, np.random.default_rng(1).permutation(len(store)))
    rng = np.random.default_rng(7)
    cut = estimate_pose.training_windows(clips, FRAMES, targets, augment, confidence, rng)
    assert cut is not None and len(cut) == len(store)
    other = np.random.default_rng(7)
    for mine, clip in zip(cut, clips, strict=True):
        clip = clip if confidence else clip.without_confidence()
        whole = estimate_pose.training_example(clip, (), FRAMES, targets, augment, other)
        for field in ("joints", "visible", "context", "target_frames", "target"):
            a, b = getattr(mine, field), getattr(whole, field)
            assert a.dtype == b.dtype and np.array_equal(a, b), field
    assert rng.random() == other.random()


def test_batches_are_the_same_whether_clips_are_stored_or_at_hand(tmp_path):
    store, trained = store_of(tmp_path / "s", H36M_17), trained_model()
    mix = next(mix for mix in trained.config.train.tasks if mix.task == "estimate_pose")
    clips = StoredClips(store, np.arange(len(store)))
    cut, whole = (
        make_batch(get_task("estimate_pose"), mix, trained.config, trained.vocabulary, c, (), np.random.default_rng(3))
        for c in (clips, list(clips))
    )
    assert np.array_equal(cut.poses.joints, whole.poses.joints) and np.array_equal(cut.tokens, whole.tokens)


def test_only_the_windows_frames_are_read_once_a_clip_was_found_sound(tmp_path, monkeypatch):
    with StoreWriter(tmp_path / "s", "filmed", H36M_17, "image", ("a",), ("all",), paired=True) as writer:
        writer.add(random_clip(H36M_17, 1, 5000, "image"), {"all": "train"})
    store = Store.open(tmp_path / "s")
    clips = StoredClips(store, np.zeros(4, int))
    read: list[int] = []
    plain = type(store._joints).read_into
    monkeypatch.setattr(type(store._joints), "read_into", lambda self, first, array: read.append(len(array)) or plain(
        self, first, array))  # fmt: skip
    estimate_pose.training_windows(clips, FRAMES, 1, Augment(), False, np.random.default_rng(0))
    assert read.count(5000) == 3 and max(read[3:]) <= FRAMES and len(read) == 3 + 3 * 4


def test_clips_that_are_changed_as_a_whole_are_read_whole(tmp_path):
    stores = synthetic_stores(tmp_path, 4)
    world, filmed = (StoredClips(stores[name], np.arange(2)) for name in ("synthetic_3d", "synthetic_2d"))
    assert not can_cut(world, Augment()) and can_cut(filmed, Augment())
    for part in ("skeleton", "camera", "detector", "rate"):
        assert not can_cut(filmed, Augment(shift=ShiftAugment(share=1.0, **{part: 0.5})))
    two = StoreWriter(tmp_path / "two", "two", H36M_17, "image", ("a",), ("all",), paired=True)
    with two as writer:
        writer.add(random_clip(H36M_17, 2, 9, "image"), {"all": "train"})
    assert not can_cut(StoredClips(Store.open(tmp_path / "two"), np.arange(1)), Augment())
