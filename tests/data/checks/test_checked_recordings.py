"""The check of many recordings: in prepare, before training, of pickles and stores; and who is excused from lying."""

from __future__ import annotations

import logging
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ups.data.checks.check import check
from ups.data.checks.clip import check_clip
from ups.data.checks.recordings import check_before_training, checked
from ups.data.custom import custom_data_set, read_table
from ups.data.datasets.pyskl import pyskl_data_set
from ups.data.datasets.synthetic import synthesize
from ups.data.formats.native import write_file
from ups.data.store.prepare import write_store
from ups.data.store.store import Store
from ups.errors import DataError
from ups.pose import PoseSequence, pose_sequence
from ups.skeletons import H36M_17


def walker(index: int = 0) -> PoseSequence:
    """A generated person, 3D, metres, y up."""
    joints, label, subject = synthesize(1, index, (40, 40))
    clip = pose_sequence(joints, H36M_17, space="world", fps=30, id=f"clip_{index}")
    return replace(clip, label=label, subject=subject)


def flat(index: int = 0) -> PoseSequence:
    """The same as pixels of a 1000 x 800 image."""
    points = walker(index).joints
    pixels = np.stack([500 + 250 * points[..., 0], 700 - 250 * points[..., 1]], -1)
    return pose_sequence(pixels, H36M_17, space="image", fps=30, image_size=(1000, 800), id=f"clip_{index}")


def folder_of(path: Path, clips: list[PoseSequence], columns: str = "", cells: tuple[str, ...] = ()) -> Path:
    path.mkdir()
    rows = ["file,label,subject,split" + columns]
    for i, clip in enumerate(clips):
        write_file(clip, path / f"{clip.id}.npz")
        rows.append(f"{clip.id}.npz,{('wave', 'sit')[i % 2]},{i},{('train', 'test')[i // 2 % 2]}" + "".join(cells))
    (path / "clips.csv").write_text("\n".join(rows))
    return path


def moved(clip: PoseSequence, change) -> PoseSequence:
    return replace(clip, joints=change(clip.joints).astype(np.float32))


def test_prepare_leaves_out_what_the_check_calls_an_error(tmp_path, caplog):
    clips = [walker(i) for i in range(4)]
    clips[2] = moved(clips[2], lambda p: p * 1000)
    clips[3] = moved(clips[3], lambda p: p * (1, -1, -1))
    folder = folder_of(tmp_path / "mine", clips)
    with caplog.at_level(logging.WARNING, "ups"):
        report = write_store(checked(custom_data_set(folder, "mine")), folder, tmp_path / "store")
    assert report.clips == 3 and len(report.problems) == 1
    assert "clip_2" in report.problems[0] and "millimetres" in report.problems[0] and "--unit mm" in report.problems[0]
    assert "clip_3: the head is below the hips" in caplog.text and "clip_1" not in caplog.text
    everything = write_store(checked(custom_data_set(folder, "mine"), force=True), folder, tmp_path / "all")
    assert everything.clips == 4


def test_a_table_says_how_its_files_are_to_be_read(tmp_path):
    clips = [walker(i) for i in range(4)]
    turned = [moved(clip, lambda p: p[..., [0, 2, 1]] * np.array((1000, -1000, 1000))) for clip in clips]
    plain = folder_of(tmp_path / "plain", clips)
    wrong = folder_of(tmp_path / "wrong", turned, ",up,unit", (",z", ",mm"))
    store, other = (
        Store.open(write_store(checked(custom_data_set(f, "mine")), f, tmp_path / f"{f.name}_store").folder)
        for f in (plain, wrong)
    )
    for i in range(4):
        np.testing.assert_allclose(store[i].joints, other[i].joints, atol=1e-4)
    given = custom_data_set(folder_of(tmp_path / "bare", turned), "mine", repairs={"up": "z", "unit": "mm"})
    read = [item[0] for item in given.read(tmp_path / "bare") if not isinstance(item, DataError)]
    np.testing.assert_allclose(read[1].joints, store[1].joints, atol=1e-4)
    row = read_table(wrong).rows[0]
    assert row.repairs == {"up": "z", "unit": "mm"} and row.splits == {"split": "train"}
    assert not [f for f in check(wrong) if f.severity != "note"]
    assert any("--up z" in f.remedy or "millimetres" in f.what for f in check(tmp_path / "bare"))


@pytest.mark.parametrize(("column", "cell"), [("rotate", "ninety"), ("up", "q"), ("fix", "swap-all")])
def test_a_wrong_cell_is_told_with_what_is_needed(tmp_path, column, cell):
    folder = folder_of(tmp_path / "mine", [walker(0), walker(1)], f",{column}", (f",{cell}",))
    with pytest.raises(DataError, match=f"{cell}.*needed"):
        custom_data_set(folder, "mine")


