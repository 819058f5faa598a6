"""Clips in other skeletons than their own: joints picked, derived from others, or known to be missing.

So a model meets the joints that pose estimators give, whatever its data sets have: COCO's face, MediaPipe's feet, only
the twelve joints of the limbs. Conventions differ (where is a hip, a neck?), so derived joints vary from clip to clip.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ups.errors import DataError
from ups.pose import PoseSequence
from ups.skeleton import SLOTS, Skeleton
from ups.skeletons import SKELETONS, skeleton_of
from ups.tasks.geometry import knots

LIMBS = tuple(
    f"{side}_{part}" for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle") for side in ("left", "right")
)
"""The twelve joints that nearly every convention has."""
LISTED = tuple(s for name, s in SKELETONS.items() if name not in ("utd-20", "sbu-15"))
"""The listed skeletons; two have the joints of another."""
ENDS = {"wrist": "hand", "hand": "wrist", "ankle": "foot", "foot": "ankle"}
"""The joint that ends a limb where the one named is not recorded."""


@dataclass(frozen=True)
class SkeletonView:
    """What a batch is shown in.

    Attributes:
        skeleton: every joint of the batch.
        given: those that can be seen; the others are asked for only.
    """

    skeleton: Skeleton
    given: frozenset[str]


def draw_view(own: Skeleton, rng: np.random.Generator, estimates: bool) -> SkeletonView:
    """A random view of clips in skeleton `own`; with `estimates`, joints may be asked for that are not given."""
    kind = rng.choice(["listed", "limbs", "subset"], p=[0.4, 0.35, 0.25])
    if kind == "listed":
        given = list(LISTED[int(rng.integers(len(LISTED)))].joints)
    elif kind == "limbs":
        given = list(LIMBS) if rng.random() < 0.5 else _ends_as_recorded(own)
    else:
        given = [
            joint for joint in own.joints if joint in LIMBS or joint in _ends_as_recorded(own) or rng.random() < 0.5
        ]
    asked = set(given)
    if estimates and rng.random() < 0.6:
        asked |= set(own.joints if rng.random() < 0.7 else LISTED[int(rng.integers(len(LISTED)))].joints)
    if "pelvis" not in asked:
        asked |= {"left_hip", "right_hip"}
    return SkeletonView(skeleton_of([slot for slot in SLOTS if slot in asked], "training view"), frozenset(given))


def _ends_as_recorded(own: Skeleton) -> list[str]:
    """`LIMBS`, a hand for a wrist and a foot for an ankle where only those are recorded."""
    joints = []
    for joint in LIMBS:
        side, part = joint.split("_")
        other = f"{side}_{ENDS.get(part, part)}"
        joints.append(other if joint not in own.joints and other in own.joints else joint)
    return joints


def shown(clip: PoseSequence, view: SkeletonView, rng: np.random.Generator) -> PoseSequence:
    """The clip in a view: its own joints, derived ones, and those that are not given as not seen."""
    clip = in_skeleton(clip, view.skeleton, rng)
    hidden = [i for i, joint in enumerate(view.skeleton.joints) if joint not in view.given]
    if not hidden:
        return clip
    visibility = clip.visibility.copy()
    visibility[:, :, hidden] = 0
    return replace(clip, visibility=visibility)


def asking_for(clip: PoseSequence, skeleton: Skeleton) -> PoseSequence:
    """The clip with the joints of `skeleton` beside its own, not seen: what a model is to estimate."""
    extra = [joint for joint in skeleton.joints if joint not in clip.skeleton.joints]
    if not extra:
        return clip
    m, n, j, v = clip.joints.shape
    both = skeleton_of([*clip.skeleton.joints, *extra], clip.id or "clip")
    joints = np.concatenate([clip.joints, np.zeros((m, n, len(extra), v), np.float32)], 2)
    visibility = np.concatenate([clip.visibility, np.zeros((m, n, len(extra)), np.float32)], 2)
    return replace(clip, skeleton=both, joints=joints, visibility=visibility, pose_3d=None)


_TRUNK = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")


def derivable(skeleton: Skeleton) -> bool:
    """Whether other joints can be derived from these: shoulders and hips are among them."""
    return all(joint in skeleton.joints for joint in _TRUNK)


def in_skeleton(clip: PoseSequence, skeleton: Skeleton, rng: np.random.Generator) -> PoseSequence:
    """The clip with the joints of `skeleton`, those it lacks derived from the others (see `derive`).

    Of 2D joints with 3D poses behind them the 3D ones are derived, and seen where an affine camera, fitted to each
    frame, sees them.

    Raises:
        DataError: shoulders or hips, from which all is derived, are no joints of the clip.
    """
    names = clip.skeleton.joints
    missing = [joint for joint in _TRUNK if joint not in names]
    if missing:
        raise DataError(f"{clip.id or 'clip'}: other joints can't be derived without {', '.join(missing)}")
    wanted = [joint for joint in skeleton.joints if joint not in names]
    joints, visibility, pose_3d = clip.joints, clip.visibility, clip.pose_3d
    if wanted:
        if pose_3d is None:
            points, seen = derive(joints, visibility, names, wanted, rng)
        else:
            behind, sure = derive(pose_3d, np.ones_like(visibility), names, wanted, rng)
            points, seen = _projected(behind, pose_3d, joints, visibility)
            seen = seen * sure
            pose_3d = np.concatenate([pose_3d, behind], 2)
        joints = np.concatenate([joints, points], 2)
        visibility = np.concatenate([visibility, seen], 2)
    order = [(*names, *wanted).index(joint) for joint in skeleton.joints]
    pose_3d = None if pose_3d is None else pose_3d[:, :, order]
    return replace(
        clip, skeleton=skeleton, joints=joints[:, :, order], visibility=visibility[:, :, order], pose_3d=pose_3d
    )


def derive(
    joints: np.ndarray, visibility: np.ndarray, names: tuple[str, ...], wanted: list[str], rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Joints that follow from others, at distances that vary from clip to clip.

    The trunk's are taken between the shoulders and the hips, the face's from a head that turns by up to 40 degrees, those
    at the ends of limbs along the limbs.

    Args:
        joints: (M, N, J, V) in metres with V = 3 in any right-handed frame, or V = 2 in an image with y down.
        visibility: (M, N, J); what is derived from joints that are not seen is not seen.
        names: of the J joints; shoulders and hips are among them.
        wanted: W names that are not.

    Returns:
        (M, N, W, V) float32, and (M, N, W) float32 of 0 and 1.
    """
    body = _Body(joints.astype(np.float64), visibility > 0, names, rng)
    found = [body.joint(name) for name in wanted]
    points = np.stack([point for point, _ in found], 2).astype(np.float32)
    seen = np.stack([there for _, there in found], 2) & (np.abs(points) < 1e5).all(-1)
    return np.where(seen[..., None], points, 0), seen.astype(np.float32)


