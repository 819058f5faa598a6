"""A folder of one's own recordings: from clips.csv to a store, and what the check says of it."""

import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ups.data.checks.check import check
from ups.data.checks.clip import check_clip, check_or_refuse
from ups.data.custom import custom_data_set, read_table
from ups.data.datasets import bandai_namco, kard, nw_ucla, sbu, utd_mhad
from ups.data.formats.native import write_file
from ups.data.open_file import read_file
from ups.data.store.prepare import write_store
from ups.data.store.store import Store
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeleton import Skeleton
from ups.skeletons import COCO_17, H36M_17, SKELETONS, find_skeleton

METRES = {  # a standing person, facing +z, y up; his left is +x
    "pelvis": (0, 0.95, 0), "spine": (0, 1.1, 0), "chest": (0, 1.35, 0), "nose": (0, 1.6, 0.1), "head": (0, 1.7, 0),
    "shoulder": (0.2, 1.4, 0), "elbow": (0.25, 1.1, 0.02), "wrist": (0.25, 0.9, 0.15),
    "hip": (0.12, 0.9, 0), "knee": (0.12, 0.5, 0.05), "ankle": (0.12, 0.08, 0), "foot": (0.12, 0.02, 0.15),
}  # fmt: skip


def person(frames: int = 30, seed: int = 0, skeleton: Skeleton = H36M_17) -> PoseSequence:
    """Walks along z, 0.5 m a second, with a little noise."""
    joints = np.zeros((1, frames, len(skeleton), 3))
    for j, joint in enumerate(skeleton.joints):
        x, y, z = METRES[joint.removeprefix("left_").removeprefix("right_")]
        joints[0, :, j] = (-x if joint.startswith("right_") else x, y, z)
    joints[0, :, :, 2] += np.arange(frames)[:, None] / 60
    joints += np.random.default_rng(seed).normal(size=joints.shape) * 0.005
    return PoseSequence(joints, np.ones(joints.shape[:3]), skeleton, "world", 30.0, "p")


def folder_of(path: Path, clips: dict[str, PoseSequence], table: str) -> Path:
    path.mkdir()
    for name, clip in clips.items():
        (path / name).parent.mkdir(exist_ok=True)
        write_file(clip, path / name)
    (path / "clips.csv").write_text(table)
    return path


TABLE = """file,label,subject,view,split,xview
walk/a.npz,walk,anna,1,train,train
walk/b.npz,walk,bert,2,test,
wave/c.npz,wave,anna,1,train,train
wave/d.npz,wave,bert,2,test,test
"""
FILES = ("walk/a.npz", "walk/b.npz", "wave/c.npz", "wave/d.npz")


def good(path: Path) -> Path:
    return folder_of(path, {name: person(seed=i) for i, name in enumerate(FILES)}, TABLE)


def test_a_folder_becomes_a_store(tmp_path: Path) -> None:
    folder = good(tmp_path / "mine")
    report = write_store(custom_data_set(folder, "mine"), folder, tmp_path / "store")
    store = Store.open(tmp_path / "store")
    assert report.problems == () and store.ids == ["walk/a", "walk/b", "wave/c", "wave/d"]
    assert store.classes == ("walk", "wave") and list(store.labels) == [0, 0, 1, 1]
    assert list(store.subjects) == [0, 1, 0, 1] and list(store.views) == [1, 2, 1, 2]
    assert store.protocols == ("split", "xview") and store.skeleton == H36M_17 and store.space == "world"
    assert [list(store.indices("split", part)) for part in ("train", "test")] == [[0, 2], [1, 3]]
    assert [list(store.indices("xview", part)) for part in ("train", "test")] == [[0, 2], [3]]
    np.testing.assert_array_equal(store[3].joints, person(seed=3).joints)


def test_a_skeleton_from_a_file_and_joints_picked(tmp_path: Path) -> None:
    folder = good(tmp_path / "mine")
    (tmp_path / "legs.toml").write_text('joints = ["left_hip", "right_hip", "left_knee", "right_knee"]')
    legs = find_skeleton(str(tmp_path / "legs.toml"))
    write_store(custom_data_set(folder, "mine", legs), folder, tmp_path / "store")
    store = Store.open(tmp_path / "store")
    assert store.skeleton.name == "legs" and store[0].joints.shape == (1, 30, 4, 3)
    order = [H36M_17.joints.index(joint) for joint in legs.joints]
    np.testing.assert_array_equal(store[1].joints, person(seed=1).joints[:, :, order])


def test_a_file_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    folder = good(tmp_path / "mine")
    (folder / "walk/a.npz").write_bytes(b"x")
    (folder / "wave/d.npz").unlink()
    report = write_store(custom_data_set(folder, "mine"), folder, tmp_path / "store")
    assert report.clips == 2 and len(report.problems) == 2
    assert "a.npz" in report.problems[0] and "d.npz" in report.problems[1]


