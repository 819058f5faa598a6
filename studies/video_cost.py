"""What `ups predict VIDEO` costs in processor time, stage by stage, and what other ways to look at the video change.

python studies/video_cost.py walk.mp4
python studies/video_cost.py walk.mp4 --ways 1920 960 640 1920/2

A way is the longer side of the pictures that MediaPipe is given (0 = as they are); after a stroke the step from one frame
that is looked at to the next, and after another one how many people are looked for. Of each it tells, in seconds of
processor time, this process's stages and the estimator's process, what was spent when the first answer was told, and
beside the first way: frames in which somebody is found; how far joints are from the first way's, in shares of the body's
height; how far 3D joints are from the first way's, in millimetres after the root; how joints jitter; and what is told.
Where two persons are followed, the one of whom more is seen in a frame counts.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np


def spent(who: int) -> float:
    """Seconds of processor time of this process, or of its children that have ended."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


class Watch:
    """Notes the processor time at which stages begin, and at which something is told first."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, float]] = [("load the model", spent(resource.RUSAGE_SELF))]
        self.first: float | None = None

    def __call__(self, stage: str, number: int, total: int) -> None:
        """A frame of a stage."""
        if stage != self.stages[-1][0]:
            self.stages.append((stage, spent(resource.RUSAGE_SELF)))

    def so_far(self, result: dict[str, Any]) -> None:
        """What is told before the end."""
        if self.first is None:
            self.first = spent(resource.RUSAGE_SELF)


def looked(video: Path, folder: Path, longest: int, step: int, people: int, model: str) -> dict[str, Any]:
    """The result of one way, after telling what it cost."""
    from ups.inference.predictor import Predictor
    from ups.video.answer import Asked, answer_video
    from ups.video.estimators import MediaPipe

    MediaPipe.longest = longest
    watch, others, begun = Watch(), spent(resource.RUSAGE_CHILDREN), time.perf_counter()
    asked = Asked(every=step, force=True, people=people)
    result = answer_video(video, lambda: Predictor.from_pretrained(model), folder, asked, watch, watch.so_far)
    ends = [*watch.stages[1:], ("", spent(resource.RUSAGE_SELF))]
    for (stage, start), (_, end) in zip(watch.stages, ends, strict=True):
        print(f"  {stage:24} {end - start:6.2f} s")
    estimator = spent(resource.RUSAGE_CHILDREN) - others
    own = ends[-1][1] - watch.stages[0][1]
    print(f"  {'the estimator':24} {estimator:6.2f} s")
    print(f"  {'together':24} {own + estimator:6.2f} s for {result['seconds']:.2f} s of video;", end=" ")
    print(f"on the clock {time.perf_counter() - begun:.1f} s")
    if watch.first is not None:
        print(f"  {'before the first answer':24} {watch.first - watch.stages[0][1]:6.2f} s of this process")
    return result


def seen(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """2D joints (N, J, 2) and 3D joints after their root (N, J, 3) of whoever is seen in a frame; NaN where nobody is.

    Tells, too, how joints jitter: the median change of their velocity from frame to frame, in shares of the body's height.
    """
    from ups.data.open_file import read_file

    clip, poses = read_file(folder / "joints.npz"), read_file(folder / "poses_3d.npz")
    who = (clip.visibility > 0).sum(-1).argmax(0)
    frames = np.arange(clip.frames)
    there = clip.visibility[who, frames] > 0
    flat = np.where(there[..., None], clip.joints[who, frames], np.nan)
    solid = poses.joints[who, frames] - poses.joints[who, frames][:, list(poses.skeleton.root_indices)].mean(
        1, keepdims=True
    )
    tracks = np.where(clip.visibility[..., None] > 0, clip.joints, np.nan)
    turns = np.linalg.norm(np.diff(tracks, 2, axis=1), axis=-1)
    height = np.nanmedian(np.nanmax(tracks[..., 1], -1) - np.nanmin(tracks[..., 1], -1))
    print(f"  joints jitter by {np.nanmedian(turns) / height:.2%} of the height")
    return flat, np.where(there.any(-1)[:, None, None], solid, np.nan)


def main() -> None:
    """Each way in turn."""
    warnings.simplefilter("ignore", RuntimeWarning)  # of frames in which nobody is seen
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--ways", nargs="+", default=["1920"])
    parser.add_argument("--model", default="ups-small")
    given = parser.parse_args()
    begun = spent(resource.RUSAGE_SELF)
    import ups.inference.predictor
    import ups.video.answer  # noqa: F401

    print(f"imports {spent(resource.RUSAGE_SELF) - begun:.2f} s")
    first: tuple[np.ndarray, np.ndarray] | None = None
    for way in given.ways:
        longest, every, people = (int(part) for part in (*way.split("/"), "1", "1")[:3])
        print(f"{way}:")
        with tempfile.TemporaryDirectory() as folder:
            result = looked(given.video, Path(folder), longest, every, people, given.model)
            flat, solid = seen(Path(folder))
        found = np.isfinite(flat).any((1, 2))
        parts = [f"{s['start']:g}-{s['end']:g} s {s['action'] or s['why']}" for s in result["timeline"]]
        print(f"  somebody in {found.mean():.1%} of the frames; {', '.join(parts)};", end=" ")
        print(
            f"whole: {result['best']} {result['answers'][0]['probability']:.0%}, unknown {result.get('unknown', 0):.0%}"
        )
        if first is None:
            first = flat, solid
            continue
        a, b = first[0][::every][: len(flat)], first[1][::every][: len(solid)]
        both = found & np.isfinite(a).any((1, 2))
        height = np.nanmax(a[both, :, 1], 1) - np.nanmin(a[both, :, 1], 1)
        off = np.linalg.norm(flat[both] - a[both], axis=-1) / height[:, None]
        mm = 1000 * np.linalg.norm(solid[both] - b[both], axis=-1)
        print("  2D off by", *(f"{np.nanpercentile(off, p):.1%} ({p}th percentile)" for p in (50, 90, 95)), end="; ")
        print("3D by", *(f"{np.nanpercentile(mm, p):.0f} mm ({p})" for p in (50, 90, 95)))


if __name__ == "__main__":
    main()
