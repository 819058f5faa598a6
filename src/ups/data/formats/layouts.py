"""What the keypoints of a pose estimator are where only their number is known, in the order in which it lists them."""

from __future__ import annotations

from dataclasses import dataclass

from ups.errors import DataError
from ups.skeletons import COCO_17, MEDIAPIPE_33, OPENPOSE_18


@dataclass(frozen=True)
class Layout:
    """Keypoints in the order of a tool.

    Attributes:
        name: of the model or data set.
        joints: the slot of each, None where none fits.
    """

    name: str
    joints: tuple[str | None, ...]

    @property
    def places(self) -> dict[str, int]:
        """Slot -> index of the keypoint."""
        return {slot: i for i, slot in enumerate(self.joints) if slot is not None}


def _hands(joints: int) -> dict[int, str]:
    """Places among 21 points a hand, the left one first: knuckles of thumb, index and little finger, as MediaPipe has."""
    points = {2: "thumb", 5: "index", 17: "pinky", 12: "hand_tip"}
    return {joints + 21 * s + i: f"{side}_{p}" for s, side in enumerate(("left", "right")) for i, p in points.items()}


def _layout(name: str, count: int, first: tuple[str, ...], others: dict[int, str]) -> Layout:
    slots = dict(enumerate(first)) | others
    return Layout(name, tuple(slots.get(i) for i in range(count)))


_HALPE_FEET = {20: "left_foot", 21: "right_foot", 24: "left_heel", 25: "right_heel"}
_HALPE_BODY = {17: "head_top", 18: "neck", 19: "pelvis", **_HALPE_FEET}
_OPENPOSE = OPENPOSE_18.joints

LAYOUTS: dict[int, Layout] = {
    layout_count: layout
    for layout_count, layout in (
        (17, _layout("COCO", 17, COCO_17.joints, {})),
        (18, _layout("OpenPose's COCO", 18, _OPENPOSE, {})),
        (25, Layout("BODY_25", (*_OPENPOSE[:8], None, *_OPENPOSE[8:], *[None] * 6))),
        (26, _layout("Halpe-26", 26, COCO_17.joints, _HALPE_BODY)),
        (33, _layout("MediaPipe", 33, MEDIAPIPE_33.joints, {})),
        (133, _layout("COCO-WholeBody", 133, COCO_17.joints, {
            17: "left_foot", 19: "left_heel", 20: "right_foot", 22: "right_heel", **_hands(91)})),
        (136, _layout("Halpe", 136, COCO_17.joints, {**_HALPE_BODY, **_hands(94)})),
    )
}  # fmt: skip
"""Number of keypoints -> what they are. BODY_25 is read as OpenPose's 18, without mid hip and feet."""


def layout_of(count: int, where: str) -> Layout:
    """The layout with `count` keypoints; DataError where none is known."""
    if count not in LAYOUTS:
        known = ", ".join(f"{n} ({layout.name})" for n, layout in LAYOUTS.items())
        raise DataError(
            f"{where}: {count} keypoints without names; known are {known}; say which is which with --joint-map"
        )
    return LAYOUTS[count]
