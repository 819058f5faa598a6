"""Training windows of pose estimation cut straight from a store: only their frames are read, and many are made at once.

The examples are, to the bit, those that `PoseTask.training_example` makes of the clips one by one: the random numbers are
drawn in the same order, and each sum adds the same numbers in the same order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from ups.batch import CONTEXT
from ups.config import Augment
from ups.pose import PoseSequence
from ups.skeleton import Skeleton
from ups.tasks.geometry import draw_hidden, hide
from ups.tasks.task import Example

if TYPE_CHECKING:
    from ups.data.loader import StoredClips

CHUNK = 16
"""Windows that are made at once: their arrays stay in a processor's cache."""


@dataclass(frozen=True)
class WindowDraw:
    """The random choices of one training window, in the order in which they are drawn.

    Attributes:
        wanted: (T,) frames of the window whose pose is learned.
        start: the clip's frame at which the window begins; may be negative.
        amount: share of the noise, 0..1.
        jitter: (M, N, J, 2) standard normal.
        hidden: as `draw_hidden` gives it.
        mirrored: whether left and right change places.
    """

    wanted: np.ndarray
    start: int
    amount: float
    jitter: np.ndarray
    hidden: tuple[slice, np.ndarray] | None
    mirrored: bool


Targets = int | Literal["centre", "all"]
"""Frames of a window whose pose is learned: so many at random, the middle one, or all."""


def number_of(targets: Targets, frames: int) -> int:
    """How many of a window's frames are learned."""
    return targets if isinstance(targets, int) else 1 if targets == "centre" else frames


