"""Kinetics-skeleton and the tracking of persons: on files written here in the release's layout."""

import io
import json
import random
import tarfile
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ups.data.datasets import kinetics
from ups.data.datasets.registry import DATA_SETS
from ups.data.formats.tracking import into_slots, link
from ups.data.store.prepare import prepare
from ups.data.store.store import Store
from ups.errors import DataError
from ups.pose import PoseSequence

ABSEILING = {"label": "abseiling", "label_index": 0}
IDS = ["abcdefghij0", "-bcdefghij1", "_bcdefghij2", "Zbcdefghij3"]


def person(x: float, y: float = 0.5, score: float = 0.5) -> dict:
    """18 joints in a column below (x, y), in shares of the image."""
    pose = np.stack([np.full(18, x), y + np.arange(18) / 100], -1)
    return {"pose": pose.ravel().round(6).tolist(), "score": [score] * 18}


def recording(frames: dict[int, list[dict]], **changes: object) -> dict:
    data = [{"frame_index": number, "skeleton": people} for number, people in frames.items()]
    return {"data": data, **ABSEILING, **changes}


def clip_of(frames: dict[int, list[dict]], per_frame: bool = False) -> PoseSequence:
    return kinetics.read_clip("kinetics_val/abcdefghij0.json", json.dumps(recording(frames)).encode(), per_frame)


def columns(clip: PoseSequence) -> list[list[float | None]]:
    """x of the first joint as a share of the image's width, by person and frame; None = invisible."""
    seen = clip.visibility[:, :, 0] > 0
    x = clip.joints[:, :, 0, 0] / 340
    return [[round(float(v), 3) if s else None for v, s in zip(*row, strict=True)] for row in zip(x, seen, strict=True)]


def release(train: dict[str, dict], val: dict[str, dict], silent: tuple[str, ...] = ()) -> dict[str, bytes]:
    """The files of a release; ids in `silent` are listed as having no skeleton."""
    files = {}
    for part, records in (("train", train), ("val", val)):
        table = {
            key: {"has_skeleton": key not in silent, "label": r["label"], "label_index": r["label_index"]}
            for key, r in records.items()
        }
        files[f"kinetics_{part}_label.json"] = json.dumps(table).encode()
        files |= {f"kinetics_{part}/{key}.json": json.dumps(record).encode() for key, record in records.items()}
    return files


