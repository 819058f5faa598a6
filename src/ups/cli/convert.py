"""`ups convert`: a recording in another format."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tyro.conf import Positional

from ups.errors import SettingError

if TYPE_CHECKING:
    from ups.pose import PoseSequence


@dataclass
class Convert:
    """Write a recording in another format: our own, COCO keypoints, TRC or BVH."""

    file: Positional[Path]
    """The recording: anything that `ups predict` reads."""
    output: Positional[Path]
    """The new file; its ending says which format, .json our own."""
    to: Literal["npz", "json", "csv", "coco", "trc", "bvh"] | None = None
    """The format, where the ending does not say: COCO's, above all."""
    skeleton: str | None = None
    """Name of the skeleton, or a file that describes it: what the joints are where the recording doesn't say, else those
    to keep."""
    fps: float | None = None
    """Frames per second, where the recording doesn't say."""
    image_size: tuple[int, int] | None = None
    """Width and height in pixels, where a 2D recording doesn't say."""
    joint_map: Path | None = None
    """TOML file that says which joint of the recording is which, see `ups data joints`."""
    up: str | None = None
    """The axis of the recording that points up: y, -y, z, -z, x, -x; in 2D y, where y points up."""
    unit: str | None = None
    """Unit of 3D joints: m, cm, mm, in, ft."""
    coordinates: Literal["pixels", "fractions", "signed", "centred"] | None = None
    """Of 2D joints: fractions of the image, -1 to 1 across it (signed), or pixels from its middle (centred)."""
    rotate: Literal[90, 180, 270] | None = None
    """Turn the picture behind 2D joints clockwise by these degrees."""
    fix: tuple[Literal["swap-sides", "swap-xy", "score-z"], ...] = ()
    """Exchange left and right, exchange x and y, or take the third coordinate for a score."""
    person: int | None = None
    """Only this person, counted from 1: TRC and BVH hold one."""
    lift: Path | None = None
    """Estimate the 3D poses behind a 2D recording with this model, and write those."""

    def run(self) -> None:
        """Read, lift, write."""
        from ups.data.formats.write import FORMATS, write
        from ups.data.open_file import read_file

        kind = self.to or self.output.suffix.lower().removeprefix(".")
        if kind not in FORMATS:
            raise SettingError(f"{self.output}: no format is called {kind!r}; give --to, one of {', '.join(FORMATS)}")
        if self.output.exists() and self.file.exists() and self.output.samefile(self.file):
            raise SettingError(f"{self.output} is the recording itself; give the new file another name")
        clip = read_file(
            self.file,
            self.skeleton,
            self.fps,
            self.image_size,
            self.joint_map,
            up=self.up,
            unit=self.unit,
            coordinates=self.coordinates,
            rotate=self.rotate,
            fixes=self.fix,
        )
        for notice in clip.notices:
            print(f"{self.file}: {notice}", file=sys.stderr)
        if self.person is not None:
            if not 1 <= self.person <= clip.persons:
                raise SettingError(f"--person {self.person}; {self.file} has persons 1 to {clip.persons}")
            clip = clip.person(self.person - 1)
        if self.lift is not None:
            clip = _lifted(clip, self.lift)
        write(clip, self.output, kind)
        print(f"{self.output}: {clip.persons} persons, {clip.frames} frames, {len(clip.skeleton)} joints, {clip.space}")


def _lifted(clip: PoseSequence, model: Path) -> PoseSequence:
    """The 3D poses that a model finds behind a 2D clip, metres, relative to the root, in the camera's frame."""
    import numpy as np

    from ups.inference.predictor import Predictor
    from ups.pose import PoseSequence
    from ups.tasks.pose import estimate_pose
    from ups.tasks.task import check_space

    check_space(estimate_pose, clip.space, clip.id or "the recording")
    predictor = Predictor.from_pretrained(model)
    lifted = predictor.lift(clip)
    seen = np.asarray(np.isfinite(lifted.joints).all(-1), np.float32)  # NaN in windows in which a person is not seen
    joints = np.where(seen[..., None] > 0, lifted.joints, 0)
    return PoseSequence(joints, seen, lifted.skeleton, "camera", clip.fps, clip.id)
