"""NTU RGB+D: files written here in the official format, and the official lists where UPS_DATA has them."""

import lzma
import os
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from ups.data.datasets import ntu, ntu_denoise
from ups.data.datasets.ntu import CLASSES, MISSING, in_ntu60, parse, read, read_clip, splits_of
from ups.data.datasets.ntu_denoise import (
    Body,
    assign_slots,
    compose,
    denoise,
    drop_short,
    drop_wide,
    motion,
    normalize_view,
)
from ups.data.datasets.registry import DATA_SETS
from ups.data.store.prepare import prepare
from ups.data.store.store import Store
from ups.errors import DataError
from ups.skeletons import NTU_25

NAME = "S001C002P003R002A013"
FIRST_ID = 72057594037931101

# The head of the first body of S001C001P001R001A001, as published in descriptions of the format.
PUBLISHED_JOINT = (
    "0.2181153 0.1725972 3.785547 277.419 191.8218 1036.233 519.1677 -0.2059419 0.05349901 0.9692109 -0.1239193 2"
)


@dataclass
class Seen:
    """A body as a test writes it: id, frames (K,), joints (K, 25, 3), state (K, 25)."""

    id: int
    frames: np.ndarray
    joints: np.ndarray
    state: np.ndarray


def seen(frames, identity: int = 0, seed: int = 0, size: float = 0.3, state: int = 2) -> Seen:
    """A body taller than wide, about 3 m away."""
    frames = np.array(list(frames))
    spread = np.random.default_rng(seed).normal((0, 0, 3), (0.2 * size, size, 0.2 * size), (len(frames), 25, 3))
    return Seen(FIRST_ID + identity, frames, spread.astype(np.float32), np.full((len(frames), 25), state))


def text_of(frames: int, bodies: list[Seen], number=lambda v: f"{v:.9g}") -> str:
    lines = [str(frames)]
    for frame in range(frames):
        present = [(b, int(np.flatnonzero(b.frames == frame)[0])) for b in bodies if frame in b.frames]
        lines.append(str(len(present)))
        for body, k in present:
            lines += [f"{body.id} 0 1 1 1 1 0 0.02764709 0.05745083 2", "25"]
            for xyz, state in zip(body.joints[k], body.state[k], strict=True):
                lines.append(
                    " ".join(map(number, xyz)) + f" 277.419 191.8218 1036.233 519.1677 0 -0.2 0.9 1E-05 {state}"
                )
    return "\n".join(lines) + "\n"


def content_of(frames: int, *bodies: Seen) -> bytes:
    return text_of(frames, list(bodies)).encode()


def as_body(body: Seen) -> Body:
    return Body(body.id, body.frames, body.joints, body.state.astype(np.float32) / 2)


# The parser


def test_published_lines_give_published_values():
    joint = PUBLISHED_JOINT.encode() + b"\n"
    head = b"72057594037931101 0 1 1 1 1 0 0.02764709 0.05745083 2\n25\n"
    content = b"2\n1\n" + head + joint * 25 + b"0\n"
    recording = parse(NAME, content)
    assert ntu._parse_fast(content) is not None
    assert recording.frames == 2 and len(recording.bodies) == 1
    body = recording.bodies[0]
    assert body.id == 72057594037931101 and body.frames.tolist() == [0]
    assert body.joints.dtype == np.float32 and body.joints.shape == (1, 25, 3)
    assert (body.joints == np.array((0.2181153, 0.1725972, 3.785547), np.float32)).all()
    assert (body.visibility == 1).all()


def test_states_become_visibility():
    body = seen(range(12))
    body.state[:] = np.arange(25) % 3
    found = parse(NAME, content_of(12, body)).bodies[0]
    assert np.array_equal(found.visibility, np.broadcast_to((np.arange(25) % 3) / 2, (12, 25)))
    clip = read_clip(NAME, content_of(12, body))
    assert (clip.joints[0][:, ::3] == 0).all(), "untracked joints are 0"
    assert np.array_equal(clip.joints[0][:, 1::3], body.joints[:, 1::3])


