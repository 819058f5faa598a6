"""The errors of a pose estimator as figures, beside those that `ups.tasks.detector` draws in training.

ups predict walk.mp4 --output walk
python studies/detector_noise.py walk/joints.npz [...]
python studies/detector_noise.py walk/joints.npz --mirrored mirrored/joints.npz   # the same video, left to right

Each joint's track is compared with itself smoothed; every figure is a standard deviation of a coordinate, in body sizes
(`ups.tasks.detector.body_size`), of persons who are seen in at least a second's frames:

- leaps: joints further than 0.05 from the median of the seven frames around, as where left and right are exchanged. They
  are counted apart, and the median stands in their place.
- fast: what a low-pass at 6 Hz without delay (Butterworth, forwards and backwards) takes away, scaled up as for white
  noise, of which a part stays below 6 Hz. Movement above 6 Hz counts as noise.
- slow: what lies between 1 and 6 Hz, of joints that move by less than 0.3 in the second around; and of the
  lengths of bones, where turning counts as noise. Both are upper bounds: people sway.
- speed: fast noise by the joint's smoothed speed in body sizes a frame, and the growth k of its best fit a (1 + k speed).
- missing: shares of frames; exchanges: pairs that are nearer to the other side's last place than to their own.
- confidence: its mean by size of the fast error.

`--mirrored` adds what two looks at the same picture disagree about, divided by the square root of 2: an estimator's errors
of a joint depend on which way round the picture is. What both looks have in common is not in it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.ndimage import median_filter
from scipy.signal import butter, sosfiltfilt
from scipy.stats import spearmanr

from ups.data.open_file import read_file
from ups.pose import PoseSequence
from ups.skeleton import Skeleton
from ups.tasks.detector import _ENDS, CONSTANT, FAST, SLOW, body_size

CUT, DRIFT = 6.0, 1.0
"""Hz: noise above is fast, below slow; movement is below."""
LEAP = 0.05
"""Body sizes from the median of the frames around that no noise explains."""
FACE = ("nose", "eye_inner", "eye", "eye_outer", "ear", "mouth")
STILL = 0.3
"""Body sizes that a joint may move in a second to count as still."""
SPEEDS = (0.0, 0.002, 0.005, 0.01, 0.02, 0.05, 1.0)
"""Bounds of the groups by speed, body sizes a frame."""


@dataclass
class Run:
    """Frames without a gap in which a joint is seen; all in body sizes.

    Attributes:
        joint: its number.
        rough: (N, 2) as detected, without leaps.
        leapt: (N,) bool, whether there was one.
        smooth, drift: the same below 6 and 1 Hz.
        confidence: (N,).
    """

    joint: int
    rough: np.ndarray
    leapt: np.ndarray
    smooth: np.ndarray
    drift: np.ndarray
    confidence: np.ndarray

    @property
    def fast(self) -> np.ndarray:
        """(N, 2) above 6 Hz."""
        return self.rough - self.smooth


def stretches(seen: np.ndarray, least: int) -> Iterator[slice]:
    """Parts of at least so many frames in a row."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], seen.astype(int), [0]])))
    yield from (slice(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b - a >= least)


def low_pass(values: np.ndarray, hertz: float, fps: float) -> np.ndarray:
    """Along the first axis, without delay."""
    return sosfiltfilt(butter(2, hertz / (fps / 2), output="sos"), values, axis=0, padlen=min(len(values) - 1, 30))


def runs_of(person: PoseSequence) -> list[Run]:
    """Of one person's joints."""
    joints, size, found = person.joints[0] / body_size(person), person.visibility[0], []
    for j in range(len(person.skeleton)):
        for part in stretches(size[:, j] > 0, round(person.fps)):
            rough = joints[part, j].astype(float)
            middle = median_filter(rough, (7, 1), mode="nearest")
            leapt = np.linalg.norm(rough - middle, axis=1) > LEAP
            rough = np.where(leapt[:, None], middle, rough)
            low = [low_pass(rough, hertz, person.fps) for hertz in (CUT, DRIFT)]
            found.append(Run(j, rough, leapt, low[0], low[1], size[part, j]))
    return found


def deviation(values: np.ndarray) -> str:
    """Standard deviation, and what it is by the median, which a few outliers don't move."""
    return f"{np.sqrt(np.mean(values**2)):.4f} (by the median {robust(values):.4f})" if values.size else "none"


def robust(values: np.ndarray) -> float:
    """Standard deviation by the median."""
    return 1.4826 * float(np.median(np.abs(values)))


def inner(run: Run, fps: float) -> slice:
    """Without a quarter of a second at the ends, where filters guess."""
    edge = round(fps / 4)
    return slice(edge, len(run.rough) - edge)


def tell_noise(person: PoseSequence, runs: list[Run]) -> None:
    """Fast and slow noise, and what they grow with."""
    fps, names = person.fps, person.skeleton.joints
    scale = 1 / np.sqrt(1 - CUT / (fps / 2))
    parts = [(run, inner(run, fps)) for run in runs]
    fast = [run.fast[part] * scale for run, part in parts]
    everything = np.concatenate(fast)
    print(f"  fast: {deviation(everything)}; training draws at most {FAST} a clip, on average {0.4 * FAST}")
    leapt = np.concatenate([run.leapt for run in runs])
    lasting = [b.stop - b.start for run in runs for b in stretches(run.leapt, 1)]
    print(f"  leaps: {leapt.mean():.2%} of joints, {np.mean(lasting or [0]):.1f} frames each")
    of_joint = {j: robust(np.concatenate([f for f, run in zip(fast, runs, strict=True) if run.joint == j]))
                for j in {run.joint for run in runs}}  # fmt: skip
    ends = [value for j, value in of_joint.items() if names[j].split("_", 1)[-1] in _ENDS]
    others = [value for j, value in of_joint.items() if names[j].split("_", 1)[-1] not in (*_ENDS, *FACE)]
    face = [value for j, value in of_joint.items() if names[j].split("_", 1)[-1] in FACE]
    told = ", ".join(f"{name} {np.mean(each):.4f}" for name, each in
                     (("ends of limbs", ends), ("face", face), ("other joints", others)) if each)  # fmt: skip
    print(f"  fast by the median, {told}; training: ends 1.4 times the others")
    speed = np.concatenate(
        [np.linalg.norm(np.gradient(run.smooth, axis=0), axis=1)[part] for run, part in parts]
    )  # fmt: skip
    middles, levels = [], []
    for low, high in zip(SPEEDS, SPEEDS[1:], strict=False):
        here = (speed >= low) & (speed < high)
        if here.sum() >= 30:
            middles.append(speed[here].mean())
            levels.append(robust(everything[here]))
            print(f"    speed {low} to {high} a frame: fast {levels[-1]:.4f} by the median ({here.sum()} joints)")
    if len(middles) > 2:
        slope, base = np.polyfit(middles, levels, 1)
        growth = f"k = {slope / base:.0f}" if base > 1e-4 else f"{slope:.3f} speed, nothing at rest"
        print(f"  grows with speed: {growth}; training: k from 0 to 15, even")

    slow = []
    for run, part in parts:
        second = round(fps)
        path = np.linalg.norm(np.diff(run.smooth, axis=0, prepend=run.smooth[:1]), axis=1)
        still = np.convolve(path, np.ones(second), "same") < STILL
        slow.append((run.smooth - run.drift)[part][still[part]])
    print(f"  slow, still joints: {deviation(np.concatenate(slow))}; training: at most {SLOW}, on average {0.4 * SLOW}")
    bones = []
    size, visibility = body_size(person), person.visibility[0]
    for a, b in person.skeleton.bones:
        for part in stretches((visibility[:, a] > 0) & (visibility[:, b] > 0), round(fps)):
            length = np.linalg.norm(person.joints[0, part, a] - person.joints[0, part, b], axis=-1) / size
            band = low_pass(length, CUT, fps) - low_pass(length, DRIFT, fps)
            bones.append(band[round(fps / 4) : -round(fps / 4)] / np.sqrt(2))
    print(f"  slow, lengths of bones: {deviation(np.concatenate(bones))}")

    error = np.concatenate([np.linalg.norm(values, axis=1) for values in fast])
    sure = np.concatenate([run.confidence[part] for run, part in parts])
    bounds = np.quantile(error, [0, 0.5, 0.9, 0.99, 1])
    told = [f"{sure[(error >= a) & (error <= b)].mean():.2f} at {a:.4f} to {b:.4f}"
            for a, b in zip(bounds, bounds[1:], strict=False)]  # fmt: skip
    print(f"  confidence by error: {', '.join(told)}")
    slope = np.polyfit(error, sure, 1)[0] * 0.05
    print(f"  it falls by {-slope:.2f} an error of 0.05, rank correlation {spearmanr(error, sure)[0]:.2f}; "
          "training: by 0 to 0.5, in half the clips")  # fmt: skip


def tell_missing(person: PoseSequence) -> None:
    """What isn't seen between a person's first and last frame, and exchanged sides."""
    seen = person.visibility[0] > 0
    there = np.flatnonzero(seen.any(1))
    seen = seen[there[0] : there[-1] + 1]
    nobody = ~seen.any(1)
    joints = ~seen[~nobody]
    short = sum(b.stop - b.start for j in joints.T for b in stretches(j, 1) if b.stop - b.start <= 2) / joints.size
    print(f"  nobody in {nobody.mean():.1%} of {len(seen)} frames; else joints missing {joints.mean():.1%}, "
          f"for one or two frames {short:.1%}; training: 0 to 20 % in half the clips, a limb in 30 %, all in 15 %")  # fmt: skip
    often = sorted(zip(joints.mean(0), person.skeleton.joints, strict=True), reverse=True)[:6]
    print(f"    most often: {', '.join(f'{name} {share:.0%}' for share, name in often)}")
    print(f"  sides exchanged in {exchanged(person):.1%} of frames; training: for up to a fifth of one clip of seven")


def exchanged(person: PoseSequence) -> float:
    """Share of frames in which shoulders and elbows, or hips, knees and ankles, leap to the other side's last places."""
    size, count = body_size(person), 0
    joints, seen = person.joints[0] / size, person.visibility[0] > 0
    pairs = person.skeleton.mirror_pairs
    limbs = (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle"))
    for t in range(1, len(joints)):
        for limb in limbs:
            mine = [p for p in pairs if person.skeleton.joints[p[0]].split("_", 1)[-1] in limb]
            mine = [p for p in mine if seen[t, list(p)].all() and seen[t - 1, list(p)].all()]
            if not mine:
                continue
            left, right = (list(side) for side in zip(*mine, strict=True))
            now, last = joints[t, left + right], joints[t - 1, left + right]
            other = joints[t - 1, right + left]
            same = np.linalg.norm(now - last, axis=-1).sum()
            apart = np.linalg.norm(last - other, axis=-1).sum()
            if np.linalg.norm(now - other, axis=-1).sum() < 0.5 * same and apart > 0.1:
                count += 1
                break
    return count / len(joints)


def tell_mirrored(person: PoseSequence, other: PoseSequence) -> None:
    """What two looks at the same video disagree about."""
    both = (person.visibility[0] > 0) & (other.visibility[0] > 0)
    gap = (person.joints[0] - other.joints[0]) / body_size(person) / np.sqrt(2)
    constant, slow, fast, count = [], [], [], 0
    for j in range(len(person.skeleton)):
        for part in stretches(both[:, j], round(person.fps)):
            values = gap[part, j].astype(float)
            edge = round(person.fps / 4)
            low = low_pass(values, CUT, person.fps)
            constant.append(values.mean(0))
            slow.append((low - values.mean(0))[edge:-edge])
            fast.append((values - low)[edge:-edge])
            count += len(values)
    scale = 1 / np.sqrt(1 - CUT / (person.fps / 2))
    print(f"  two looks, {count} joints in both:")
    print(f"    constant {deviation(np.array(constant))}; training: at most {CONSTANT}, on average {CONSTANT / 2}")
    print(f"    slow, all below 6 Hz {deviation(np.concatenate(slow))}; fast {deviation(np.concatenate(fast) * scale)}")


def mirrored(clip: PoseSequence) -> PoseSequence:
    """The clip with left and right of the picture, and of the body, exchanged."""
    assert clip.image_size is not None
    order = order_of(clip.skeleton)
    joints = clip.joints[:, :, order].copy()
    joints[..., 0] = clip.image_size[0] - 1 - joints[..., 0]
    return replace(clip, joints=joints, visibility=clip.visibility[:, :, order])


def order_of(skeleton: Skeleton) -> np.ndarray:
    """Joints with sides exchanged."""
    order = np.arange(len(skeleton))
    for left, right in skeleton.mirror_pairs:
        order[left], order[right] = right, left
    return order


def persons_of(clip: PoseSequence) -> list[PoseSequence]:
    """One clip each."""
    one = [replace(clip, joints=clip.joints[m : m + 1], visibility=clip.visibility[m : m + 1])
           for m in range(clip.persons)]  # fmt: skip
    return [person for person in one if (person.visibility > 0).any(-1).sum() >= clip.fps]


def main() -> None:
    """Print the figures of each file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, help="joints.npz of `ups predict VIDEO`, or other 2D recordings")
    parser.add_argument("--mirrored", type=Path, help="joints of the first file's video, mirrored")
    arguments = parser.parse_args()
    for file in arguments.files:
        for number, person in enumerate(persons_of(read_file(file)), 1):
            print(f"{file}, person {number}: {person.frames} frames of {person.fps:g} a second, "
                  f"body of {body_size(person):.0f} pixels")  # fmt: skip
            runs = runs_of(person)
            tell_missing(person)
            if runs:
                tell_noise(person, runs)
            if arguments.mirrored and file == arguments.files[0]:
                others = [mirrored(other) for other in persons_of(read_file(arguments.mirrored))]
                tell_mirrored(person, others[min(number, len(others)) - 1])


if __name__ == "__main__":
    main()
