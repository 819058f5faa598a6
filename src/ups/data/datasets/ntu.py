"""NTU RGB+D 60 and 120: 120 actions by 106 people, alone or in pairs, before three Kinects (v2); 3D, 25 joints.

`SsssCcccPpppRrrrAaaa.skeleton` (setup, camera, performer, repetition, action) is text: the number of frames; for each
frame the number of bodies; for each body a line of 10 values (id, ..., tracking state), the number of joints (25), and
a line of 12 values a joint: x y z in metres, then depth and colour pixels, orientation (4), and tracking state. Source:
the authors' `read_skeleton_file.m`. Classes and the 535 recordings without usable skeletons are the authors' lists.
"""

from __future__ import annotations

import os
import re
import zipfile
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from ups.data.datasets.base import Clip, DataSet, Source
from ups.data.datasets.ntu_denoise import Body, assign_slots, compose, denoise, normalize_view
from ups.data.formats.safe_pickle import check_expansion
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeletons import NTU_25

CLASSES = tuple(Path(__file__).with_name("ntu_classes.txt").read_text(encoding="utf-8").splitlines())
"""A001..A120."""
MISSING = frozenset(Path(__file__).with_name("ntu_missing.txt").read_text(encoding="utf-8").split())
"""Recordings whose skeletons are missing or incomplete, left out by every published protocol."""
MOST_BODIES = 6
"""A Kinect v2 tracks no more."""
FARTHEST = 1000.0
"""Metres; coordinates beyond are damage (the sensor sees 8 m)."""

_NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})")
_XSUB_TRAIN = frozenset(
    (1, 2, 4, 5, 8, 9, *range(13, 20), 25, 27, 28, 31, 34, 35, 38)  # NTU 60; the others are in NTU 120 only
    + (45, 46, 47, 49, 50, *range(52, 60), 70, 74, 78, *range(80, 87), 89, *range(91, 96), 97, 98, 100, 103)
)
_XVIEW_TEST = 1
_PROTOCOLS = {60: ("xsub", "xview"), 120: ("xsub", "xset")}
_JOINTS, _BODY_FIELDS, _JOINT_FIELDS = len(NTU_25), 10, 12
_BATCH = 32


@dataclass(frozen=True, eq=False)
class Recording:
    """A `.skeleton` file: `frames` frames, and what was seen of each body, in order of appearance."""

    frames: int
    bodies: tuple[Body, ...]


@dataclass(frozen=True, eq=False)
class _Rows:
    """All bodies of all frames, in the order of the file: R rows."""

    frames: int
    ids: np.ndarray  # (R,) int64
    frame: np.ndarray  # (R,) int64
    joints: np.ndarray  # (R, 25, 3) float32
    state: np.ndarray  # (R, 25) int


def name_parts(name: str) -> tuple[int, int, int, int, int]:
    """S001C002P003R002A013 -> (setup, camera, performer, repetition, action) = (1, 2, 3, 2, 13).

    Raises:
        DataError: not such a name, or no action of 1..120.
    """
    match = _NAME.fullmatch(name)
    if not match:
        raise DataError(f"{name}: not a name of the form SsssCcccPpppRrrrAaaa")
    setup, camera, performer, repetition, action = map(int, match.groups())
    if not 1 <= action <= len(CLASSES):
        raise DataError(f"{name}: action A{action:03} is not one of A001..A{len(CLASSES)}")
    return setup, camera, performer, repetition, action


def in_ntu60(name: str) -> bool:
    """Whether a recording of NTU 120 is one of NTU 60 as well."""
    setup, _, _, _, action = name_parts(name)
    return setup <= 17 and action <= 60


def splits_of(name: str) -> dict[str, str]:
    """Part of a recording in "xsub" (by performer; NTU 60 and 120 agree where both have it), "xview" (by camera, NTU 60)
    and "xset" (by setup, NTU 120), as the two data set papers define them.
    """
    setup, camera, performer, _, _ = name_parts(name)
    train = {"xsub": performer in _XSUB_TRAIN, "xview": camera != _XVIEW_TEST, "xset": setup % 2 == 0}
    return {protocol: "train" if first else "test" for protocol, first in train.items()}


