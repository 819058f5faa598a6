"""The store: exact round trips, and whole or not at all."""

import errno
import json
import logging
import os
import pickle
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ups.data.store.store import Store, StoreWriter
from ups.errors import DataError, SettingError
from ups.pose import PoseSequence
from ups.skeletons import KARD_15, PENN_13, SBU_15

CLASSES = ("wave", "bow")
PROTOCOLS = ("xsub", "xview")


def make_clip(
    name: str = "a", persons: int = 1, frames: int = 4, label: int = 0, seed: int = 0, paired: bool = False
) -> PoseSequence:
    """A random clip: 3D of SBU's skeleton, or 2D of KARD's with its 3D."""
    rng = np.random.default_rng(seed)
    skeleton = KARD_15 if paired else SBU_15
    shape = (persons, frames, len(skeleton))
    return PoseSequence(
        joints=rng.normal(size=(*shape, 2 if paired else 3)),
        visibility=rng.random(shape),
        skeleton=skeleton,
        space="image" if paired else "kinect",
        fps=29.97,
        id=name,
        label=label,
        subject=seed,
        view=seed + 1,
        image_size=(640, 480) if paired else None,
        pose_3d=rng.normal(size=(*shape, 3)) if paired else None,
    )


def writer(folder: Path, paired: bool = False) -> StoreWriter:
    skeleton, space = (KARD_15, "image") if paired else (SBU_15, "kinect")
    return StoreWriter(folder, "made up", skeleton, space, CLASSES, PROTOCOLS, "none", paired)


def write(folder: Path, clips: list[PoseSequence], paired: bool = False) -> Store:
    with writer(folder, paired) as out:
        for i, clip in enumerate(clips):
            out.add(clip, {"xsub": "train" if i % 2 else "test"} if i else {"xview": "train"})
    return Store.open(folder)


def same(a: PoseSequence, b: PoseSequence) -> bool:
    """Equal in every field, value for value."""
    values_a, values_b = vars(a), vars(b)
    return values_a.keys() == values_b.keys() and all(
        np.array_equal(x, values_b[k]) if isinstance(x, np.ndarray) else x == values_b[k] for k, x in values_a.items()
    )


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(-1, 1)), min_size=1, max_size=5))
@pytest.mark.parametrize("paired", [False, True])
def test_round_trip_is_exact(tmp_path_factory, paired: bool, shapes: list[tuple[int, int, int]]) -> None:
    clips = [make_clip(f"clip é {i}\r{i}", *s, seed=i, paired=paired) for i, s in enumerate(shapes)]
    store = write(tmp_path_factory.mktemp("store") / "s", clips, paired)
    assert len(store) == len(clips) and store.paired == paired
    assert (store.name, store.classes, store.protocols, store.terms) == ("made up", CLASSES, PROTOCOLS, "none")
    assert all(same(store[i], clip) for i, clip in enumerate(clips))
    assert store.ids == [c.id for c in clips]
    assert store.labels.tolist() == [c.label for c in clips]
    assert store.persons.tolist() == [c.persons for c in clips]
    assert store.frames.tolist() == [c.frames for c in clips]
    with pytest.raises(IndexError, match="the store has"):
        store[len(clips)]


def test_splits(tmp_path: Path) -> None:
    store = write(tmp_path / "s", [make_clip(name) for name in "abcde"])
    assert store.indices("xsub", "train").tolist() == [1, 3]
    assert store.indices("xsub", "test").tolist() == [2, 4]
    assert store.indices("xview", "train").tolist() == [0]
    assert store.indices("xview", "test").tolist() == []
    with pytest.raises(DataError, match="unknown protocol 'xset'; known: xsub, xview"):
        store.indices("xset", "train")
    with pytest.raises(DataError, match="'validation' is not one of train, test"):
        store.indices("xsub", "validation")


def test_pickle_reopens_the_files(tmp_path: Path) -> None:
    store = write(tmp_path / "s", [make_clip(frames=5000)])
    data = pickle.dumps(store)
    assert len(data) < 1000
    assert same(pickle.loads(data)[0], store[0])


@pytest.mark.parametrize("lacking", [(), ("preadv",), ("preadv", "pread")])
def test_reads_without_what_linux_has(tmp_path: Path, monkeypatch, lacking: tuple[str, ...]) -> None:
    clips = [make_clip(str(i), frames=50 + i, seed=i) for i in range(6)]
    store = write(tmp_path / "s", clips)
    for name in lacking:
        monkeypatch.delattr(os, name)
    with ThreadPoolExecutor(4) as pool:  # threads that share the position must not read each other's rows
        for number, found in zip([*range(6)] * 20, pool.map(store.__getitem__, [*range(6)] * 20), strict=True):
            assert same(found, clips[number])


