"""Frames of a video file or a camera, upright and with square pixels, one at a time: hours take no more memory than a minute.

PyAV reads them: ffmpeg's libraries without the program, wheels for every system, and the display matrix of phones, which
OpenCV's wheels turn by or not depending on how they were built.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ups.errors import DataError, SettingError

if TYPE_CHECKING:
    import av

ENDINGS = frozenset(
    (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".3gp", ".mts", ".ts", ".ogv")
)
"""Of files that are taken for videos."""
LARGEST = 8192
"""Pixels of a side."""


@dataclass(frozen=True)
class Frame:
    """A picture.

    Attributes:
        number: counted from 0.
        time: seconds from the video's beginning.
        size: (width, height) in pixels, upright, of square pixels.
        picture: PyAV's, as it was decoded; what nobody looks at is never converted.
    """

    number: int
    time: float
    size: tuple[int, int]
    picture: Any

    @property
    def rgb(self) -> np.ndarray:
        """(H, W, 3) uint8, upright, in the frame's size."""
        return self.within(0)

    def within(self, longest: int) -> np.ndarray:
        """(H, W, 3) uint8, upright; made smaller where a side has more than `longest` pixels, 0 = never."""
        shrink = min(1.0, longest / max(self.size)) if longest else 1.0
        width, height = (max(1, round(side * shrink)) for side in self.size)
        turns = round(self.picture.rotation / 90) % 4
        if turns % 2:
            width, height = height, width
        rgb = self.picture.to_ndarray(format="rgb24", width=width, height=height)
        return np.ascontiguousarray(np.rot90(rgb, turns)) if turns else rgb


@dataclass(frozen=True)
class Facts:
    """What a video says of itself before it is read.

    Attributes:
        fps: frames per second, on average.
        frames: how many there are; 0 where it doesn't say.
        size: (width, height) in pixels of the frames as they are read, upright.
    """

    fps: float
    frames: int
    size: tuple[int, int]


def is_video(path: Path) -> bool:
    """Whether a file's ending is that of a video."""
    return path.suffix.lower() in ENDINGS


def facts_of(path: Path) -> Facts:
    """What a video says of itself; raises as `frames_of` does."""
    with _opened(path) as (container, stream):
        first = next(_upright(container, stream, path), None)
        if first is None:
            raise DataError(f"{path}: not a frame in it; is the copy complete?")
        rate = float(stream.average_rate or stream.guessed_rate or 30)
        if not 1 <= rate <= 1000:
            raise DataError(f"{path}: {rate:g} frames per second; a number from 1 to 1000 is needed")
        return Facts(rate, int(stream.frames or 0), first.size)


def frames_of(path: Path) -> Iterator[Frame]:
    """The frames of a video.

    Raises:
        DataError: not a video, damaged at the beginning, or too large. Damage further on ends it there, with a warning.
        SettingError: PyAV is not installed.
        OSError: the file can't be read.
    """
    with _opened(path) as (container, stream):
        yield from _upright(container, stream, path)


def frames_of_camera(number: int) -> Iterator[Frame]:
    """The frames of a camera of this machine, as they come; raises SettingError where there is none."""
    library = _av()
    name, kind = {
        "linux": (f"/dev/video{number}", "v4l2"),
        "darwin": (f"{number}", "avfoundation"),
        "win32": (f"video={number}", "dshow"),
    }.get(sys.platform, (str(number), None))
    try:
        container: Any = library.open(name, format=kind)
    except (OSError, ValueError) as error:
        raise SettingError(
            f"camera {number} can't be opened ({error}); is it connected, and may you read {name}?"
        ) from error
    with container:
        yield from _upright(container, container.streams.video[0], Path(name))


def _av() -> Any:
    try:
        import av
    except ModuleNotFoundError as error:
        raise SettingError("videos need PyAV: pip install 'unified-pose-sequence[video]'") from error
    return av  # its log stays off, as it is by default: told to Python, decoding threads wait for one another for good


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    library = _av()
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        container: Any = library.open(str(path))
    except (library.error.FFmpegError, ValueError) as error:
        raise DataError(
            f"{path}: not a video that can be read ({_short(error)}); is the copy complete? else convert it to MP4"
        ) from error
    with container:
        if not container.streams.video:
            raise DataError(
                f"{path}: no picture in it, only {', '.join(s.type for s in container.streams) or 'nothing'}"
            )
        stream = container.streams.video[0]
        if max(stream.codec_context.width, stream.codec_context.height) > LARGEST:
            size = f"{stream.codec_context.width} x {stream.codec_context.height}"
            raise DataError(f"{path}: pictures of {size}; at most {LARGEST} a side: make it smaller")
        stream.thread_type = "AUTO"
        yield container, stream


def _upright(container: Any, stream: Any, path: Path) -> Iterator[Frame]:
    """Decoded frames as they are to be seen: turned by the display matrix, stretched to square pixels."""
    library = _av()
    wide = stream.sample_aspect_ratio
    wide = float(wide) if wide else 1.0
    number, start = 0, None
    try:
        for picture in container.decode(stream):
            size = round(picture.width * wide) if 0.1 < wide < 10 else picture.width, picture.height
            size = size[::-1] if round(picture.rotation / 90) % 2 else size
            time = picture.time if picture.time is not None else number / float(stream.average_rate or 30)
            start = time if start is None else start
            yield Frame(number, max(time - start, 0.0), size, picture)
            number += 1
    except library.error.FFmpegError as error:
        if number == 0:
            raise DataError(f"{path}: no frame of it can be read ({_short(error)}); is the copy complete?") from error
        import logging

        logging.getLogger("ups").warning(
            "%s: damaged after frame %s (%s); what came before counts", path, number, _short(error)
        )


def _short(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)  # without ffmpeg's number and the file's name again
    return text.splitlines()[0][:100] if text else type(error).__name__


@contextmanager
def writer_of(path: Path, fps: float, size: tuple[int, int]) -> Iterator[Any]:
    """A function that takes RGB frames (H, W, 3) of `size` (width, height), which become a video at `path`.

    Raises:
        OSError: it can't be written.
    """
    from fractions import Fraction

    library = _av()
    width, height = (side - side % 2 for side in size)
    with library.open(str(path), "w") as container:
        stream: av.VideoStream = _encoder(library, container, Fraction(fps).limit_denominator(1001))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"

        def write(rgb: np.ndarray) -> None:
            picture = library.VideoFrame.from_ndarray(np.ascontiguousarray(rgb[:height, :width]), format="rgb24")
            container.mux(stream.encode(picture))

        yield write
        container.mux(stream.encode())


def _encoder(library: Any, container: Any, rate: Any) -> Any:
    """H.264 where the library has it, which browsers show; else MPEG-4."""
    for name, options in (("libx264", {"crf": "26", "preset": "veryfast"}), ("libopenh264", {}), ("mpeg4", {})):
        if name in library.codecs_available:
            return container.add_stream(name, rate=rate, options=options)
    raise SettingError("PyAV here can't write videos; install its wheel: pip install av")
