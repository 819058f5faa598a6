"""The loader: each batch depends on its number alone; epochs are whole; nothing comes from the test part."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import FRAMES, MIXES, TRAIN, trained_model

from ups.batch import Batch
from ups.config import TaskMix
from ups.data.loader import BatchStream, balance, by_length, prefetch, split_of
from ups.data.store.store import Store, StoreWriter
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeletons import KINECT_20
from ups.tasks.views import film, fixed_view
from ups.training.batches import streams_of


def noise_of(clips, classes, rng) -> tuple[tuple[str, ...], int, float]:
    """Stands in for a batch: which clips, how many classes, the generator's next number."""
    return tuple(clip.id for clip in clips), len(classes), rng.random()


def stream(stores: list[tuple[Store, np.ndarray]], batch: int = 4, batches: int = 40, seed: int = 3) -> BatchStream:
    return BatchStream(stores, noise_of, batch=batch, batches=batches, seed=seed, temperature=2.0)


@pytest.fixture
def pools(stores) -> list[tuple[Store, np.ndarray]]:
    return [(stores["synthetic_3d"], np.arange(10)), (stores["synthetic_2d"], np.arange(3))]


def equal(a: Batch, b: Batch) -> bool:
    return torch.equal(a.poses.joints, b.poses.joints) and torch.equal(a.tokens, b.tokens)


def test_a_batch_is_a_function_of_its_number(pools):
    forward, backward = stream(pools), stream(pools)
    first = [forward[i] for i in range(len(forward))]
    again = [backward[i] for i in reversed(range(len(backward)))][::-1]
    assert first == again
    assert len(set(first)) == len(first) == 40
    assert first != [stream(pools, seed=4)[i] for i in range(40)]


