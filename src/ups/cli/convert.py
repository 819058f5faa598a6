"""`ups convert`: a recording in another format."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from ups.cli.recording import Recording
from ups.cli.show import say
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
    how: Annotated[Recording, arg(name="")] = field(default_factory=Recording)
    person: int | None = None
    """Only this person, counted from 1: TRC and BVH hold one."""
    lift: Path | None = None
    """Estimate the 3D poses behind a 2D recording with this model, and write those."""

    def run(self) -> None:
        """Read, lift, write."""
        from ups.data.checks.clip import check_or_refuse
        from ups.data.formats.write import FORMATS, not_held, write
        from ups.data.read_back import told_of_reading

        kind = self.to or self.output.suffix.lower().removeprefix(".")
        if kind not in FORMATS:
            raise SettingError(f"{self.output}: no format is called {kind!r}; give --to, one of {', '.join(FORMATS)}")
        if self.output.exists() and self.file.exists() and self.output.samefile(self.file):
            raise SettingError(f"{self.output} is the recording itself; give the new file another name")
        clip = self.how.read(self.file)
        for notice in clip.notices:
            if notice.severity == "note":
                say(f"note: {self.file}: {notice.what}; {notice.remedy}", sys.stderr)
        for line in check_or_refuse(clip, str(self.file), force=True):  # it is written as it is; its user is to know
            say(line, sys.stderr)
        if self.person is not None:
            if not 1 <= self.person <= clip.persons:
                raise SettingError(f"--person {self.person}; {self.file} has persons 1 to {clip.persons}")
            clip = clip.person(self.person - 1)
        if self.lift is not None:
            clip = lifted_by(clip, self.lift)
        for what in not_held(clip, kind):
            say(f"note: {self.output}: {kind} does not hold {what}", sys.stderr)
        write(clip, self.output, kind)
        if how := told_of_reading(clip, self.output, kind):
            say(f"warning: {self.output}: {how}", sys.stderr)
        say(f"{self.output}: {clip.persons} persons, {clip.frames} frames, {len(clip.skeleton)} joints, {clip.space}")


def lifted_by(clip: PoseSequence, model: Path) -> PoseSequence:
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
    return PoseSequence(joints, seen, lifted.skeleton, "camera", clip.fps, clip.id, clip.label, clip.subject, clip.view)