def parse(name: str, content: bytes) -> Recording:
    """The bytes of a `.skeleton` file -> its bodies; `name` is for messages.

    Visibility is 1 for a joint that was tracked (state 2), 0.5 for one the sensor inferred (1), 0 otherwise (0). Of the
    12 values of a joint only x, y, z and the state have to be sound; pixels and orientations are not read.

    Raises:
        DataError: with the number of the line and the reason, where the file is damaged.
    """
    rows = _parse_fast(content) or _parse_lines(name, content)
    visibility = rows.state / np.float32(2)
    ids = dict.fromkeys(rows.ids.tolist())
    bodies = []
    for number in ids:
        mine = rows.ids == number if len(ids) > 1 else slice(None)
        body = Body(number, rows.frame[mine], rows.joints[mine], visibility[mine])
        twice = np.diff(body.frames) == 0
        if twice.any():
            frame = body.frames[twice.argmax()]
            raise DataError(f"{name}: body {number} is twice in frame {frame}; fetch the file again")
        bodies.append(body)
    return Recording(rows.frames, tuple(bodies))


def read_clip(name: str, content: bytes, official: bool = True) -> PoseSequence:
    """A `.skeleton` file called `name` (without the ending) -> a clip of one or two performers in space "kinect", 30 fps.

    Noise is removed as `ups.data.datasets.ntu_denoise` says.

    Args:
        name: of the file.
        content: of the file.
        official: the name has to be one of the data set's; else label, subject and view of any other are unknown.

    Raises:
        DataError: the name or the content is not as described, or nobody is seen.
    """
    try:
        _, camera, performer, _, action = name_parts(name)
    except DataError:
        if official:
            raise
        camera, performer, action = -1, -1, 0
    recording = parse(name, content)
    if not recording.bodies:
        raise DataError(f"{name}: nobody is seen in any of its {recording.frames} frames")
    try:
        joints, visibility = compose(assign_slots(denoise(recording.bodies)), recording.frames)
    except DataError as error:
        raise DataError(f"{name}: {error}") from error
    return PoseSequence(
        joints=joints,
        visibility=visibility,
        skeleton=NTU_25,
        space="kinect",
        fps=30.0,
        id=name,
        label=action - 1,
        subject=performer,
        view=camera,
    )


def list_sources(source: Path, actions: int) -> list[Source]:
    """The files of all recordings below `source`, sorted by name, without those that are known to be missing.

    `source` holds `.skeleton` files in folders of any name, the archives `nturgbd_skeletons_*.zip` as distributed, or
    both; or it is one such archive. A recording found twice is taken from the folder. With 60 `actions` only recordings
    of NTU 60 are listed, with 120 all; a file with the name of no recording is listed either way.

    Raises:
        FileNotFoundError: no recording is there.
        DataError: an archive is damaged.
    """
    found, listed, known = _find(Path(source)), [], False
    for name in sorted(found):
        try:
            wanted = in_ntu60(name) or actions == 120
        except DataError:  # reading it will say so
            listed.append(found[name])
            continue
        if wanted:
            listed.append(found[name])
            known = True
    if not known:
        raise FileNotFoundError(f"{source}: no recording of ntu{actions} is there, only others of NTU RGB+D")
    return listed


def read_sources(sources: Sequence[Source], actions: int, processes: int | None = None) -> Iterator[Clip | DataError]:
    """The recordings in these files, in this order, with their parts in the protocols of NTU 60 or 120.

    Files are parsed by `processes` processes (default: one a core, or none where there are few files), a few batches
    ahead of the one that is wanted. A script that calls this needs the usual `if __name__ == "__main__":`.
    """
    batches = [sources[i : i + _BATCH] for i in range(0, len(sources), _BATCH)]
    count = min(processes or os.cpu_count() or 1, len(batches))
    try:
        for results in map(_read_batch, batches) if count <= 1 else _read_ahead(batches, count):
            for item in results:
                if isinstance(item, DataError):
                    yield item
                else:
                    parts = splits_of(item.id)
                    yield item, {protocol: parts[protocol] for protocol in _PROTOCOLS[actions]}
    finally:
        _archive.cache_clear()


def read(source: Path, actions: int, processes: int | None = None) -> Iterator[Clip | DataError]:
    """Every recording that `list_sources` lists, as `read_sources` reads it; see `ups.data.datasets.base.DataSet.read`."""
    yield from read_sources(list_sources(source, actions), actions, processes)