@pytest.mark.parametrize("batch", [1, 3, 4, 25])
def test_every_epoch_holds_every_clip_once(stores, batch):
    pool = np.array([5, 1, 8, 2, 11, 7, 20])
    it = stream([(stores["synthetic_3d"], pool)], batch, batches=28)
    drawn = np.concatenate([it.indices(i)[1] for i in range(28)])
    epochs = drawn[: len(drawn) // 7 * 7].reshape(-1, 7)
    assert len(epochs) == 28 * batch // 7
    assert all(sorted(epoch) == sorted(pool) for epoch in epochs.tolist())
    assert len({tuple(epoch) for epoch in epochs.tolist()}) > 1  # shuffled anew


def test_data_sets_are_mixed_by_the_root_of_their_size(stores):
    big, small = (stores["synthetic_3d"], np.arange(16)), (stores["synthetic_2d"], np.arange(4))
    it = stream([big, small], batches=3000)
    share = Counter(it.indices(i)[0] for i in range(3000))
    assert share[0] / 3000 == pytest.approx(2 / 3, abs=0.03)  # sqrt(16) : sqrt(4)
    of_small = np.concatenate([it.indices(i)[1] for i in range(300) if it.indices(i)[0] == 1])
    counts = Counter(of_small.tolist())
    assert set(counts) == {0, 1, 2, 3} and max(counts.values()) - min(counts.values()) <= 1


def mixed(stores: dict[str, Store], shares: tuple[float, ...], cycles: int = 1) -> BatchStream:
    """Two data sets at given shares of a task's iterations, as a configuration names them."""
    data = ("synthetic_3d:xsub", "synthetic_2d:xsub")
    mix = TaskMix("anticipate", data, shares=shares, batch=4, frames=FRAMES)
    return streams_of(trained_model(replace(TRAIN, tasks=(mix,), cycles=cycles)), stores)[0]


@pytest.mark.parametrize(("shares", "first"), [((3.0, 1.0), 0.75), ((0.1, 0.9), 0.1), ((), 0.5)])
def test_data_sets_are_drawn_at_the_shares_given(stores, shares, first):
    it = mixed(stores, shares, cycles=3000)
    assert [len(pool) for _, pool in it.stores] == [len(it.stores[0][1])] * 2  # as large as each other
    share = Counter(it.indices(i)[0] for i in range(3000))
    assert share[0] / 3000 == pytest.approx(first, abs=0.03)


@pytest.mark.parametrize("shares", [(1.0,), (1.0, 1.0, 1.0), (1.0, 0.0), (2.0, -1.0), (float("nan"), 1.0)])
def test_wrong_shares_are_refused(stores, shares):
    with pytest.raises(ValueError, match=r"shares \(.*\) of 2 data sets; one positive number for each"):
        mixed(stores, shares)


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_change_nothing(stores, workers):
    trained = trained_model()
    in_line, ahead = (list(prefetch(streams_of(trained, stores), 2, n)) for n in (0, workers))
    assert len(in_line) == len(ahead) == 4 * trained.config.train.cycles - 2
    assert all(equal(a, b) for a, b in zip(in_line, ahead, strict=True))


def test_streams_take_turns_and_may_begin_anywhere(stores):
    streams = streams_of(trained_model(), stores)
    whole = list(prefetch(streams, 0, 0))
    assert equal(whole[5], streams[1][1]) and equal(whole[7], streams[3][1])
    assert all(equal(a, b) for a, b in zip(whole[5:], prefetch(streams, 5, 1), strict=True))


def test_leaving_early_stops_the_workers(pools):
    batches = prefetch([stream(pools)], 0, 2)
    first = next(batches)
    batches.close()
    assert first == stream(pools)[0]
    with pytest.raises(StopIteration):
        next(batches)


def test_an_error_in_a_worker_arrives(pools):
    def fail(clips, classes, rng):
        raise DataError("clip 7 is broken")

    broken = BatchStream(pools, fail, batch=4, batches=10, seed=0, temperature=1.0)
    with pytest.raises(DataError, match="clip 7 is broken"):
        list(prefetch([broken], 0, 1))


@pytest.mark.parametrize("name", ["synthetic_3d", "synthetic_2d"])
def test_held_out_subjects_are_training_subjects_that_are_not_trained_on(stores, name):
    store = stores[name]
    official = store.indices("xsub", "train")
    test = split_of(store, "xsub", "test", 0.3, 0)
    train, validation = (split_of(store, "xsub", part, 0.3, 0) for part in ("train", "validation"))
    assert sorted([*train, *validation]) == sorted(official)
    assert not set(store.subjects[train]) & set(store.subjects[validation])
    assert len(np.unique(store.subjects[validation])) == np.ceil(0.3 * len(np.unique(store.subjects[official])))
    assert not set(test) & {*train, *validation} and len(test)
    assert np.array_equal(validation, split_of(store, "xsub", "validation", 0.3, 0))
    assert len(split_of(store, "xsub", "validation", 0.0, 0)) == 0
    assert np.array_equal(split_of(store, "xsub", "train", 0.0, 0), official)
    others = [split_of(store, "xsub", "validation", 0.3, seed).tolist() for seed in range(1, 5)]
    assert any(other != validation.tolist() for other in others)


def test_training_never_draws_a_test_clip(stores):
    streams = streams_of(trained_model(), stores)
    for it in streams:
        assert len(it) == 3
        store, pool = it.stores[0]
        drawn = np.concatenate([it.indices(i)[1] for i in range(len(it))])
        assert set(drawn) <= set(store.indices("xsub", "train"))
        assert np.array_equal(pool, store.indices("xsub", "train"))


def test_a_camera_films_the_world_anew_in_training_and_always_alike_in_tests(stores):
    clip = stores["synthetic_3d"][0]
    a, b = film(clip, np.random.default_rng(0)), film(clip, np.random.default_rng(1))
    assert a.space == "image" and a.pose_3d is not None and a.image_size is not None
    assert a.joints.shape == (1, clip.frames, 17, 2) and (a.label, a.id) == (clip.label, clip.id)
    assert not np.allclose(a.joints, b.joints)
    assert np.array_equal(a.joints, film(clip, np.random.default_rng(0)).joints)
    assert np.array_equal(fixed_view(clip, 3).joints, fixed_view(clip, 3).joints)
    assert not np.allclose(fixed_view(clip, 3).joints, fixed_view(clip, 4).joints)

    def lengths(points: np.ndarray) -> np.ndarray:
        return np.linalg.norm(points[:, 1] - points[:, 2], axis=-1)

    assert np.allclose(lengths(fixed_view(clip, 3).pose_3d[0]), lengths(clip.joints[0]), atol=1e-4)


def test_a_data_set_without_clips_is_named(stores):
    with pytest.raises(DataError, match="'synthetic_3d' has no clip to train on"):
        stream([(stores["synthetic_3d"], np.arange(0))])


@pytest.mark.parametrize(("exponent", "times"), [(0.0, (1, 1, 1)), (0.5, (1, 2, 3)), (1.0, (1, 4, 9))])
def test_clips_of_rare_actions_are_repeated(exponent, times):
    labels = np.array([5] * 36 + [1] * 9 + [2] * 4)
    clips = np.arange(100, 149)
    drawn = Counter(balance(clips, labels, exponent).tolist())
    assert sorted(drawn) == clips.tolist()
    assert {(labels[i - 100], n) for i, n in drawn.items()} == set(zip((5, 1, 2), times, strict=True))
    assert len(balance(clips[:0], labels[:0], exponent)) == 0


def test_filmed_bodies_are_as_large_as_people_are(stores):
    clip = stores["synthetic_3d"][0]
    size = [np.ptp(film(clip, np.random.default_rng(i)).pose_3d[0][0], axis=0) for i in range(300)]
    size = np.linalg.norm(size, axis=1) / np.linalg.norm(np.ptp(clip.joints[0, 0], axis=0))
    assert 0.8 < size.min() and size.max() < 1.25 and abs(np.median(size) - 1) < 0.05


def test_an_error_in_a_batch_names_the_clip(stores, monkeypatch):
    store = stores["synthetic_3d"]
    broken = store[int(store.indices("xsub", "train")[2])].id
    read = Store.__getitem__

    def read_broken(self: Store, index: int) -> PoseSequence:
        clip = read(self, index)
        return replace(clip, label=-1) if clip.id == broken else clip

    monkeypatch.setattr(Store, "__getitem__", read_broken)
    mix = TaskMix("recognize_3d", ("synthetic_3d:xsub",), batch=4, frames=FRAMES)
    trained = trained_model(replace(TRAIN, tasks=(mix,), cycles=12, hold_out=0.0))
    (batches,) = streams_of(trained, {"synthetic_3d": store})
    with pytest.raises(DataError, match=f"{broken}: has no action to learn"):
        for number in range(len(batches)):
            batches[number]

    def fails(clips, classes, rng):
        raise ZeroDivisionError("division by zero")

    with pytest.raises(
        DataError, match="synthetic_3d: batch 0, of clips .* and 1 more: ZeroDivisionError: division by zero"
    ):
        BatchStream([(store, np.arange(9))], fails, batch=4, batches=1, seed=0, temperature=1)[0]


def test_a_crowd_does_not_stop_training(tmp_path):
    rng = np.random.default_rng(0)
    with StoreWriter(tmp_path / "crowd", "crowd", KINECT_20, "kinect", ("walk", "run"), ("all",), "ours") as writer:
        for n in range(5):
            joints = rng.uniform(-0.5, 0.5, (12, 9, 20, 3))
            clip = PoseSequence(joints, np.ones((12, 9, 20)), KINECT_20, "kinect", 30, f"clip {n}", n % 2)
            writer.add(clip, {"all": "train" if n < 4 else "test"})
    mix = TaskMix("recognize_3d", ("crowd:all",), batch=4, frames=FRAMES)
    trained = trained_model(replace(TRAIN, tasks=(mix,), cycles=2, hold_out=0.0), classes=("walk", "run"))
    (batches,) = streams_of(trained, {"crowd": Store.open(tmp_path / "crowd")})
    poses = batches[0].poses
    assert poses.clips == 4 and len(poses.joints) == 4 * 8


@pytest.mark.parametrize(("window", "times"), [(40, [2, 20, 8]), (400, [1, 2, 1]), (8, [10, 100, 40])])
def test_long_clips_are_drawn_more_often(window, times):
    clips = np.array([5, 2, 9])
    drawn = Counter(by_length(clips, np.array([10, 100, 40]), window).tolist())
    assert drawn == dict(zip(clips.tolist(), times, strict=True))


def test_windows_are_drawn_alike_from_every_frame(stores):
    """The share of a clip among the draws is its share of the frames; tasks that don't ask for it draw clips alike."""
    mixes = tuple(replace(mix, by_length=mix.task == "estimate_pose") for mix in MIXES)
    lifting, recognition = (s.stores[0] for s in streams_of(trained_model(replace(TRAIN, tasks=mixes)), stores)[:2])
    store, drawn = lifting
    clips, counts = np.unique(drawn, return_counts=True)
    frames = store.frames[clips]
    assert frames.max() > 1.2 * frames.min()
    np.testing.assert_allclose(counts / counts.sum(), frames / frames.sum(), rtol=0.02)
    assert np.array_equal(np.unique(recognition[1]), clips) and len(recognition[1]) == len(clips)
