"""`ups show`: a recording to look at."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from ups.cli.convert import lifted_by
from ups.cli.recording import Recording
from ups.cli.show import say


@dataclass
class Show:
    """Draw a recording's poses: a PNG of six moments, a GIF or MP4 that moves, or a file for the viewer of Rerun; left limbs
    blue, right ones orange.
    """

    file: Positional[Path]
    """The recording: anything that `ups predict` reads, or poses_3d.npz of a video; for Rerun also the folder that `ups
    predict VIDEO` wrote, with its joints, 3D poses and actions."""
    output: Positional[Path]
    """The new file; its ending, .png, .gif, .mp4 or .rrd, says what it is. An MP4 needs the extra [video], an .rrd
    [rerun]."""
    how: Annotated[Recording, arg(name="")] = field(default_factory=Recording)
    lift: Path | None = None
    """Estimate the 3D poses behind a 2D recording with this model, and show those; for Rerun both."""
    start: float = 0.0
    """Begin at this second."""
    seconds: float | None = None
    """Show so many seconds; default: all."""
    size: tuple[int, int] = (640, 480)
    """Width and height of a GIF or MP4, in pixels."""
    title: str | None = None
    """A line above; default: the name of the file."""

    def run(self) -> None:
        """Read, lift, draw."""
        from ups.errors import SettingError
        from ups.reporting.moving import part_of
        from ups.reporting.rerun_file import ENDING, save_rerun
        from ups.video.answer import JOINTS, POSES, RESULT
        from ups.video.show import KINDS, save_poses

        kind = self.output.suffix.lower()
        if kind not in KINDS:
            raise SettingError(f"{self.output}: known endings are {', '.join(KINDS)}")
        title = self.file.name if self.title is None else self.title
        if kind == ENDING and (self.file / RESULT).is_file():
            files = [file for name in (JOINTS, POSES) if (file := self.file / name).is_file()]
            clips = [part_of(self.how.read(file), self.start, self.seconds) for file in files]
            save_rerun(clips, self.output, title, self._actions(self.file / RESULT))
        else:
            clip = part_of(self.how.read(self.file), self.start, self.seconds)
            solid = None if self.lift is None else lifted_by(clip, self.lift)
            if kind == ENDING and solid is not None:
                save_rerun([clip, solid], self.output, title)
            else:
                save_poses(solid or clip, self.output, title, self.size)
        say(self.output, sys.stderr)

    def _actions(self, result: Path) -> dict[float, str]:
        """When what is done in the part that is shown, by the timeline of a video's result."""
        from ups.errors import DataError
        from ups.tasks.timeline import Segment

        try:
            told = json.loads(result.read_text("utf-8"))["timeline"]
            parts = [Segment(p["start"], p["end"], p["action"], p["probability"], p.get("why", "")) for p in told]
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{result}: no result of a video ({error!r}); make it again by `ups predict VIDEO`"
            ) from error
        last = float("inf") if self.seconds is None else self.seconds
        return {
            max(part.start_s - self.start, 0.0): part.action or part.told
            for part in parts
            if part.end_s > self.start and part.start_s < self.start + last
        }
