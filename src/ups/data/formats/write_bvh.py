"""Writer of BVH: one person in 3D as a tree of joints below the pelvis, with positions and rotations of every joint."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeleton import SLOTS, Skeleton
from ups.skeletons import skeleton_of

_UNIT = 100.0
"""Centimetres, the unit of most BVH files."""


def write_bvh(clip: PoseSequence) -> str:
    """The text of a BVH file, in centimetres, y up. Joints are called as here.

    Every joint has position channels, which put it exactly where it was, and rotations that turn its bones from the
    first frame, for programs that leave the positions out. BVH has no gaps: a joint that was not seen is put between
    the frames before and after; one that never was is left out. Without a pelvis the middle of the hips becomes one.

    Raises:
        DataError: neither a pelvis nor both hips were seen.
    """
    skeleton, points = _tree(clip)
    children = [[c for c, p in skeleton.bones if p == j] for j in range(len(skeleton))]
    order = _depth_first(children, skeleton.parents.index(-1))
    turns = _turns(points, skeleton, children, order)
    rest = points[0]
    lines = ["HIERARCHY"]
    _hierarchy(lines, skeleton, children, order[0], rest, 0)
    lines += ["MOTION", f"Frames: {len(points)}", f"Frame Time: {1 / clip.fps:.9f}"]
    columns = []
    for j in order:
        parent = skeleton.parents[j]
        above = turns[parent] if parent >= 0 else np.tile(np.eye(3), (len(points), 1, 1))
        place = points[:, j] - (points[:, parent] if parent >= 0 else 0)
        columns.append(np.einsum("nji,nj->ni", above, place))
        local = np.einsum("nji,njk->nik", above, turns[j])
        columns.append(Rotation.from_matrix(local).as_euler("ZXY", degrees=True))
    values = np.concatenate(columns, 1)
    lines += [" ".join(f"{value:.6f}" for value in row) for row in values]
    return "\n".join(lines) + "\n"


def _tree(clip: PoseSequence) -> tuple[Skeleton, np.ndarray]:
    """A skeleton that hangs together below the pelvis, and its joints (N, J, 3) in centimetres without gaps."""
    joints = clip.joints[0].astype(np.float64) * ((1, -1, -1) if clip.space == "camera" else 1) * _UNIT
    seen = clip.visibility[0] > 0
    found: dict[str, np.ndarray] = {}
    frames = np.arange(len(joints))
    for j, name in enumerate(clip.skeleton.joints):
        there = np.flatnonzero(seen[:, j])
        if len(there):
            found[name] = np.stack([np.interp(frames, there, joints[there, j, axis]) for axis in range(3)], -1)
    if "pelvis" not in found:
        if not {"left_hip", "right_hip"} <= set(found):
            raise DataError(f"{clip.id or 'clip'}: BVH hangs on a pelvis; neither one nor both hips were seen")
        found["pelvis"] = (found["left_hip"] + found["right_hip"]) / 2
    names = [slot for slot in SLOTS if slot in found]
    skeleton = skeleton_of(names, clip.id or "clip", "bvh")
    root = names.index("pelvis")
    parents = tuple(root if p < 0 and j != root else p for j, p in enumerate(skeleton.parents))
    return Skeleton("bvh", skeleton.joints, parents, ("pelvis",)), np.stack([found[name] for name in names], 1)


def _depth_first(children: list[list[int]], root: int) -> list[int]:
    order, waiting = [], [root]
    while waiting:
        joint = waiting.pop()
        order.append(joint)
        waiting += reversed(children[joint])
    return order


def _turns(points: np.ndarray, skeleton: Skeleton, children: list[list[int]], order: list[int]) -> list[np.ndarray]:
    """World rotation (N, 3, 3) of every joint since the first frame: that which turns its bones best; of a joint
    without bones, its parent's.
    """
    turns = [np.tile(np.eye(3), (len(points), 1, 1)) for _ in skeleton.joints]
    for j in order:
        parent = skeleton.parents[j]
        bones = points[:, children[j]] - points[:, [j]]
        if not children[j] or np.linalg.norm(bones[0], axis=-1).max() < 1e-6:
            turns[j] = turns[parent] if parent >= 0 else turns[j]
        elif len(children[j]) == 1:
            turns[j] = _shortest_turns(bones[0, 0], bones[:, 0])
        else:
            u, _, v = np.linalg.svd(np.einsum("nbi,bj->nij", bones, bones[0]))
            u[:, :, 2] *= np.sign(np.linalg.det(u @ v))[:, None]
            turns[j] = u @ v
    return turns


def _shortest_turns(start: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """The least rotations (N, 3, 3) that bring one direction (3) to others (N, 3)."""
    lengths = np.linalg.norm(ends, axis=-1, keepdims=True)
    a, b = start / np.linalg.norm(start), ends / np.maximum(lengths, 1e-9)
    axis = np.cross(np.tile(a, (len(b), 1)), b)
    sine, cosine = np.linalg.norm(axis, axis=-1), b @ a
    other = np.cross(a, np.eye(3)[int(np.abs(a).argmin())])
    turned = (sine < 1e-9)[:, None]
    axis = np.where(turned, other / np.linalg.norm(other), axis / np.maximum(sine, 1e-9)[:, None])
    return Rotation.from_rotvec(axis * np.arctan2(sine, cosine)[:, None]).as_matrix()


def _hierarchy(
    lines: list[str], skeleton: Skeleton, children: list[list[int]], joint: int, rest: np.ndarray, depth: int
) -> None:
    """Appends a joint and what hangs on it, offsets from the first frame."""
    pad, parent = "  " * depth, skeleton.parents[joint]
    offset = rest[joint] - rest[parent] if parent >= 0 else np.zeros(3)
    lines.append(f"{pad}{'JOINT' if parent >= 0 else 'ROOT'} {skeleton.joints[joint]}")
    lines.append(f"{pad}{{")
    lines.append(f"{pad}  OFFSET {' '.join(f'{v:.6f}' for v in offset)}")
    lines.append(f"{pad}  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation")
    for child in children[joint]:
        _hierarchy(lines, skeleton, children, child, rest, depth + 1)
    if not children[joint]:
        lines.append(f"{pad}  End Site\n{pad}  {{\n{pad}    OFFSET 0.000000 0.000000 0.000000\n{pad}  }}")
    lines.append(f"{pad}}}")
