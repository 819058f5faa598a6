"""What a pose sequence is: joints of M persons over N frames, with everything needed to read them rightly.

Axis letters, here and everywhere: B batch, M persons, N frames, J joints, V coordinates, D width, K tokens.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from ups.errors import DataError
from ups.notices import Notice
from ups.seen import not_seen, numbers
from ups.skeleton import Skeleton
from ups.skeletons import get_skeleton

Space = Literal["image", "camera", "kinect", "world"]
"""Frames of reference.

image:  V=2, pixels, x right, y down, origin top left; `image_size` is (width, height).
camera: V=3, metres, x right, y down, z forward (OpenCV).
kinect: V=3, metres, as a depth sensor records them: x to the sensor's left, y up, z away from it (right-handed);
        (-x, -y, z) is the camera frame.
world:  V=3, metres, y up.
"""


METRES, PIXELS, IMAGE_SIDE = 1e6, 1e7, 100_000
"""Limits of coordinates and of an image's width and height: what lies beyond is damaged or of another unit."""
PERSONS, FRAMES, NAME = 1000, 10_000_000, 1000
"""Limits of persons and frames (a day at 115 a second) of one recording, and of the characters of its id."""


@dataclass(frozen=True)
class PoseSequence:
    """One recording of M persons.

    Attributes:
        joints: (M, N, J, V) float32, in the unit and frame that `space` names; 0 where invisible.
        visibility: (M, N, J) float32 in 0..1; 0 = the joint was not seen, other values are the detector's confidence.
        skeleton: names the J joints.
        space: frame of reference and unit, see `Space`.
        fps: frames per second, > 0.
        id: unique name within the data set.
        label: index into the data set's class names, -1 if unknown.
        subject: number of the (first) performer, -1 if unknown.
        view: number of the camera, -1 if unknown.
        image_size: (width, height) in pixels; needed when space is "image".
        pose_3d: (M, N, J, 3) float32 metres in the camera's frame (x right, y down, z forward): the 3D poses behind
            2D `joints`, where known.
        focal: the camera's focal length in pixels, where known; makes estimated 3D poses better.
        centre: (x, y) of the camera's principal point in pixels; the image's middle where None.
        notices: what its reader assumed, changed or left out, for its user to know.
        up_known: somebody said which way is up, so that bodies that lie along another axis really lie.

    Raises:
        DataError: wrong shape or dtype, no person, no frame, values that are not finite, unknown space.
    """

    joints: np.ndarray
    visibility: np.ndarray
    skeleton: Skeleton
    space: Space
    fps: float
    id: str = ""
    label: int = -1
    subject: int = -1
    view: int = -1
    image_size: tuple[int, int] | None = None
    pose_3d: np.ndarray | None = None
    focal: float | None = None
    centre: tuple[float, float] | None = None
    notices: tuple[Notice, ...] = ()
    up_known: bool = False

    def __post_init__(self) -> None:
        name = self.id[:NAME].encode(errors="backslashreplace").decode() or "pose sequence"
        if name != (self.id or name):
            raise DataError(f"{name[:80]}: an id is text of at most {NAME} characters, without halves of characters")
        for key in ("label", "subject", "view"):
            if not -(2**31) <= getattr(self, key) < 2**31:
                raise DataError(f"{name}: {key} does not fit in 32 bits; give a smaller number, -1 if unknown")
        if self.space not in get_args(Space):
            raise DataError(f"{name}: space {self.space!r} is not one of {', '.join(get_args(Space))}")
        channels = 2 if self.space == "image" else 3
        shape = np.shape(self.joints)
        if len(shape) != 4:
            raise DataError(f"{name}: joints have shape {shape}; (persons, frames, joints, coordinates) is needed")
        if shape[0] < 1 or shape[1] < 1:
            raise DataError(f"{name}: {shape[0]} persons and {shape[1]} frames; at least one of each is needed")
        if shape[0] > PERSONS or shape[1] > FRAMES:
            raise DataError(
                f"{name}: {shape[0]} persons and {shape[1]} frames; at most {PERSONS} and {FRAMES:,}: cut it into parts"
            )
        if shape[2] != len(self.skeleton):
            raise DataError(
                f"{name}: {shape[2]} joints, but skeleton {self.skeleton.name!r} has {len(self.skeleton)}; "
                "name the skeleton the joints were recorded with"
            )
        if shape[3] != channels:
            raise DataError(f"{name}: {shape[3]} coordinates a joint; space {self.space!r} has {channels}")
        if np.shape(self.visibility) != shape[:3]:
            raise DataError(f"{name}: visibility has shape {np.shape(self.visibility)}; {shape[:3]} is needed")
        if not 1 <= self.fps <= 1000:
            raise DataError(f"{name}: {self.fps} frames per second; a number from 1 to 1000 is needed")
        if self.space == "image" and self.image_size is None:
            raise DataError(f"{name}: 2D joints need image_size=(width, height) in pixels")
        if self.image_size is not None and not all(1 <= n <= IMAGE_SIDE for n in self.image_size):
            raise DataError(f"{name}: image size {self.image_size}; width and height are 1 to {IMAGE_SIDE:,} pixels")
        if self.focal is not None and not 1 <= self.focal <= 100 * IMAGE_SIDE:
            raise DataError(f"{name}: a focal length of {self.focal}; 1 to {100 * IMAGE_SIDE:,} pixels are possible")
        if self.pose_3d is not None and np.shape(self.pose_3d) != (*shape[:3], 3):
            raise DataError(f"{name}: pose_3d has shape {np.shape(self.pose_3d)}; {(*shape[:3], 3)} is needed")
        for key in ("joints", "visibility", "pose_3d"):
            value = getattr(self, key)
            if value is None:
                continue
            with np.errstate(over="ignore"):  # what is too large becomes infinite, which is an error
                value = np.ascontiguousarray(value, dtype=np.float32)
            finite = np.isfinite(value)
            if not finite.all():
                bad = np.argwhere(~finite)
                raise DataError(
                    f"{name}: {key}{tuple(int(i) for i in bad[0])} is {value[tuple(bad[0])]} ({len(bad)} values are not "
                    "finite); give missing joints visibility 0 and coordinate 0"
                )
            limit = PIXELS if key == "joints" and self.space == "image" else METRES
            if key != "visibility" and np.abs(value).max() > limit:
                raise DataError(
                    f"{name}: {key} holds {np.abs(value).max():g}; coordinates are at most {limit:g} "
                    f"{'pixels' if limit == PIXELS else 'metres'}: check the unit, or mark the joint as not seen"
                )
            object.__setattr__(self, key, value)
        if self.visibility.min() < 0 or self.visibility.max() > 1:
            raise DataError(f"{name}: visibility lies in 0..1, found {self.visibility.min()}..{self.visibility.max()}")

    @property
    def persons(self) -> int:
        """M."""
        return self.joints.shape[0]

    @property
    def frames(self) -> int:
        """N."""
        return self.joints.shape[1]

    def first(self, frames: int) -> PoseSequence:
        """The first `frames` raw frames (at least one, at most all)."""
        n = min(max(int(frames), 1), self.frames)
        target = None if self.pose_3d is None else self.pose_3d[:, :n]
        return replace(self, joints=self.joints[:, :n], visibility=self.visibility[:, :n], pose_3d=target)

    def person(self, m: int) -> PoseSequence:
        """The clip of person `m` alone, who counts from 0."""
        one = slice(m, m + 1)
        target = None if self.pose_3d is None else self.pose_3d[one]
        return replace(self, joints=self.joints[one], visibility=self.visibility[one], pose_3d=target)

    def without_confidence(self) -> PoseSequence:
        """The clip with visibility 1 wherever a joint was seen, however sure that was."""
        return replace(self, visibility=(self.visibility > 0).astype(np.float32))

    def tell(self, *notices: Notice) -> PoseSequence:
        """The clip with more to know about it."""
        return replace(self, notices=(*self.notices, *notices)) if notices else self

    def keep_best(self, persons: int) -> PoseSequence:
        """The clip with at most so many persons, those seen best, in their order; it tells that others were left out.

        Seen best is who has the greatest sum of visibility; of equals, the first.
        """
        if self.persons <= persons:
            return self
        weight = self.visibility.sum((1, 2), dtype=np.float64)
        best = np.sort(np.argsort(-weight, kind="stable")[:persons])
        target = None if self.pose_3d is None else self.pose_3d[best]
        kept = replace(self, joints=self.joints[best], visibility=self.visibility[best], pose_3d=target)
        remedy = "nothing, if they matter most; else write fewer persons, or a file for each"
        what = f"only the {persons} persons seen best are kept"
        return kept.tell(Notice("warning", what, remedy, f"{self.persons} persons"))

    def pick_joints(self, skeleton: Skeleton, where: str = "") -> PoseSequence:
        """The clip with the joints of `skeleton`, picked by name.

        Raises:
            DataError: the clip lacks some of them; it names them, and `where` (the clip's id by default).
        """
        if self.skeleton == skeleton:
            return self
        missing = [joint for joint in skeleton.joints if joint not in self.skeleton.joints]
        if missing:
            raise DataError(
                f"{where or self.id or 'clip'}: its skeleton {self.skeleton.name!r} lacks {', '.join(missing)} of "
                f"skeleton {skeleton.name!r}"
            )
        order = [self.skeleton.joints.index(joint) for joint in skeleton.joints]
        pose_3d = None if self.pose_3d is None else self.pose_3d[:, :, order]
        picked = {"joints": self.joints[:, :, order], "visibility": self.visibility[:, :, order], "pose_3d": pose_3d}
        return replace(self, skeleton=skeleton, **picked)

    def root_relative_3d(self) -> np.ndarray:
        """The 3D poses behind 2D joints, relative to the root of each frame: (M, N, J, 3) metres, camera frame.

        Raises:
            DataError: the clip has no 3D poses.
        """
        if self.pose_3d is None:
            raise DataError(
                f"{self.id or 'clip'}: no 3D poses lie behind its joints; a data set that pairs both is needed"
            )
        return self.pose_3d - self.pose_3d[:, :, list(self.skeleton.root_indices)].mean(2, keepdims=True)