_Point = tuple[np.ndarray, np.ndarray]
"""(M, N, V) and whether it is known, (M, N)."""


class _Body:
    """The axes of a body in every frame, and the joints that follow from them. Lengths are those of an adult, in metres."""

    def __init__(self, joints: np.ndarray, seen: np.ndarray, names: tuple[str, ...], rng: np.random.Generator) -> None:
        self.joints, self.seen, self.names, self.rng = joints, seen, names, rng
        m, n, _, v = joints.shape
        ls, rs, lh, rh = (self._own(f"{side}_{part}")[0] for part in ("shoulder", "hip") for side in ("left", "right"))
        self.there = np.all([self._own(f"{s}_{p}")[1] for p in ("shoulder", "hip") for s in ("left", "right")], 0)
        self.shoulders, self.hips = (ls + rs) / 2, (lh + rh) / 2
        trunk = np.linalg.norm(self.shoulders - self.hips, axis=-1)
        self.metre = float(np.percentile(trunk[self.there], 90)) / 0.5 if self.there.any() else 1.0
        self.metre = max(self.metre, 1e-6)
        self.up = _unit(self.shoulders - self.hips)
        across = (ls - rs) + 0.5 * (lh - rh)
        if v == 3:
            self.left = _unit(across - (across * self.up).sum(-1, keepdims=True) * self.up)
            self.forward = np.cross(self.left, self.up)
        else:  # how much of the width is seen says how far the body is turned, not to which side
            self.left = across / (0.5 * self.metre)
            self.left /= np.maximum(np.linalg.norm(self.left, axis=-1, keepdims=True), 1)
            side = np.stack([-self.up[..., 1], self.up[..., 0]], -1) * rng.choice([-1.0, 1.0])
            self.forward = side * np.sqrt(np.maximum(1 - (self.left**2).sum(-1, keepdims=True), 0))
        turn, nod = (np.deg2rad(limit) * rng.random() * knots(rng.standard_normal((m, 5)), n) for limit in (25, 15))
        ahead, aside = np.cos(turn)[..., None], np.sin(turn)[..., None]
        self.face = ahead * self.forward + aside * self.left
        self.ear = ahead * self.left - aside * self.forward
        self.face, self.crown = (
            np.cos(nod)[..., None] * self.face - np.sin(nod)[..., None] * self.up,
            np.cos(nod)[..., None] * self.up + np.sin(nod)[..., None] * self.face,
        )
        self.place = {
            name: rng.random() for name in ("head", "nose", "eye", "ear", "toe", "neck", "spine", "chest", "end")
        }

    def _own(self, name: str) -> _Point:
        i = self.names.index(name)
        return self.joints[:, :, i], self.seen[:, :, i]

    def _at(self, name: str, low: float, high: float) -> float:
        """A length between two in the coordinates' unit, the same for both sides of the body."""
        return (low + (high - low) * self.place[name]) * self.metre

    def joint(self, name: str) -> _Point:
        """A joint of the clip, or one derived from others."""
        if name in self.names:
            return self._own(name)
        side, _, part = name.partition("_")
        if side in ("left", "right"):
            return self._paired(side, part)
        trunk = self.shoulders - self.hips
        if name == "pelvis":
            return self.hips + self.up * self._at("spine", 0, 0.06), self.there
        if name == "spine":
            return self.hips + trunk * (0.3 + 0.3 * self.place["spine"]), self.there
        if name == "chest":
            return self.hips + trunk * (0.85 + 0.15 * self.place["chest"]), self.there
        if name == "neck":
            return self.shoulders + self.up * self._at("neck", 0, 0.08), self.there
        centre, seen = self._head()
        if name == "head":
            return centre - self.crown * self._at("head", 0, 0.08), seen
        if name == "head_top":
            return centre + self.crown * self._at("head", 0.1, 0.18), seen
        return centre + self.face * self._at("nose", 0.08, 0.12) - self.crown * 0.02 * self.metre, seen  # nose

    def _head(self) -> _Point:
        """The middle between the ears."""
        if "nose" in self.names:
            nose, seen = self._own("nose")
            return nose - self.face * self._at("nose", 0.08, 0.12) + self.crown * 0.02 * self.metre, seen & self.there
        if "head" in self.names:
            head, seen = self._own("head")
            return head + self.crown * self._at("head", -0.02, 0.08), seen & self.there
        return self.shoulders + self.up * self._at("neck", 0.18, 0.26), self.there

    def _paired(self, side: str, part: str) -> _Point:
        sign = 1 if side == "left" else -1
        if part in _FACE:
            centre, seen = self._head()
            ahead, above, aside = _FACE[part]
            length = 0.85 + 0.3 * self.place["ear" if part == "ear" else "eye"]
            offset = self.face * ahead + self.crown * above + sign * self.ear * aside
            return centre + offset * length * self.metre, seen
        if part == "clavicle":
            shoulder, _ = self._own(f"{side}_shoulder")
            return self.shoulders + (shoulder - self.shoulders) * (0.1 + 0.3 * self.place["chest"]), self.there
        if part in _ARM_ENDS:
            return self._arm_end(side, sign, part)
        return self._leg_end(side, part)

    def _arm_end(self, side: str, sign: int, part: str) -> _Point:
        """Joints beyond the elbow, along the forearm from what is recorded."""
        elbow, seen = (
            self.joint(f"{side}_elbow") if f"{side}_elbow" in self.names else (self.shoulders, self.there & False)
        )
        known = f"{side}_wrist" if f"{side}_wrist" in self.names else f"{side}_hand"
        if known not in self.names:
            return elbow, seen & False
        end, end_seen = self._own(known)
        along, beside = _ARM_ENDS[part]
        if known.endswith("hand"):
            along -= 0.02 + 0.06 * self.place["end"]
        direction = _unit(end - elbow)
        across = sign * self.left - (sign * self.left * direction).sum(-1, keepdims=True) * direction
        return end + (direction * along + across * beside) * self.metre, seen & end_seen

    def _leg_end(self, side: str, part: str) -> _Point:
        """Ankle, heel and ball of the foot, along the shank and ahead from what is recorded."""
        knee, seen = self.joint(f"{side}_knee") if f"{side}_knee" in self.names else (self.hips, self.there & False)
        known = f"{side}_ankle" if f"{side}_ankle" in self.names else f"{side}_foot"
        if known not in self.names or part not in _LEG_ENDS:
            return knee, seen & False
        end, end_seen = self._own(known)
        along, ahead = _LEG_ENDS[part]
        if known.endswith("foot"):
            along, ahead = along - 0.03 - 0.04 * self.place["toe"], ahead - 0.08 * self.place["toe"]
        shank = _unit(end - knee)
        toes = self.forward - (self.forward * shank).sum(-1, keepdims=True) * shank
        ahead *= 0.8 + 0.4 * self.place["toe"]
        return end + (shank * along + toes * ahead) * self.metre, seen & end_seen & self.there