def test_fps_and_image_size_from_the_table(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("left_hip_x,left_hip_y,right_hip_x,right_hip_y\n1,2,3,4\n")
    (tmp_path / "clips.csv").write_text("file,fps,width,height\na.csv,12.5,320,240\n")
    (item,) = custom_data_set(tmp_path, "mine").read(tmp_path)
    assert not isinstance(item, DataError)
    assert item[0].fps == 12.5 and item[0].image_size == (320, 240) and item[1] == {} and item[0].label == -1


def test_spellings_of_one_action_are_one_label(tmp_path: Path, caplog) -> None:
    rows = "a,bowl\nb,Bowl\nc,Bowl\nd,jump rope\ne,jump_rope\nf,walk\ng,\n"
    (tmp_path / "clips.csv").write_text("file,label\n" + rows)
    table = read_table(tmp_path)
    assert table.classes == ("Bowl", "jump rope", "walk")
    labels = ["Bowl", "Bowl", "Bowl", "jump rope", "jump rope", "walk", ""]
    assert [row.label for row in table.rows] == labels
    (record,) = caplog.records
    assert "clips.csv: spellings of one action are one class: 'bowl' as 'Bowl'; 'jump_rope' as" in record.message


@pytest.mark.parametrize(
    "content",
    [
        "file,label,subject,split\r\nu/Ünï 1.npz,None,,train\r\nu/b c.npz,nan,,test\r\n".encode("utf-8-sig"),
        "File;Label;Subject;Split;;\r\nu/Ünï 1.npz;None;;Train;;\r\nu\\b c.npz;nan;;TEST;;\r\n;;;;;\r\n".encode(),
        'file\tlabel\tsubject\tsplit\nu/Ünï 1.npz\t"None"\t\ttrain\n"u/b c.npz"\tnan\t\ttest'.encode("utf-16"),
        "split,subject,label,file\n train , , None ,u/U\u0308ni\u0308 1.npz\ntest,,nan,./u/b c.npz\n".encode(),
    ],
)
def test_tables_as_spreadsheets_save_them(tmp_path: Path, content: bytes) -> None:
    folder = folder_of(tmp_path / "m", {"u/Ünï 1.npz": person(seed=1), "u/b c.npz": person(seed=2)}, "")
    (folder / "clips.csv").write_bytes(content)
    report = write_store(custom_data_set(folder, "m"), folder, tmp_path / "store")
    store = Store.open(tmp_path / "store")
    assert report.problems == () and store.classes == ("None", "nan") and store.subjects.tolist() == [-1, -1]
    named = {unicodedata.normalize("NFC", name): i for i, name in enumerate(store.ids)}
    assert set(named) == {"u/Ünï 1", "u/b c"}
    assert store.labels[named["u/Ünï 1"]] == 0 and store.indices("split", "train").tolist() == [named["u/Ünï 1"]]
    np.testing.assert_array_equal(store[named["u/Ünï 1"]].joints, person(seed=1).joints)


def test_numbers_and_names_of_people(tmp_path: Path) -> None:
    people = ["20230115001", "7", "20230115001", ""]
    table = "file,subject\n" + "".join(f"{i}.npz,{p}\n" for i, p in enumerate(people))
    folder = folder_of(tmp_path / "m", {f"{i}.npz": person() for i in range(4)}, table)
    subjects = [
        item[0].subject for item in custom_data_set(folder, "m").read(folder) if not isinstance(item, DataError)
    ]
    assert subjects[0] == subjects[2] and len(set(subjects)) == 3 and subjects[3] == -1
    names = folder_of(
        tmp_path / "n", {f"{i}.npz": person() for i in range(3)}, "file,subject\n0.npz,Anna\n1.npz,anna\n2.npz,Bert\n"
    )
    subjects = [item[0].subject for item in custom_data_set(names, "m").read(names) if not isinstance(item, DataError)]
    assert subjects == [0, 0, 1]


def test_very_many_classes_and_one_clip_of_each(tmp_path: Path) -> None:
    rows = "".join(f"a{i}.npz,action {i}\n" for i in range(3000))
    (tmp_path / "clips.csv").write_text("file,label\n" + rows)
    assert len(read_table(tmp_path).classes) == 3000


def test_folders_whose_names_have_points(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("file\ntake.1\ntake.2\nb.npz\nc.tar.npz\nd.h5\n")
    assert [row.id for row in read_table(tmp_path).rows] == ["b", "c.tar", "d", "take.1", "take.2"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "columns missing"),
        ("file,label\na.npz,-\n", "line 2: label '-'; the action in words"),
        ("file,space\na.npz,room\n", "line 2: space 'room'; image, camera"),
        ("file,width\na.npz,1e999\n", "are numbers"),
        ("name,label\n", "one of them file"),
        ("file\n", "no recording is listed"),
        ("file,label\na.npz\n", "line 2 has 1 cells"),
        ("file,split\na.npz,trian\n", "'trian' in column split"),
        ("file,lable\na.npz,walk\n", "lable is taken for a protocol"),
        ("file\n../a.npz\n", "below the folder"),
        ("file\n/etc/a.npz\n", "below the folder"),
        ("file\na.npz\na.csv\n", "line 3: a second a"),
        ("file,fps\na.npz,fast\n", "are numbers"),
        ("file\na.npz\n", "none of 1 recordings can be read"),
    ],
)
def test_a_bad_table_says_what_is_wrong(tmp_path: Path, table: str, message: str) -> None:
    (tmp_path / "clips.csv").write_text(table)
    with pytest.raises(DataError, match=message):
        custom_data_set(tmp_path, "mine")


