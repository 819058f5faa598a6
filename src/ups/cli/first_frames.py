"""What `ups stream` does to frames before they are answered: mends them as the user says, and checks the first ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ups.data.checks.clip import check_clip, with_detail
from ups.data.formats.named import Wish
from ups.data.formats.repair import check_wish, repaired
from ups.errors import DataError
from ups.pose import PoseSequence, Space, pose_sequence
from ups.seen import check_somebody
from ups.skeleton import Skeleton

if TYPE_CHECKING:
    from ups.inference.streaming import OnlinePredictor

LOOKED_AT = 30
"""Frames with somebody in sight after which a stream is checked, once."""


class FirstFrames:
    """The frames of a stream, as the user says they are.

    Attributes:
        skeleton: of the frames.
        space, image_size: of the frames after they were mended: a turned picture has another size.
    """

    def __init__(
        self, skeleton: Skeleton, space: Space, fps: float, image_size: tuple[int, int] | None, repairs: dict[str, Any],
        force: bool,
    ) -> None:  # fmt: skip
        self.skeleton, self.fps, self.force = skeleton, fps, force
        self._given: tuple[Space, tuple[int, int] | None] = space, image_size
        self._wish = Wish(**repairs) if repairs else None
        self.space: Space = space
        self.image_size = image_size
        self._left = LOOKED_AT
        if self._wish is not None:
            check_wish(self._wish, "stream")
            width = 2 if space == "image" else 3
            tried = self._repaired(np.ones((1, 1, len(skeleton), width)), None)
            self.space, self.image_size = tried.space, tried.image_size

    def _repaired(self, joints: np.ndarray, visibility: np.ndarray | None) -> PoseSequence:
        space, size = self._given
        clip = pose_sequence(
            joints, self.skeleton, space=space, fps=self.fps, visibility=visibility, image_size=size, id="frame"
        )
        return clip if self._wish is None else repaired(clip, self._wish, "stream")

    def mended(self, joints: Any, visibility: Any) -> tuple[Any, Any]:
        """A frame's joints (J, V) or (P, J, V) and visibility, as the options say; None where nobody is there.

        Raises:
            DataError: joints of another shape.
        """
        if self._wish is None or joints is None:
            return joints, visibility
        points = np.asarray(joints, np.float32)
        if points.ndim not in (2, 3) or len(points) == 0:
            return joints, visibility  # the predictor says what is wrong
        persons = points.reshape(-1, *points.shape[-2:])[:, None]
        seen = None if visibility is None else np.asarray(visibility, np.float32).reshape(len(persons), 1, -1)
        clip = self._repaired(persons, seen)
        unseen = clip.visibility[:, 0, :, None] == 0
        return np.where(unseen, np.nan, clip.joints[:, 0]), clip.visibility[:, 0]

    def remarks(self, online: OnlinePredictor) -> list[str]:
        """What the check finds in the first frames, as lines, once; nothing before and after.

        Raises:
            DataError: it finds an error, and the user did not say to go on.
        """
        if not self._left:
            return []
        try:
            check_somebody(online.seen(1).visibility, "frame")
        except DataError:
            return []
        self._left -= 1
        if self._left:
            return []
        lines = []
        clip = replace(online.seen(LOOKED_AT), up_known=self._wish is not None and self._wish.up is not None)
        for severity, what, remedy, detail in check_clip(clip, filmed=True):
            line = f"the first {LOOKED_AT} frames: {with_detail(what, detail)}; {remedy}"
            if severity == "error" and not self.force:
                raise StreamRefused(f"{line}, or --force")
            if severity != "note":
                lines.append(f"{severity}: {line}")
        return lines


class StreamRefused(DataError):
    """The whole stream is not what its options say."""