def test_a_closed_store_holds_no_file(tmp_path: Path) -> None:
    store = write(tmp_path / "s", [make_clip()])
    handles = [table._handle for table in (store._joints, store._visibility)]
    store.close()
    store.close()
    for handle in handles:
        with pytest.raises(OSError):
            os.fstat(handle)


def test_spellings_of_one_action_are_one_class(tmp_path: Path, caplog) -> None:
    names = ("Jump_Rope", "bowl", "jump rope", "BOWL", "Ru\u0308fen", "r\u00fcfen")
    with StoreWriter(tmp_path / "s", "mine", SBU_15, "kinect", names, ("split",)) as out:
        for label in (-1, 0, 1, 2, 3, 4, 5):
            out.add(make_clip(str(label), label=label), {})
    told = [record.message for record in caplog.records]
    assert (
        len(told) == 1
        and "mine" in told[0]
        and "'jump rope' as 'Jump_Rope'" in told[0]
        and "'BOWL' as 'bowl'" in told[0]
    )
    store = Store.open(tmp_path / "s")
    assert store.classes == ("Jump_Rope", "bowl", "Ru\u0308fen")
    assert store.labels.tolist() == [-1, 0, 1, 0, 1, 2, 2] and [store[i].label for i in (3, 0)] == [0, -1]
    with pytest.raises(DataError, match="label 6 is none of the 6 classes"):
        with StoreWriter(tmp_path / "t", "mine", SBU_15, "kinect", names, ("split",)) as out:
            out.add(make_clip(label=6), {})


def test_a_store_of_older_versions_gets_one_class_for_each_action(tmp_path: Path, caplog) -> None:
    write(tmp_path / "s", [make_clip("a", label=0), make_clip("b", label=1), make_clip("c", label=-1)])
    facts = json.loads((tmp_path / "s" / "store.json").read_text())
    (tmp_path / "s" / "store.json").write_text(json.dumps({**facts, "classes": ["Wave", "wave"]}))
    without_checksums(tmp_path / "s")
    caplog.clear()
    store = Store.open(tmp_path / "s")
    assert store.classes == ("Wave",) and store.labels.tolist() == [0, 0, -1] and store[1].label == 0
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_clips_are_copies(tmp_path: Path) -> None:
    store = write(tmp_path / "s", [make_clip()])
    before = store[0].joints.copy()
    store[0].joints[:] = 7
    assert np.array_equal(store[0].joints, before)


def test_an_exception_keeps_the_old_store(tmp_path: Path) -> None:
    write(tmp_path / "s", [make_clip("old")])
    with pytest.raises(KeyboardInterrupt), writer(tmp_path / "s") as out:
        out.add(make_clip("new"), {})
        raise KeyboardInterrupt
    assert Store.open(tmp_path / "s").ids == ["old"]
    assert [p.name for p in tmp_path.iterdir()] == ["s"]