def pose_sequence(
    joints: np.ndarray,
    skeleton: str | Skeleton,
    *,
    space: Space,
    fps: float,
    visibility: np.ndarray | None = None,
    image_size: tuple[int, int] | None = None,
    id: str = "",
    focal: float | None = None,
    centre: tuple[float, float] | None = None,
) -> PoseSequence:
    """A pose sequence from your own arrays.

    Args:
        joints: (N, J, V) of one person or (M, N, J, V), in the unit and frame of `space`; what counts as not seen, NaN
            above all, is said in `ups.seen.not_seen`.
        skeleton: a name of `ups.skeletons.SKELETONS`, or a `Skeleton`; says which joint is which.
        space: "image" (pixels), "camera", "kinect" or "world" (metres), see `Space`.
        fps: frames per second.
        visibility: (N, J) or (M, N, J) in 0..1, or another scale that `not_seen` knows; where None, every joint with
            coordinates counts as seen.
        image_size: (width, height) in pixels, for 2D joints.
        id: a name for messages.
        focal: the camera's focal length in pixels, for 2D; makes estimated 3D poses better.
        centre: (x, y) of its principal point in pixels; the image's middle where None.

    Raises:
        DataError: as `PoseSequence` does.
        SettingError: an unknown skeleton.
    """
    where = id or "pose sequence"
    named = get_skeleton(skeleton) if isinstance(skeleton, str) else skeleton
    points = numbers(joints, where, "joints")
    scores = None if visibility is None else numbers(visibility, where, "visibility")
    if points.ndim == 3:
        points, scores = points[None], None if scores is None else scores[None]
    if points.ndim != 4:
        raise DataError(f"{where}: joints have shape {points.shape}; (frames, joints, coordinates) is needed")
    points, seen, told = not_seen(points, scores, where, named.root_indices, named.sided)
    return PoseSequence(
        points, seen, named, space, fps, id, image_size=image_size, focal=focal, centre=centre, notices=told
    )