@st.composite
def recordings(draw) -> tuple[int, list[Seen]]:
    """Up to six bodies, each in any frames."""
    frames = draw(st.integers(1, 12))
    bodies = []
    for identity in range(draw(st.integers(0, 6))):
        present = np.flatnonzero(draw(st.lists(st.booleans(), min_size=frames, max_size=frames)))
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        scale = 10.0 ** draw(st.integers(-12, 2))
        joints = (rng.normal(size=(len(present), 25, 3)) * scale).clip(-999, 999).astype(np.float32)
        joints *= rng.random(joints.shape) > 0.1
        bodies.append(Seen(FIRST_ID + 7 * identity, present, joints, rng.integers(0, 3, joints.shape[:2])))
    return frames, [body for body in bodies if len(body.frames)]


FORMATS = st.sampled_from([lambda v: f"{v:.9g}", lambda v: f"{v:.9G}", lambda v: f"{v:.60f}", lambda v: repr(float(v))])
LINE_ENDS = st.sampled_from(["\n", "\r\n", " \n", "\t\n", "\n"])


@settings(max_examples=150)
@given(recordings(), FORMATS, LINE_ENDS, st.sampled_from(["", "\n", "\n\n "]))
def test_nothing_is_lost(written, number, line_end, tail):
    frames, bodies = written
    content = (text_of(frames, bodies, number).rstrip("\n").replace("\n", line_end) + tail).encode()
    recording = parse(NAME, content)
    assert recording.frames == frames
    order = sorted(bodies, key=lambda b: (b.frames[0], b.id))
    assert [b.id for b in recording.bodies] == [b.id for b in order]
    for found, body in zip(recording.bodies, order, strict=True):
        assert np.array_equal(found.frames, body.frames)
        assert np.array_equal(found.joints, body.joints)
        assert np.array_equal(found.visibility * 2, body.state)


@settings(max_examples=100)
@given(recordings(), st.integers(1, 10))
def test_fast_and_plain_parser_agree_to_the_last_bit(written, digits):
    content = text_of(*written, number=lambda v: f"{v:.{digits}g}").encode()
    fast, plain = ntu._parse_fast(content), ntu._parse_lines(NAME, content)
    assert fast is not None or not written[1], "the layout as distributed needs no second parser"
    for key in ("frames", "ids", "frame", "joints", "state"):
        assert fast is None or np.array_equal(getattr(fast, key), getattr(plain, key)), key


NUMBERS = st.one_of(
    st.floats(-999, 999).map(repr),
    st.floats(-999, 999).map("{:.7g}".format),
    st.decimals(-999, 999, places=9).map(str),
    st.from_regex(r"-?[0-9]{1,3}(\.[0-9]{0,12})?", fullmatch=True),
)


@settings(max_examples=50)
@given(st.lists(NUMBERS, min_size=75, max_size=75))
def test_numbers_of_any_form_are_what_python_makes_of_them(words):
    joints = "".join(" ".join(words[i : i + 3]) + " 1 2 3 4 0 0 0 1 2\n" for i in range(0, 75, 3))
    content = f"1\n1\n{FIRST_ID} 0 1 1 1 1 0 0.1 0.1 2\n25\n{joints}".encode()
    fast = ntu._parse_fast(content)
    assert fast is not None
    expected = np.array([float(word) for word in words]).astype(np.float32)
    assert np.array_equal(fast.joints.ravel(), expected) and np.array_equal(
        np.signbit(fast.joints.ravel()), np.signbit(expected)
    )


MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["cut", "set", "insert", "delete", "swap", "zeros"]),
        st.integers(0, 10**6),
        st.binary(max_size=6),
    ),
    min_size=1,
    max_size=4,
)


def mutated(content: bytes, changes) -> bytes:
    for kind, place, data in changes:
        i = place % (len(content) + 1)
        content = {
            "cut": content[:i],
            "set": content[:i] + data + content[i + len(data) :],
            "insert": content[:i] + data + content[i:],
            "delete": content[:i] + content[i + 1 + len(data) :],
            "swap": content[i:] + content[:i],
            "zeros": content[:i] + b"\0" * len(content[i:]),
        }[kind]
    return content


