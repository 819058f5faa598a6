"""The shift board and made-up untrimmed recordings: what is changed is what is said, and the rest stays."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import TRAIN, random_clip, synthetic_stores, trained_model

from ups.checkpoint.io import save
from ups.cli import main
from ups.data.store.store import Store, StoreWriter
from ups.errors import DataError, SettingError
from ups.evaluation.results import add_to_record, read_record, write_record
from ups.evaluation.shifts import board, measure_shifts
from ups.evaluation.untrimmed import measure_untrimmed, untrimmed
from ups.inference.predictor import Predictor
from ups.skeletons import H36M_17, KINECT_20, PENN_13, SKELETONS
from ups.tasks import get_task
from ups.tasks.segment_metrics import f1, segment_counts, time_right


@pytest.fixture(scope="module")
def stores(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("stores")
    synthetic_stores(folder, 60)
    with StoreWriter(folder / "reactidle", "reactidle", H36M_17, "world", (), (), "none", False) as writer:
        for number in range(3):
            clip = random_clip(H36M_17, frames=60, space="world", seed=number, label=-1)
            still = np.repeat(clip.joints[:, :1], 60, 1) + [0.0, 1.0, 0.0]
            writer.add(replace(clip, joints=still, fps=12.0, id=f"idle {number}"), {})
    return folder


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    train = replace(TRAIN, augment=replace(TRAIN.augment, shift=replace(TRAIN.augment.shift, share=0.5)))
    return Predictor(trained_model(train), "32-true")


def changed(task: str, name: str, clip):
    return board(get_task(task), clip.space)[name](clip, np.random.default_rng(0))


def test_changes_by_hand():
    clip = random_clip(KINECT_20, frames=30)
    limbs = changed("recognize_3d", "12 limb joints", clip)
    assert len(limbs.skeleton) == 12 and "left_wrist" in limbs.skeleton.joints and "pelvis" not in limbs.skeleton.joints
    held = changed("recognize_3d", "1 s still before and after", clip)
    assert held.frames == 90 and np.array_equal(held.joints[:, :30], np.repeat(clip.joints[:, :1], 30, 1))
    assert np.array_equal(held.joints[:, 30:60], clip.joints)
    assert changed("recognize_3d", "half the rate", clip).fps == 15
    turned = changed("recognize_3d", "turned by 90 degrees", clip)
    np.testing.assert_allclose(turned.joints[..., 1], clip.joints[..., 1], atol=1e-5)
    middle = clip.joints.reshape(-1, 3).mean(0)
    np.testing.assert_allclose((turned.joints - middle)[..., 0], (clip.joints - middle)[..., 2], atol=1e-5)
    missing = changed("recognize_3d", "20% of joints missing", clip)
    assert 0.15 < (missing.visibility == 0).mean() < 0.25
    noisy = changed("recognize_3d", "noise 2 cm", clip)
    assert (noisy.joints - clip.joints).std() == pytest.approx(0.02, rel=0.05)


def test_a_picture_is_cut_around_its_middle():
    clip = random_clip(PENN_13, frames=4, space="image")  # 1000 x 500
    cut = changed("estimate_pose", "portrait", clip)
    assert cut.image_size == (281, 500) and cut.pose_3d is not None
    np.testing.assert_allclose(cut.joints[..., 0] - 281 / 2, clip.joints[..., 0] - 500, atol=0.51)
    assert np.array_equal(cut.joints[..., 1], clip.joints[..., 1])
    rough = changed("estimate_pose", "noise 1.0% of width", clip)
    assert (rough.joints - clip.joints).std() == pytest.approx(10, rel=0.1)


def test_the_board_is_measured_with_all_skeletons(predictor, stores):
    found = measure_shifts(predictor, stores, 10, ("estimate_pose", "recognize_3d"))
    assert set(found) == {"estimate_pose/synthetic_2d:xsub", "recognize_3d/synthetic_3d:xsub"}
    for key, values in found.items():
        shifts = values["shifts"]
        listed = {name.removeprefix("skeleton ") for name in shifts if name.startswith("skeleton ")}
        assert listed == set(SKELETONS) - {"utd-20", "sbu-15"} and all(np.isfinite(list(shifts.values())))
        assert values["unit"] == ("mm" if key.startswith("estimate_pose") else "%")
    assert (
        found["recognize_3d/synthetic_3d:xsub"]["clips"] == 10
        and found["estimate_pose/synthetic_2d:xsub"]["clips"] == 2
    )
    own = found["recognize_3d/synthetic_3d:xsub"]["shifts"]
    assert own["skeleton h36m-17"] == own["as recorded"]  # that is what the clips have


def test_untrimmed_recordings_are_clips_and_pauses(stores):
    store = Store.open(stores / "synthetic_3d")
    indices = store.indices("xsub", "test")[:10]
    for idle in (None, Store.open(stores / "reactidle")):
        first, second = untrimmed(store, indices, idle, seed=3)
        assert len(first.truth) == 8 and len(second.truth) == 2
        assert np.array_equal(first.clip.joints, untrimmed(store, indices, idle, seed=3)[0].clip.joints)
        assert first.clip.frames == round(first.truth[-1][1] * first.clip.fps)
        before = 0.0
        for start, end, label in first.truth:
            assert 0.99 <= start - before <= 4.01 and end > start and 0 <= label < len(store.classes)
            before = end
        start, end, label = first.truth[0]
        frames = slice(round(start * 30), round(end * 30))
        which = [i for i in indices if np.array_equal(store[int(i)].joints, first.clip.joints[:, frames])]
        assert which and store.labels[which[0]] == label
        pause = first.clip.joints[0, : frames.start]
        jump = np.linalg.norm(pause[-1].mean(0) - first.clip.joints[0, frames.start].mean(0))
        assert jump < 0.5 and np.ptp(pause[:, 3], axis=0).max() < 0.05  # idle people stand still, where the clip begins
    with pytest.raises(DataError, match="at least 2"):
        untrimmed(store, indices[:1], None)


def test_pauses_in_a_picture_have_the_bodys_size(stores):
    store = Store.open(stores / "synthetic_2d")
    recording = untrimmed(store, store.indices("xsub", "test")[:4], Store.open(stores / "reactidle"))[0]
    first = round(recording.truth[0][0] * 30)
    sizes = [np.linalg.norm(joints - joints.mean(0)) for joints in recording.clip.joints[0, [first - 1, first]]]
    assert sizes[0] == pytest.approx(sizes[1], rel=0.35)


def test_segment_figures_by_hand():
    truth = [(1.0, 3.0, 0), (5.0, 7.0, 1), (8.0, 9.0, 0)]
    told = [(0.0, 3.0, 0), (5.0, 6.0, 2), (6.0, 7.0, 1), (8.0, 8.4, 0)]
    assert segment_counts(told, truth, 0.1) == (3, 1, 0)
    assert segment_counts(told, truth, 0.5) == (2, 2, 1)
    assert segment_counts([(1, 2, 0), (2, 3, 0)], [(1, 3, 0)], 0.5) == (1, 1, 0)  # one of the halves is too many
    assert f1([(3, 1, 0), (2, 2, 1)]) == pytest.approx(10 / 14) and f1([(0, 0, 0)]) == 1 and f1([(0, 3, 0)]) == 0
    assert time_right(told, truth, 10.0) == pytest.approx(1 - (1.0 + 1.0 + 0.6) / 10)
    assert time_right([], [], 2.0) == 1 and time_right(truth, truth, 10.0) == 1
    for wrong in ((0.0, []), (0.5, [(2.0, 1.0, 0)])):
        with pytest.raises(DataError):
            segment_counts(wrong[1], truth, wrong[0])


def test_timelines_of_made_up_recordings_are_measured(predictor, stores):
    found = measure_untrimmed(predictor, stores, 8)
    assert set(found) == {"recognize_2d/synthetic_2d:xsub", "recognize_3d/synthetic_3d:xsub"}
    for values in found.values():
        assert values["clips"] == 8 and values["pauses"] == "people who stand idle"
        assert 0 <= values["frame_accuracy"] <= 1 and values["f1_at"]["0.5"] <= values["f1_at"]["0.1"]
    with pytest.raises(SettingError, match="no task of recognition"):
        measure_untrimmed(predictor, stores, 8, ("anticipate",))


def test_boards_are_added_to_the_figures_of_the_model(stores, tmp_path, capsys):
    trained = trained_model()
    save(trained, tmp_path / "model", trained.model.state_dict())
    ask = ["evaluate", str(tmp_path / "model"), "--stores", str(stores), "--tasks", "recognize_3d"]
    assert main(ask) == 0
    assert main([*ask, "--untrimmed", "--shifts", "--limit", "4"]) == 0
    said = capsys.readouterr().out
    assert "12 limb joints" in said and "frame accuracy" in said
    record = read_record(tmp_path / "metrics.json")
    assert (
        set(record["results"])
        == set(record["shifts"])
        == set(record["untrimmed"])
        == {"recognize_3d/synthetic_3d:xsub"}
    )
    write_record(tmp_path / "other.json", record | {"steps": 5})
    with pytest.raises(SettingError, match=r"another model \(steps differ\)"):
        add_to_record(tmp_path / "other.json", record, {})
    assert json.loads((tmp_path / "other.json").read_text())["steps"] == 5
