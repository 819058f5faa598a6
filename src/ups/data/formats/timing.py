"""When the frames of a recording were taken: frame rates, frame numbers, numbers in file names, and times.

Frames stand where their numbers say, and what is left out between them is "not seen"; times become even steps.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ups.errors import DataError
from ups.notices import Notice

FPS = 30.0
"""Assumed where nobody says how many frames a second there are."""
SPARSE = 100
"""Frames for each one that is there, at most: higher numbers are taken for damage."""
GAP = 5
"""Steps: between times further apart than this nothing is interpolated, and the frames between count as not seen."""
_UNITS = {
    "minutes": 60.0,
    "seconds": 1.0,
    "milliseconds": 1e-3,
    "microseconds": 1e-6,
    "nanoseconds": 1e-9,
    "ticks of 100 ns": 1e-7,
}
_STEPS = (0.008, 0.11), (0.002, 0.5)
"""Seconds between frames by which the unit of times is told: 9 to 125 frames a second, else 2 to 500."""
_ENOUGH, _ROUNDED, _JITTER = 5, 5, 0.12
"""Numbers of files from which they may be milliseconds, further apart than _ROUNDED, within a share of the step of even."""
_ALIKE = 0.05
"""Share of a step: times that are all that near to even ones are taken as even."""


def frame_rate(stated: float | None, wished: float | None, where: str) -> tuple[float, tuple[Notice, ...]]:
    """Frames per second, and a warning where neither the file (`stated`) nor the user (`wished`) says how many.

    Raises:
        DataError: not from 1 to 1000.
    """
    known = stated is not None and (1 <= stated <= 1000 or wished is None)
    fps = stated if known else wished
    if fps is None:
        what = f"frames per second not given; {FPS:g} are assumed"
        return FPS, (Notice("warning", what, "write fps into the file, or give it: --fps, or the column fps"),)
    if not 1 <= fps <= 1000:
        raise DataError(f"{where}: {fps:g} frames per second; a number from 1 to 1000 is needed: give --fps")
    if known and wished is not None and abs(wished - fps) > 0.02 * fps:
        what = f"{wished:g} frames per second are given, and the file says {fps:g}, which counts"
        return float(fps), (Notice("note", what, "correct the file if it is wrong"),)
    return float(fps), ()


@dataclass(frozen=True)
class Placed:
    """Where the frames of a recording stand.

    Attributes:
        places: (n,) of each frame given, 0 = the first.
        frames: how many there are with those that are left out.
        fps: frames per second.
        notices: what to tell.
    """

    places: np.ndarray
    frames: int
    fps: float
    notices: tuple[Notice, ...]


def placed(numbers: Sequence[int] | np.ndarray, fps: float, where: str) -> Placed:
    """Frames by their different whole numbers, in any order; a constant step of them divides the frames per second.

    Raises:
        DataError: a number twice, or more than SPARSE times as many frames as are there.
    """
    given = np.asarray(numbers, np.int64)
    ordered, counts = np.unique(given, return_counts=True)
    if len(ordered) < len(given):
        twice = ordered[counts > 1][0]
        raise DataError(f"{where}: frame {twice} occurs twice; give every frame a number of its own")
    steps = np.diff(ordered)
    step = int(np.gcd.reduce(steps)) if len(steps) else 1
    step = step if fps / step >= 1 else 1
    places = (given - ordered[0]) // step
    frames = int(places.max()) + 1
    if frames > SPARSE * len(given):
        raise DataError(
            f"{where}: {len(given)} frames with numbers from {ordered[0]} to {ordered[-1]}; at most {SPARSE} times as many "
            "as there are: number the frames of one recording in steps of 1"
        )
    told: list[Notice] = []
    if step > 1:
        remedy = f"nothing, if {fps:g} is the rate of the video; else give {step} times the real rate, or number in steps of 1"
        what = f"frames are numbered in steps of {step}: {fps:g} frames per second of the video are {fps / step:g} here"
        told.append(Notice("warning", what, remedy))
    missing = frames - len(given)
    if missing:
        first = int(ordered[np.flatnonzero(steps > step)[0]]) + step
        detail = f"{missing} of {frames}, the first is number {first}"
        told.append(Notice("note", "frames left out count as not seen", "nothing, if nobody was there", detail))
    return Placed(places, frames, fps / step, tuple(told))


def frames_at(numbers: Sequence[int] | np.ndarray, stated: float | None, wished: float | None, where: str) -> Placed:
    """`placed` at the rate that the file or the user says, else `FPS`, which is told; or by what the numbers are if they are
    milliseconds, which is told too.

    Raises:
        DataError: as `frame_rate`, `placed` and `check_step`.
    """
    known = wished if stated is None else stated
    given = np.asarray(numbers, np.int64)
    step = milliseconds_apart(given, known)
    if step is None:
        rate, told = frame_rate(stated, wished, where)
        found = placed(given, rate, where)
        check_step(given, rate, where)
        return replace(found, notices=(*told, *found.notices))
    rate = float(f"{1000 / step:.3g}")
    what = f"numbers of frames are read as milliseconds, {step:.4g} apart: {rate:g} frames per second"
    if known is not None and abs(known - rate) > 0.02 * known:
        what += f", and not {known:g}"
    told = (Notice("warning", what, "number the frames in steps of 1 if they are not"),)
    found = placed(np.rint((given - given.min()) / step).astype(np.int64), rate, where)
    return replace(found, notices=(*told, *found.notices))


def milliseconds_apart(numbers: np.ndarray, fps: float | None) -> float | None:
    """Milliseconds from frame to frame where whole numbers are times: rounded ones (0, 33, 67, 100), or even ones that go
    with the known `fps`. None where they count frames.
    """
    ordered = np.unique(np.asarray(numbers).astype(np.int64))
    if len(ordered) < _ENOUGH or len(ordered) < len(numbers):
        return None
    steps = np.diff(ordered)
    even = int(np.gcd.reduce(steps))
    if even > _ROUNDED and fps is not None and abs(even * fps - 1000) <= 20:
        return float(even)
    if steps.min() <= _ROUNDED or even == steps.min():
        return None
    step, length = float(np.median(steps)), float(ordered[-1] - ordered[0])
    for _ in range(3):  # of the whole length, for one step is rounded
        step = length / max(round(length / step), 1)
    off = np.abs((ordered - ordered[0]) / step - np.rint((ordered - ordered[0]) / step))
    return step if 8 <= step <= 500 and off.max() <= _JITTER else None


def slots_of_times(times: np.ndarray, unit: str | None, where: str) -> tuple[list[int], float, tuple[Notice, ...]]:
    """The number of a frame for each time (n,), in any order: the nearest multiple of the median step; frames per second,
    and what to tell.

    Raises:
        DataError: as `seconds` and `frame_rate`; times that are equal or too uneven.
    """
    given, told = seconds(times, unit, where)
    ordered = np.unique(given)
    if len(ordered) < 2:
        raise DataError(f"{where}: all frames have the time {times[0]:g}; give each its own")
    step = float(np.median(np.diff(ordered)))
    fitted = _fitted(ordered, step)
    off = np.abs((ordered - ordered[0]) / fitted - np.rint((ordered - ordered[0]) / fitted))
    step = fitted if off.max() <= _JITTER else step
    numbers = np.rint((given - ordered[0]) / step).astype(np.int64)
    if len(np.unique(numbers)) < len(numbers):
        raise DataError(
            f"{where}: times of frames {step:.4g} s apart of which two are nearer than half of that, or equal; number the frames"
        )
    rate, _ = frame_rate(float(f"{1 / step:.5g}"), None, where)
    return numbers.tolist(), float(round(rate)) if abs(rate - round(rate)) < 0.002 * rate else rate, told


def check_step(numbers: Sequence[int] | np.ndarray, fps: float, where: str) -> None:
    """Raises DataError where frame numbers rise by one step that leaves less than a frame a second."""
    steps = np.diff(np.unique(np.asarray(numbers, np.int64)))
    step = int(np.gcd.reduce(steps)) if len(steps) > 1 else 1
    if fps / step < 1:
        raise DataError(
            f"{where}: frames are numbered in steps of {step}, which at {fps:g} frames per second is less than one a second; "
            f"if they are milliseconds, call them time_ms or give --fps {1000 / step:.3g}, else number them in steps of 1 or "
            "give the right fps"
        )


def numbers_of(names: Sequence[str], where: str) -> list[int]:
    """Frame numbers in names of files: the number that differs between them, all text before it being the same.

    Raises:
        DataError: names without a number, the same number twice, or different text before it, as of two cameras.
    """
    if len(names) == 1:
        return [0]
    seen: dict[object, str] = {}
    for name in names:
        key = natural(re.sub(r"\.[A-Za-z]\w{0,4}$", "", name))
        if key in seen:
            raise DataError(f"{where}: a frame occurs twice, as {seen[key]} and {name}; keep one of them")
        seen[key] = name
    if seconds_in := [re.fullmatch(r"(.*?)(\d+\.\d{2,})(\D.*)?", name) for name in names]:
        texts = {(match[1], match[3]) for match in seconds_in if match}
        if None not in seconds_in and len(texts) == 1:
            return [round(1000 * float(match[2])) for match in seconds_in if match]
    parts = [re.split(r"(\d+)", name) for name in names]
    for field in range(min(map(len, parts))):
        found = [part[field] for part in parts]
        values = set(found) if field % 2 == 0 else set(map(int, found))
        if field % 2 and len(values) == len(names):
            return [int(text) for text in found]
        if len(values) > 1:
            usual = max(found, key=found.count)
            one = next(name for name, text in zip(names, found, strict=True) if text == usual)
            other = next(name for name, text in zip(names, found, strict=True) if text != usual)
            raise DataError(
                f"{where}: names of frames differ in more than their number ({one}, {other}), as of two cameras or "
                "recordings; give one recording whose names differ in the frame number alone"
            )
    raise DataError(f"{where}: no frame number in which names such as {names[0]} and {names[1]} differ; number them")


def natural(name: str) -> tuple[tuple[str, int], ...]:
    """A key that sorts text with its numbers by value: frame_2 before frame_10."""
    parts = re.split(r"(\d+)", name)
    return tuple((text, int(number or 0)) for text, number in zip(parts[::2], [*parts[1::2], "0"], strict=True))


def seconds(times: np.ndarray, unit: str | None, where: str) -> tuple[np.ndarray, tuple[Notice, ...]]:
    """Times (n,) in seconds; by their median step the unit is told where it is None, and which it was taken for.

    Raises:
        DataError: fewer than two, not finite, or a step that fits no unit.
    """
    if len(times) < 2 or not np.isfinite(times).all():
        raise DataError(f"{where}: {len(times)} times; at least two numbers, one for every frame, are needed")
    if unit is not None:
        return times * _UNITS[unit], ()
    step = float(np.median(np.diff(np.unique(times)))) if len(np.unique(times)) > 1 else 0.0
    fits: list[str] = []
    for low, high in _STEPS:
        fits = fits or [name for name, factor in _UNITS.items() if factor <= 1 and low <= step * factor <= high]
    if len(fits) != 1:
        raise DataError(
            f"{where}: times {step:g} apart, in a unit that can't be told; call them time_s, time_ms, time_us or time_ns, or "
            "frame if they count frames"
        )
    return times * _UNITS[fits[0]], (Notice("note", f"times are read as {fits[0]}", "call them time_s or time_ms"),)


def _fitted(times: np.ndarray, step: float) -> float:
    """The mean step of rising times (n,) whose median one is `step`: what is rounded to milliseconds has another."""
    whole = float(np.rint(np.diff(times) / step).sum())
    return float(times[-1] - times[0]) / max(whole, 1.0)


@dataclass(frozen=True)
class Grid:
    """Even times, and how the given ones lie between them.

    Attributes:
        frames: T, the even times.
        fps: of them.
        low, high: (T,) numbers of the given frames before and after (or the same).
        part: (T,) how far between them, 0..1.
        gap: (T,) bool, too far between them for interpolation.
        close: (T,) bool, a given frame is half a step away or less.
        notices: what to tell.
    """

    frames: int
    fps: float
    low: np.ndarray
    high: np.ndarray
    part: np.ndarray
    gap: np.ndarray
    close: np.ndarray
    notices: tuple[Notice, ...]

    def resampled(self, joints: np.ndarray, visibility: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Joints (M, N, J, V) and visibility (M, N, J) at the even times, linear between two that were seen.

        Beside a joint that was not seen, and in gaps, the nearer given frame counts if it is half a step away or less.
        """
        near = np.where(self.part <= 0.5, self.low, self.high)
        part = self.part[:, None].astype(joints.dtype)
        both = (visibility[:, self.low] > 0) & (visibility[:, self.high] > 0) & ~self.gap[:, None]
        mixed = joints[:, self.low] * (1 - part[..., None]) + joints[:, self.high] * part[..., None]
        seen = visibility[:, self.low] * (1 - part) + visibility[:, self.high] * part
        alone = np.where(self.close[:, None], visibility[:, near], 0)
        visibility = np.where(both, seen, alone).astype(np.float32)
        return np.where((visibility > 0)[..., None], np.where(both[..., None], mixed, joints[:, near]), 0), visibility