@settings(max_examples=250)
@given(recordings(), MUTATIONS)
def test_damaged_files_raise_nothing_but_pose_error(written, changes):
    content = mutated(content_of(written[0], *written[1]), changes)
    try:
        clip = read_clip(NAME, content)
    except DataError as error:
        assert str(error).startswith(NAME)
    else:
        assert np.isfinite(clip.joints).all() and clip.visibility.any()


GOOD = content_of(13, seen(range(13)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", ": the file is empty"),
        (b"\n \n", ": the file is empty"),
        (b"\0" * 500, ":1: NUL bytes"),
        (GOOD[:2000] + b"\0" * 500, f":{GOOD[:2000].count(10) + 1}: NUL bytes"),
        (GOOD.replace(b"1036.233", b"10\0006.233", 1), ":5: NUL bytes"),
        (b"".join(GOOD.splitlines(True)[:40]), ":40: the file ends before"),
        (GOOD[: GOOD.rindex(b" ")], ":365: 11 values, but right_thumb of a body of frame 12 has 12"),
        (GOOD + b"1\n", ":366: more lines than 13 frames need"),
        (GOOD.replace(b"13\n", b"0\n", 1), ":1: '0' is not the number of frames"),
        (GOOD.replace(b"13\n", b"many\n", 1), ":1: 'many' is not the number of frames"),
        (GOOD.replace(b"13\n1\n", b"13\n7\n", 1), ":2: '7' is not the number of bodies of frame 0"),
        (GOOD.replace(b"25\n", b"20\n", 1), ":4: '20' is not the number of joints, a number of 25 to 25"),
        (GOOD.replace(b"13\n1\n" + str(FIRST_ID).encode(), b"13\n1\nx", 1), ":3: 'x' is not the id of a body"),
        (GOOD.replace(b"25\n", b"25\nx", 1), "is not a coordinate in metres"),
        (GOOD.replace(b"25\n", b"25\n1_", 1), "is not a coordinate in metres"),
        (GOOD.replace(b"25\n", b"25\n12345", 1), ":5: "),
        (GOOD.replace(b"25\n", b"25\nnan 1 1 1 1 1 1 1 1 1 1 2\n", 1), ":5: 'nan' is not a coordinate"),
        (GOOD.replace(b"1E-05 2\n", b"1E-05 3\n", 1), ":5: '3' is not a tracking state, a number of 0 to 2"),
        (content_of(12, seen(range(12)), seen(range(5, 12))), "is twice in frame 5"),
        (b"3\n0\n0\n0\n", "nobody is seen in any of its 3 frames"),
        (content_of(3, seen(range(3), state=0)), "no joint is visible"),
    ],
)
def test_damage_is_named_with_its_line(content, message):
    with pytest.raises(DataError) as caught:
        read_clip(NAME, content)
    assert str(caught.value).startswith(NAME) and message in str(caught.value)


# Denoising


def test_short_bodies_are_noise_unless_alone():
    long, short = as_body(seen(range(12))), as_body(seen(range(20, 31), 1))
    assert drop_short([short, long]) == [long]
    assert drop_short([short]) == [short]
    tiny = as_body(seen(range(3), 2))
    assert drop_short([tiny, short]) == [short], "where all are short the longest stays"


def test_wide_bodies_are_furniture_unless_last():
    person, chair = seen(range(100)), seen(range(100), 1)
    wide = chair.joints[..., [1, 0, 2]]
    person, table = as_body(person), Body(1, chair.frames, wide, np.ones((100, 25), np.float32))
    assert drop_wide([table, person]) == [person]
    assert drop_wide([table]) == [table]
    for noisy, stays in ((70, False), (69, True)):  # of 100; the limit is 0.69754
        mixed = Body(
            2, chair.frames, np.where((np.arange(100) < noisy)[:, None, None], wide, chair.joints), table.visibility
        )
        assert ntu_denoise.noisy_frames(mixed).sum() == noisy
        assert (mixed in drop_wide([mixed, person])) is stays