def draw_window(
    clip_frames: int, frames: int, targets: Targets, jitter: np.ndarray, augment: Augment, rng: np.random.Generator
) -> WindowDraw:
    """Random choices for a window of `frames` frames; `jitter` (M, N, J, 2) float64 is filled."""
    if targets == "centre":
        wanted = np.array([frames // 2])
    elif targets == "all":
        wanted = np.arange(frames)
    else:
        wanted = rng.integers(0, frames, targets)
    start = int(rng.integers(-(frames // 2), max(clip_frames - frames // 2, -(frames // 2) + 1)))
    amount = rng.random()
    rng.standard_normal(out=jitter)
    hidden = draw_hidden(frames, jitter.shape[2], rng, augment.pose.drop)
    return WindowDraw(wanted, start, amount, jitter, hidden, rng.random() < augment.pose.mirror)


def can_cut(clips: StoredClips, augment: Augment) -> bool:
    """Whether windows can be cut from the store: of filmed clips of one person, which nothing changes as a whole."""
    shift, store = augment.shift, clips.store
    if shift.skeleton or shift.camera or shift.rate or shift.detector or "focal" in store.columns:
        return False
    return store.space == "image" and store.paired and store.single


class Windows(Protocol):
    """What is asked of the task."""

    def drawn_example(self, clip: PoseSequence, frames: int, augment: Augment, draw: WindowDraw) -> Example:
        """The augmented window that was drawn."""
        ...

    def mirrored(self, example: Example, skeleton: Skeleton) -> Example:
        """The example seen in a mirror."""
        ...


def cut_windows(
    task: Windows, clips: StoredClips, frames: int, targets: Targets, augment: Augment, confidence: bool,
    rng: np.random.Generator,
) -> list[Example]:  # fmt: skip
    """A training window of each clip; without `confidence` joints are seen or not."""
    from ups.data.loader import StoredClips  # an exported model answers without stores

    examples = []
    for at in range(0, len(clips), CHUNK):
        part = StoredClips(clips.store, clips.indices[at : at + CHUNK])
        examples += _chunk(task, part, frames, targets, augment, confidence, rng)
    return examples


def _chunk(
    task: Windows, clips: StoredClips, frames: int, targets: Targets, augment: Augment, confidence: bool,
    rng: np.random.Generator,
) -> list[Example]:  # fmt: skip
    store, number, joints_of = clips.store, len(clips), len(clips.store.skeleton)
    jitter = np.empty((number, 1, frames, joints_of, 2))
    joints = np.empty((number, frames, joints_of, 2), np.float32)
    visibility = np.empty((number, frames, joints_of), np.float32)
    poses = np.empty((number, number_of(targets, frames), joints_of, 3), np.float32)
    draws = []
    for k, index in enumerate(clips.indices.tolist()):
        length = int(store.frames[index])
        draw = draw_window(length, frames, targets, jitter[k], augment, rng)
        first, last = max(draw.start, 0), min(draw.start + frames, length)
        low, high = first - draw.start, last - draw.start
        store.read_window(index, first, joints[k, low:high], visibility[k, low:high])
        for array in (joints[k], visibility[k]):
            array[:low], array[high:] = array[low], array[high - 1]
        for t, frame in enumerate(draw.wanted.tolist()):
            poses[k, t] = store.read_pose_3d(index, min(max(draw.start + frame, 0), length - 1))
        draws.append(draw)
    if not confidence:
        visibility = (visibility > 0).astype(np.float32)
    whole = np.array([(window > 0).all() for window in visibility])
    found = _all_seen(task, clips, np.flatnonzero(whole), joints, visibility, poses, draws, augment)
    return [
        found[k] if whole[k] else _some_seen(task, clips, k, joints[k], visibility[k], poses[k], draw, augment)
        for k, draw in enumerate(draws)
    ]


def _some_seen(
    task: Windows, clips: StoredClips, k: int, joints: np.ndarray, visibility: np.ndarray, poses: np.ndarray,
    draw: WindowDraw, augment: Augment,
) -> Example:  # fmt: skip
    """The example of one window (N, J, ...), some of whose joints are not seen."""
    store, i = clips.store, int(clips.indices[k])
    pose_3d = np.zeros((*visibility.shape, 3), np.float32)
    pose_3d[draw.wanted] = poses
    size = int(store.columns["width"][i]), int(store.columns["height"][i])
    clip = PoseSequence(
        joints[None], visibility[None], store.skeleton, store.space, float(store.fps[i]), store.ids[i],
        image_size=size, pose_3d=pose_3d[None],
    )  # fmt: skip
    return task.drawn_example(clip, len(joints), augment, replace(draw, start=0))


def _all_seen(
    task: Windows, clips: StoredClips, chosen: np.ndarray, joints: np.ndarray, visibility: np.ndarray,
    poses: np.ndarray, draws: list[WindowDraw], augment: Augment,
) -> dict[int, Example]:  # fmt: skip
    """The examples of the chosen windows of (B, N, J, ...), all of whose joints are seen: `PoseTask.drawn_example`."""
    if len(chosen) == 0:
        return {}
    store, order = clips.store, list(clips.store.skeleton.slot_order)
    skeleton = store.skeleton.sorted_by_slot()
    roots, frames = list(skeleton.root_indices), joints.shape[1]
    indices = clips.indices[chosen]
    size = np.stack([store.columns["width"][indices], store.columns["height"][indices]], -1)
    centre, half = (size / 2).astype(np.float32), (size.max(-1) / 2).astype(np.float32)
    screen = joints[chosen].take(order, 2)
    screen -= centre[:, None, None]
    screen /= half[:, None, None, None]
    root = screen[:, :, roots].sum(2) / np.array([len(roots)])
    origin = root.mean(1)
    planar = screen - origin[:, None, None]
    squares = planar**2
    distances = squares[..., 0] + squares[..., 1]
    spread = np.sqrt(distances.reshape(len(chosen), -1).mean(1))
    spread = np.maximum(spread, 1e-3)
    planar /= (2 * spread)[:, None, None, None]
    context = np.zeros((len(chosen), CONTEXT), np.float32)
    context[:, :2], context[:, 2] = origin, np.log(spread)
    context[:, 3] = [np.log(frames / fps) for fps in store.fps[indices].tolist()]
    made = np.empty((len(chosen), 1, frames, len(order), 3), np.float32)
    made[:, 0, ..., :2] = planar
    made[:, 0, ..., 2] = (1 - visibility[chosen]).take(order, 2)
    targets = poses[chosen][:, :, order]
    targets = targets - targets[:, :, roots].mean(2, keepdims=True)
    seen = np.ones((1, frames, len(order)), bool)
    examples = {}
    for n, k in enumerate(chosen.tolist()):
        draw = draws[k]
        noise = augment.pose.noise * draw.amount / np.exp(context[n, 2])
        np.multiply(draw.jitter, noise, out=draw.jitter)
        made[n, ..., :2] += draw.jitter.astype(np.float32)
        example = Example(made[n], hide(seen, draw.hidden), context[n], -1, draw.wanted, targets[n][None])
        examples[k] = task.mirrored(example, skeleton) if draw.mirrored else example
    return examples
