"""Poses as a file to look at, of the kind that its ending says: one call for pictures, animations, videos and pages."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ups.errors import SettingError
from ups.files import write_whole
from ups.pose import PoseSequence
from ups.reporting.moving import SIZE, pictures, save_gif
from ups.reporting.poses import save_picture
from ups.reporting.rerun_file import ENDING, save_rerun
from ups.video.source import writer_of

KINDS = (".png", ".gif", ".mp4", ENDING)


def save_poses(sequence: PoseSequence, path: str | Path, title: str = "", size: tuple[int, int] = SIZE) -> None:
    """Write poses, 2D or 3D, of any number of people.

    Args:
        sequence: what is shown.
        path: .png is up to six moments side by side, .gif and .mp4 move at the recording's pace; .rrd is for the viewer
            of Rerun, see `save_rerun`.
        title: a line above.
        size: width and height of what moves, in pixels.

    Raises:
        DataError: no joint is visible in any frame.
        SettingError: an ending of another kind, a GIF that is too long, an MP4 without PyAV or an .rrd without Rerun.
        OSError: the file can't be written.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in KINDS:
        raise SettingError(f"{path}: {kind or 'no ending'}; known are {', '.join(KINDS)}")
    if kind == ".png":
        save_picture(sequence, path, title)
    elif kind == ".gif":
        save_gif(sequence, path, title, size)
    elif kind == ENDING:
        save_rerun([sequence], path, title)
    else:
        fps = min(60.0, max(1.0, sequence.fps))
        part = path.with_name(f".{path.stem}.{os.getpid()}.mp4")  # a video is written over and over, not in one go
        part.parent.mkdir(parents=True, exist_ok=True)
        even = (size[0] - size[0] % 2, size[1] - size[1] % 2)
        try:
            with writer_of(part, fps, even) as write:
                for _, rgb in pictures(sequence, fps, even, title):
                    write(np.asarray(rgb))
            write_whole(path, part.read_bytes())
        finally:
            part.unlink(missing_ok=True)
