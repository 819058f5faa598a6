"""Pose estimators: what finds the joints of people in a picture. Another one is one class like these and a line in `KINDS`."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np

from ups.errors import IncompleteError, SettingError
from ups.skeleton import Skeleton
from ups.skeletons import COCO_17, SKELETONS

WORKER = Path(__file__).with_name("mediapipe_worker.py")
PIN = "mediapipe==0.10.21"
"""The last release whose wheel carries its models; it needs numpy below 2, so it lives in an environment of its own."""
_LEAST = 0.3
"""Visibility below which MediaPipe guesses more than it sees."""
_APART = 0.15
"""Mean way between the joints of two people, in heights of the taller one, below which they are one found twice."""


class Estimator(Protocol):
    """What a pose estimator does.

    Attributes:
        name: for the record.
        skeleton: of the joints that it finds.
        longest: pixels of the longer side of the pictures that it is given, at most; 0 = as the video has them.
    """

    name: str
    skeleton: Skeleton
    longest: int

    def find(self, rgb: np.ndarray) -> list[np.ndarray]:
        """(J, 3) of every person in a picture (H, W, 3) uint8: x and y in its pixels, and a score from 0 to 1."""
        ...

    def close(self) -> None:
        """Lets go of what it holds."""
        ...


class MediaPipe:
    """Google's BlazePose, 33 joints, in a process of its own Python.

    Args:
        people: to look for; one where None. Of several it takes about twice the time, even where only one is there.
    """

    skeleton = SKELETONS["mediapipe-33"]
    longest = 1920
    """Its network sees 256 x 256 pixels of a person."""

    def __init__(self, people: int | None = None) -> None:
        """Starts it, and doesn't wait for it: there is enough to do meanwhile.

        Raises:
            SettingError: it is not installed; says what installs it.
        """
        self._people, self._ready = people or 1, False
        self.name = "mediapipe" if self._people == 1 else f"mediapipe of {self._people} people"
        quiet = os.environ | {"GLOG_minloglevel": "3", "TF_CPP_MIN_LOG_LEVEL": "3"}
        self._process = subprocess.Popen(
            [str(mediapipe_python()), str(WORKER), str(self._people)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=quiet,
        )  # fmt: skip

    @property
    def _out(self) -> Any:
        return self._process.stdout

    def find(self, rgb: np.ndarray) -> list[np.ndarray]:
        """See `Estimator`.

        Raises:
            SettingError: it does not start.
            IncompleteError: the process has ended.
        """
        if not self._ready and self._out.readline() != b"ready\n":
            raise SettingError("MediaPipe does not start; install it again: ups setup mediapipe --force")
        self._ready = True
        height, width = rgb.shape[:2]
        size = self._people * 33 * 4 * 4
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(struct.pack("<II", width, height))
            self._process.stdin.write(np.ascontiguousarray(rgb).data)
            self._process.stdin.flush()
            data = self._out.read(size)
        except OSError:
            data = b""
        if len(data) < size:
            raise IncompleteError("MediaPipe's process ended early; run the command again, it goes on where it was")
        found = [marks for marks in np.frombuffer(data, np.float32).reshape(-1, 33, 4) if not np.isnan(marks).any()]
        seen = [np.column_stack([m[:, :2], np.where(m[:, 2] >= _LEAST, m[:, 2], 0)]) for m in found]
        return once_each(seen)

    def close(self) -> None:
        """Ends the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._process.kill()


class RTMLib:
    """RTMPose by rtmlib, COCO's 17 joints of everybody; it downloads its models when it is first used."""

    name = "rtmlib"
    skeleton = COCO_17
    longest = 0

    def __init__(self, people: int | None = None) -> None:
        """Loads it; all people count where None. SettingError: it is not installed, or its models can't be had."""
        self._people = people
        try:
            from rtmlib import Body  # pyright: ignore[reportMissingImports]
        except ModuleNotFoundError as error:
            raise SettingError("rtmlib is not installed: pip install rtmlib onnxruntime") from error
        try:
            self._body = Body(mode="lightweight", backend="onnxruntime", device="cpu")
        except Exception as error:  # of the network, mostly
            raise SettingError(
                f"rtmlib can't load its models ({str(error)[:100]}); it downloads them at first"
            ) from error

    def find(self, rgb: np.ndarray) -> list[np.ndarray]:
        """See `Estimator`."""
        points, scores = self._body(rgb[..., ::-1])
        people = [
            np.column_stack([person, np.clip(score, 0, 1)])
            for person, score in zip(np.asarray(points), np.asarray(scores), strict=True)
        ]
        if self._people is None:
            return people
        return sorted(people, key=lambda person: -person[:, 2].sum())[: self._people]

    def close(self) -> None:
        """Nothing to let go of."""


KINDS: dict[str, Callable[[int | None], Estimator]] = {"mediapipe": MediaPipe, "rtmlib": RTMLib}
"""Name -> what makes one that looks for so many people; None = as many as it does by itself."""


def once_each(people: list[np.ndarray]) -> list[np.ndarray]:
    """People (J, 3) without those whose joints lie where those of one before them do."""
    kept: list[np.ndarray] = []
    for person in people:
        ways = [np.linalg.norm(person[:, :2] - other[:, :2], axis=1).mean() for other in kept]
        heights = [max(np.ptp(person[:, 1]), np.ptp(other[:, 1])) for other in kept]
        if all(way >= _APART * height for way, height in zip(ways, heights, strict=True)):
            kept.append(person)
    return kept


class closing:
    """Closes an estimator when a block ends."""

    def __init__(self, estimator: Estimator) -> None:
        self.estimator = estimator

    def __enter__(self) -> Estimator:
        return self.estimator

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.estimator.close()


def mediapipe_home() -> Path:
    """The folder of MediaPipe's own environment."""
    return Path(os.environ.get("UPS_CACHE") or Path.home() / ".cache" / "ups") / "mediapipe"


def mediapipe_python() -> Path:
    """The Python that has MediaPipe: that of UPS_MEDIAPIPE, of `ups setup mediapipe`, or this one.

    Raises:
        SettingError: none has.
    """
    given = os.environ.get("UPS_MEDIAPIPE")
    own = mediapipe_home() / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    for path in (Path(given) if given else None, own):
        if path is not None and path.exists():
            return path
    if find_spec("mediapipe") is not None:
        return Path(sys.executable)
    raise SettingError(
        "no pose estimator here: `ups setup mediapipe` installs one into an environment of its own (about 1 GB); or give "
        "--estimator rtmlib, or a file of keypoints instead of a video"
    )


def set_up_mediapipe(force: bool = False) -> Path:
    """Makes MediaPipe's environment with pip; returns its folder.

    Raises:
        IncompleteError: pip fails; nothing half-made stays.
    """
    import shutil
    import venv

    home = mediapipe_home()
    if home.exists() and not force:
        return home
    shutil.rmtree(home, ignore_errors=True)
    home.parent.mkdir(parents=True, exist_ok=True)
    try:
        venv.create(home, with_pip=True)
        python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        done = subprocess.run([str(python), "-m", "pip", "install", "--quiet", PIN], capture_output=True, text=True)
        if done.returncode:
            raise IncompleteError(
                f"pip can't install {PIN}: {(done.stderr.strip().splitlines() or ['no reason'])[-1][:200]}"
            )
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise
    return home
