"""NTU RGB+D: from the bodies a Kinect tracked to at most two performers.

The steps are those of the public scripts of SGN and CTR-GCN (`get_raw_skes_data.py`, `get_raw_denoised_data.py`), which
most published results use, and the view normalisation that of 2s-AGCN (`preprocess.py`). We differ where those scripts
lose information: time keeps running while nobody is seen, a body that comes back returns in the frame where it does, and
an absent second person is not a copy of the first nor zeros, but simply not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from ups.errors import DataError
from ups.skeletons import NTU_25

SHORTEST = 11
"""Bodies seen in so few frames, or fewer, are noise (public scripts: `noise_len_thres`)."""
WIDEST = 0.8
"""A frame is noisy if the body is wider than this share of its height (`noise_spr_thres1`)."""
NOISIEST = 0.69754
"""Bodies with at least this share of noisy frames are furniture (`noise_spr_thres2`)."""

_PELVIS, _SPINE, _LEFT, _RIGHT = map(NTU_25.joints.index, ("pelvis", "spine", "left_shoulder", "right_shoulder"))


@dataclass(frozen=True, eq=False)
class Body:
    """What one tracking id saw: K frames, not always consecutive.

    Attributes:
        id: the sensor's tracking id.
        frames: (K,) int, increasing numbers of the recording's frames.
        joints: (K, 25, 3) float32 metres, as recorded.
        visibility: (K, 25) float32.
    """

    id: int
    frames: np.ndarray
    joints: np.ndarray
    visibility: np.ndarray


def drop_short(bodies: Sequence[Body]) -> list[Body]:
    """Without the bodies of at most SHORTEST frames (`denoising_by_length`); a lone body always stays.

    Where every body is that short the public scripts fail; we keep the longest.
    """
    kept = [body for body in bodies if len(body.frames) > SHORTEST or len(bodies) == 1]
    return kept or [max(bodies, key=lambda body: len(body.frames))]


def noisy_frames(body: Body) -> np.ndarray:
    """(K,) bool: the frames whose joints spread more than WIDEST as far in x as in y (`get_valid_frames_by_spread`)."""
    width, height = np.ptp(body.joints[..., :2], axis=1).T
    return width > np.float32(WIDEST) * height


def drop_wide(bodies: Sequence[Body]) -> list[Body]:
    """Without the bodies that are noisy in a share NOISIEST of their frames (`denoising_by_spread`), in order of
    appearance; the last one left is not tested and stays.
    """
    kept = list(bodies)
    for body in bodies:
        if len(kept) > 1 and noisy_frames(body).mean() >= NOISIEST:
            kept.remove(body)
    return kept


def motion(body: Body) -> float:
    """Variance of x, y and z over all joints and frames, summed; of all frames or only those that aren't noisy,
    whichever is less (the data set's authors' measure of the main actor, as `denoising_by_spread` refines it).
    """
    clean = body.joints[~noisy_frames(body)]
    parts = [body.joints, clean] if 0 < len(clean) < len(body.joints) else [body.joints]
    return min(float(part.reshape(-1, 3).var(axis=0, dtype=np.float64).sum()) for part in parts)


def denoise(bodies: Sequence[Body]) -> list[Body]:
    """The bodies that are people, the one that moves most first (`denoising_bodies_data`)."""
    kept = drop_wide(drop_short(bodies))
    return sorted(kept, key=motion, reverse=True) if len(kept) > 1 else kept


def assign_slots(bodies: Sequence[Body]) -> list[list[Body]]:
    """Bodies in order of importance -> one or two performers, each the bodies that follow one another in time.

    As `get_two_actors_points`: a body joins the first performer whose span of frames it overlaps by one frame at most
    (a tracker that loses a person and finds them again gives a new id), and is dropped if it overlaps both. We differ
    in that the second performer's span is empty at first; the scripts start it at frame 0, and so drop bodies seen
    before the second performer's first.
    """
    slots: list[list[Body]] = []
    spans: list[tuple[int, int]] = []
    for body in bodies:
        first, last = int(body.frames[0]), int(body.frames[-1])
        for i, (start, end) in enumerate(spans):
            if min(end, last) - max(start, first) <= 0:
                slots[i].append(body)
                spans[i] = (min(start, first), max(end, last))
                break
        else:
            if len(slots) < 2:
                slots.append([body])
                spans.append((first, last))
    return slots


def compose(slots: Sequence[Sequence[Body]], frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Performers over a recording of `frames` frames -> joints (M, N, 25, 3) metres, visibility (M, N, 25).

    Each body is put in the frames that saw it; where two bodies of a performer share a frame, the later in order is
    kept, as in the scripts. Leading and trailing frames that show nobody are cut; those in between stay, invisible (the
    scripts remove them, which makes movements jump). Invisible joints are 0.

    Raises:
        DataError: no joint is visible in any frame.
    """
    joints = np.zeros((len(slots), frames, len(NTU_25), 3), np.float32)
    visibility = np.zeros(joints.shape[:3], np.float32)
    for person, bodies in enumerate(slots):
        for body in bodies:
            joints[person, body.frames] = body.joints
            visibility[person, body.frames] = body.visibility
    seen = np.flatnonzero(visibility.any((0, 2)))
    if not len(seen):
        raise DataError("no joint is visible in any frame")
    present = visibility.any((1, 2))
    whole = slice(seen[0], seen[-1] + 1)
    joints, visibility = joints[present, whole], visibility[present, whole]
    joints[visibility == 0] = 0
    return joints, visibility


def normalize_view(joints: np.ndarray, visibility: np.ndarray) -> np.ndarray:
    """Joints as if all recordings were made from one side of the first performer; optional, the store is without it.

    As 2s-AGCN's `pre_normalization`, from the first performer's first frame: rotate so that the bone from pelvis to
    spine points along z, then so that the line from left to right shoulder points along x (which may tilt the spine
    again a little). The origin is the spine in that frame, as in CTR-GCN, so that walking stays visible; 2s-AGCN
    subtracts the spine of every frame. It also repeats clips to 300 frames, which is left to the model here.

    Args:
        joints: (M, N, 25, 3) metres, space "kinect".
        visibility: (M, N, 25).

    Returns:
        (M, N, 25, 3) float32 metres, x to the performer's right, z up; 0 where invisible.

    Raises:
        DataError: no frame shows the first performer's pelvis, spine and shoulders.
    """
    needed = [_PELVIS, _SPINE, _LEFT, _RIGHT]
    frames = np.flatnonzero((visibility[0][:, needed] > 0).all(-1))
    if not len(frames):
        raise DataError("no frame shows the first performer's pelvis, spine and shoulders, which fix the view")
    pelvis, spine, left, right = joints[0, frames[0]][needed].astype(np.float64)
    upright = _rotation(spine - pelvis, np.array([0.0, 0.0, 1.0]))
    facing = _rotation(upright @ (right - left), np.array([1.0, 0.0, 0.0]))
    turned = (joints - spine) @ (facing @ upright).T
    return np.where(visibility[..., None] > 0, turned, 0).astype(np.float32)


def _rotation(direction: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(3, 3): turns `direction` (3), by the shortest way, to point along the unit vector `target`."""
    if not direction.any():
        return np.eye(3)
    return Rotation.align_vectors(target[None], direction[None])[0].as_matrix()
