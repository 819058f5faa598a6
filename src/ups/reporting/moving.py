"""Moving stick figures as pictures, one after the other: for a GIF, or for whoever writes videos. Pillow draws them, which
matplotlib brings along; a frame takes a few milliseconds.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ups.errors import DataError, SettingError
from ups.files import write_whole
from ups.pose import PoseSequence
from ups.reporting.names import label
from ups.reporting.poses import colour_of, turned, upright

SIZE = (640, 480)
"""Width and height of a picture."""
LONGEST = 1500
"""Pictures of a GIF, at most: it holds each whole, and a browser all of them."""
_FINER = 2
"""Drawn so many times larger, then made smaller: smooth lines."""
_YAW, _TILT = 25.0, 12.0
"""Degrees by which 3D poses are turned from the front, and seen from above."""
_INK, _SOFT, _GROUND, _BACK = "#14181c", "#5b6472", "#dfe3e9", "#ffffff"


def pictures(
    sequence: PoseSequence, fps: float, size: tuple[int, int] = SIZE, title: str = ""
) -> Iterator[tuple[float, np.ndarray]]:
    """(seconds, (height, width, 3) uint8) at a rate, at one scale: 3D poses over a ground with lines half a metre apart, turned
    a little from the front; 2D ones as they lie in the picture.

    Args:
        sequence: any space; all its persons are drawn, joints that are not seen left out.
        fps: pictures per second; each shows the frame of its time.
        size: width and height.
        title: a line above.

    Raises:
        DataError: no joint is visible in any frame.
        SettingError: a rate or size that can't be drawn.
    """
    from PIL import Image, ImageDraw, ImageFont

    if not 0 < fps <= 1000 or min(size) < 64 or max(size) > 4096:
        raise SettingError(f"{size[0]} x {size[1]} pixels at {fps:g} a second; 64 to 4096 and 1 to 1000 are possible")
    seen = sequence.visibility > 0
    if not seen.any():
        raise DataError("no joint is visible in any of the frames to be drawn; give seen joints a visibility above 0")
    points, ground = _projected(sequence, seen)
    shown = points[seen] if ground is None else np.concatenate([points[seen], ground.reshape(-1, 2)])
    low, high = shown.min(0), shown.max(0)
    width, height = (side * _FINER for side in size)
    room = np.array([0.06 * width, 0.09 * height])
    scale = float(((np.array([width, height]) - 2 * room) / np.maximum(high - low, 1e-6)).min())
    middle = (low + high) / 2

    def place(values: np.ndarray) -> np.ndarray:
        return (values - middle) * (scale, -scale) + (width / 2, height / 2 + 0.02 * height)

    places = place(points)
    still = Image.new("RGB", (width, height), _BACK)
    draw = ImageDraw.Draw(still)
    for line in () if ground is None else place(ground):
        draw.line([tuple(end) for end in line.tolist()], fill=_GROUND, width=_FINER)
    tall = height // 28
    font = ImageFont.load_default(size=tall)
    draw.text((0.02 * width, 0.015 * height), label(title, 90), font=font, fill=_INK)
    thick = max(2, round(height / 110))
    skeleton, colours = sequence.skeleton, [colour_of(joint) for joint in sequence.skeleton.joints]
    for number in range(max(1, round(sequence.frames / sequence.fps * fps))):
        frame = min(int(number / fps * sequence.fps + 1e-6), sequence.frames - 1)
        picture = still.copy()
        draw = ImageDraw.Draw(picture)
        for joints, there in zip(places[:, frame], seen[:, frame], strict=True):
            for child, parent in skeleton.bones:
                if there[child] and there[parent]:
                    ends = [tuple(joints[child].tolist()), tuple(joints[parent].tolist())]
                    draw.line(ends, fill=colours[child], width=thick)
            for j in np.flatnonzero(there).tolist():
                x, y = joints[j].tolist()
                draw.ellipse((x - 0.7 * thick, y - 0.7 * thick, x + 0.7 * thick, y + 0.7 * thick), fill=colours[j])
        draw.text((0.02 * width, height - 1.6 * tall), f"{number / fps:.2f} s", font=font, fill=_SOFT)
        yield number / fps, np.asarray(picture.reduce(_FINER))


def save_gif(sequence: PoseSequence, path: str | Path, title: str = "", size: tuple[int, int] = SIZE) -> None:
    """Write an animated GIF that plays at the recording's pace, at most 25 pictures a second, and begins anew at its end.

    Raises:
        DataError: no joint is visible in any frame.
        SettingError: it would be longer than `LONGEST` pictures.
        OSError: the file can't be written.
    """
    from PIL import Image

    fps = min(25.0, sequence.fps)
    count = round(sequence.frames / sequence.fps * fps)
    if count > LONGEST:
        raise SettingError(
            f"a GIF of {count:,} pictures, at most {LONGEST:,} are written; show a part (--seconds), or write .mp4"
        )
    frames = [Image.fromarray(rgb) for _, rgb in pictures(sequence, fps, size, title)]
    palette = frames[len(frames) // 2].quantize(64)
    flat = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    ends = [round(100 * (number + 1) / fps) for number in range(len(flat))]  # GIFs count in hundredths of a second
    lasts = [10 * (end - begin) for begin, end in zip([0, *ends], ends, strict=False)]
    file = io.BytesIO()
    flat[0].save(file, "GIF", save_all=True, append_images=flat[1:], duration=lasts, loop=0, optimize=False)
    write_whole(path, file.getvalue())


def part_of(sequence: PoseSequence, start: float, seconds: float | None) -> PoseSequence:
    """From a time on, for a while; raises SettingError where nothing lies there."""
    first = round(start * sequence.fps)
    last = sequence.frames if seconds is None else min(sequence.frames, first + max(1, round(seconds * sequence.fps)))
    if not (start >= 0 and first < last):
        whole = sequence.frames / sequence.fps
        raise SettingError(f"{seconds or 'all'} s from {start:g} s on; the recording has {whole:.2f} s")
    known = None if sequence.pose_3d is None else sequence.pose_3d[:, first:last]
    return replace(
        sequence, joints=sequence.joints[:, first:last], visibility=sequence.visibility[:, first:last], pose_3d=known
    )


def _projected(sequence: PoseSequence, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Joints (M, N, J, 2), x right and y up, and the lines (L, 2, 2) of the ground below them; a picture has none."""
    points = upright(np.nan_to_num(np.asarray(sequence.joints, np.float64)), sequence.space, sequence.skeleton)
    if sequence.space == "image":
        return points, None
    points = turned(points, _YAW)
    low, high = points[seen].min(0), points[seen].max(0)
    low, high = np.floor((low - 0.25) * 2) / 2, np.ceil((high + 0.25) * 2) / 2
    height = float(points[..., 1][seen].min())
    if max(high[0] - low[0], high[2] - low[2]) > 100:
        return _seen_from_above(points), None  # not metres, or something flew away
    lines = [((x, height, low[2]), (x, height, high[2])) for x in np.arange(low[0], high[0] + 0.1, 0.5)]
    lines += [((low[0], height, z), (high[0], height, z)) for z in np.arange(low[2], high[2] + 0.1, 0.5)]
    return _seen_from_above(points), _seen_from_above(np.array(lines))


def _seen_from_above(points: np.ndarray) -> np.ndarray:
    """(..., 2) of points (..., 3): what is nearer lies lower."""
    tilt = np.radians(_TILT)
    return np.stack([points[..., 0], np.cos(tilt) * points[..., 1] - np.sin(tilt) * points[..., 2]], -1)
