"""Kinetics-skeleton: 400 actions in web videos of 10 s, 2D joints and scores as OpenPose found them (ST-GCN's release).

Source: Yan, Xiong, Lin, "Spatial Temporal Graph Convolutional Networks", AAAI 2018; a folder (or archive)
`kinetics-skeleton` with `kinetics_train/ID.json`, `kinetics_val/ID.json` and `kinetics_{train,val}_label.json`.

A frame lists its 0 to 11 persons in no lasting order. Published work keeps the two of highest score in each frame,
which lets persons change places from frame to frame; here they are tracked first, see `read_clip`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from importlib import resources
from pathlib import Path

import numpy as np

from ups.data.datasets.base import Clip, DataSet, attempt
from ups.data.formats.archive import members
from ups.data.formats.tracking import Track, into_slots, link
from ups.errors import DataError
from ups.pose import PoseSequence
from ups.seen import not_seen
from ups.skeletons import OPENPOSE_18

FOLDER = "kinetics-skeleton"
CLASSES = tuple(
    resources.files("ups.data.datasets").joinpath("kinetics_classes.txt").read_text(encoding="utf-8").splitlines()
)
IMAGE_SIZE = (340, 256)
FPS = 30.0
PERSONS = 2
LONGEST = 3000
"""Frames; a higher frame number is taken for damage (the data's clips have 300)."""
GATE = 40.0
"""Pixels, see `ups.data.formats.tracking.link`: the mean joint of a person moves less from one detection to the next."""
PATIENCE = 15
"""Frames, half a second: see `ups.data.formats.tracking.link`."""
_LISTED = 5  # persons a frame that published work looks at
PARTS = {"kinetics_train": "train", "kinetics_val": "test"}


def read_clip(
    name: str,
    content: bytes,
    per_frame: bool = False,
    official: bool = True,
    fps: float = FPS,
    image_size: tuple[int, int] = IMAGE_SIZE,
) -> PoseSequence:
    """One JSON file as a clip of one or two persons in space "image", pixels of a 340 x 256 image, at 30 fps.

    The file: {"data": [{"frame_index" from 1, "skeleton": [{"pose": [x0, y0, .. x17, y17] in 0..1, "score": [18]}]}],
    "label", "label_index"}. Frames may come in any order, and frames left out become frames where nothing is visible;
    a file that has a frame 0, as the release's own OpenPose script writes, is counted from 0.

    Persons are linked over time (`ups.data.formats.tracking`); the tracks with the largest sums of scores are kept, two at
    any time, and tracks that do not overlap in time may share one of the two slots.

    Args:
        name: "kinetics_train/ID.json" or "kinetics_val/ID.json"; the clip's id is "train_ID" or "val_ID".
        content: of the file.
        per_frame: as published instead: in every frame, of the first five listed, the two with the largest sums of
            scores, the largest first, whoever they are.
        official: label and label_index have to be the data set's, and frame numbers at most `LONGEST`; else the label may be
            another or missing, and is unknown then.
        fps: frames per second, of a recording in this form that is not the data set's.
        image_size: (width, height) in pixels of the same.

    Raises:
        DataError: the JSON, the label, a frame number, a pose or a score is not as described, or nobody is in it.
    """
    label, joints, scores = _parse(name, content, official, image_size)
    if per_frame:
        slots = _best_of_each_frame(scores)
    else:
        tracks = link(joints, scores, GATE, PATIENCE)
        weights = [float(sum(scores[f][p].sum() for f, p in track)) for track in tracks]
        slots = [[step for track in slot for step in track] for slot in into_slots(tracks, weights, PERSONS)]
    if not slots:
        raise DataError(f"{name}: no person in any of its {len(joints)} frames")
    pixels = np.zeros((len(slots), len(joints), 18, 2), np.float32)
    visibility = np.zeros(pixels.shape[:3], np.float32)
    for slot, track in enumerate(slots):
        for frame, person in track:
            pixels[slot, frame] = joints[frame][person]
            visibility[slot, frame] = scores[frame][person]
    return PoseSequence(
        joints=pixels,
        visibility=visibility,
        skeleton=OPENPOSE_18,
        space="image",
        fps=fps,
        id=name.removeprefix("kinetics_").removesuffix(".json").replace("/", "_"),
        label=label,
        image_size=image_size,
    )


def _best_of_each_frame(scores: list[np.ndarray]) -> list[Track]:
    slots: list[Track] = [[] for _ in range(PERSONS)]
    for frame, found in enumerate(scores):
        order = np.argsort(-found[:_LISTED].sum(1), kind="stable")
        for slot, person in zip(slots, order, strict=False):
            slot.append((frame, int(person)))
    return [slot for slot in slots if slot]


def _parse(
    name: str, content: bytes, official: bool, image_size: tuple[int, int]
) -> tuple[int, list[np.ndarray], list[np.ndarray]]:
    """Label, and of every frame the joints (P, 18, 2) in pixels, 0 where unseen, and the scores (P, 18) in 0..1."""
    try:
        record = json.loads(content)
        text, label, data = record.get("label"), record.get("label_index"), record["data"]
        found = [(frame["frame_index"], len(frame["skeleton"])) for frame in data]
        people = [person for frame in data for person in frame["skeleton"]]
        poses = np.array([person["pose"] for person in people], np.float64)
        scores = np.array([person["score"] for person in people], np.float64)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise DataError(f"{name}: not a readable recording ({error!r}); fetch it again") from error
    known = type(label) is int and 0 <= label < len(CLASSES)
    if official and not known:
        raise DataError(f"{name}: label_index {label!r:.40}; the {len(CLASSES)} classes count from 0")
    if official and text != CLASSES[label]:
        raise DataError(f"{name}: label {text!r:.40} with label_index {label}, which is {CLASSES[label]!r}")
    label = label if known and text == CLASSES[label] else -1
    numbers = [number for number, _ in found]
    longest = LONGEST if official else max(LONGEST, 100 * len(numbers))
    if any(type(n) is not int or not 0 <= n <= longest for n in numbers) or len(set(numbers)) < len(numbers):
        raise DataError(f"{name}: frames {_some(numbers)}; whole numbers in 1..{longest}, each once, are needed")
    if people and (poses.shape != (len(people), 36) or scores.shape != (len(people), 18)):
        shapes = f"{poses.shape[1:]} pose values and {scores.shape[1:]} scores"
        raise DataError(f"{name}: {shapes} a person; (36,) and (18,) are needed")
    poses, scores = poses.reshape(-1, 18, 2), scores.reshape(-1, 18)
    if not np.isfinite(poses).all() or not np.isfinite(scores).all():
        raise DataError(f"{name}: a coordinate or score is not finite; give missing joints score 0")
    poses, marks, _ = not_seen(poses, scores, name)
    if (np.abs(poses - 0.5) > 1.5).any():
        raise DataError(
            f"{name}: coordinates in {poses.min():g}..{poses.max():g}; shares of the image, 0..1, are needed"
        )
    pixels = (poses * image_size).astype(np.float32)
    return label, *_by_frame(found, pixels, marks)


def _by_frame(
    found: list[tuple[int, int]], pixels: np.ndarray, scores: np.ndarray
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Cuts arrays of all persons into those of every frame; (number, persons) of the listed ones is given."""
    first = min((1, *(number for number, _ in found)))
    frames = max((first, *(number + 1 for number, _ in found))) - first
    joints, marks = [pixels[:0]] * frames, [scores[:0]] * frames
    start = 0
    for number, persons in found:
        seen = slice(start, start + persons)
        someone = scores[seen].any(axis=1)
        joints[number - first], marks[number - first] = pixels[seen][someone], scores[seen][someone]
        start += persons
    return joints, marks


def read(source: Path, per_frame: bool = False) -> Iterator[Clip | DataError]:
    """Every recording with a skeleton, file by file; protocol "official" trains on train/ and tests on val/.

    Args:
        source: folder or archive `kinetics-skeleton`, or a folder that holds one, or any folder with the label files.
            One of the two parts, with its label file, is enough.
        per_frame: see `read_clip`.

    Yields:
        Clips sorted by id; in place of a recording that can't be read, the DataError that names it.

    Raises:
        DataError: a label file or the archive is damaged. FileNotFoundError: there is no label file.
    """
    source = Path(source).resolve()
    here = any((source / f"{part}_label.json").is_file() for part in PARTS)
    folder = source.name if here else FOLDER
    with_skeleton: dict[str, bool] = {}  # by name of the file
    labelled: set[str] = set()
    for name, load in members(source, folder, FOLDER, "_label.json"):
        part = name.removesuffix("_label.json")
        if part in PARTS:
            labelled.add(part)
            with_skeleton |= {f"{part}/{key}.json": value for key, value in _label_file(name, load).items()}
    seen: set[str] = set()
    for name, load in members(source, folder, FOLDER, ".json"):
        part, _, file = name.partition("/")
        if part not in PARTS or not file:
            continue
        seen.add(name)
        if not with_skeleton.get(name, True):
            continue
        if name not in with_skeleton:
            yield DataError(f"{name}: not in {part}_label.json" + ("" if part in labelled else ", which is missing"))
            continue
        clip = attempt(name, lambda name=name, load=load: read_clip(name, load(), per_frame))
        yield clip if isinstance(clip, DataError) else (clip, {"official": PARTS[part]})
    for part in sorted(labelled):
        missing = sorted(
            n for n, value in with_skeleton.items() if value and n.startswith(f"{part}/") and n not in seen
        )
        if missing:
            yield DataError(
                f"{part}: {len(missing)} recordings that its label file lists are missing: {_some(missing)}"
            )


def _label_file(name: str, load: Callable[[], bytes]) -> dict[str, bool]:
    """{ID: {"has_skeleton", ..}} -> {ID: has_skeleton}."""
    try:
        return {key: bool(value["has_skeleton"]) for key, value in json.loads(load()).items()}
    except Exception as error:
        raise DataError(f"{name}: not a readable label file ({error!r}); fetch it again") from error


def _some(values: list, most: int = 3) -> str:
    return ", ".join(map(str, values[:most])) + (", ..." if len(values) > most else "")


_TERMS = "Poses from YouTube videos; the release carries no licence text."
KINETICS_SKELETON = DataSet(
    name="kinetics_skeleton",
    skeleton=OPENPOSE_18,
    space="image",
    classes=CLASSES,
    protocols=("official",),
    terms=_TERMS,
    read=read,
    files=("*.json", f"*/{FOLDER}.*"),
    summary="Kinetics-400, 400 actions, web videos, OpenPose, two persons tracked over time; 2D, 18 joints",
)
KINETICS_SKELETON_PER_FRAME = DataSet(
    name="kinetics_skeleton_per_frame",
    skeleton=OPENPOSE_18,
    space="image",
    classes=CLASSES,
    protocols=("official",),
    terms=_TERMS,
    read=partial(read, per_frame=True),
    files=("*.json", f"*/{FOLDER}.*"),
    summary="the same with the two persons of highest score of each frame, as in published work; 2D, 18 joints",
)