def test_motion_is_the_summed_variance_of_clean_frames():
    body = as_body(seen(range(50)))
    x = body.joints.reshape(-1, 3).astype(float)
    assert motion(body) == pytest.approx(((x - x.mean(0)) ** 2).mean(0).sum())
    jump = body.joints.copy()
    jump[7] = jump[7][:, [1, 0, 2]] + 100  # wider than high, and far away
    expected = np.delete(jump, 7, 0).reshape(-1, 3).astype(float).var(0).sum()
    assert motion(Body(1, body.frames, jump, body.visibility)) == pytest.approx(expected)


def test_who_moves_most_comes_first():
    still, lively = as_body(seen(range(20), size=0.2)), as_body(seen(range(20), 1, size=0.5))
    assert denoise([still, lively]) == [lively, still] == denoise([lively, still])


def test_bodies_one_after_another_are_one_performer():
    a, b, c = (as_body(seen(f, i)) for i, f in enumerate((range(0, 20), range(25, 40), range(39, 60))))
    assert assign_slots([a, b, c]) == [[a, b, c]], "a shared frame is a handover"
    d = as_body(seen(range(38, 60), 3))
    assert assign_slots([a, b, d]) == [[a, b], [d]]
    e = as_body(seen(range(10, 30), 4))
    assert assign_slots([a, b, d, e]) == [[a, b], [d, e]], "the second performer was not there before frame 38"
    f = as_body(seen(range(0, 60), 5))
    assert assign_slots([a, b, d, f]) == [[a, b], [d]], "a third one is dropped"


def test_gaps_stay_and_ends_go():
    first = seen([*range(5, 15), *range(20, 26)])
    clip = read_clip(NAME, content_of(40, first))
    assert clip.joints.shape == (1, 21, 25, 3)
    assert clip.visibility.any((0, 2)).tolist() == [True] * 10 + [False] * 5 + [True] * 6
    assert np.array_equal(clip.joints[0, :10], first.joints[:10]) and np.array_equal(
        clip.joints[0, 15:], first.joints[10:]
    )
    assert (clip.joints[0, 10:15] == 0).all()


def test_two_performers_keep_their_own_frames():
    lead, other = seen(range(0, 30), size=0.5), seen(range(10, 40), 1, seed=1)
    clip = read_clip("S001C003P008R001A055", content_of(45, other, lead))
    assert clip.joints.shape == (2, 40, 25, 3)
    assert np.array_equal(clip.joints[0, :30], lead.joints) and not clip.visibility[0, 30:].any()
    assert np.array_equal(clip.joints[1, 10:], other.joints) and not clip.visibility[1, :10].any()
    assert (clip.label, clip.subject, clip.view, clip.id) == (54, 8, 3, "S001C003P008R001A055")
    assert (clip.skeleton, clip.space, clip.fps) == (NTU_25, "kinect", 30.0)


@settings(max_examples=100)
@given(recordings())
def test_every_visible_joint_was_recorded_there(written):
    frames, bodies = written
    bodies = [as_body(body) for body in bodies if body.state.any()]
    if bodies:
        joints, visibility = compose(assign_slots(denoise(bodies)), frames)
        first = min(int(b.frames[b.visibility.any(1)][0]) for b in bodies)
        assert 1 <= len(joints) <= 2 and visibility[:, [0, -1]].any((0, 2)).all()
        assert joints.shape[1] <= frames - first
        recorded = {row.tobytes() for body in bodies for row in (body.joints * (body.visibility > 0)[..., None] + 0.0)}
        for person in range(len(joints)):
            for frame in np.flatnonzero(visibility[person].any(-1)):
                assert (joints[person, frame] + 0.0).tobytes() in recorded


# View normalisation


