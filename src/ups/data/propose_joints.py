"""Proposes which joint of a file is which: from the names, or where there are none, from where the joints are."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.sparse.csgraph import minimum_spanning_tree

from ups.data.formats.joint_map import JointMap, joint_map_text
from ups.data.formats.joint_names import is_body, quoted, slots_of
from ups.data.formats.layouts import LAYOUTS
from ups.data.formats.named import skeleton_for
from ups.data.open_file import read_file
from ups.errors import DataError
from ups.skeleton import SLOTS
from ups.skeletons import SKELETONS

_STANDING = {
    "head_top": (1.0, 0), "head": (0.94, 0), "nose": (0.92, 0), "neck": (0.85, 0), "chest": (0.76, 0),
    "spine": (0.64, 0), "pelvis": (0.53, 0), "*_eye": (0.935, 0.02), "*_ear": (0.925, 0.045),
    "*_shoulder": (0.82, 0.11), "*_elbow": (0.63, 0.15), "*_wrist": (0.48, 0.17), "*_hand": (0.43, 0.18),
    "*_hip": (0.52, 0.06), "*_knee": (0.28, 0.06), "*_ankle": (0.05, 0.06), "*_heel": (0.01, 0.05),
    "*_foot": (0.01, 0.08),
}  # fmt: skip
_STANDING = {
    part.replace("*", side or "left"): (height, -place if side == "right" else place)
    for part, (height, place) in _STANDING.items()
    for side in (("left", "right") if "*" in part else ("",))
}
"""Height and place to the side (left above 0), in body heights, of a person who stands upright."""
_FITS, _MAY_FIT = 1.6, 1.9
"""A known order of joints is proposed where its strain (see `_strain`) is less; or where others' are much more."""
_FEWEST = 5
"""Joints that must be seen."""


@dataclass(frozen=True)
class Proposal:
    """What the joints of a file may be.

    Attributes:
        names: of all joints in the file's order; their numbers where it has no names.
        places: slot -> index of the joint.
        notes: how that was found, and what to look at.
    """

    names: tuple[str, ...]
    places: dict[str, int]
    notes: tuple[str, ...]

    @property
    def toml(self) -> str:
        """The file that `read_joint_map` reads."""
        return joint_map_text(self.names, self.places, self.notes)

    @property
    def joint_map(self) -> JointMap:
        """The same, to read the file with."""
        return JointMap("the proposal", {self.names[i]: slot for slot, i in self.places.items()})


class _Asked(Exception):
    """A reader asked what its joints are."""

    def __init__(self, names: Sequence[str] | None, count: int) -> None:
        super().__init__()
        self.names, self.count = names, count


class _Question(JointMap):
    def places(self, names: Sequence[str] | None, count: int, where: str) -> dict[str, int]:
        raise _Asked(names, count)


def propose_joints(path: Path | str, image_size: tuple[int, int] | None = None) -> Proposal:
    """A map for a recording, to be looked at and corrected.

    Args:
        path: a file or folder that `read_file` understands.
        image_size: (width, height) in pixels of a 2D file that doesn't say; only fractions of the image need the right one.

    Raises:
        DataError: a kind of file whose joints are known, or one that can't be read.
        OSError: the file can't be read.
    """
    path = Path(path)
    size = image_size or (10_000, 10_000)
    names, count = _ask(path, size)
    labels = tuple(map(str, range(count))) if names is None else tuple(names)
    if names is not None and is_body((naming := slots_of(names)).places):
        notes = [f"{path.name}: {len(naming.places)} of {count} joints by their names"]
        notes += [f"left out: {quoted(naming.left_out)}"] if naming.left_out else []
        return Proposal(labels, naming.places, tuple(notes))
    if names is None and count in LAYOUTS and _is_read(path, size):
        note = f"{path.name}: {count} joints without names are read as those of {LAYOUTS[count].name}"
        return Proposal(labels, LAYOUTS[count].places, (note, "look at the picture (--plot)"))
    points = _points(path, labels, size)
    places, note = _by_position(points, path)
    notes = (
        f"{path.name}: {note}",
        "positions don't tell left from right for sure: look at the picture (--plot)",
    )
    return Proposal(labels, places, notes)


def _ask(path: Path, size: tuple[int, int]) -> tuple[Sequence[str] | None, int]:
    """The names that a reader finds, and how many joints."""
    try:
        read_file(path, image_size=size, joint_map=_Question("ups data joints", {}))
    except _Asked as asked:
        return asked.names, asked.count
    except DataError as error:
        if isinstance(error.__cause__, _Asked):
            return error.__cause__.names, error.__cause__.count
        raise
    raise DataError(f"{path}: its joints are known; it needs no map")


def _is_read(path: Path, size: tuple[int, int]) -> bool:
    """Whether a file is read without a map."""
    try:
        read_file(path, image_size=size)
    except DataError:
        return False
    return True


def _points(path: Path, labels: Sequence[str], size: tuple[int, int]) -> np.ndarray:
    """(N, J, V) of the person seen best, NaN where not seen: as many joints at a time as there are slots."""
    parts: list[np.ndarray] = []
    for first in range(0, len(labels), len(SLOTS)):
        some = labels[first : first + len(SLOTS)]
        clip = read_file(
            path, image_size=size, joint_map=JointMap("ups data joints", dict(zip(some, SLOTS, strict=False)))
        )
        best = int(clip.visibility.sum((1, 2)).argmax())
        order = [clip.skeleton.joints.index(slot) for slot, _ in zip(SLOTS, some, strict=False)]
        seen = clip.visibility[best][..., None] > 0
        parts.append(np.where(seen, clip.joints[best], np.nan)[:, order])
    return np.concatenate(parts, 1)


