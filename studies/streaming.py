"""How fast frames are answered one at a time, on one processor core, and whether memory stays flat.

`python studies/streaming.py small` takes a recipe (untrained weights are as fast as trained ones) or the folder of a
trained model, pushes generated frames of one person into `ups.OnlinePredictor`, and asks at every frame: the action of 3D
frames, the action of 2D frames, the 3D pose, and the last two together. Each case is printed with its shape, the time a
frame took (median, 95th percentile, highest), the processor time a frame (which other work on the machine disturbs less),
and how many times faster than `--fps` that is. Memory of the process is told every `--report` frames.

`--onnx` exports the model first, for the frames' skeleton, and answers through ONNX Runtime.

`--frames 100000` is the endurance run; the figures are of all frames after the first hundred, which record the computation.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import numpy as np
import torch

from ups.bench.inputs import random_clip, shape_of
from ups.bench.timing import machine
from ups.checkpoint.create import load_or_build
from ups.checkpoint.io import Trained
from ups.files import write_whole
from ups.inference.export import export
from ups.inference.onnx import OnnxPredictor
from ups.inference.predictor import Predictor
from ups.inference.streaming import OnlinePredictor
from ups.pose import PoseSequence
from ups.skeletons import get_skeleton

WARM_UP = 100


@dataclass(frozen=True)
class Case:
    """What is asked at every frame, about frames like those of a task's clips."""

    name: str
    like: str
    action: bool
    pose: bool


CASES = (
    Case("action, 3D", "recognize_3d", True, False),
    Case("action, 2D", "recognize_2d", True, False),
    Case("pose", "estimate_pose", False, True),
    Case("action and pose", "estimate_pose", True, True),
)


def memory_mb() -> float:
    """Memory that the process holds now, MB; nan where the system does not tell."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmRSS")), float("nan"))


def ask(online: OnlinePredictor, case: Case, every: int) -> Callable[[], None]:
    """The questions of one frame; the action at every `every`-th."""

    def questions() -> None:
        if case.action and online.frames % every == 0:
            online.action()
        if case.pose:
            online.pose()

    return questions


def run(trained: Trained, case: Case, options: argparse.Namespace) -> dict:
    """Push the frames of one case; its figures."""
    skeleton = shape_of(trained, case.like)[1]
    if case.like == "recognize_3d" and options.skeleton_3d:
        skeleton = get_skeleton(options.skeleton_3d)
    clip = random_clip(case.like, skeleton, 300, 1, 0, np.random.default_rng(0))
    with TemporaryDirectory() as folder:
        online = open_stream(trained, case, clip, options, Path(folder))
    questions = ask(online, case, options.every)
    wall, cpu, memory = np.zeros(options.frames), 0.0, []
    for t in range(WARM_UP + options.frames):
        frame = clip.joints[:, t % clip.frames]
        start, busy = perf_counter(), process_time()
        online.push(frame)
        questions()
        if t >= WARM_UP:
            wall[t - WARM_UP] = perf_counter() - start
            cpu += process_time() - busy
        if t == WARM_UP or (t > WARM_UP and (t - WARM_UP) % options.report == 0):
            memory.append(memory_mb())
            print(f"  {case.name}: frame {t - WARM_UP:,}, {memory[-1]:,.1f} MB", flush=True)
    median, high, most = (1e3 * float(x) for x in (np.median(wall), np.quantile(wall, 0.95), wall.max()))
    mean, busy = 1e3 * float(wall.mean()), 1e3 * cpu / options.frames
    facts = {
        "case": case.name, "skeleton": skeleton.name, "frames": options.frames,
        "ms_mean": mean, "ms_median": median, "ms_p95": high, "ms_highest": most, "ms_processor": busy,
        "frames_per_s": 1e3 / mean, "times_real_time": 1e3 / mean / options.fps, "memory_mb": memory,
        "delay": online.delay if case.pose else None,
    }  # fmt: skip
    late = f", pose {online.delay} frames late" if case.pose else ""
    print(
        f"{case.name} ({skeleton.name}{late}): {mean:.2f} ms a frame (median {median:.2f}, p95 {high:.2f}, highest "
        f"{most:.2f}; processor {busy:.2f}), {1e3 / mean:.0f} frames/s = {1e3 / mean / options.fps:.1f} x real time "
        f"({1e3 / busy / options.fps:.1f} x by processor time)"
    )
    return facts


def open_stream(
    trained: Trained, case: Case, clip: PoseSequence, options: argparse.Namespace, folder: Path
) -> OnlinePredictor:
    """A stream of frames like the clip's."""

    def answers(task: str) -> Predictor | OnnxPredictor:
        if not options.onnx:
            return Predictor(trained)
        export(trained, task, folder / task, clip.skeleton)
        return OnnxPredictor(folder / task, options.threads)

    return OnlinePredictor(
        answers("anticipate" if case.action else "estimate_pose"), clip.skeleton, space=clip.space, fps=options.fps,
        image_size=clip.image_size, horizon=options.horizon, stride=options.stride,
        lifter=answers("estimate_pose") if case.action and case.pose else None,
    )  # fmt: skip


def main() -> None:
    """Run the cases in turn and write their figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", help="a recipe, or the folder of a trained model")
    parser.add_argument("--frames", type=int, default=2000, help="frames of each case")
    parser.add_argument("--fps", type=float, default=30.0, help="frames per second of the camera")
    parser.add_argument("--horizon", type=int, default=300, help="frames that an action tells of")
    parser.add_argument("--stride", type=int, default=9, help="frames decoded from each window")
    parser.add_argument("--every", type=int, default=1, help="ask for the action at every so many frames")
    parser.add_argument("--skeleton-3d", default="kinect-20", help="of 3D frames")
    parser.add_argument("--threads", type=int, default=1, help="processor threads")
    parser.add_argument("--onnx", action="store_true", help="answer through ONNX Runtime")
    parser.add_argument("--report", type=int, default=10_000, help="frames between two readings of memory")
    parser.add_argument("--cases", nargs="*", default=[c.name for c in CASES], choices=[c.name for c in CASES])
    parser.add_argument("--output", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()
    if min(options.frames, options.every, options.report, options.threads) < 1:
        parser.error("--frames, --every, --report and --threads are at least 1")
    torch.set_num_threads(options.threads)
    trained = load_or_build(options.what)
    facts = machine(torch.device("cpu"))
    print(
        f"{trained.config.name}: {facts['processor']}, {facts['threads']} thread, float32, stride {options.stride}"
        f"{', ONNX Runtime' if options.onnx else ''}"
    )
    figures = [run(trained, case, options) for case in CASES if case.name in options.cases]
    if options.output:
        write_whole(options.output, json.dumps({"machine": facts, "cases": figures}, indent=1).encode())


if __name__ == "__main__":
    main()