def test_a_new_store_replaces_the_old(tmp_path: Path) -> None:
    old = write(tmp_path / "s", [make_clip("old", seed=1)])
    assert write(tmp_path / "s", [make_clip("new")]).ids == ["new"]
    assert same(old[0], make_clip("old", seed=1)), "a store that is open when it is replaced stays readable"
    assert [p.name for p in tmp_path.iterdir()] == ["s"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    write(tmp_path / "s", [make_clip("old")])
    with pytest.raises(OSError, match="No space left .* the store .*s .*free some space") as caught:
        with writer(tmp_path / "s") as out, open("/dev/full", "wb", buffering=0) as full:
            out._files["visibility"].close()
            out._files["visibility"] = full
            out.add(make_clip("new"), {})
    assert caught.value.errno == errno.ENOSPC
    assert Store.open(tmp_path / "s").ids == ["old"]
    assert [p.name for p in tmp_path.iterdir()] == ["s"]


def test_a_disk_that_fills_up_at_the_end_leaves_nothing(tmp_path: Path) -> None:
    """Buffered rows reach the disk only when the store is completed; a limit on file size stands for a full disk."""
    resource = pytest.importorskip("resource")  # Windows has no such limits
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.raises(OSError, match="while writing the store"):
        with writer(tmp_path / "s") as out:
            out.add(make_clip(frames=5), {})
            resource.setrlimit(resource.RLIMIT_FSIZE, (200, limits[1]))
            try:
                out.__exit__(None, None, None)
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no clip was added"), writer(tmp_path / "s"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_other_folders_are_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(SettingError, match="exists and is not a store"), writer(tmp_path):
        pass
    with pytest.raises(SettingError, match="exists and is not a store"), writer(tmp_path / "thesis.tex"):
        pass
    assert (tmp_path / "thesis.tex").read_text() == "years of work"
    (tmp_path / "empty").mkdir()
    assert len(write(tmp_path / "empty", [make_clip()])) == 1


@pytest.mark.parametrize("name", ["joints.npy", "visibility.npy", "pose_3d.npy", "clips.npz", "ids.txt"])
def test_truncated_and_missing_files_are_found(tmp_path: Path, name: str) -> None:
    write(tmp_path / "s", [make_clip(paired=True)], paired=True)
    path = tmp_path / "s" / name
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(DataError, match=f"{name}: {len(content) - 1} bytes long, {len(content)} bytes were written"):
        Store.open(tmp_path / "s")
    path.unlink()
    with pytest.raises(DataError, match=f"{name}: missing"):
        Store.open(tmp_path / "s")


def test_damaged_content_is_found(tmp_path: Path) -> None:
    write(tmp_path / "s", [make_clip()])
    path = tmp_path / "s" / "clips.npz"
    path.write_bytes(bytes(len(path.read_bytes())))
    with pytest.raises(DataError, match="the store is damaged"):
        Store.open(tmp_path / "s")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda facts: facts.update(format=2), "format 2, this version reads 1"),
        (lambda facts: facts.update(clips=2), "clips disagree with store.json"),
        (lambda facts: facts.update(rows=3), "joints, visibility disagree with store.json"),
        (lambda facts: facts["skeleton"]["joints"].pop(), "the store is damaged"),
        (lambda facts: facts.pop("files"), "damaged .*'files'"),
        (lambda facts: facts["protocols"].append("xset"), "the store is damaged .*split_xset"),
    ],
)
def test_facts_that_disagree_are_found(tmp_path: Path, change: Callable[[dict], None], message: str) -> None:
    write(tmp_path / "s", [make_clip()])
    facts = json.loads((tmp_path / "s" / "store.json").read_text())
    change(facts)
    (tmp_path / "s" / "store.json").write_text(json.dumps(facts))
    with pytest.raises(DataError, match=message):
        Store.open(tmp_path / "s")


@pytest.mark.parametrize("paired", [False, True])
def test_every_flipped_bit_is_found(tmp_path: Path, paired: bool) -> None:
    clips = [make_clip(n, frames=2, paired=paired, seed=i) for i, n in enumerate("ab")]
    store = write(tmp_path / "s", clips, paired)
    store.verify()
    rng, fingerprint = np.random.default_rng(0), store.fingerprint
    for path in sorted((tmp_path / "s").iterdir()):
        content = path.read_bytes()
        for place in rng.choice(8 * len(content), 60).tolist():
            damaged = bytearray(content)
            damaged[place // 8] ^= 1 << place % 8
            path.write_bytes(damaged)
            with pytest.raises(DataError, match="prepare|damaged"):
                found = Store.open(tmp_path / "s")
                assert all(same(found[i], clip) for i, clip in enumerate(clips)), (path, place)  # what is read is right
                found.verify()
        path.write_bytes(content)
    assert Store.open(tmp_path / "s").fingerprint == fingerprint


def test_a_damaged_clip_is_named_when_it_is_read(tmp_path: Path) -> None:
    write(tmp_path / "s", [make_clip("good"), make_clip("bad", seed=1)])
    path = tmp_path / "s" / "joints.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    store = Store.open(tmp_path / "s")
    assert store[0].id == "good"
    with pytest.raises(DataError, match="clip bad is damaged .*prepare it again"):
        store[1]


def without_checksums(folder: Path, **columns: np.ndarray) -> None:
    """Make the store one of a version that knew none, with some columns exchanged."""
    facts = json.loads((folder / "store.json").read_text())
    del facts["checksums"], facts["checksum"]
    with np.load(folder / "clips.npz") as table:
        np.savez(folder / "clips.npz", **{key: table[key] for key in table if key != "crc32"} | columns)
    facts["files"]["clips.npz"] = (folder / "clips.npz").stat().st_size
    (folder / "store.json").write_text(json.dumps(facts))


def test_a_store_without_checksums_is_read_and_has_the_same_fingerprint(tmp_path: Path) -> None:
    clips = [make_clip("a"), make_clip("b", seed=1)]
    fingerprint = write(tmp_path / "s", clips).fingerprint
    without_checksums(tmp_path / "s")
    store = Store.open(tmp_path / "s")
    assert store.checksums == {} and all(same(store[i], clip) for i, clip in enumerate(clips))
    store.verify()
    assert store.fingerprint == fingerprint
    assert write(tmp_path / "t", clips[::-1]).fingerprint != fingerprint


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("offset", [1, 4], "offsets"),
        ("offset", [4, 0], "offsets"),
        ("persons", [0, 2], "persons, offsets"),
        ("frames", [-4, 4], "frames, offsets"),
        ("label", [0, 2], "labels"),
        ("label", [-2, 0], "labels"),
        ("fps", [0, 30], "frame rates"),
        ("fps", [np.nan, 30], "frame rates"),
        ("width", [-1, 0], "image sizes"),
        ("split_xsub", [0, 3], "splits"),
        ("split_xview", [0, -1], "splits"),
        ("view", [[0], [1]], "one int32 a clip"),
        ("subject", [0], "clips"),
    ],
)
def test_columns_are_checked_where_there_are_no_checksums(tmp_path: Path, column, values, message) -> None:
    kind = write(tmp_path / "s", [make_clip("a"), make_clip("b")]).columns[column].dtype
    without_checksums(tmp_path / "s", **{column: np.array(values, kind)})
    with pytest.raises(DataError, match=f"the store is damaged .*{message}"):
        Store.open(tmp_path / "s")


