"""PYSKL's pickles and VideoPose3D's arrays: read, written, and read back."""

import contextlib
import pickle
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ups.data.datasets.pyskl import pyskl_data_set, read_class_names
from ups.data.formats.safe_pickle import load_object_npz
from ups.data.store.export_pyskl import export_pyskl
from ups.data.store.export_videopose3d import export_videopose3d
from ups.data.store.prepare import write_store
from ups.data.store.store import Store, StoreWriter
from ups.errors import DataError, SettingError
from ups.pose import PoseSequence
from ups.skeleton import Skeleton
from ups.skeletons import COCO_17, KARD_15, NTU_25, PENN_13


def annotation(name: str, frames: int = 4, persons: int = 1, **changes: object) -> dict:
    rng = np.random.default_rng(len(name))
    values = {
        "frame_dir": name,
        "label": 1,
        "img_shape": (240, 320),
        "original_shape": (240, 320),
        "total_frames": frames,
        "keypoint": rng.uniform(0, 240, (persons, frames, 17, 2)).astype(np.float16),
        "keypoint_score": rng.uniform(0, 1, (persons, frames, 17)).astype(np.float16),
    }
    return {key: value for key, value in {**values, **changes}.items() if value is not None}


def put(path: Path, annotations: list, split: object = None) -> Path:
    path.write_bytes(pickle.dumps({"split": split or {}, "annotations": annotations}))
    return path


def test_2d_as_mmaction2_writes_it(tmp_path: Path) -> None:
    a, b, c = annotation("v_b"), annotation("v_a", 3, 2), annotation("v_c", label=0)
    split = {"xsub_train": ["v_a"], "xsub_val": ["v_b"], "xview_train": ["v_b", "v_c"], "xview_val": ["v_a"]}
    data_set = pyskl_data_set(put(tmp_path / "x.pkl", [a, b, c], split), "mine", ("walk", "wave"))
    write_store(data_set, tmp_path / "x.pkl", tmp_path / "store")
    store = Store.open(tmp_path / "store")
    assert store.ids == ["v_a", "v_b", "v_c"] and store.protocols == ("xsub", "xview")
    assert store.classes == ("walk", "wave") and list(store.labels) == [1, 1, 0]
    assert [list(store.indices("xsub", part)) for part in ("train", "test")] == [[0], [1]]
    assert [list(store.indices("xview", part)) for part in ("train", "test")] == [[1, 2], [0]]
    clip = store[0]
    assert clip.skeleton == COCO_17 and clip.image_size == (320, 240) and clip.joints.shape == (2, 3, 17, 2)
    np.testing.assert_array_equal(clip.joints, b["keypoint"].astype(np.float32))
    np.testing.assert_array_equal(clip.visibility, b["keypoint_score"].astype(np.float32))


def test_spellings_among_class_names_are_one_class_and_no_label_is_none(tmp_path: Path, caplog) -> None:
    labels = (0, 1, 2, None, -1)
    clips = [{**annotation(f"v{i}"), "label": label} for i, label in enumerate(labels)]
    path = put(tmp_path / "x.pkl", clips, {"train": ["v0"], "val": ["v1"]})
    write_store(pyskl_data_set(path, "mine", ("Jump_Rope", "walk", "jump rope")), path, tmp_path / "store")
    store = Store.open(tmp_path / "store")
    assert store.classes == ("Jump_Rope", "walk") and store.labels.tolist() == [0, 1, 0, -1, -1]
    assert ["mine: spellings of one action are one class: 'jump rope' as 'Jump_Rope'"] == [
        r.message for r in caplog.records
    ]


def test_labels_without_a_name_are_an_error_of_the_whole_file(tmp_path: Path) -> None:
    path = put(tmp_path / "x.pkl", [annotation("a", label=0), annotation("b", label=2)])
    with pytest.raises(DataError, match="x.pkl: labels up to 2, but 2 names of classes"):
        pyskl_data_set(path, "mine", ("walk", "wave"))
    path.write_bytes(pickle.dumps({"split": {}, "annotations": [annotation("a")], "classes": [1, 2]}))
    with pytest.raises(DataError, match="no list of names"):
        pyskl_data_set(path, "mine")


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (b"walk\r\nsit down\r\n\r\n", ("walk", "sit down")),
        ("\ufeffnan\n None \nGr\u00fc\u00dfe".encode(), ("nan", "None", "Gr\u00fc\u00dfe")),
        (b"walk\n\nsit\n", "names.txt: line 2 is empty; label 1 needs a name"),
        (b"walk\n-\n", "line 2 is empty"),
        (b"\n", "names.txt: empty"),
        (b"\xff\xfe\xff", "not a text file"),
    ],
)
def test_files_of_class_names(tmp_path: Path, content: bytes, names: tuple[str, ...] | str) -> None:
    (tmp_path / "names.txt").write_bytes(content)
    if isinstance(names, str):
        with pytest.raises(SettingError, match=names):
            read_class_names(tmp_path / "names.txt")
    else:
        assert read_class_names(tmp_path / "names.txt") == names