def even(times: np.ndarray, fps: float | None, where: str) -> Grid:
    """Even times for rising ones (N,) in seconds, a median step apart; GAP bounds what is interpolated.

    Args:
        times: of the frames.
        fps: what the file says beside them, which does not count; but it is told if it differs.
        where: the item, for errors.

    Raises:
        DataError: a time that is not later than the one before; not 1 to 1000 frames a second; gaps that would make
            SPARSE times as many frames as there are.
    """
    steps = np.diff(times)
    if not (steps > 0).all():
        at = int(np.argmin(steps > 0))
        raise DataError(
            f"{where}: frame {at + 1} is at {times[at + 1]:.6g} s, the one before at {times[at]:.6g} s; times that rise "
            "from frame to frame are needed"
        )
    given = times - times[0]
    step, length = float(np.median(steps)), float(given[-1])
    fitted = _fitted(times, step)
    off = np.abs(given / fitted - np.round(given / fitted)) > _ALIKE
    step = step if off.any() else fitted
    count = int(length / step + 1e-6)
    rate, _ = frame_rate(1 / step, None, where)
    if count + 1 > SPARSE * len(times):
        raise DataError(
            f"{where}: {len(times)} frames over {length:g} s, {step:g} s apart; cut it at its gaps, into recordings"
        )
    at = np.arange(count + 1) * step
    high = np.clip(np.searchsorted(given, at), 1, len(times) - 1)
    low = high - 1
    span = given[high] - given[low]
    part = np.clip((at - given[low]) / span, 0, 1)
    distance = np.minimum(np.abs(at - given[low]), np.abs(given[high] - at))
    exact = distance <= (1e-9 if off.any() else _ALIKE) * step
    part = np.where(exact, np.round(part), part)
    low, high = np.where(exact & (part > 0), high, low), np.where(exact & (part == 0), low, high)
    gap = (span > GAP * step) & ~exact
    rate = float(f"{rate:.5g}") if abs(rate - round(rate)) > 0.002 * rate else float(round(rate))
    told: list[Notice] = []
    detail = f"{len(times)} frames over {length:g} s are now {count + 1} at {rate:g} a second"
    if off.any() or count + 1 != len(times):
        remedy = "nothing, if the times are right"
        told.append(Notice("note", "frames were brought to even times", remedy, detail))
    if gap.any():
        remedy = "nothing, if the recording paused"
        what = f"times more than {GAP} steps apart; the frames between count as not seen"
        told.append(Notice("note", what, remedy, f"{int((steps > GAP * step).sum())} gaps"))
    if fps is not None and abs(fps - rate) > 0.02 * rate:
        what = f"fps = {fps:g} stands against the times, which give {rate:g}; the times count"
        told.append(Notice("warning", what, "correct one of them"))
    return Grid(count + 1, rate, low, high, part, gap, distance <= 0.5 * step + 1e-9, tuple(told))
