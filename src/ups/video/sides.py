"""Left and right that a pose estimator exchanged for a few frames, put right by the frames around."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ups.notices import Notice
from ups.pose import PoseSequence
from ups.tasks.detector import body_size

LIMBS = (
    ("clavicle", "shoulder", "elbow", "wrist", "hand", "hand_tip", "thumb", "index", "pinky"),
    ("hip", "knee", "ankle", "heel", "foot"),
)
"""Joints that are exchanged together: arms, legs."""
LONGEST = 0.2
"""Seconds; what is exchanged for longer can't be told from somebody who turned."""
NEARER = 0.5
"""Share of the way that is left when sides are exchanged, below which they were: at both ends of the frames together."""
EACH = 0.75
"""The same at either end."""
LEAST = 0.02
"""Body sizes that a joint moves at either end, on average: nearer ones cross in any walk."""


def put_sides_right(clip: PoseSequence) -> PoseSequence:
    """The clip with arms or legs exchanged back where they change sides for at most 0.2 s.

    They count as exchanged in frames a to b where left and right move, from frame a - 1 to a and from b to b + 1, at most
    half as far if their names are exchanged within, by the sum of all pairs of joints seen in both frames. One who turns,
    or is seen too little, stays as he is. A note tells in how many frames it was done.

    Args:
        clip: 2D or 3D, any unit.

    Returns:
        A clip of the same shape; the given one where nothing is exchanged.
    """
    size, longest = body_size(clip), max(1, round(LONGEST * clip.fps))
    joints, visibility, touched = clip.joints.copy(), clip.visibility.copy(), np.zeros(clip.frames, bool)
    for limb in LIMBS:
        pairs = [pair for pair in clip.skeleton.mirror_pairs if clip.skeleton.joints[pair[0]][len("left_") :] in limb]
        if not pairs:
            continue
        left, right = np.array(pairs).T
        here, there = np.concatenate([left, right]), np.concatenate([right, left])
        for person in range(clip.persons):
            for frames in _exchanged(joints[person], visibility[person] > 0, np.array(pairs), size, longest):
                for values in (joints[person], visibility[person]):
                    values[frames, here] = values[frames, there]
                touched[frames] = True
    count = int(touched.sum())
    if not count:
        return clip
    detail = f"in {count} of {clip.frames} frames arms or legs were on the other side of the frames around"
    told = Notice("note", "left and right were exchanged back", "look at those frames where sides matter", detail)
    return replace(clip, joints=joints, visibility=visibility, notices=(*clip.notices, told))


def _exchanged(joints: np.ndarray, seen: np.ndarray, pairs: np.ndarray, size: float, longest: int) -> list[slice]:
    """Frames of one person (N, J, D), seen (N, J), in which the pairs (P, 2) of a limb are on the wrong side."""
    sides, both = joints[:, pairs], np.asarray(seen[:, pairs].all(-1))  # (N, P, 2, D), (N, P)
    both = both[1:] & both[:-1]
    kept = (np.linalg.norm(sides[1:] - sides[:-1], axis=-1).sum(-1) * both).sum(-1)  # (N - 1): way from frame to frame
    crossed = (np.linalg.norm(sides[1:] - sides[:-1, :, ::-1], axis=-1).sum(-1) * both).sum(-1)
    ends = np.flatnonzero((crossed < EACH * kept) & (kept > 2 * LEAST * size * both.sum(-1)))
    found, last = [], -1
    for a, b in zip(ends, ends[1:], strict=False):
        if a > last and b - a <= longest and crossed[a] + crossed[b] < NEARER * (kept[a] + kept[b]):
            found.append(slice(int(a) + 1, int(b) + 1))
            last = b
    return found