def _find(source: Path) -> dict[str, Source]:
    """Where each recording is, by name, without those that are known to be missing."""
    archives = [source] if source.is_file() else sorted(source.glob("nturgbd_skeletons*.zip"))
    found: list[Source] = []
    for archive in archives:
        try:
            with zipfile.ZipFile(archive) as bundle:
                members = bundle.infolist()
            check_expansion(members, archive)
        except (DataError, OSError):
            raise
        except Exception as error:  # a damaged list of members can raise nearly anything
            raise DataError(f"{archive}: the archive is damaged ({error}); fetch it again") from error
        found += [Source(Path(m.filename).stem, str(archive), m.filename, (m.file_size, m.CRC)) for m in members]
    for path in source.rglob("*.skeleton"):
        if path.is_file():
            status = path.stat()
            found.append(Source(path.stem, str(path), "", (status.st_size, status.st_mtime_ns)))
    sources = {s.name: s for s in found if (s.member or s.path).endswith(".skeleton")}
    if not sources:
        raise FileNotFoundError(f"{source}: no .skeleton file and no archive nturgbd_skeletons*.zip that holds one")
    return {name: place for name, place in sources.items() if name not in MISSING and not name.startswith(".")}


def _read_ahead(batches: list[Sequence[Source]], processes: int) -> Iterator[list]:
    """`map(_read_batch, batches)` by several processes, holding at most two batches for each."""
    # "spawn": a fork of a process with threads may hang.
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        waiting: deque[Future[list]] = deque()
        try:
            for batch in batches:
                waiting.append(pool.submit(_read_batch, batch))
                if len(waiting) >= 2 * processes:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _read_batch(batch: Sequence[Source]) -> list[PoseSequence | DataError]:
    results: list[PoseSequence | DataError] = []
    for file in batch:
        try:
            content = _archive(file.path).read(file.member) if file.member else Path(file.path).read_bytes()
            results.append(read_clip(file.name, content))
        except DataError as error:
            results.append(error)
        except Exception as error:
            results.append(DataError(f"{file.name}: can't be read from {file.path} ({error}); fetch it again"))
    return results


@lru_cache(maxsize=2)
def _archive(path: str) -> zipfile.ZipFile:
    """Kept open: the list of 60,000 members takes longer to read than a thousand of them."""
    return zipfile.ZipFile(path)


def _parse_lines(name: str, content: bytes) -> _Rows:
    """A file in any white space, line by line; what is wrong is found here."""
    if b"\0" in content:
        line = content.count(b"\n", 0, content.index(b"\0")) + 1
        raise DataError(f"{name}:{line}: NUL bytes; the file was not copied completely, fetch it again")
    lines = content.rstrip().splitlines()
    if not lines:
        raise DataError(f"{name}: the file is empty; fetch it again")
    at = 0

    def take(what: str, fields: int) -> list[bytes]:
        nonlocal at
        if at == len(lines):
            raise DataError(f"{name}:{at}: the file ends before {what}; fetch it again")
        at += 1
        words = lines[at - 1].split()
        if len(words) != fields:
            raise DataError(f"{name}:{at}: {len(words)} values, but {what} has {fields}; fetch the file again")
        return words

    def number(word: bytes, what: str, kind: type[int] | type[float], least: float, most: float) -> float:
        try:
            value = kind(word)
        except ValueError:
            value = float("nan")
        if b"_" in word or not least <= value <= most:
            raise DataError(
                f"{name}:{at}: {word[:40].decode(errors='replace')!r} is not {what}, a number of {least:g} to {most:g}; "
                "fetch the file again"
            )
        return value

    frames = int(number(take("the number of frames", 1)[0], "the number of frames", int, 1, 10**6))
    ids, frame_of, joints, states = [], [], [], []
    for frame in range(frames):
        count = f"the number of bodies of frame {frame}"
        for _ in range(int(number(take(count, 1)[0], count, int, 0, MOST_BODIES))):
            body = take(f"a body of frame {frame}", _BODY_FIELDS)
            ids.append(number(body[0], "the id of a body", int, -(2**63), 2**63 - 1))
            frame_of.append(frame)
            number(take("the number of joints", 1)[0], "the number of joints", int, _JOINTS, _JOINTS)
            for joint in NTU_25.joints:
                words = take(f"{joint} of a body of frame {frame}", _JOINT_FIELDS)
                joints.append(
                    [number(word, "a coordinate in metres", float, -FARTHEST, FARTHEST) for word in words[:3]]
                )
                states.append(number(words[-1], "a tracking state", int, 0, 2))
    if at != len(lines):
        raise DataError(f"{name}:{at + 1}: more lines than {frames} frames need; fetch the file again")
    return _Rows(
        frames,
        np.array(ids, np.int64),
        np.array(frame_of, np.int64),
        np.array(joints, np.float32).reshape(-1, _JOINTS, 3),
        np.array(states, np.int64).reshape(-1, _JOINTS),
    )