def put(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def split(items) -> tuple[list[PoseSequence], list[str]]:
    """Clips and problems."""
    items = list(items)
    clips = [item[0] for item in items if not isinstance(item, DataError)]
    return clips, [str(item) for item in items if isinstance(item, DataError)]


# --- tracking


def test_persons_who_change_places_in_the_list_keep_their_tracks() -> None:
    left, right = np.zeros((18, 2)), np.full((18, 2), 100.0)
    joints = [np.stack([left + n, right - n] if n % 2 else [right - n, left + n]) for n in range(20)]
    tracks = link(joints, [np.ones((2, 18))] * 20, gate=40, patience=5)
    assert len(tracks) == 2
    assert [[joints[f][p][0, 0] for f, p in track] for track in tracks] == [
        [100.0 - n for n in range(20)], [float(n) for n in range(20)],
    ]  # fmt: skip


def test_matching_is_best_as_a_whole_not_pair_by_pair() -> None:
    """The nearest pair (10 -> 11) would leave 0 without a match within the gate."""
    joints = [np.array([[[0.0, 0]], [[10.0, 0]]]), np.array([[[11.0, 0]], [[25.0, 0]]])]
    assert link(joints, [np.ones((2, 1))] * 2, gate=16, patience=1) == [[(0, 0), (1, 0)], [(0, 1), (1, 1)]]


def test_a_jump_beyond_the_gate_and_a_long_absence_begin_new_tracks() -> None:
    def tracks(*positions: float | None) -> int:
        joints = [np.zeros((0, 3, 2)) if x is None else np.full((1, 3, 2), [x, 0]) for x in positions]
        return len(link(joints, [np.ones(j.shape[:2]) for j in joints], gate=10, patience=2))

    assert tracks(0, 10, 20) == 1
    assert tracks(0, 10.1) == 2
    assert tracks(0, None, 5) == 1
    assert tracks(0, None, None, 5) == 2
    assert tracks(None, None) == 0


def test_distance_counts_only_joints_seen_by_both() -> None:
    before, after = np.zeros((1, 3, 2)), np.full((1, 3, 2), 500.0)
    after[0, 1] = [3, 4]
    scores = [np.array([[0.5, 0.5, 0.0]]), np.array([[0.0, 0.5, 0.5]])]
    assert len(link([before, after], scores, gate=5, patience=1)) == 1
    assert len(link([before, after], scores, gate=4.9, patience=1)) == 2
    nothing_shared = [np.array([[1.0, 0, 0]]), np.array([[0.0, 1, 1]])]
    assert len(link([before, before], nothing_shared, gate=5, patience=1)) == 2


def test_slots_are_shared_by_tracks_that_do_not_overlap() -> None:
    long, early, late, weak = [(0, 0), (9, 0)], [(0, 1), (3, 0)], [(4, 0), (9, 1)], [(3, 1), (4, 1)]
    assert into_slots([weak, early, long, late], [1, 2, 9, 3], 2) == [[long], [late, early]]
    assert into_slots([early, late], [2, 3], 2) == [[late, early]]
    assert into_slots([], [], 2) == []


@given(
    persons=st.integers(1, 4),
    frames=st.integers(1, 30),
    absent=st.floats(0, 0.4),
    seed=st.integers(0, 2**32 - 1),
)
def test_separated_persons_are_never_mixed_and_no_detection_is_lost(
    persons: int, frames: int, absent: float, seed: int
) -> None:
    """Persons 200 px apart who wander by a few px, listed in random order, each missing in random frames."""
    rng = np.random.default_rng(seed)
    paths = np.arange(persons)[:, None] * 200 + np.cumsum(rng.uniform(-2, 2, (persons, frames)), 1)
    listed = [[m for m in rng.permutation(persons) if rng.random() >= absent] for _ in range(frames)]
    joints = [np.zeros((len(who), 5, 2)) + paths[who, n][:, None, None] for n, who in enumerate(listed)]
    tracks = link(joints, [np.ones(j.shape[:2]) for j in joints], gate=100, patience=frames)
    assert sorted(step for track in tracks for step in track) == [
        (f, p) for f, who in enumerate(listed) for p in range(len(who))
    ]
    identities = [{listed[f][p] for f, p in track} for track in tracks]
    assert all(len(who) == 1 for who in identities)
    assert len(identities) == len({m for who in listed for m in who})
    assert all(a[0] < b[0] for track in tracks for a, b in zip(track, track[1:], strict=False))


# --- one recording


def test_class_names() -> None:
    assert len(kinetics.CLASSES) == len(set(kinetics.CLASSES)) == 400
    assert list(kinetics.CLASSES) == sorted(kinetics.CLASSES)
    golden = {0: "abseiling", 1: "air drumming", 208: "passing American football (in game)", 213: "petting cat",
              221: "playing bass guitar", 399: "zumba"}  # fmt: skip
    assert {k: kinetics.CLASSES[k] for k in golden if kinetics.CLASSES[k] != golden[k]} == {}


def test_pixels_scores_and_gaps() -> None:
    someone = person(0.25)
    someone["score"][3] = 0.0
    someone["pose"][6:8] = [0.9, 0.9]
    someone["score"][4] = 1.02
    clip = clip_of({2: [someone], 5: [person(0.3)], 3: []})
    assert (clip.persons, clip.frames, clip.fps, clip.space, clip.image_size) == (1, 5, 30.0, "image", (340, 256))
    assert (clip.id, clip.label, clip.skeleton.name) == ("val_abcdefghij0", 0, "openpose-18")
    assert columns(clip) == [[None, 0.25, None, None, 0.3]]
    np.testing.assert_allclose(clip.joints[0, 1, 10], [85, 0.6 * 256], rtol=1e-6)
    assert clip.visibility[0, 1, [2, 3, 4]].tolist() == [0.5, 0.0, 1.0]
    assert not clip.joints[0, 1, 3].any(), "coordinates of unseen joints are 0"


def test_a_file_with_a_frame_0_is_counted_from_0() -> None:
    assert columns(clip_of({0: [person(0.2)], 2: [person(0.25)]})) == [[0.2, None, 0.25]]


def test_two_persons_keep_their_slots_where_published_work_swaps_them() -> None:
    """Their scores take turns in being larger, and so does their order in the file."""
    frames = {}
    for n in range(1, 7):
        a, b = person(0.2, score=0.8 if n % 2 else 0.4), person(0.7, score=0.5)
        frames[n] = [a, b] if n % 3 else [b, a]
    assert columns(clip_of(frames)) == [[0.2] * 6, [0.7] * 6]
    assert columns(clip_of(frames, per_frame=True)) == [[0.2, 0.7] * 3, [0.7, 0.2] * 3]


def test_the_two_best_tracks_of_many_are_kept() -> None:
    crowd = [person(0.05 + 0.09 * i, score=0.1) for i in range(9)]
    frames = {n: [*crowd, person(0.95, score=0.2), person(1.1, score=0.3)] for n in range(1, 5)}
    assert columns(clip_of(frames)) == [[1.1] * 4, [0.95] * 4]
    lasting = {n: [person(0.1, score=0.3)] + ([person(0.9, score=0.9)] if n == 4 else []) for n in range(1, 9)}
    assert columns(clip_of(lasting)) == [[0.1] * 8, [None] * 3 + [0.9] + [None] * 4], "sums count, not means"


def test_persons_one_after_the_other_share_a_slot() -> None:
    assert columns(clip_of({n: [person(0.1 if n < 4 else 0.9)] for n in range(1, 7)})) == [[0.1] * 3 + [0.9] * 3]


def test_as_published_only_the_first_five_persons_listed_are_looked_at() -> None:
    people = [person(0.1 * (i + 1), score=0.1 * (i + 1)) for i in range(7)]
    assert columns(clip_of({1: people}, per_frame=True)) == [[0.5], [0.4]]
    assert columns(clip_of({1: people})) == [[0.7], [0.6]]


BAD = person(0.5)
DAMAGED: dict[str, tuple[dict | bytes, str]] = {
    "cut": (json.dumps(recording({1: [BAD]})).encode()[:-9], "not a readable recording"),
    "binary": (b"\xff\xfe\x00", "not a readable recording"),
    "deep": (b"[" * 100_000, "not a readable recording"),
    "no data": (ABSEILING, "not a readable recording"),
    "no score": (recording({1: [{"pose": BAD["pose"]}]}), "not a readable recording"),
    "huge": (recording({1: [{**BAD, "score": [10**400] * 18}]}), "not a readable recording"),
    "34 values": (recording({1: [{**BAD, "pose": BAD["pose"][:-2]}]}), r"\(34,\) pose values and \(18,\) scores"),
    "nan": (recording({1: [{**BAD, "pose": [float("nan")] * 36}]}), "not finite"),
    "pixels": (recording({1: [{**BAD, "pose": [170.0] * 36}]}), r"170\.\.170; shares of the image"),
    "class 400": (recording({1: [BAD]}, label_index=400), "label_index 400; the 400 classes"),
    "class 1.0": (recording({1: [BAD]}, label_index=1.0), r"label_index 1\.0"),
    "other name": (recording({1: [BAD]}, label_index=1), "'abseiling' with label_index 1, which is 'air drumming'"),
    "frame -1": (recording({-1: [BAD]}), r"frames -1; whole numbers in 1\.\.3000"),
    "frame 1e9": (recording({10**9: [BAD]}), "frames 1000000000;"),
    "twice": ({**ABSEILING, "data": [{"frame_index": 1, "skeleton": []}] * 2}, "frames 1, 1; .* each once"),
    "nobody": (recording({1: [], 2: [person(0.5, score=0.0)]}), "no person in any of its 2 frames"),
    "no frame": (recording({}), "no person in any of its 0 frames"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_damaged_recordings_are_named(case: str) -> None:
    content, message = DAMAGED[case]
    if isinstance(content, dict):
        content = json.dumps(content).encode()
    with pytest.raises(DataError, match=rf"^kinetics_train/abc\.json: .*{message}"):
        kinetics.read_clip("kinetics_train/abc.json", content)


# --- a release


def small_release() -> dict[str, bytes]:
    a, b, c, d = IDS
    tai_chi = {"label": "tai chi", "label_index": kinetics.CLASSES.index("tai chi")}
    train = {a: recording({1: [person(0.2)]}, **tai_chi), b: recording({}), c: recording({3: [person(0.4)]})}
    return release(train, {d: recording({1: [person(0.6), person(0.3)]})}, silent=(b,))


def as_tar(files: dict[str, bytes], mode: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as bundle:  # pyright: ignore
        for name, content in files.items():
            entry = tarfile.TarInfo(f"kinetics-skeleton/{name}")
            entry.size = len(content)
            bundle.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def as_zip(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in files.items():
            bundle.writestr(f"kinetics-skeleton/{name}", content)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["folder", "its parent", "zip", "tar", "tar.gz", "tar.xz"])
def test_folder_and_archives_read_alike(tmp_path: Path, kind: str) -> None:
    files = small_release()
    if kind in ("folder", "its parent"):
        put(tmp_path / "kinetics-skeleton", files)
    elif kind == "zip":
        (tmp_path / "kinetics-skeleton.zip").write_bytes(as_zip(files))
    else:
        mode = {"tar": "w:", "tar.gz": "w:gz", "tar.xz": "w:xz"}[kind]
        (tmp_path / f"kinetics-skeleton.{kind}").write_bytes(as_tar(files, mode))
    items = list(kinetics.read(tmp_path / "kinetics-skeleton" if kind == "folder" else tmp_path))
    found = [(item[0].id, item[0].label, item[1]) for item in items if not isinstance(item, DataError)]
    assert len(found) == len(items)
    assert found == [
        ("train__bcdefghij2", 0, {"official": "train"}),
        ("train_abcdefghij0", kinetics.CLASSES.index("tai chi"), {"official": "train"}),
        ("val_Zbcdefghij3", 0, {"official": "test"}),
    ], "-bcdefghij1 has no skeleton"


def test_problems_are_named_and_the_rest_is_read(tmp_path: Path) -> None:
    files = small_release()
    files["kinetics_train/_bcdefghij2.json"] = b"{"
    files["kinetics_train/unlisted_id.json"] = files["kinetics_train/abcdefghij0.json"]
    del files["kinetics_val/Zbcdefghij3.json"]
    clips, problems = split(kinetics.read(put(tmp_path / "anything", files)))
    assert [clip.id for clip in clips] == ["train_abcdefghij0"]
    assert [p.split(";")[0].split(" (")[0] for p in problems] == [
        "kinetics_train/_bcdefghij2.json: not a readable recording",
        "kinetics_train/unlisted_id.json: not in kinetics_train_label.json",
        "kinetics_val: 1 recordings that its label file lists are missing: kinetics_val/Zbcdefghij3.json",
    ]


def test_one_part_is_enough_but_not_without_its_labels(tmp_path: Path) -> None:
    files = small_release()
    val = {name: content for name, content in files.items() if "val" in name}
    clips, problems = split(kinetics.read(put(tmp_path / "val", val)))
    assert ([clip.id for clip in clips], problems) == (["val_Zbcdefghij3"], [])
    del files["kinetics_train_label.json"]
    clips, problems = split(kinetics.read(put(tmp_path / "both", files)))
    assert [clip.id for clip in clips] == ["val_Zbcdefghij3"]
    assert len(problems) == 3 and all("kinetics_train_label.json, which is missing" in p for p in problems)
    with pytest.raises(FileNotFoundError, match="kinetics-skeleton"):
        next(kinetics.read(tmp_path))
    for damaged in (b"[1]", b'{"a": 1}', b"{", b"\xff"):
        (tmp_path / "val" / "kinetics_val_label.json").write_bytes(damaged)
        with pytest.raises(DataError, match=r"^kinetics_val_label\.json: not a readable label file"):
            next(kinetics.read(tmp_path / "val"))


@pytest.mark.parametrize("name", ["kinetics_skeleton", "kinetics_skeleton_per_frame"])
def test_prepared_stores(tmp_path: Path, name: str) -> None:
    people = {n: [person(0.2, score=0.3), person(0.8, score=0.2 if n % 2 else 0.4)] for n in range(1, 5)}
    files = release({IDS[0]: recording(people)}, {IDS[1]: recording({1: [person(0.5)]})})
    report = prepare(name, put(tmp_path / "kinetics-skeleton", files), tmp_path / "store")
    store = Store.open(report.folder)
    assert (report.clips, report.problems, store.classes) == (2, (), kinetics.CLASSES)
    assert [len(store.indices("official", part)) for part in ("train", "test")] == [1, 1]
    swapped = [[0.2, 0.8] * 2, [0.8, 0.2] * 2]
    tracked = [[0.8] * 4, [0.2] * 4]
    assert sorted(columns(store[0])) == sorted(swapped if name.endswith("frame") else tracked)
    assert DATA_SETS[name].protocols == ("official",)


# --- any file


@st.composite
def random_recordings(draw: st.DrawFn) -> dict[int, list[dict]]:
    """0 to 11 persons in each of some frames out of 40, anywhere in the image, joints of any score."""
    numbers = draw(st.lists(st.integers(1, 40), unique=True, max_size=12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return {
        n: [
            {"pose": rng.random(36).round(3).tolist(), "score": (rng.random(18) * (rng.random(18) > 0.2)).tolist()}
            for _ in range(rng.integers(0, 12))
        ]
        for n in numbers
    }


@given(frames=random_recordings(), per_frame=st.booleans())
def test_every_kept_pose_is_one_of_the_file(frames: dict[int, list[dict]], per_frame: bool) -> None:
    """Poses in a clip come whole from the frame they stand in, none twice."""
    content = json.dumps(recording(frames)).encode()
    if not any(frames.values()):
        with pytest.raises(DataError, match="no person"):
            kinetics.read_clip("kinetics_val/x.json", content, per_frame)
        return
    clip = kinetics.read_clip("kinetics_val/x.json", content, per_frame)
    assert clip.persons <= 2 and clip.frames == max(frames)
    for n in range(1, max(frames) + 1):
        people = frames.get(n, [])
        given_scores = [np.float32(p["score"]).tolist() for p in people]
        used = [given_scores.index(v.tolist()) for v in clip.visibility[:, n - 1] if v.any()]
        assert len(set(used)) == len(used)
        for slot, who in zip(np.flatnonzero(clip.visibility[:, n - 1].any(1)), used, strict=True):
            seen = np.array(people[who]["score"])[:, None] > 0
            expected = np.where(seen, np.array(people[who]["pose"]).reshape(18, 2) * (340, 256), 0)
            np.testing.assert_allclose(clip.joints[slot, n - 1], expected, atol=1e-3)
        if per_frame:
            sums = sorted((sum(p["score"]) for p in people[:5]), reverse=True)[:2]
            np.testing.assert_allclose(clip.visibility[: len(sums), n - 1].sum(-1), sums, rtol=1e-5)


def mutated(content: bytes, rng: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) + 1)
        what = rng.randrange(4)
        if what == 0:
            data[at : at + rng.randint(1, 20)] = b""
        elif what == 1:
            data[at:at] = rng.choice([b"1e999", b"null", b"[", b"}", b"-", b'"', b"NaN", b"99999", b"\xff", b"true,"])
        elif what == 2:
            data[at : at + 1] = bytes([rng.randrange(256)])
        else:
            del data[at:]
    return bytes(data)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), per_frame=st.booleans())
def test_mutated_recordings_raise_nothing_but_pose_errors(seed: int, per_frame: bool) -> None:
    content = json.dumps(recording({1: [person(0.5)], 2: [person(0.4), person(0.2)]})).encode()
    try:
        clip = kinetics.read_clip("kinetics_val/x.json", mutated(content, random.Random(seed)), per_frame)
    except DataError as error:
        assert str(error).startswith("kinetics_val/x.json: ")
    else:
        assert clip.skeleton.name == "openpose-18"


@settings(max_examples=60)
@given(place=st.integers(0, 7), junk=JUNK)
def test_junk_anywhere_raises_nothing_but_pose_errors(place: int, junk: object) -> None:
    record = recording({1: [person(0.5)], 2: [person(0.4)]})
    frame = record["data"][0]
    someone = frame["skeleton"][0]
    spots = [(record, "data"), (record, "label"), (record, "label_index"), (frame, "frame_index"), (frame, "skeleton"),
             (someone, "pose"), (someone, "score"), (someone["pose"], 5)]  # fmt: skip
    where, key = spots[place]
    where[key] = junk
    try:
        clip = kinetics.read_clip("kinetics_val/x.json", json.dumps(record).encode())
    except DataError as error:
        assert str(error).startswith("kinetics_val/x.json: ")
    else:
        assert clip.frames <= kinetics.LONGEST


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1))
def test_mutated_releases_raise_nothing_but_pose_errors(seed: int) -> None:
    """Any one file of a release, or the archive itself."""
    rng = random.Random(seed)
    files = small_release()
    damaged = rng.choice([*files, "archive"])
    if damaged in files:
        files[damaged] = mutated(files[damaged], rng)
    content = as_zip(files) if damaged != "archive" else mutated(as_zip(files), rng)
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "kinetics-skeleton.zip")
        archive.write_bytes(content)
        try:
            items = list(kinetics.read(archive))
        except (DataError, FileNotFoundError) as error:
            assert "kinetics" in str(error)
        else:
            assert all(isinstance(item, DataError) or item[0].id for item in items)


def test_counts(data_folder: Path) -> None:
    try:
        items = kinetics.read(data_folder)
        first = next(items)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    parts = {"train": 0, "test": 0}
    for item in (first, *items):
        assert not isinstance(item, DataError), item
        parts[item[1]["official"]] += 1
    assert parts == {"train": 240_436, "test": 19_796}
