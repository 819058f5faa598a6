"""`ups show`: a recording to look at."""

from __future__ import annotations

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
    """Draw a recording's poses: a PNG of six moments, or a GIF or MP4 that moves; left limbs blue, right ones orange."""

    file: Positional[Path]
    """The recording: anything that `ups predict` reads, or poses_3d.npz of a video."""
    output: Positional[Path]
    """The new file; its ending, .png, .gif or .mp4, says what it is. An MP4 needs the extra [video]."""
    how: Annotated[Recording, arg(name="")] = field(default_factory=Recording)
    lift: Path | None = None
    """Estimate the 3D poses behind a 2D recording with this model, and show those."""
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
        from ups.video.show import KINDS, save_poses

        if self.output.suffix.lower() not in KINDS:
            raise SettingError(f"{self.output}: known endings are {', '.join(KINDS)}")
        clip = part_of(self.how.read(self.file), self.start, self.seconds)
        if self.lift is not None:
            clip = lifted_by(clip, self.lift)
        save_poses(clip, self.output, self.file.name if self.title is None else self.title, self.size)
        say(self.output, sys.stderr)