def test_a_store_is_checked_before_it_is_learned_from(tmp_path, caplog):
    clips = [walker(i) for i in range(4)]
    wrong = [moved(clip, lambda p: p / 0.0254) for clip in clips]
    folder = folder_of(tmp_path / "mine", wrong)
    store = Store.open(write_store(custom_data_set(folder, "mine"), folder, tmp_path / "store").folder)
    with pytest.raises(DataError, match="store.*4 of 4 clips.*inches.*--force|mine.*4 of 4 clips.*inches.*--force"):
        check_before_training(store, np.arange(4))
    check_before_training(store, np.arange(4), force=True)
    found = check(tmp_path / "store")
    assert any(f.severity == "error" and "inches" in f.what for f in found)


def annotation(name: str, clip: PoseSequence, **changes: object) -> dict:
    values = {
        "frame_dir": name, "label": 0, "total_frames": clip.frames, "img_shape": (800, 1000),
        "keypoint": clip.joints, "keypoint_score": clip.visibility,
    }  # fmt: skip
    return values | changes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda k, s: (np.concatenate([k, 0.9 * s[..., None]], -1), None), "x, y and score in one array"),
        (lambda k, s: (k.transpose(1, 0, 2, 3), s.transpose(1, 0, 2)), "frames before persons"),
        (lambda k, s: (k / (1000, 800), s), "fractions of the image; multiply x by 1000 and y by 800"),
        (lambda k, s: (k / (500, 400) - 1, s), "-1 to 1 across the image; (x + 1) / 2 * 1000"),
        (lambda k, s: (k[0], s[0]), "without an axis of persons"),
        (lambda k, s: (k, s[:, :, :5]), "keypoint_score has shape"),
        (lambda k, s: (k[:, :9], s[:, :9]), "total_frames 40, but keypoint has 9 frames"),
    ],
    ids=["score", "frames first", "fractions", "signed", "no persons", "scores", "frames"],
)
def test_faults_of_pickles_are_named(tmp_path, change, message):
    changed = []
    for i in range(12):
        clip = flat(i)
        keypoint, score = change(clip.joints, clip.visibility)
        values = annotation(f"v{i}", clip, keypoint=keypoint, keypoint_score=score)
        changed.append({key: value for key, value in values.items() if value is not None})
    path = tmp_path / "mine.pkl"
    path.write_bytes(pickle.dumps({"split": {}, "annotations": changed}))
    with pytest.raises(DataError) as raised:
        pyskl_data_set(path, "mine", skeleton=H36M_17)
    text = str(raised.value)
    assert "none of 12 annotations" in text and message in text and "and 11 more" in text and "\n" not in text
    (finding,) = check(path, "h36m-17")
    assert finding.severity == "error" and message in finding.what


def test_a_pickle_is_checked_like_files(tmp_path):
    path = tmp_path / "mine.pkl"
    clips = [flat(i) for i in range(3)]
    clips[1] = moved(clips[1], lambda p: np.array([0, 800]) + p * (1, -1))
    path.write_bytes(pickle.dumps({"split": {}, "annotations": [annotation(f"v{i}", c) for i, c in enumerate(clips)]}))
    found = [f for f in check(path, "h36m-17") if "head is below" in f.what]
    assert len(found) == 1 and found[0].where.startswith("v1")


def test_who_does_push_ups_is_excused_and_a_turned_video_is_not():
    clip = flat(0)
    turned = moved(clip, lambda p: p[..., [1, 0]])
    (found,) = [(s, r) for s, w, r, _ in check_clip(turned) if "lie on their side" in w]
    assert found[0] == "error" and "--rotate" in found[1] and "--up -y if they really lie" in found[1]
    assert [s for s, w, _, _ in check_clip(turned, filmed=True) if "lie on their side" in w] == ["warning"]
    assert [s for s, w, _, _ in check_clip(turned, stored=True) if "lie on their side" in w] == ["warning"]
    assert not [w for _, w, _, _ in check_clip(replace(turned, up_known=True)) if "lie on their side" in w]
    points = turned.joints.copy()
    names = list(H36M_17.joints)
    for side in ("left", "right"):  # hands on the floor below the shoulders
        shoulder = points[:, :, names.index(f"{side}_shoulder")]
        points[:, :, names.index(f"{side}_elbow")] = shoulder + (0, 60)
        points[:, :, names.index(f"{side}_wrist")] = shoulder + (0, 120)
    severities = [s for s, w, _, _ in check_clip(replace(turned, joints=points)) if "lie on their side" in w]
    assert severities == ["note"]


def test_one_jump_is_a_note_and_several_are_a_warning():
    def jumping(*frames: int) -> list[str]:
        clip = walker(0)
        offset = sum((np.arange(clip.frames) >= frame).astype(float) for frame in frames)
        clip = moved(clip, lambda p: p + 1.2 * np.asarray(offset)[None, :, None, None] * (1, 0, 0))
        return [s for s, w, _, _ in check_clip(clip) if "jumps" in w]

    assert jumping(10) == ["note"] and jumping(10, 20) == ["warning"]