def test_3d_without_scores_is_visible_where_it_is_not_zero(tmp_path: Path) -> None:
    joints = np.random.default_rng(0).normal(size=(2, 5, 25, 3)).astype(np.float16)
    joints[1, 2:] = 0
    a = annotation("S001", keypoint=joints, keypoint_score=None, img_shape=None, original_shape=None, total_frames=5)
    data_set = pyskl_data_set(put(tmp_path / "x.pkl", [a]), "ntu")
    (item,) = data_set.read(tmp_path / "x.pkl")
    assert not isinstance(item, DataError)
    assert item[0].skeleton == NTU_25 and item[0].space == "kinect" and data_set.classes == ("action 0", "action 1")
    assert item[0].visibility[0].all() and item[0].visibility[1].sum() == 2 * 25


def test_an_unusable_annotation_is_reported_and_the_rest_goes_on(tmp_path: Path) -> None:
    nan = annotation("nan")
    nan["keypoint"][0, 0, 3] = np.nan
    bad = [
        None,
        annotation("none", keypoint=None),
        annotation("flat", keypoint=np.zeros((4, 17, 2))),
        annotation("odd", keypoint=np.zeros((1, 4, 16, 2))),
        annotation("size", img_shape=None, original_shape=None),
        annotation("score", keypoint_score=np.zeros((1, 3, 17))),
        annotation("empty", keypoint=np.zeros((0, 4, 17, 2)), keypoint_score=np.zeros((0, 4, 17))),
    ]
    data_set = pyskl_data_set(put(tmp_path / "x.pkl", [*bad, nan]), "mine")
    items = list(data_set.read(tmp_path / "x.pkl"))
    errors = {str(item) for item in items if isinstance(item, DataError)}
    assert len(items) == 8 and len(errors) == 7
    for words in ("0 (None): no keypoints", "(none): no keypoints", "(flat): keypoint has shape (4, 17, 2)"):
        assert any(words in error for error in errors), (words, errors)
    for words in ("(odd)", "(size): 2D keypoints, but no img_shape", "(score)", "(empty)"):
        assert any(words in error for error in errors), (words, errors)
    (clip,) = [item[0] for item in items if not isinstance(item, DataError)]
    assert clip.id == "nan" and clip.visibility[0, 0, 3] == 0 and (clip.joints[0, 0, 3] == 0).all()


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ({"train": ["v"], "val": []}, {"official": "train"}),
        ({"train1": [], "test1": ["v"], "train2": ["v"]}, {"split1": "test", "split2": "train"}),
        ({"sub_1_train": ["v"]}, {"sub_1": "train"}),
        ({"train": [], "val": ["v"], "test": []}, {}),
    ],
)
def test_names_of_splits(tmp_path: Path, split: dict, expected: dict) -> None:
    (item,) = pyskl_data_set(put(tmp_path / "x.pkl", [annotation("v")], split), "mine").read(tmp_path)
    assert not isinstance(item, DataError) and item[1] == expected


class Evil:
    def __reduce__(self) -> tuple:
        return Path.touch, (Path("/tmp/ups_should_never_exist"),)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (Evil(), "only arrays"),
        ([], "not a file of PYSKL"),
        ({"annotations": [None]}, "none of 1 annotations"),
        ({"annotations": [annotation("v")], "split": {"everything": []}}, "split 'everything'"),
        ({"annotations": [annotation("v")], "split": []}, "a dict of lists"),
        ({"annotations": [annotation("v")], "skeleton": {"name": "x"}}, "skeleton can't be used"),
    ],
)
def test_a_bad_file_says_what_is_wrong(tmp_path: Path, record: object, message: str) -> None:
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(record))
    with pytest.raises(DataError, match=message):
        pyskl_data_set(tmp_path / "x.pkl", "mine")
    assert not Path("/tmp/ups_should_never_exist").exists()


def make_store(folder: Path, skeleton: Skeleton, space: str, paired: bool) -> Store:
    rng = np.random.default_rng(0)
    channels = 2 if space == "image" else 3
    with StoreWriter(folder, "mine", skeleton, space, ("walk", "wave"), ("a", "b_c"), "free", paired) as writer:
        for i, (persons, frames) in enumerate([(1, 4), (2, 7), (1, 1)]):
            shape = persons, frames, len(skeleton)
            clip = PoseSequence(
                joints=rng.normal(size=(*shape, channels)),
                visibility=rng.uniform(size=shape),
                skeleton=skeleton,
                space=space,
                fps=29.97,
                id=f"clip {i}",
                label=i - 1,
                subject=i,
                view=3 - i,
                image_size=(640, 480) if space == "image" else None,
                pose_3d=rng.normal(size=(*shape, 3)) if paired else None,
            )
            writer.add(clip, {"a": "train" if i else "test"} | ({"b_c": "test"} if i == 1 else {}))
    return Store.open(folder)