def test_a_missing_table_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="clips.csv"):
        read_table(tmp_path)


def whats(clip: PoseSequence) -> list[str]:
    return [what for severity, what, _, _ in check_clip(clip) if severity != "note"]


@pytest.mark.parametrize("skeleton", [H36M_17, SKELETONS["kinect-20"].name], ids=str)
def test_a_good_recording_is_silent(skeleton: Skeleton | str) -> None:
    if isinstance(skeleton, str):
        METRES["hand"] = (0.25, 0.85, 0.2)
        skeleton = SKELETONS[skeleton]
    clip = person(skeleton=skeleton)
    assert list(check_clip(clip)) == []
    down = replace(clip, joints=clip.joints * (1, -1, -1), space="camera")
    assert list(check_clip(down)) == []


MIRROR = list(H36M_17.mirror)
ARMS = [i if "hip" in j or "knee" in j or "ankle" in j else MIRROR[i] for i, j in enumerate(H36M_17.joints)]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda j: j * 1000, "look like millimetres"),
        (lambda j: j * 100, "look like centimetres"),
        (lambda j: j / 100, "no human size"),
        (lambda j: j * (1, -1, 1), "head is below the hips"),
        (lambda j: j[:, :, MIRROR], "point backwards"),
        (lambda j: j * (-1, 1, 1), "point backwards"),
        (lambda j: j[:, :, ARMS], "exchanged at the shoulders"),
        (lambda j: j[:, :4], "fewer than 5 frames"),
        (lambda j: j + (np.arange(30) > 12)[:, None, None] * np.array((2.5, 0, 0)), "jumps"),
        (lambda j: j[:, :, np.random.default_rng(1).permutation(17)], "bones|exchanged|below|no body"),
    ],
)
def test_what_is_wrong_in_3d(change, expected: str) -> None:
    joints = change(person().joints)
    clip = replace(person(), joints=joints, visibility=np.ones(joints.shape[:3]))
    found = whats(clip)
    assert found and any(word in found[0] for word in expected.split("|")), found


def test_persons_who_exchange_places() -> None:
    a, b = person().joints[0], person(seed=1).joints[0] + (1.5, 0, 0)
    joints = np.stack([a, b])
    joints[:, 10:] = joints[::-1, 10:]
    clip = replace(person(), joints=joints, visibility=np.ones(joints.shape[:3]))
    assert whats(clip) == ["two persons exchange places between frames"]


def flat(change=lambda p: p) -> PoseSequence:
    pixels = person().joints[..., :2] * (150, -150) + (320, 300)
    return PoseSequence(change(pixels), np.ones(pixels.shape[:3]), H36M_17, "image", 30.0, image_size=(640, 480))


def test_what_is_wrong_in_2d() -> None:
    assert whats(flat()) == []
    assert whats(flat(lambda p: p / (640, 480))) == ["values look like fractions of the image, not like pixels"]
    assert whats(flat(lambda p: p * (1, -1) + (0, 480)))[0].startswith("the head is below the hips")
    for change in (lambda p: p * (1, -1) + (0, 480), lambda p: p[..., ::-1] + (200, 100)):
        (line,) = check_or_refuse(replace(flat(change), image_size=(900, 900)), "a.mp4", filmed=True)
        assert line.startswith("warning: a.mp4: ") and "turn the video" in line
    turned = replace(flat(lambda p: p[..., ::-1] + (0, 250)), image_size=(640, 480))
    assert whats(turned) == ["x and y are exchanged: bodies lie on their side, partly outside the image"]


def test_joints_never_seen_are_a_note_of_a_clip_and_a_warning_of_a_folder(tmp_path: Path) -> None:
    seen = np.ones((1, 30, 17))
    seen[:, :, 3] = 0
    clip = replace(person(), visibility=seen)
    assert [(s, d) for s, _, _, d in check_clip(clip)] == [("note", "right_ankle")]
    folder = folder_of(
        tmp_path / "m", {n: replace(clip, joints=person(seed=i).joints) for i, n in enumerate(FILES)}, TABLE
    )
    assert any(
        f.severity == "warning" and "any recording" in f.what and f.where == "right_ankle" for f in check(folder)
    )


