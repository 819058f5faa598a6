"""Joints and actions drawn onto the frames of a video. Pillow draws, which matplotlib brings along."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ups.pose import PoseSequence
from ups.reporting.names import label
from ups.reporting.poses import CENTRE, LEFT, RIGHT
from ups.tasks.timeline import Timeline
from ups.video.source import Facts, frames_of, writer_of

WIDEST = 1280
"""Pixels of the annotated video's longer side, at most."""


def annotate(
    path: Path, facts: Facts, clip: PoseSequence, timeline: Timeline, output: Path, progress: Callable[[int], None]
) -> None:
    """Writes the video with everybody's joints, the left in blue, the right in orange, and what is done at the time.

    Raises:
        OSError: it can't be written.
    """
    shrink = min(1.0, WIDEST / max(facts.size))
    size = (round(facts.size[0] * shrink), round(facts.size[1] * shrink))
    with writer_of(output, facts.fps, size) as write:
        for frame in frames_of(path):
            progress(frame.number)
            place = min(round(frame.time * clip.fps), clip.frames - 1)
            segment = next((s for s in timeline.segments if frame.time < s.end_s), timeline.segments[-1])
            write(drawn(frame.rgb, clip, place, segment.told, size))


def drawn(rgb: np.ndarray, clip: PoseSequence, frame: int, text: str, size: tuple[int, int]) -> np.ndarray:
    """A picture (H, W, 3) of `size` (width, height), with the people of a clip's frame and a line of text.

    The clip's pixels are those of the picture as it was.
    """
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.fromarray(rgb)
    scale = np.array(size) / picture.size
    picture = picture.resize(size, Image.Resampling.BILINEAR)  # half the time of the default
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
    text = label(text)
    font = ImageFont.load_default(size=max(14, round(size[1] / 24)))
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    draw.rectangle((0, 0, right - left + 20, bottom - top + 20), fill=(20, 24, 28))
    draw.text((10 - left, 10 - top), text, font=font, fill="white")
    return np.asarray(picture)


def _colour(joint: str) -> str:
    return LEFT if joint.startswith("left_") else RIGHT if joint.startswith("right_") else CENTRE