@pytest.mark.parametrize(
    ("skeleton", "space", "paired"),
    [(PENN_13, "image", False), (KARD_15, "image", True), (NTU_25, "world", False), (COCO_17, "camera", False)],
)
def test_export_to_pyskl_and_back_is_exact(tmp_path: Path, skeleton: Skeleton, space: str, paired: bool) -> None:
    store = make_store(tmp_path / "first", skeleton, space, paired)
    export_pyskl(store, tmp_path / "x.pkl")
    write_store(pyskl_data_set(tmp_path / "x.pkl", "mine"), tmp_path / "x.pkl", tmp_path / "second")
    for file in sorted(store.folder.iterdir()):
        assert (tmp_path / "second" / file.name).read_bytes() == file.read_bytes(), file.name


def test_the_export_is_plain_data_for_other_readers(tmp_path: Path) -> None:
    store = make_store(tmp_path / "first", COCO_17, "image", False)
    export_pyskl(store, tmp_path / "x.pkl")
    record = pickle.loads((tmp_path / "x.pkl").read_bytes())
    assert record["split"]["a_train"] == ["clip 1", "clip 2"] and record["split"]["b_c_val"] == ["clip 1"]
    first = record["annotations"][1]
    assert first["total_frames"] == 7 and first["img_shape"] == (480, 640)
    assert first["keypoint"].shape == (2, 7, 17, 2) and first["keypoint_score"].shape == (2, 7, 17)


def test_export_to_videopose3d(tmp_path: Path) -> None:
    store = make_store(tmp_path / "first", KARD_15, "image", True)
    flat, solid = export_videopose3d(store, tmp_path / "out")
    assert (flat.name, solid.name) == ("data_2d_mine_gt.npz", "data_3d_mine.npz")
    two, three = load_object_npz(flat), load_object_npz(solid)
    seen, poses, metadata = two["positions_2d"], three["positions_3d"], two["metadata"]
    assert isinstance(seen, dict) and isinstance(poses, dict) and isinstance(metadata, dict)
    assert list(seen) == list(poses) == ["clip 0", "clip 1_person1", "clip 1_person2", "clip 2"]
    np.testing.assert_array_equal(seen["clip 1_person2"]["custom"][0], store[1].joints[1])
    clip = store[2]
    assert clip.pose_3d is not None
    np.testing.assert_array_equal(poses["clip 2"]["custom"], clip.pose_3d[0])
    assert metadata["num_joints"] == 15 and metadata["video_metadata"]["clip 2"] == {"w": 640, "h": 480}
    left, right = metadata["keypoints_symmetry"]
    names = [(KARD_15.joints[a], KARD_15.joints[b]) for a, b in zip(left, right, strict=True)]
    assert ("left_hand", "right_hand") in names and all(b == a.replace("left", "right") for a, b in names)


def test_export_to_videopose3d_needs_3d(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="this store has none"):
        export_videopose3d(make_store(tmp_path / "first", COCO_17, "image", False), tmp_path)


@settings(max_examples=40, deadline=None)
@given(
    shapes=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 9)), min_size=1, max_size=4),
    hidden=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_nothing_of_a_pickle_is_lost(shapes: list[tuple[int, int]], hidden: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    annotations = [annotation(f"clip-{i}", frames, persons, label=i) for i, (persons, frames) in enumerate(shapes)]
    for a in annotations:
        a["keypoint_score"][rng.random(a["keypoint_score"].shape) < hidden] = 0
    with TemporaryDirectory() as folder:
        path = put(Path(folder) / "x.pkl", annotations)
        items = list(pyskl_data_set(path, "mine").read(path))
    assert len(items) == len(annotations)
    for item, a in zip(items, annotations, strict=True):
        assert not isinstance(item, DataError)
        clip, seen = item[0], a["keypoint_score"] > 0
        assert clip.id == a["frame_dir"] and clip.label == a["label"]
        np.testing.assert_array_equal(clip.visibility, a["keypoint_score"].astype(np.float32))
        np.testing.assert_array_equal(clip.joints[seen], a["keypoint"][seen].astype(np.float32))


@settings(max_examples=150, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255), cut=st.booleans())
def test_a_damaged_pickle_never_ends_in_another_error(place: float, value: int, cut: bool) -> None:
    content = bytearray(pickle.dumps({"split": {"train": ["a"]}, "annotations": [annotation("a"), annotation("bb")]}))
    at = int(place * len(content))
    content[at] = value
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.pkl"
        path.write_bytes(content[:at] if cut else content)
        with contextlib.suppress(DataError):
            list(pyskl_data_set(path, "mine").read(path))