def reference_view(joints: np.ndarray) -> np.ndarray:
    """2s-AGCN's two turns by scipy, about the spine of the first frame."""
    pelvis, spine, left, right = joints[0, 0, [0, 1, 4, 8]].astype(float)

    def turn(vector, target):
        axis = np.cross(vector, target)
        angle = np.arccos(vector @ target / np.linalg.norm(vector))
        return Rotation.from_rotvec(axis / np.linalg.norm(axis) * angle)

    upright = turn(spine - pelvis, np.array([0, 0, 1]))
    facing = turn(upright.apply(right - left), np.array([1, 0, 0]))
    return (facing * upright).apply((joints - spine).reshape(-1, 3)).reshape(joints.shape)


def test_view_normalisation_is_that_of_2s_agcn():
    joints = np.stack([seen(range(6)).joints, seen(range(6), 1, seed=1).joints])
    turned = normalize_view(joints, np.ones(joints.shape[:3], np.float32))
    np.testing.assert_allclose(turned, reference_view(joints), atol=1e-5)
    right = turned[0, 0, 8] - turned[0, 0, 4]
    np.testing.assert_allclose(right, [np.linalg.norm(joints[0, 0, 8] - joints[0, 0, 4]), 0, 0], atol=1e-5)


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_view_normalisation_undoes_any_view(seed, other):
    """Exactly where shoulders and spine are at right angles, as only then both axes can be kept."""
    joints = seen(range(4), seed=seed).joints[None].copy()
    joints[0, 0, [0, 1, 4, 8]] = [(0, 0, 3), (0, 0.3, 3), (-0.2, 0.5, 3), (0.2, 0.5, 3)]
    visibility = np.ones(joints.shape[:3], np.float32)
    elsewhere = Rotation.random(random_state=other).apply(joints.reshape(-1, 3)).reshape(joints.shape) + (1, 2, 3)
    straight, again = normalize_view(joints, visibility), normalize_view(elsewhere, visibility)
    np.testing.assert_allclose(straight, again, atol=2e-5)


def test_view_normalisation_needs_and_keeps_what_is_visible():
    joints, visibility = seen(range(4)).joints[None], np.ones((1, 4, 25), np.float32)
    visibility[0, 0, 4] = visibility[0, 2, 10] = 0
    turned = normalize_view(joints, visibility)
    assert (turned[0, 2, 10] == 0).all() and (turned[0, 0, 4] == 0).all()
    assert (turned[0, 1, 1] == 0).all(), "the spine of the first frame that shows all four joints is the origin"
    for target in np.eye(3):  # already there, and the opposite
        np.testing.assert_allclose(ntu_denoise._rotation(2 * target, target) @ target, target, atol=1e-12)
        half = ntu_denoise._rotation(-3 * target, target)
        np.testing.assert_allclose(half @ -target, target, atol=1e-12)
        assert np.linalg.det(half) == pytest.approx(1)
    with pytest.raises(DataError, match="shoulders"):
        normalize_view(joints, np.zeros_like(visibility))


# Names, lists and splits


def test_lists():
    assert len(CLASSES) == len(set(CLASSES)) == 120 and all(c == c.strip().lower() and c for c in CLASSES)
    for number, name in {1: "drink water", 25: "reach into pocket", 43: "falling", 50: "punching/slapping other person",
                         60: "walking apart from each other", 61: "put on headphone", 80: "squat down", 99: "running on the spot",
                         106: "hit other person with something", 112: "high-five"}.items():  # fmt: skip
        assert CLASSES[number - 1] == name
    assert len(MISSING) == 535 and sum(map(in_ntu60, MISSING)) == 302
    assert DATA_SETS["ntu60"].classes == CLASSES[:60] and DATA_SETS["ntu120"].classes == CLASSES


def test_splits():
    assert splits_of("S001C002P003R002A013") == {"xsub": "test", "xview": "train", "xset": "test"}
    assert splits_of("S018C001P103R001A120") == {"xsub": "train", "xview": "test", "xset": "train"}
    for wrong in (
        "S001C002P003R002",
        "s001c002p003r002a013",
        "S001C002P003R002A121",
        "S001C002P003R002A000",
        "",
        "xS001C002P003R002A013",
    ):
        with pytest.raises(DataError, match="A001|form"):
            splits_of(wrong)