def _parse_fast(content: bytes) -> _Rows | None:
    """What `_parse_lines` returns, ten times sooner, for files in the layout as distributed: single spaces, no blank
    lines. None for all others, damaged ones included.

    Only the line ends are searched for in the whole file; x, y and z are then converted for all lines at once.
    """
    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n")
    if any(byte in content for byte in (b"\r", b"\0", b"_")):  # the last: Python would read 1_000 as a number
        return None
    if not content.endswith(b"\n"):
        content += b"\n"
    text = np.frombuffer(content, np.uint8)
    starts = np.concatenate(([0], np.flatnonzero(text == ord("\n")) + 1))
    try:
        structure = _walk(content, starts.tolist())
        if structure is None:
            return None
        frames, ids, frame, first = structure
        lines = (np.array(first, np.int64)[:, None] + np.arange(_JOINTS)).ravel()
        at, end = starts[lines], starts[lines + 1] - 1
        state = text[end - 1] - np.uint8(ord("0"))
        spaces = ((_BODY_FIELDS - 1) + (_JOINT_FIELDS - 1) * _JOINTS) * len(ids)
        if np.count_nonzero(text == _SPACE) != spaces or (state > 2).any() or (text[end - 2] != _SPACE).any():
            return None
        joints = np.empty((len(lines), 3), np.float32)
        for axis in range(3):
            numbers, at = _decimals(content, text, at)
            if not (np.abs(numbers) <= FARTHEST).all():
                return None
            joints[:, axis] = numbers
        if (at > end).any():
            return None
        shape = (len(ids), _JOINTS)
        return _Rows(
            frames, np.array(ids, np.int64), np.array(frame, np.int64), joints.reshape(*shape, 3), state.reshape(shape)
        )
    except (ValueError, IndexError, OverflowError):
        return None


def _walk(content: bytes, starts: list[int]) -> tuple[int, list[int], list[int], list[int]] | None:
    """Number of frames, and of each body its id, its frame and the line of its first joint; None if the lines don't fit.

    `starts`: of all lines, and the end of the text.
    """
    ids, frame_of, first = [], [], []
    frames, line = int(content[: starts[1]]), 1
    for frame in range(frames):
        bodies = int(content[starts[line] : starts[line + 1]])
        line += 1
        if not 0 <= bodies <= MOST_BODIES:
            return None
        for _ in range(bodies):
            ids.append(int(content[starts[line] : content.index(b" ", starts[line])]))
            if content[starts[line + 1] : starts[line + 2]] != b"25\n":
                return None
            frame_of.append(frame)
            first.append(line + 2)
            line += 2 + _JOINTS
    return (frames, ids, frame_of, first) if frames > 0 and line == len(starts) - 1 else None


_SPACE = ord(" ")
_EACH = 0x0101010101010101
"""Times b: eight bytes b."""
_TEN_TO = 10.0 ** np.arange(9)


