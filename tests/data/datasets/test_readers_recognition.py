"""Readers of the recognition data sets: on small files written here in the official formats, and on the real ones."""

import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from rich.console import Console

from ups.data.checks.store_info import find_problems, info
from ups.data.datasets import kard, nw_ucla, penn_action, sbu, utd_mhad
from ups.data.datasets.base import DataSet
from ups.data.datasets.registry import DATA_SETS
from ups.data.formats.archive import members
from ups.data.store.prepare import prepare
from ups.data.store.store import Store
from ups.errors import DataError
from ups.pose import PoseSequence

FOCAL = 575.816


def rng_joints(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def nw_ucla_json(joints: np.ndarray, label: int) -> bytes:
    return json.dumps({"file_name": "x", "skeletons": joints.tolist(), "label": label}).encode()


def mat(**variables: object) -> bytes:
    buffer = io.BytesIO()
    scipy.io.savemat(buffer, variables)
    return buffer.getvalue()


def penn_mat(**changes: object) -> bytes:
    x = np.arange(3 * 13, dtype=np.uint8).reshape(3, 13) + 200
    visible = np.ones((3, 13), np.uint8)
    visible[1] = 0
    visible[2, 4] = 0
    values = {
        "x": x,
        "y": x.astype(np.uint16) + 100,
        "visibility": visible,
        "dimensions": np.array([[360, 480, 3]], np.uint16),
        "action": "jumping_jacks",
        "pose": "left",
        "train": np.array([[-1]], np.int32),
        "nframes": 3,
    }
    return mat(**{**values, **changes})


def text(values: np.ndarray, separator: str = " ") -> bytes:
    return "".join(separator.join(f"{v:.8g}" for v in row) + "\n" for row in values).encode()


def kard_files(seed: int = 0, frames: int = 2) -> tuple[bytes, bytes]:
    """realworld and screen."""
    mm = rng_joints(frames * 15, 3, seed=seed).astype(float) * 300 + (0, 0, 2500)
    x, y, z = mm.T
    return text(mm), text(np.stack([FOCAL * x / z + 320, -FOCAL * y / z + 240, z], -1))


def sbu_csv(metres: np.ndarray) -> bytes:
    """From (2, N, 15, 3), by the inverse of the authors' formula."""
    raw = (metres * 1000 - (1280, 960, 0)) / (-2560, -1920, 10000 / 7.8125)
    rows = raw.transpose(1, 0, 2, 3).reshape(len(raw[0]), -1)
    return text(np.concatenate([np.arange(len(rows))[:, None] + 55, rows], 1), ",")


def put(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


# --- formats ---------------------------------------------------------------------------------------------------------


def test_nw_ucla_clip() -> None:
    joints = rng_joints(7, 20, 3)
    joints[2, 5] = 0
    clip = nw_ucla.read_clip("a08_s10_e02_v03.json", nw_ucla_json(joints, 7))
    assert np.array_equal(clip.joints[0], joints)
    assert np.argwhere(clip.visibility[0] == 0).tolist() == [[2, 5]]
    assert (clip.id, clip.subject, clip.view, clip.fps) == ("a08_s10_e02_v03", 10, 3, 30)
    assert nw_ucla.CLASSES[clip.label] == "donning"


def test_nw_ucla_copies_are_left_out_of_the_clean_test(tmp_path: Path) -> None:
    joints, other = rng_joints(6, 20, 3), rng_joints(6, 20, 3, seed=1)
    nearly = joints.copy()
    nearly[5, 0, 0] += 1e-6
    clips = {
        "a01_s01_e00_v01": other,
        "a01_s01_e00_v02": joints,
        "a01_s01_e00_v03": joints,
        "a01_s02_e00_v03": joints[:4],
        "a01_s03_e00_v03": nearly,
        "a01_s04_e00_v03": rng_joints(6, 20, 3, seed=2),
    }
    source = put(tmp_path, {f"all_sqe/{name}.json": nw_ucla_json(value, 1) for name, value in clips.items()})
    found = {item[0].id: item[1] for item in nw_ucla.read(source) if not isinstance(item, DataError)}
    assert list(found) == sorted(clips)
    assert {name for name, splits in found.items() if splits["xview"] == "test"} == {n for n in clips if "v03" in n}
    assert [name for name, splits in found.items() if "xview_no_leak" not in splits] == [
        "a01_s01_e00_v03",
        "a01_s02_e00_v03",
    ]
    assert found["a01_s01_e00_v02"] == {"xview": "train", "xview_no_leak": "train"}
    assert found["a01_s03_e00_v03"] == {"xview": "test", "xview_no_leak": "test"}


def test_utd_mhad_clip() -> None:
    joints = rng_joints(20, 3, 5).astype(float)
    clip = utd_mhad.read_clip("a27_s8_t4_skeleton.mat", mat(d_skel=joints))
    assert clip.joints.shape == (1, 5, 20, 3) and clip.visibility.all()
    assert np.array_equal(clip.joints[0, 3, 11], joints[11, :, 3].astype(np.float32))
    assert (clip.id, clip.subject, utd_mhad.CLASSES[clip.label], clip.fps) == ("a27_s8_t4", 8, "squat", 30)


def test_penn_action_clip() -> None:
    clip, splits = penn_action.read_clip("0042.mat", penn_mat())
    assert splits == {"official": "test"}
    assert clip.image_size == (480, 360) and clip.frames == 3
    assert clip.joints[0, 0, 12].tolist() == [212, 312]  # the sum overflows a byte
    assert not clip.visibility[0, 1].any() and not clip.joints[0, 1].any()
    assert clip.joints[0, 2, 4].tolist() == [0, 0] and clip.visibility[0].sum() == 25
    assert (clip.id, penn_action.CLASSES[clip.label], penn_action.VIEWPOINTS[clip.view]) == (
        "0042",
        "jumping jacks",
        "left",
    )


def test_kard_clips() -> None:
    real, screen = kard_files()
    mm = np.array(real.split(), float).reshape(2, 15, 3)
    solid = kard.read_clip_3d("a18_s08_e03_realworld.txt", real)
    assert np.allclose(solid.joints[0], mm * (-0.001, 0.001, 0.001), atol=1e-6)
    flat = kard.read_clip_2d("a18_s08_e03_screen.txt", screen, real)
    assert flat.pose_3d is not None and flat.image_size == (640, 480)
    x, y, z = np.moveaxis(flat.pose_3d, -1, 0)
    assert np.allclose(flat.joints[..., 0], FOCAL * x / z + 320, atol=1e-2)
    assert np.allclose(flat.joints[..., 1], FOCAL * y / z + 240, atol=1e-2)
    for clip in (solid, flat):
        assert (clip.id, clip.subject, kard.CLASSES[clip.label]) == ("a18_s08_e03", 8, "stand up")


def test_sbu_clip() -> None:
    metres = rng_joints(2, 4, 15, 3) + (0, 0, 2)
    clip = sbu.read_clip("s06s03/05/002/skeleton_pos.txt", sbu_csv(metres))
    assert np.allclose(clip.joints, metres, atol=1e-4)
    assert (clip.id, clip.subject, sbu.CLASSES[clip.label], clip.fps) == ("s06s03_05_002", 6, "shake hands", 15)


def test_sbu_tests_every_pair_once() -> None:
    pairs = [pair for fold in sbu.FOLDS.values() for pair in fold]
    assert len(pairs) == len(set(pairs)) == 21


NAN = np.full((20, 3, 4), np.nan)
REAL, SCREEN = kard_files()


@pytest.mark.parametrize(
    ("read_clip", "message"),
    [
        (lambda: nw_ucla.read_clip("clip7.json", b"{}"), "clip7.json: not a name"),
        (lambda: nw_ucla.read_clip("a01_s01_e00_v01.json", nw_ucla_json(NAN, 1)[:50]), "a01_s01_e00_v01.json: not a read"),
        (lambda: nw_ucla.read_clip("a01_s01_e00_v01.json", b"[]"), "a01_s01_e00_v01.json: not a readable"),
        (lambda: nw_ucla.read_clip("a01_s01_e00_v01.json", nw_ucla_json(rng_joints(4, 20, 3), 2)), "label 2 is not"),
        (lambda: nw_ucla.read_clip("a07_s01_e00_v01.json", nw_ucla_json(rng_joints(4, 20, 3), 7)), "label 7 is not"),
        (lambda: nw_ucla.read_clip("a01_s01_e00_v01.json", nw_ucla_json(rng_joints(4, 25, 3), 1)), "e00_v01: 25 joints"),
        (lambda: nw_ucla.read_clip("a01_s01_e00_v01.json", nw_ucla_json(NAN.swapaxes(0, 2)[:, :1], 1)), "1 joints"),
        (lambda: nw_ucla.read_clip("a01_s01_e00_v01.json", nw_ucla_json(rng_joints(0, 20, 3), 1)), "a01_s01_e00_v01: "),
        (lambda: utd_mhad.read_clip("a1_s1_skeleton.mat", b""), "a1_s1_skeleton.mat: not a name"),
        (lambda: utd_mhad.read_clip("a28_s1_t1_skeleton.mat", mat(d_skel=NAN)), "an action of 1..27"),
        (lambda: utd_mhad.read_clip("a1_s1_t1_skeleton.mat", mat(d_skel=NAN)), "a1_s1_t1: joints.* is nan"),
        (lambda: utd_mhad.read_clip("a1_s1_t1_skeleton.mat", mat(d_skel=NAN)[:400]), "a1_s1_t1_skeleton.mat: not a read"),
        (lambda: utd_mhad.read_clip("a1_s1_t1_skeleton.mat", b""), "a1_s1_t1_skeleton.mat: not a readable"),
        (lambda: utd_mhad.read_clip("a1_s1_t1_skeleton.mat", mat(skel=NAN)), "no variable 'd_skel'"),
        (lambda: utd_mhad.read_clip("a1_s1_t1_skeleton.mat", mat(d_skel=NAN[:19])), "a1_s1_t1: 19 joints"),
        (lambda: penn_action.read_clip("0001.mat", penn_mat()[:300]), "0001.mat: not a readable"),
        (lambda: penn_action.read_clip("0001.mat", mat(x=1)), "0001.mat: not a Penn Action label file"),
        (lambda: penn_action.read_clip("0001.mat", penn_mat(action="juggle")), "0001.mat: unknown action 'juggle'"),
        (lambda: penn_action.read_clip("0001.mat", penn_mat(train=0)), "0001.mat: not a Penn Action label file"),
        (lambda: penn_action.read_clip("0001.mat", penn_mat(visibility=np.ones((2, 13)))), "0001.mat: x, y .* disagree"),
        (lambda: kard.read_clip_3d("a01_s01_realworld.txt", REAL), "a01_s01_realworld.txt: not a name"),
        (lambda: kard.read_clip_3d("a19_s01_e01_realworld.txt", REAL), "an action of 1..18"),
        (lambda: kard.read_clip_3d("a01_s01_e01_realworld.txt", REAL[:-20]), "a01_s01_e01_realworld.txt: "),
        (lambda: kard.read_clip_3d("a01_s01_e01_realworld.txt", b""), "15 lines of 3 a frame are needed"),
        (lambda: kard.read_clip_3d("a01_s01_e01_realworld.txt", REAL.replace(b".", b"x", 1)), "not lines of three numbers"),
        (lambda: kard.read_clip_2d("a01_s01_e01_screen.txt", SCREEN, REAL * 2), "2 frames, but 4 in its realworld file"),
        (lambda: sbu.read_clip("s01s02/01/skeleton_pos.txt", b""), "not a path of the form"),
        (lambda: sbu.read_clip("s01s02/09/001/skeleton_pos.txt", b""), "CC in 1..8"),
        (lambda: sbu.read_clip("s01s09/01/001/skeleton_pos.txt", b""), "pair s01s09 is in none"),
        (lambda: sbu.read_clip("s01s02/01/001/skeleton_pos.txt", b"1,2,3\n"), "lines of 91 are needed"),
        (lambda: sbu.read_clip("s01s02/01/001/skeleton_pos.txt", b""), "lines of 91 are needed"),
        (lambda: sbu.read_clip("s01s02/01/001/skeleton_pos.txt", b"1,2\n1,2,3\n"), "not lines of 91 numbers"),
        (lambda: sbu.read_clip("s01s02/01/001/skeleton_pos.txt", b",".join([b"nan"] * 91)), "joints.* is nan"),
    ],
)  # fmt: skip
def test_damaged_files_are_named_with_the_reason(read_clip: Callable[[], PoseSequence], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_clip()


# --- from folders and archives to a store ----------------------------------------------------------------------------


def small_sets() -> dict[str, dict[str, bytes]]:
    """data set -> official path -> content; two good files each and one that is damaged."""
    good = nw_ucla_json(rng_joints(3, 20, 3), 1)
    real, screen = kard_files(frames=3)
    body = sbu_csv(rng_joints(2, 4, 15, 3))
    return {
        "nw_ucla": {
            "all_sqe/a01_s01_e00_v02.json": good,
            "all_sqe/a01_s01_e00_v03.json": good,
            "all_sqe/a01_s01_e01_v03.json": good[:99],
        },
        "utd_mhad": {
            "Skeleton/a2_s1_t1_skeleton.mat": mat(d_skel=rng_joints(20, 3, 5)),
            "Skeleton/a1_s2_t1_skeleton.mat": mat(d_skel=rng_joints(20, 3, 5, seed=1)),
            "Skeleton/a1_s2_t2_skeleton.mat": mat(d_skel=NAN),
        },
        "penn_action": {
            "Penn_Action/labels/0001.mat": penn_mat(train=1),
            "Penn_Action/labels/0002.mat": penn_mat(train=-1),
            "Penn_Action/labels/0003.mat": b"",
        },
        "kard": {
            "kard_realworld/a01_s07_e01_realworld.txt": real,
            "kard_realworld/a01_s08_e01_realworld.txt": real,
            "kard_realworld/a01_s08_e02_realworld.txt": real[:-30],
            "kard_screen/a01_s07_e01_screen.txt": screen,
            "kard_screen/a01_s08_e01_screen.txt": screen,
            "kard_screen/a01_s08_e02_screen.txt": screen,
        },
        "sbu_interaction": {
            "SBU/s01s02/01/001/skeleton_pos.txt": body,
            "SBU/s04s02/08/001/skeleton_pos.txt": body,
            "SBU/s04s02/08/002/skeleton_pos.txt": body[:-700],
        },
    }


NAMES = {"nw_ucla": "nw_ucla", "utd_mhad": "utd_mhad", "penn_action": "penn_action", "kard_3d": "kard", "kard_2d": "kard",
         "sbu": "sbu_interaction"}  # fmt: skip


def pack(folder: Path, archive: str, files: dict[str, bytes], kind: str) -> Path:
    """The files as a folder, a tar (members in another order) or a zip."""
    if kind == "folder":
        return put(folder, {name.removeprefix("Penn_Action/"): content for name, content in files.items()})
    if kind == "zip":
        with zipfile.ZipFile(folder / f"{archive}.zip", "w") as bundle:
            for name, content in files.items():
                bundle.writestr(name, content)
        return folder
    with tarfile.open(folder / f"{archive}.tar.{kind}", f"w:{kind}") as bundle:
        for name, content in reversed(files.items()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            bundle.addfile(member, io.BytesIO(content))
    return folder / f"{archive}.tar.{kind}"


@pytest.mark.parametrize("kind", ["folder", "zip", "xz", "gz"])
@pytest.mark.parametrize("name", NAMES)
def test_prepare_reports_what_is_damaged_and_goes_on(tmp_path: Path, name: str, kind: str) -> None:
    source = pack(tmp_path, NAMES[name], small_sets()[NAMES[name]], kind)
    report = prepare(name, source, tmp_path / "out" / name)
    store = Store.open(tmp_path / "out" / name)
    assert report.clips == len(store) == 2
    assert len(report.problems) == 1 and store.problems == report.problems
    data_set = DATA_SETS[name]
    assert (store.name, store.classes, store.protocols) == (name, data_set.classes, data_set.protocols)
    assert store.paired == (name == "kard_2d")
    assert store.ids == sorted(store.ids)
    protocol = {"sbu": "fold5"}.get(name, store.protocols[0])
    test = {"utd_mhad": [0]}.get(name, [1])
    assert store.indices(protocol, "test").tolist() == test
    assert store.indices(protocol, "train").tolist() == [1 - test[0]]


def test_the_result_does_not_depend_on_how_files_are_packed(tmp_path: Path) -> None:
    files = small_sets()["sbu_interaction"]
    for kind in ("folder", "zip", "xz"):
        (tmp_path / kind).mkdir()
        prepare("sbu", pack(tmp_path / kind, "sbu_interaction", files, kind), tmp_path / f"{kind}.store")
    contents = {}
    for kind in ("folder", "zip", "xz"):
        facts = json.loads((tmp_path / f"{kind}.store" / "store.json").read_text())
        del facts["checksum"]  # of all facts, those of the source files too
        assert facts.pop("origin").keys() == {"fingerprint"}, "the files' names and times"
        rest = {p.name: p.read_bytes() for p in (tmp_path / f"{kind}.store").iterdir() if p.name != "store.json"}
        contents[kind] = (facts, rest)
    assert contents["zip"] == contents["folder"] and contents["xz"] == contents["folder"]


def test_prepare_fails_whole(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="unknown data set 'ntu'; did you mean ntu60.; known: nw_ucla, "):
        prepare("ntu", tmp_path, tmp_path / "out")
    with pytest.raises(FileNotFoundError, match="neither a folder 'SBU' nor an archive sbu_interaction"):
        prepare("sbu", tmp_path, tmp_path / "out")
    put(tmp_path / "bad", {"SBU/s01s02/01/001/skeleton_pos.txt": b"1", "SBU/s01s02/01/002/skeleton_pos.txt": b""})
    with pytest.raises(DataError, match=r"no recording in .* could be read \(2 failed; the first: s01s02/01/001/skel"):
        prepare("sbu", tmp_path / "bad", tmp_path / "out")
    (tmp_path / "empty" / "SBU").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="no .txt file in SBU"):
        prepare("sbu", tmp_path / "empty", tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad", "empty"]


@pytest.mark.parametrize("kind", ["zip", "xz", "gz"])
def test_a_truncated_archive_is_named_and_leaves_nothing(tmp_path: Path, kind: str) -> None:
    pack(tmp_path, "utd_mhad", small_sets()["utd_mhad"], kind)
    archive = next(tmp_path.iterdir())
    archive.write_bytes(archive.read_bytes()[:-60])
    with pytest.raises(DataError, match=f"{archive.name}: the archive is damaged"):
        prepare("utd_mhad", tmp_path, tmp_path / "out")
    assert list(tmp_path.iterdir()) == [archive]


def test_members_never_touch_paths_outside(tmp_path: Path) -> None:
    files = {"SBU/../../evil.txt": b"1", "/SBU/absolute.txt": b"2", "SBU/._hidden.txt": b"3", "other/a.txt": b"4"}
    source = pack(tmp_path, "sbu_interaction", files, "xz")
    found = {name: load() for name, load in members(source, "SBU", "sbu_interaction", ".txt")}
    assert found == {"../../evil.txt": b"1", "absolute.txt": b"2"}
    assert [p.name for p in tmp_path.rglob("*")] == ["sbu_interaction.tar.xz"] and not (
        tmp_path / "../evil.txt"
    ).exists()


def test_info_names_problems(tmp_path: Path) -> None:
    source = put(tmp_path, small_sets()["nw_ucla"])
    prepare("nw_ucla", source, tmp_path / "out")
    store = Store.open(tmp_path / "out")
    assert find_problems(store) == [
        *store.problems,
        "2 clips have under 5 frames: a01_s01_e00_v02, a01_s01_e00_v03",
        "xview: 1 of 1 test clips are copies of training clips: a01_s01_e00_v03",
    ]
    output = io.StringIO()
    Console(width=200, file=output).print(info(store))
    printed = output.getvalue()
    for words in (
        "2, 6 poses",
        "kinect-20 (20 joints), kinect",
        "3 to 3, median 3",
        "1 (1)",
        "1 / 1",
        "throw",
        "copies",
    ):
        assert words in printed


def test_info_names_joints_that_are_never_visible(tmp_path: Path) -> None:
    visible = np.ones((3, 13))
    visible[:, 12] = 0
    source = put(tmp_path, {"labels/0001.mat": penn_mat(visibility=visible), "labels/0002.mat": penn_mat()})
    prepare("penn_action", source, tmp_path / "out")
    assert "right_ankle is never visible in 1 of 2 clips: 0001" in find_problems(Store.open(tmp_path / "out"))


def test_the_catalogue_agrees_with_itself() -> None:
    for name, data_set in DATA_SETS.items():
        assert isinstance(data_set, DataSet) and data_set.name == name
        assert len(set(data_set.classes)) == len(data_set.classes)
        assert data_set.terms and data_set.summary


# --- the real recordings ---------------------------------------------------------------------------------------------

COUNTS = {
    "nw_ucla": (1484, 10, range(1, 11), {"xview": (1020, 464), "xview_no_leak": (1020, 369)}, (1, 201)),
    "utd_mhad": (861, 27, range(1, 9), {"xsub": (431, 430)}, (41, 125)),
    "penn_action": (2326, 15, (), {"official": (1258, 1068)}, (18, 663)),
    "kard_3d": (540, 18, range(1, 11), {"held_out_subjects": (378, 162)}, None),
    "kard_2d": (540, 18, range(1, 11), {"held_out_subjects": (378, 162)}, None),
    "sbu": (282, 8, range(1, 8), {"fold1": (227, 55), "fold2": (230, 52), "fold3": (226, 56), "fold4": (228, 54),
                                  "fold5": (217, 65)}, None),
}  # fmt: skip


@pytest.fixture(scope="module")
def real(request: pytest.FixtureRequest, data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("real") / request.param
    try:
        report = prepare(request.param, data_folder, folder)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    assert report.problems == ()
    return Store.open(folder)


@pytest.mark.parametrize("real", list(COUNTS), indirect=True)
def test_real_counts(real: Store) -> None:
    clips, classes, subjects, splits, lengths = COUNTS[real.name]
    assert len(real) == clips
    assert sorted(set(real.labels.tolist())) == list(range(classes)) and len(real.classes) == classes
    assert sorted(set(real.subjects.tolist()) - {-1}) == list(subjects)
    assert {p: (len(real.indices(p, "train")), len(real.indices(p, "test"))) for p in real.protocols} == splits
    if lengths:
        assert (real.frames.min(), real.frames.max()) == lengths


@pytest.mark.parametrize("real", ["nw_ucla", "utd_mhad", "kard_3d", "sbu"], indirect=True)
def test_real_bodies_have_human_size_and_the_right_handedness(real: Store) -> None:
    """In the Kinect's right-handed frame knees bend towards where (head - spine) x (right - left shoulder) points."""
    joint = {name: i for i, name in enumerate(real.skeleton.joints)}
    low = "ankle" if "left_ankle" in joint else "foot"
    heights, ahead = [], []
    for i in range(len(real)):
        if real.classes[real.labels[i]] not in ("sit down", "stand up", "sit to stand", "stand to sit", "kick"):
            continue
        at = {name: real[i].joints[:, :, k] for name, k in joint.items()}
        heights.append(np.max(at["head"][..., 1] - at[f"left_{low}"][..., 1]))
        forward = np.cross(at["head"] - at["spine"], at["right_shoulder"] - at["left_shoulder"])
        for side in ("left", "right"):
            bend = at[f"{side}_knee"] - (at[f"{side}_hip"] + at[f"{side}_{low}"]) / 2
            bent = np.linalg.norm(bend, axis=-1) > 0.15
            ahead.append(((forward * bend).sum(-1) > 0)[bent])
    assert 1.3 < np.median(heights) < 1.8
    assert np.concatenate(ahead).mean() > 0.9


@pytest.mark.parametrize("real", ["nw_ucla"], indirect=True)
def test_real_nw_ucla_copies(real: Store) -> None:
    """All clips of "pick up with two hands" and "drop trash" of view 3, and no others."""
    copies = set(real.indices("xview", "test")) - set(real.indices("xview_no_leak", "test"))
    assert {real.ids[i][:3] for i in copies} == {"a02", "a03"} and len(copies) == 95
    assert all(real.ids[i][:3] not in ("a02", "a03") for i in real.indices("xview_no_leak", "test"))


@pytest.mark.parametrize("real", ["kard_2d"], indirect=True)
def test_real_kard_projects_exactly(real: Store) -> None:
    for i in range(0, len(real), 50):
        clip = real[i]
        assert clip.pose_3d is not None
        x, y, z = np.moveaxis(clip.pose_3d.astype(float), -1, 0)
        projected = np.stack([FOCAL * x / z + 320, FOCAL * y / z + 240], -1)
        assert np.abs(projected - clip.joints).max() < 0.01
