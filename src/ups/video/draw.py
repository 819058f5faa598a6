"""Joints and actions drawn onto the frames of a video. Pillow draws, which matplotlib brings along."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ups.pose import PoseSequence
from ups.reporting.names import label
from ups.reporting.poses import CENTRE, LEFT, RIGHT
from ups.tasks.timeline import Timeline
from ups.video.source import Facts, frames_of, writer_of

if TYPE_CHECKING:
    from PIL import Image

WIDEST = 960
"""Pixels of the annotated video's longer side, at most."""


def annotate(
    path: Path, facts: Facts, clip: PoseSequence, timeline: Timeline, output: Path, progress: Callable[[int], None]
) -> None:
    """Writes the video with everybody's joints, the left in blue, the right in orange, and what is done at the time.

    Raises:
        OSError: it can't be written.
    """
    shrink = min(1.0, WIDEST / max(facts.size))
    size = (max(1, round(facts.size[0] * shrink)), max(1, round(facts.size[1] * shrink)))
    with writer_of(output, facts.fps, size) as write:
        for frame in frames_of(path):
            progress(frame.number)
            place = min(round(frame.time * clip.fps), clip.frames - 1)
            segment = next((s for s in timeline.segments if frame.time < s.end_s), timeline.segments[-1])
            write(drawn(frame.within(WIDEST), clip, place, segment.told))


def drawn(rgb: np.ndarray, clip: PoseSequence, frame: int, text: str) -> np.ndarray:
    """A picture (H, W, 3), of any scale, with the people of a clip's frame and a line of text."""
    from PIL import Image, ImageDraw

    picture = Image.fromarray(rgb)
    assert clip.image_size is not None
    size = picture.size
    scale = np.array(size) / clip.image_size
    draw = ImageDraw.Draw(picture)
    width = max(2, round(size[1] / 200))
    for joints, seen in zip(clip.joints[:, frame] * scale, clip.visibility[:, frame] > 0, strict=True):
        for child, parent in clip.skeleton.bones:
            if seen[child] and seen[parent]:
                ends = [tuple(map(float, joints[child])), tuple(map(float, joints[parent]))]
                draw.line(ends, fill=_colour(clip.skeleton.joints[child]), width=width)
        for j in np.flatnonzero(seen):
            x, y = map(float, joints[j])
            box = (x - width, y - width, x + width, y + width)
            draw.ellipse(box, fill=_colour(clip.skeleton.joints[j]), outline="white")
    picture.paste(_line(label(text), max(14, round(size[1] / 24))), (0, 0))
    return np.asarray(picture)


@lru_cache(maxsize=8)
def _line(text: str, size: int) -> Image.Image:
    """A line of text, white on black, which is the same in many frames."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size=size)
    left, top, right, bottom = font.getbbox(text)
    picture = Image.new("RGB", (round(right - left) + 20, round(bottom - top) + 20), (20, 24, 28))
    ImageDraw.Draw(picture).text((10 - left, 10 - top), text, font=font, fill="white")
    return picture


def _colour(joint: str) -> str:
    return LEFT if joint.startswith("left_") else RIGHT if joint.startswith("right_") else CENTRE