def _decimals(content: bytes, text: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The numbers that start at positions `at` (K) and end with a space, and the positions behind that space.

    Numbers of the form -1.2345678, one digit before the point and up to eight behind it, are converted all at once, the
    eight bytes behind the point as one integer: values are numerator / power of ten, both exact in float64, so their
    quotient is the float64 that `float` gives. All others are left to `float`, which raises ValueError.
    """
    windows = np.ndarray(len(content) - 7, "<u8", content, strides=(1,))
    negative = text[at] == ord("-")
    first = at + negative
    tail = windows[first + 2]
    # The top bit of each byte that is a space; above the lowest there may be false ones. 2**(8*digits + 7) is the lowest.
    spaces = tail ^ np.uint64(_SPACE * _EACH)
    spaces = (spaces - np.uint64(_EACH)) & ~spaces & np.uint64(0x80 * _EACH)
    lowest = spaces & (~spaces + np.uint64(1))
    digits = np.where(spaces == 0, 8, (np.frexp(lowest.astype(np.float64))[1] - 8) >> 3)
    after = first + digits + 3
    usual = (digits > 0) & (text[first + 1] == ord(".")) & (text[after - 1] == _SPACE)
    # The digits' values move to the top bytes, in which zeros come before them: their order of weight, 8 digits always.
    value = (tail ^ np.uint64(0x30 * _EACH)) << (64 - 8 * np.maximum(digits, 1)).astype(np.uint64)
    usual &= ((value + np.uint64(0x76 * _EACH)) | value) & np.uint64(0x80 * _EACH) == 0
    value = (value * np.uint64(10) + (value >> np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)
    value = (value * np.uint64(100) + (value >> np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
    value = (value * np.uint64(10000) + (value >> np.uint64(32))) & np.uint64(0xFFFFFFFF)
    whole = text[first] - np.uint8(ord("0"))
    usual &= whole <= 9
    scale = _TEN_TO[digits]
    numbers = (whole * scale + value) / scale
    numbers *= 1.0 - 2.0 * negative
    others = np.flatnonzero(~usual)
    stops = [content.index(b" ", start) for start in at[others].tolist()]
    numbers[others] = [float(content[i:j]) for i, j in zip(at[others].tolist(), stops, strict=True)]
    after[others] = np.array(stops, np.int64) + 1
    return numbers, after


_TERMS = "For academic research only, by agreement with the ROSE Lab (NTU Singapore), which distributes it."
DATA_SET_60 = DataSet(
    name="ntu60",
    skeleton=NTU_25,
    space="kinect",
    classes=CLASSES[:60],
    protocols=_PROTOCOLS[60],
    terms=_TERMS,
    read=partial(read, actions=60),
    files=("*.skeleton", "*.zip"),
    list_sources=partial(list_sources, actions=60),
    read_sources=partial(read_sources, actions=60),
    summary="NTU RGB+D: 60 actions, 40 people, 3 views, Kinect v2, 1 or 2 performers; 3D, 25 joints",
)
DATA_SET_120 = DataSet(
    name="ntu120",
    skeleton=NTU_25,
    space="kinect",
    classes=CLASSES,
    protocols=_PROTOCOLS[120],
    terms=_TERMS,
    read=partial(read, actions=120),
    files=("*.skeleton", "*.zip"),
    list_sources=partial(list_sources, actions=120),
    read_sources=partial(read_sources, actions=120),
    summary="NTU RGB+D 120: 120 actions, 106 people, 32 setups, Kinect v2, 1 or 2 performers; 3D, 25 joints",
)


def one_side(clip: PoseSequence) -> PoseSequence:
    """The clip as if seen from one side of its first performer (`normalize_view`), in space "world": y up."""
    turned = normalize_view(clip.joints, clip.visibility)
    upright = np.stack([turned[..., 0], turned[..., 2], -turned[..., 1]], -1)  # z up to y up
    return replace(clip, joints=upright, space="world")


def _from_one_side(items: Iterator[Clip | DataError]) -> Iterator[Clip | DataError]:
    for item in items:
        if isinstance(item, DataError):
            yield item
            continue
        try:
            yield one_side(item[0]), item[1]
        except DataError as error:
            yield DataError(f"{item[0].id}: {error}")


def _view_normalized(plain: DataSet, actions: int) -> DataSet:
    return replace(
        plain,
        name=f"{plain.name}_view_normalized",
        space="world",
        read=lambda source: _from_one_side(read(source, actions)),
        read_sources=lambda sources: _from_one_side(read_sources(sources, actions)),
        summary=f"{plain.summary}; turned to one side of the first performer, as 2s-AGCN does",
    )


DATA_SET_60_VIEW_NORMALIZED = _view_normalized(DATA_SET_60, 60)
DATA_SET_120_VIEW_NORMALIZED = _view_normalized(DATA_SET_120, 120)