@pytest.fixture(scope="module")
def official_names() -> list[str]:
    """Names of all samples that have skeletons."""
    folder = Path(os.environ.get("UPS_DATA") or "nowhere")
    places = [place / "ntu_sample_names.txt.xz" for place in (folder, folder.parent / "reference")]
    for place in places:
        if place.is_file():
            return lzma.open(place, "rt").read().split()
    pytest.skip("UPS_DATA names no folder with ntu_sample_names.txt.xz in it or in ../reference")


def test_official_counts(official_names):
    names = official_names
    sixty = [name for name in names if in_ntu60(name)]
    assert (len(names), len(sixty)) == (113945, 56578) and not MISSING & set(names)

    def counts(of: list[str], protocol: str) -> tuple[int, int]:
        found = Counter(splits_of(name)[protocol] for name in of)
        return found["train"], found["test"]

    assert counts(sixty, "xsub") == (40091, 16487)
    assert counts(sixty, "xview") == (37646, 18932)
    assert counts(names, "xsub") == (63026, 50919)
    assert counts(names, "xset") == (54468, 59477)


# The reader

SOLO, PAIR, NEW = "S001C001P001R001A001", "S017C002P003R002A060", "S018C003P106R002A120"


def some_files() -> dict[str, bytes]:
    return {
        SOLO: content_of(20, seen(range(20))),
        PAIR: content_of(20, seen(range(20)), seen(range(20), 1, seed=1)),
        NEW: content_of(25, seen(range(25))),
        "S001C002P005R002A008": b"",  # on the list of missing ones
        "S002C001P001R001A002": GOOD[:3000],
    }