def _by_position(points: np.ndarray, path: Path) -> tuple[dict[str, int], str]:
    """Slot -> joint, and how it was found: a known order whose bones join neighbours, else places in the body."""
    body = _in_body(points)
    there = np.flatnonzero(np.isfinite(body).all(-1))
    if len(there) < _FEWEST:
        raise DataError(f"{path}: {len(there)} joints are seen; at least {_FEWEST} are needed to tell which they are")
    known = [(_strain(points, body, joints), name, joints) for joints, name in _known(points.shape[1]).items()]
    known.sort(key=lambda order: order[0])
    if known and (known[0][0] < _FITS or (len(known) > 1 and known[0][0] < min(_MAY_FIT, known[1][0] - 0.6))):
        _, name, joints = known[0]
        places = {joint: i for i, joint in enumerate(joints) if joint is not None}
        return places, f"so many joints that lie like these are in the order of {name}"
    heights = np.array([_STANDING[slot] for slot in _STANDING])
    cost = np.linalg.norm(body[there, None] - heights[None], axis=-1)
    rows, columns = linear_sum_assignment(cost)
    slots = list(_STANDING)
    return {slots[c]: int(there[r]) for r, c in zip(rows.tolist(), columns.tolist(), strict=True)}, (
        "guessed from their mean places in the body, roughly"
    )


def _known(count: int) -> dict[tuple[str | None, ...], str]:
    """Orders of so many joints, of layouts and listed skeletons, and their names."""
    known = {tuple(s.joints): s.name for s in SKELETONS.values() if len(s) == count}
    return ({LAYOUTS[count].joints: LAYOUTS[count].name} if count in LAYOUTS else {}) | known


def _strain(points: np.ndarray, body: np.ndarray, joints: Sequence[str | None]) -> float:
    """How badly joints in this order make a body: 1 where its bones are the shortest tree that joins the points and
    heights are those of somebody who stands; more otherwise.
    """
    places = {joint: i for i, joint in enumerate(joints) if joint is not None}
    skeleton = skeleton_for(places, "")
    order = [places[joint] for joint in skeleton.joints]
    ratios = []
    for frame in points[:: max(len(points) // 50, 1), order]:
        seen = np.isfinite(frame).all(-1)
        bones = [(c, p) for c, p in skeleton.bones if seen[c] and seen[p]]
        if len(bones) < _FEWEST:
            continue
        ends = sorted({joint for bone in bones for joint in bone})
        distance = np.linalg.norm(frame[ends, None] - frame[None, ends], axis=-1)
        groups = len(ends) - len(bones)  # trees that the bones make
        tree = np.sort(minimum_spanning_tree(distance + 1e-9 * (1 - np.eye(len(ends)))).data)
        shortest = tree[: len(tree) - (groups - 1)].sum() if groups > 1 else tree.sum()
        ratios.append(float(sum(np.linalg.norm(frame[c] - frame[p]) for c, p in bones)) / max(float(shortest), 1e-9))
    pairs = [(body[i, 0], _STANDING[joint][0]) for joint, i in places.items() if joint in _STANDING]
    pairs = [pair for pair in pairs if np.isfinite(pair[0])]
    if not ratios or len(pairs) < _FEWEST:
        return np.inf
    alike = float(np.corrcoef(np.array(pairs).T)[0, 1])
    return float(np.median(ratios)) + 1 - (alike if np.isfinite(alike) else 0)


def _in_body(points: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of joints and frames in which nothing is seen
        return _mean_places(points)


def _mean_places(points: np.ndarray) -> np.ndarray:
    """Mean height (0 the lowest, 1 the highest joint) and place to the side of every joint: (J, 2), in body heights."""
    spread = np.nanmax(points, (0, 1)) - np.nanmin(points, (0, 1))
    if points.shape[-1] == 2:
        height, side = -points[..., 1], points[..., 0]
    else:
        extents = np.nanmedian(np.nanmax(points, 1) - np.nanmin(points, 1), 0)
        up = int(extents.argmax())
        height = points[..., up] * _upwards(points[..., up])
        side = _sideways(points[..., [a for a in range(3) if a != up]])
    size = np.nanmedian(np.nanmax(height, 1) - np.nanmin(height, 1)) or float(spread.max()) or 1.0
    height = np.nanmean(height - np.nanmin(height, 1, keepdims=True), 0) / size
    side = np.nanmean(side - np.nanmean(side, 1, keepdims=True), 0) / size
    return np.stack([height, side], -1)


def _upwards(height: np.ndarray) -> int:
    """1 or -1: of a body's joints, fewer lie in its lower half than at and above the hips."""
    middle = (np.nanmax(height, 1) + np.nanmin(height, 1)) / 2
    return 1 if np.nanmean(height > middle[:, None]) >= 0.5 else -1


def _sideways(flat: np.ndarray) -> np.ndarray:
    """(N, J) along the direction in which a body is broadest, the same way in every frame; flat is (N, J, 2)."""
    centred = np.nan_to_num(flat - np.nanmean(flat, 1, keepdims=True))
    result = np.zeros(centred.shape[:2])
    before: np.ndarray | None = None
    for n, frame in enumerate(centred):
        direction = np.linalg.svd(frame, full_matrices=False)[2][0]
        along = frame @ direction
        if before is not None and float(along @ before) < 0:
            along = -along
        result[n], before = along, along
    return np.where(np.isfinite(flat).all(-1), result, np.nan)
