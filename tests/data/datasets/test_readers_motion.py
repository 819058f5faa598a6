"""Readers of CMU motion capture, ReActIdle and MSR-Action3D: on files written here, and on the real ones."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ups.data.datasets import cmu, msr_action3d, reactidle
from ups.data.datasets.base import Clip
from ups.errors import DataError
from ups.skeleton import Skeleton
from ups.skeletons import BANDAI_21, KINECT_20


def write_npz(path: Path, names: list[str], sources: dict[str, str], **changes: np.ndarray) -> None:
    frames = 2
    joints, rows = [*sources.values(), "left_over"], frames * len(names)
    rng = np.random.default_rng(0)
    arrays = {
        "rel": rng.normal(size=(rows, len(joints), 3)).astype(np.float16),
        "root": rng.normal(size=(rows, 3)).astype(np.float32),
        "start": np.arange(len(names) + 1) * frames,
        "clip": np.array(names),
        "label": np.array(["any"] * len(names)),
        "fps": np.full(len(names), 30.0),
        "joints": np.array(joints),
        "parents": np.full(len(joints), -1),
    }
    np.savez(path, allow_pickle=False, **{**arrays, **changes})


def clips_of(items: list[Clip | DataError]) -> list[Clip]:
    found = [item for item in items if not isinstance(item, DataError)]
    assert len(found) == len(items), [str(item) for item in items if isinstance(item, DataError)]
    return found


def length(clip: np.ndarray, skeleton: Skeleton, a: str, b: str) -> np.ndarray:
    return np.linalg.norm(clip[0, :, skeleton.joints.index(a)] - clip[0, :, skeleton.joints.index(b)], axis=-1)


def test_cmu_npz(tmp_path: Path) -> None:
    write_npz(tmp_path / cmu.ARCHIVE, [f"{s:02d}_01" for s in (1, 2, 3, 5, 100)], cmu._ENDS)
    clips = clips_of(list(cmu.read(tmp_path)))
    assert [(clip.id, clip.subject) for clip, _ in clips] == [
        ("01_01", 1), ("02_01", 2), ("03_01", 3), ("05_01", 5), ("100_01", 100),
    ]  # fmt: skip
    assert clips[4][1] == {"held_out_subjects": "test"}
    assert clips[3][1] == {"held_out_subjects": "train", "validation_subjects": "train"}
    arrays = np.load(tmp_path / cmu.ARCHIVE)
    row = list(arrays["joints"]).index("lwrist")
    expected = arrays["root"][2:4] + arrays["rel"][2:4, row].astype(np.float32)
    np.testing.assert_array_equal(clips[1][0].joints[0, :, cmu.CMU_21.joints.index("left_wrist")], expected)


def test_cmu_protocols_never_share_a_subject() -> None:
    subjects = list(range(1, 23))
    parts = {s: cmu.splits(s, subjects) for s in subjects}
    assert [s for s in subjects if parts[s]["held_out_subjects"] == "test"] == [19, 20, 21, 22]
    assert [s for s in subjects if parts[s].get("validation_subjects") == "test"] == [5, 10, 15]
    assert all("validation_subjects" not in parts[s] for s in (19, 20, 21, 22))


def asf() -> str:
    bones = list(dict.fromkeys(bone for bone in cmu._ENDS.values() if bone != "root"))
    described = "".join(
        f"begin\nid {i}\nname {bone}\ndirection 1 0 0\nlength {i}\naxis 0 0 0 XYZ\nend\n"
        for i, bone in enumerate(bones, 1)
    )
    return (
        ":units\nlength 0.45\nangle deg\n:root\norder TX TY TZ RX RY RZ\naxis XYZ\nposition 0 0 0\norientation 0 0 0\n"
        f":bonedata\n{described}:hierarchy\nbegin\nroot {' '.join(bones)}\nend\n"
    )


def test_cmu_official_folders(tmp_path: Path) -> None:
    for subject in ("01", "02"):
        (tmp_path / "subjects" / subject).mkdir(parents=True)
        frames = "".join(f"{n}\nroot {n} 0 0 0 0 0\n" for n in range(1, 10))
        (tmp_path / "subjects" / subject / f"{subject}_03.amc").write_text(f":FULLY-SPECIFIED\n:DEGREES\n{frames}")
    (tmp_path / "subjects" / "01" / "01.asf").write_text(asf())
    [(clip, _), problem] = cmu.read(tmp_path)  # pyright: ignore[reportGeneralTypeIssues]
    assert isinstance(problem, DataError) and "no 02.asf beside it" in str(problem)
    assert (clip.id, clip.subject, clip.fps, clip.frames) == ("01_03", 1, 30, 3)
    inch = 0.0254 / 0.45
    np.testing.assert_allclose(clip.joints[0, :, 0, 0], np.array([1, 5, 9]) * inch, rtol=1e-5)
    np.testing.assert_allclose(length(clip.joints, cmu.CMU_21, "pelvis", "spine"), inch, rtol=1e-4)


def test_cmu_dance_and_reactidle(tmp_path: Path) -> None:
    write_npz(tmp_path / cmu.DANCE_ARCHIVE, ["salsa/01", "martial/03"], cmu._DANCE)
    assert [(c.id, s["held_out_styles"]) for c, s in clips_of(list(cmu.read_dance(tmp_path)))] == [
        ("martial_03", "test"), ("salsa_01", "train"),
    ]  # fmt: skip
    names = [f"acted/{i:03d}_acted" for i in range(4)] + ["genuine/004_genuine", "genuine/000_genuine"]
    write_npz(tmp_path / reactidle.ARCHIVE, names, reactidle._SOURCE_NAME)
    clips = clips_of(list(reactidle.read(tmp_path)))
    assert [c.id for c, s in clips if s["held_out_subjects"] == "test"] == ["genuine_004_genuine"]
    assert clips[0][0].subject == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start": np.array([0, 2, 5])}, "do not agree"),
        ({"joints": np.array(["hip"])}, "no joint abdomen"),
        ({"rel": np.zeros((4, 3, 3), np.float16)}, "do not agree"),
        ({"clip": np.array(["salsa/01", "salsa_01"])}, "2 clips, but 1 names"),
    ],
)
def test_damaged_npz(tmp_path: Path, changes: dict[str, np.ndarray], message: str) -> None:
    write_npz(tmp_path / cmu.DANCE_ARCHIVE, ["salsa/01", "martial/03"], cmu._DANCE, **changes)
    with pytest.raises(DataError, match=message):
        list(cmu.read_dance(tmp_path))


def test_missing_files(tmp_path: Path) -> None:
    for read in (cmu.read, cmu.read_dance, reactidle.read, msr_action3d.read):
        with pytest.raises(FileNotFoundError):
            next(read(tmp_path))


def test_msr_action3d_clip() -> None:
    rows = np.arange(3 * 20 * 4, dtype=float).reshape(3, 20, 4) + 1
    rows[1] = 0
    text = "\n".join(" ".join(map(str, row)) for row in rows.reshape(-1, 4)).encode()
    clip = msr_action3d.read_clip("a10_s04_e02_skeleton3D.txt", text)
    assert (clip.id, clip.subject, msr_action3d.CLASSES[clip.label]) == ("a10_s04_e02", 4, "hand clap")
    assert clip.skeleton == KINECT_20 and clip.visibility[0].sum(-1).tolist() == [20, 0, 20]
    assert clip.joints[0, 0, KINECT_20.joints.index("head")].tolist() == rows[0, 19, :3].tolist()
    assert clip.joints[0, 2, KINECT_20.joints.index("left_elbow")].tolist() == rows[2, 7, :3].tolist()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a10_s04.txt", b"0 0 0 0\n" * 20, "not a name of the form"),
        ("a21_s04_e02_skeleton3D.txt", b"0 0 0 0\n" * 20, "action 21"),
        ("a01_s04_e02_skeleton3D.txt", b"0 0 0 0\n" * 19, "76 numbers"),
        ("a01_s04_e02_skeleton3D.txt", b"0 0 x 0\n" * 20, "fetch the file again"),
        ("a01_s04_e02_skeleton3D.txt", b"", "0 numbers"),
    ],
)
def test_damaged_msr_action3d(name: str, content: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        msr_action3d.read_clip(name, content)


def needs(folder: Path, file: str) -> None:
    if not (folder / file).is_file():
        pytest.skip(f"{folder} holds no {file}")


def test_cmu_counts(data_folder: Path) -> None:
    needs(data_folder, cmu.ARCHIVE)
    clips = clips_of(list(cmu.read(data_folder)))
    assert len(clips) == 301 and sum(clip.frames for clip, _ in clips) == 91624
    assert Counter(s["held_out_subjects"] for _, s in clips) == {"train": 230, "test": 71}
    assert Counter(s.get("validation_subjects") for _, s in clips) == {"train": 175, "test": 55, None: 71}
    assert {c.subject for c, s in clips if s["held_out_subjects"] == "test"} == {49, 55, 127, 135}
    assert {c.subject for c, s in clips if s.get("validation_subjects") == "test"} == {6, 14, 35}
    for clip, _ in clips[::20]:  # rigid shins of a human's length
        for side in ("left", "right"):
            shin = length(clip.joints, cmu.CMU_21, f"{side}_knee", f"{side}_ankle")
            assert 0.3 < shin.mean() < 0.5 and shin.std() < 0.005


def test_cmu_dance_counts(data_folder: Path) -> None:
    needs(data_folder, cmu.DANCE_ARCHIVE)
    clips = clips_of(list(cmu.read_dance(data_folder)))
    assert len(clips) == 44 and sum(clip.frames for clip, _ in clips) == 22720
    assert Counter(s["held_out_styles"] for _, s in clips) == {"train": 36, "test": 8}
    for clip, _ in clips[::5]:
        shin = length(clip.joints, BANDAI_21, "left_knee", "left_ankle")
        assert 0.3 < shin.mean() < 0.55 and shin.std() < 0.005


def test_reactidle_counts(data_folder: Path) -> None:
    needs(data_folder, reactidle.ARCHIVE)
    clips = clips_of(list(reactidle.read(data_folder)))
    assert len(clips) == 22 and sum(clip.frames for clip, _ in clips) == 33661
    assert {clip.fps for clip, _ in clips} == {12}
    assert Counter(s["held_out_subjects"] for _, s in clips) == {"train": 18, "test": 4}
    for clip, _ in clips:  # bones are rigid; bodies differ in size, from 31 to 44 cm of thigh
        thigh = length(clip.joints, reactidle.REACTIDLE_18, "left_hip", "left_knee")
        assert 0.3 < thigh.mean() < 0.45 and thigh.std() < 0.001
        head, pelvis = (clip.joints[0, :, reactidle.REACTIDLE_18.joints.index(j), 1] for j in ("head", "pelvis"))
        assert ((head - pelvis) > 0.4).all()


def test_msr_action3d_counts(data_folder: Path) -> None:
    needs(data_folder, "msr_action3d.tar.xz")
    clips = clips_of(list(msr_action3d.read(data_folder)))
    assert Counter(s["xsub"] for _, s in clips) == {"train": 292, "test": 275}
    assert {clip.label for clip, _ in clips} == set(range(20)) and {clip.subject for clip, _ in clips} == set(
        range(1, 11)
    )
    assert sum(int((clip.visibility.sum(-1) == 0).sum()) for clip, _ in clips) == 1113
    upright = [
        c.joints[0, 0, KINECT_20.joints.index("head"), 1] > c.joints[0, 0, 0, 1]
        for c, _ in clips
        if c.visibility[0, 0].any()
    ]
    assert np.mean(upright) > 0.99