def put_folder(source: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        folder = source / ("nturgb+d_skeletons" if name < "S018" else "nturgb+d_skeletons120")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.skeleton").write_bytes(content)


def put_archives(source: Path, files: dict[str, bytes]) -> None:
    """One with a folder inside, one without."""
    for archive, folder, new in (("s001_to_s017", "nturgb+d_skeletons/", False), ("s018_to_s032", "", True)):
        with zipfile.ZipFile(source / f"nturgbd_skeletons_{archive}.zip", "w", zipfile.ZIP_DEFLATED) as bundle:
            bundle.writestr(folder + "._S001C001P001R001A003.skeleton", b"left by a file manager")
            for name, content in sorted(files.items(), reverse=True):
                if (name >= "S018") == new:
                    bundle.writestr(f"{folder}{name}.skeleton", content)


@pytest.mark.parametrize("put", [put_folder, put_archives])
def test_prepare(put, tmp_path):
    (tmp_path / "source").mkdir()
    put(tmp_path / "source", some_files())
    report = prepare("ntu120", tmp_path / "source", tmp_path / "ntu120")
    store = Store.open(tmp_path / "ntu120")
    assert store.ids == [SOLO, PAIR, NEW] and report.clips == 3
    assert store.persons.tolist() == [1, 2, 1] and store.labels.tolist() == [0, 59, 119]
    assert store.subjects.tolist() == [1, 3, 106] and store.views.tolist() == [1, 2, 3]
    assert np.array_equal(store[0].joints[0], seen(range(20)).joints)
    assert store.indices("xsub", "train").tolist() == [0] and store.indices("xset", "train").tolist() == [2]
    assert len(report.problems) == 1 and report.problems[0].startswith("S002C001P001R001A002:")
    prepare("ntu60", tmp_path / "source", tmp_path / "ntu60")
    store = Store.open(tmp_path / "ntu60")
    assert store.ids == [SOLO, PAIR] and len(store.classes) == 60
    assert store.indices("xview", "train").tolist() == [1] and store.indices("xview", "test").tolist() == [0]


def test_prepare_with_the_view_normalized(tmp_path):
    put_folder(tmp_path / "source", some_files())
    prepare("ntu120", tmp_path / "source", tmp_path / "plain")
    prepare("ntu120_view_normalized", tmp_path / "source", tmp_path / "turned")
    plain, turned = Store.open(tmp_path / "plain"), Store.open(tmp_path / "turned")
    assert turned.ids == plain.ids and turned.space == "world" and turned.protocols == plain.protocols
    a, b = plain[0].joints[0], turned[0].joints[0]
    shoulder = b[0, 8] - b[0, 4]  # left to right, along x
    assert shoulder[0] > 0 and np.abs(shoulder[1:]).max() < 1e-5 and np.abs(b[0, 1]).max() < 1e-6
    bone = b[0, 1] - b[0, 0]  # pelvis to spine: up, but for what turning the shoulders tilts
    assert bone[1] > 0 and abs(bone[1]) > np.abs(bone[[0, 2]]).max()
    lengths = [np.linalg.norm(j[:, NTU_25.parents[3]] - j[:, 3], axis=-1) for j in (a, b)]
    np.testing.assert_allclose(*lengths, atol=1e-5)  # a rotation


def test_several_processes_keep_the_order_and_name_what_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(ntu, "_BATCH", 2)
    files = {f"S001C001P001R001A{a:03}": content_of(13, seen(range(13), seed=a)) for a in range(1, 15)}
    files["S001C001P001R001A007"] = b"13\n"
    put_folder(tmp_path, files)
    alone, together = (list(read(tmp_path, 60, processes)) for processes in (1, 2))
    assert [str(item) if isinstance(item, DataError) else item[0].id for item in together] == [
        str(item) if isinstance(item, DataError) else item[0].id for item in alone
    ]
    assert isinstance(together[6], DataError) and str(together[6]).startswith("S001C001P001R001A007:1: the file ends")
    for a, item in enumerate(together, 1):
        if not isinstance(item, DataError):
            assert np.array_equal(item[0].joints[0], seen(range(13), seed=a).joints) and item[1] == {
                "xsub": "train",
                "xview": "test",
            }


def test_reading_can_be_left_early(tmp_path, monkeypatch):
    monkeypatch.setattr(ntu, "_BATCH", 1)
    put_folder(tmp_path, {f"S001C001P001R001A{a:03}": GOOD for a in range(1, 20)})
    clips = read(tmp_path, 60, 2)
    first = next(clips)
    assert not isinstance(first, DataError) and first[0].id == "S001C001P001R001A001"
    clips.close()


def test_what_is_not_a_recording_is_reported(tmp_path):
    put_folder(tmp_path, {SOLO: GOOD, "S001C001P001R001A002 (1)": GOOD})
    items = list(read(tmp_path, 60, 1))
    assert [type(item) for item in items] == [tuple, DataError] and "S001C001P001R001A002 (1)" in str(items[1])


def test_damaged_archives(tmp_path):
    with pytest.raises(FileNotFoundError, match="nturgbd_skeletons"):
        list(read(tmp_path, 60))
    put_archives(tmp_path, {SOLO: content_of(200, seen(range(200))), NEW: GOOD})
    first = tmp_path / "nturgbd_skeletons_s001_to_s017.zip"
    content = bytearray(first.read_bytes())
    content[2000:2100] = bytes(100)
    first.write_bytes(content)
    items = list(read(tmp_path, 120, 1))
    assert str(items[0]).startswith(f"{SOLO}: can't be read from {first}") and items[1][0].id == NEW
    with pytest.raises(FileNotFoundError, match="no recording of ntu60"):
        list(read(tmp_path / "nturgbd_skeletons_s018_to_s032.zip", 60))
    first.write_bytes(content[:5000])
    with pytest.raises(DataError, match="s001_to_s017.zip: the archive is damaged"):
        list(read(tmp_path, 60))


def test_a_recording_in_folder_and_archive_is_read_from_the_folder(tmp_path):
    put_archives(tmp_path, {SOLO: GOOD})
    put_folder(tmp_path, {SOLO: content_of(30, seen(range(30)))})
    (item,) = read(tmp_path, 60)
    assert not isinstance(item, DataError) and item[0].frames == 30