_FACE = {  # ahead, above, aside of the middle between the ears
    "eye_inner": (0.09, 0.03, 0.018), "eye": (0.088, 0.03, 0.032), "eye_outer": (0.08, 0.03, 0.045),
    "ear": (0.0, 0.0, 0.075), "mouth": (0.09, -0.06, 0.025),
}  # fmt: skip
_ARM_ENDS = {  # along the forearm, beside it, from the wrist
    "wrist": (0.0, 0.0), "hand": (0.07, 0.0), "hand_tip": (0.16, 0.0), "thumb": (0.07, -0.05), "index": (0.09, -0.02),
    "pinky": (0.08, 0.03),
}  # fmt: skip
_LEG_ENDS = {"ankle": (0.0, 0.0), "heel": (0.05, -0.04), "foot": (0.06, 0.13)}  # along the shank, ahead, from the ankle


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)


def _projected(points: np.ndarray, pose_3d: np.ndarray, joints: np.ndarray, visibility: np.ndarray) -> _Point:
    """Camera-frame points (M, N, W, 3) in pixels (M, N, W, 2), by the affine map that fits each frame's seen joints."""
    weight = (visibility > 0).astype(np.float64)[..., None]
    total = np.maximum(weight.sum(2, keepdims=True), 1)
    middle_3d, middle_2d = (
        (pose_3d * weight).sum(2, keepdims=True) / total,
        (joints * weight).sum(2, keepdims=True) / total,
    )
    a = (pose_3d - middle_3d) * weight  # its sum is 0, so pixels need not be centred
    square = np.einsum("mnjc,mnjd->mncd", a, a) + 1e-4 * np.eye(3)
    camera = np.linalg.solve(square, np.einsum("mnjc,mnjv->mncv", a, joints))  # M N 3 2
    seen = np.repeat(visibility.astype(bool).sum(-1, keepdims=True) >= 4, points.shape[2], -1)
    return ((points - middle_3d) @ camera + middle_2d).astype(np.float32), seen.astype(np.float32)