def test_a_folder_without_a_store(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a store .*prepare the data set first"):
        Store.open(tmp_path)


@pytest.mark.parametrize(
    ("clip", "splits", "message"),
    [
        (make_clip("a"), {}, "a: a clip of this name is in the store already"),
        (make_clip(""), {}, "a name on one line is needed"),
        (make_clip("b\nc"), {}, "a name on one line is needed"),
        (make_clip("b", label=2), {}, "b: label 2 is none of the 2 classes"),
        (make_clip("b", paired=True), {}, "skeleton 'kard-15', but the store's is 'sbu-15'"),
        (make_clip("b"), {"xset": "train"}, "unknown protocol 'xset'"),
        (make_clip("b"), {"xsub": "val"}, "split 'val' of 'xsub' is not one of train, test"),
    ],
)
def test_unfit_clips_are_refused_and_change_nothing(
    tmp_path: Path, clip: PoseSequence, splits: dict[str, str], message: str
) -> None:
    with writer(tmp_path / "s") as out:
        out.add(make_clip("a"), {})
        with pytest.raises(DataError, match=message):
            out.add(clip, splits)
        out.add(make_clip("last", seed=3), {})
    store = Store.open(tmp_path / "s")
    assert store.ids == ["a", "last"] and same(store[1], make_clip("last", seed=3))


def test_space_and_3d_poses_must_fit(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "s", "world", SBU_15, "world", CLASSES, PROTOCOLS) as out:
        with pytest.raises(DataError, match="space 'kinect', but the store's is 'world'"):
            out.add(make_clip("a"), {})
        values = {**vars(make_clip("a")), "space": "world"}
        out.add(PoseSequence(**values), {})
        with pytest.raises(DataError, match="b: pose_3d is not for this store"):
            out.add(PoseSequence(**{**values, "id": "b", "pose_3d": np.zeros((1, 4, 15, 3))}), {})
    with pytest.raises(DataError, match="pose_3d is needed in this store"), writer(tmp_path / "t", paired=True) as out:
        out.add(PoseSequence(**{**vars(make_clip("a", paired=True)), "pose_3d": None}), {})


def test_a_large_store_opens_fast(tmp_path: Path) -> None:
    """As many clips as NTU RGB+D 120 has."""
    joints, seen = np.zeros((1, 1, 13, 2)), np.ones((1, 1, 13))
    with StoreWriter(tmp_path / "s", "large", PENN_13, "image", CLASSES, ("xsub",)) as out:
        clip = PoseSequence(joints, seen, PENN_13, "image", 30.0, image_size=(640, 480))
        for i in range(113_945):
            object.__setattr__(clip, "id", f"S001C002P003R002A{i}")  # building each anew would take seconds
            out.add(clip, {"xsub": "train"})
    start = time.perf_counter()
    store = Store.open(tmp_path / "s")
    assert store[113_944].id == "S001C002P003R002A113944"
    assert time.perf_counter() - start < 1