def test_a_good_folder_is_silent(tmp_path: Path) -> None:
    assert check(good(tmp_path / "mine")) == []


def test_what_is_wrong_with_a_folder(tmp_path: Path) -> None:
    clips = {f"{i}.npz": person(seed=i) for i in range(6)}
    clips["5.npz"] = clips["0.npz"]
    clips["4.npz"] = PoseSequence(
        np.full((1, 9, 17, 2), 50.0), np.ones((1, 9, 17)), COCO_17, "image", 30.0, image_size=(99, 99)
    )
    table = "file,label,subject,split\n0.npz,walk,1,train\n1.npz,walk,2,train\n2.npz,wave,1,test\n3.npz,7,3,train\n"
    folder = folder_of(tmp_path / "m", clips, table + "4.npz,,4,\n5.npz,walk,1,test\nnone.npz,walk,5,train\n")
    write_file(person(), folder / "extra.npz")
    np.savez(folder / "3.npz", joints=person().joints, skeleton="h36m-17", space="world")
    (folder / "1.npz").write_bytes(b"x")
    found = {(f.severity, f.what.split(";")[0], f.where) for f in check(folder)}
    expected = {
        ("error", "listed in clips.csv, but there is no such file", "none.npz"),
        ("error", "another skeleton or space than the rest", "4.npz"),
        ("error", "classes tested but never trained", "split: wave"),
        ("error", "the same recording in train and test", "split: 5.npz = 0.npz"),
        ("warning", "files that clips.csv does not list", "extra.npz"),
        ("warning", "no label", "4.npz"),
        ("warning", "labels are not words", "7"),
        ("warning", "classes of one recording", "7, wave"),
        ("warning", "frames per second not given", "3.npz"),
    }
    assert expected <= found, expected - found
    assert any(s == "error" and "not a readable .npz" in what for s, what, _ in found)
    assert any(s == "note" and what.startswith("subjects in both") and "1" in where for s, what, where in found)
    order = [f.severity for f in check(folder)]
    assert order == sorted(order, key=["error", "warning", "note"].index)


def test_codes_in_the_place_of_labels_are_told(tmp_path: Path) -> None:
    clips = {f"{i}.npz": person(seed=i) for i in range(4)}
    table = "file,label,split\n0.npz,A001,train\n1.npz,\u8d70,train\n2.npz,A001,test\n3.npz,\u8d70,test\n"
    found = {(f.what, f.where) for f in check(folder_of(tmp_path / "m", clips, table))}
    assert ("labels are not words", "A001") in found


def test_a_single_file(tmp_path: Path) -> None:
    write_file(replace(person(), joints=person().joints * 1000), tmp_path / "a.npz")
    (finding,) = check(tmp_path / "a.npz")
    assert finding.severity == "error" and "millimetres" in finding.what and finding.remedy == "add --unit mm"
    (tmp_path / "b.npz").write_bytes(b"")
    (finding,) = check(tmp_path / "b.npz")
    assert finding.severity == "error" and "b.npz" in finding.where
    with pytest.raises(DataError, match=r"no clips.csv"):
        check(tmp_path)


def swapped(clip: PoseSequence) -> PoseSequence:
    order = list(clip.skeleton.mirror)
    return replace(clip, joints=clip.joints[:, :, order], visibility=clip.visibility[:, :, order])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data_set", "alarms", "found"),
    [
        (nw_ucla.DATA_SET, 0.05, 0.4),
        (utd_mhad.DATA_SET, 0, 0.95),
        (kard.KARD_3D, 0.05, 0.9),
        (sbu.DATA_SET, 0.05, 0.9),
        (bandai_namco.DATA_SET, 0, 0.9),
    ],
    ids=lambda v: getattr(v, "name", None),
)
def test_on_real_recordings(data_folder: Path, data_set, alarms: float, found: float) -> None:
    clips = [item[0] for item in data_set.read(data_folder) if not isinstance(item, DataError)][::10]
    loud = [clip.id for clip in clips if any("bones" not in w and "jumps" not in w for w in whats(clip))]
    assert len(loud) <= alarms * len(clips), loud
    caught = sum(any("point backwards" in what for what in whats(swapped(clip))) for clip in clips)
    assert caught >= found * len(clips)


def test_read_file_on_real_recordings(data_folder: Path) -> None:
    files = sorted(data_folder.rglob("dataset-*.bvh"))
    if not files:
        pytest.skip(f"{data_folder} has no unpacked .bvh file")
    assert {read_file(file).skeleton.name for file in files} == {"bandai-21"}
