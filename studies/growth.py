"""How the cost of an answer and of a training step grows with the size of the problem.

`python studies/growth.py small --output growth.svg` takes a recipe (or the folder of a trained model, of which it takes
the configuration) and times untrained models of its size on generated clips while one thing grows: frames, joints, persons,
batch, classes in the vocabulary, tasks; minutes of one recording, number of recordings, processes that answer. It draws a
panel for each, seconds on logarithmic axes, with the exponent of each curve, fitted over the upper half of the range; the
plot (SVG, PNG or PDF, as the file's name says) and a JSON file of the same name are written. `--only minutes processes`
takes some of the panels.

recognition   3D recognition, encoder and decoder, from a batch of clips that is ready
training      an optimiser step of the same: forward, backward, AdamW
lifting       every frame of one 2D sequence, from poses, not averaged with the mirrored sequence, in windows of one length;
              not in the panels of batch, classes and tasks, which it does not depend on
timeline      what is done when in one long recording (`Predictor.timeline`)
many          `recognize_many` and `lift_many` of recordings of two seconds, all together, not for each
"""

from __future__ import annotations

import argparse
import io
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ups.batch import PERSONS
from ups.bench.inputs import at_shape, random_clip
from ups.bench.measure import inference
from ups.bench.timing import Spread, growth_exponent, interleaved, machine
from ups.bench.workload import training_batches
from ups.checkpoint.create import load_or_build
from ups.checkpoint.io import Trained
from ups.cli.show import show
from ups.config import Config
from ups.files import write_whole
from ups.inference.predictor import Predictor
from ups.model.decoding import decode
from ups.model.ups import UPS
from ups.refs import DataSetInfo
from ups.reporting.poses import SERIES
from ups.runtime.allocator import keep_freed_memory
from ups.skeleton import SLOTS, Skeleton
from ups.skeletons import H36M_17, KINECT_20, skeleton_of
from ups.tasks import TASKS, get_task
from ups.tasks.action import ActionTask
from ups.tasks.task import collate_poses
from ups.tokens.vocabulary import Vocabulary
from ups.training.run import Run

RECOGNIZE, LIFT = "recognize_3d", "estimate_pose"


@dataclass(frozen=True)
class Shape:
    """A problem's size; the values here are those of the panels in which something else grows."""

    frames: int = 48
    skeleton: Skeleton = KINECT_20
    persons: int = 1
    batch: int = 16
    classes: int = 60
    tasks: int = 3


Calls = dict[str, Callable[[], object]]
"""What is timed, by curve."""


@dataclass(frozen=True)
class Panel:
    """What grows in a clip or a model.

    Attributes:
        name: as printed under the axis.
        shapes: size -> the shape that has it.
        lifting: whether lifting is timed too.
    """

    name: str
    shapes: dict[int, Shape]
    lifting: bool


def panels(largest: float) -> list[Panel]:
    """All of them; `largest` scales the upper ends, for a quick look."""
    plain = Shape()

    def doubled(start: int, end: int) -> list[int]:
        return [start * 2**i for i in range(20) if start * 2**i <= max(4 * start, end * largest)]

    joints = [6, 9, 13, 18, 26, 36, len(SLOTS)]
    return [
        Panel("frames", {n: replace(plain, frames=n) for n in doubled(16, 1024)}, True),
        Panel("joints", {j: replace(plain, skeleton=body(j)) for j in joints}, True),
        Panel("persons", {m: replace(plain, persons=m) for m in (1, 2, 4, PERSONS)}, True),
        Panel("batch", {b: replace(plain, batch=b) for b in doubled(1, 128)}, False),
        Panel("classes", {c: replace(plain, classes=c) for c in doubled(16, 16384)}, False),
        Panel("tasks", {t: replace(plain, tasks=t) for t in doubled(1, 32)}, False),
    ]


def longer_and_more(largest: float) -> dict[str, tuple[list[int], Callable[[Trained, int], Calls]]]:
    """What grows in what is asked of one model: the sizes, and what is timed at each."""
    cores = os.cpu_count() or 1
    return {
        "minutes": ([m for m in (1, 2, 4, 8, 16, 32, 64) if m <= max(4, 64 * largest)], _one_recording),
        "recordings": ([n for n in (1, 4, 16, 64, 256) if n <= max(16, 256 * largest)], _recordings),
        "processes": (list(range(1, 2 * cores + 1)), lambda trained, n: _recordings(trained, 64, n)),
    }


def _one_recording(trained: Trained, minutes: int) -> Calls:
    rng, predictor = np.random.default_rng(0), Predictor(trained)
    flat = random_clip(LIFT, H36M_17, minutes * 60 * 30, 1, -1, rng)
    solid = random_clip(RECOGNIZE, KINECT_20, minutes * 60 * 30, 1, 0, rng)
    return {
        "lifting": lambda: predictor.lift(flat, flip=False),
        "timeline": lambda: predictor.timeline(solid, trained.vocabulary.classes, RECOGNIZE),
    }


def _recordings(trained: Trained, number: int, workers: int = 1) -> Calls:
    rng, predictor = np.random.default_rng(0), Predictor(trained)
    flat = [random_clip(LIFT, H36M_17, 60, 1, -1, rng) for _ in range(number)]
    solid = [random_clip(RECOGNIZE, KINECT_20, 60, 1, 0, rng) for _ in range(number)]
    return {
        "lifting": lambda: predictor.lift_many(flat, flip=False, workers=workers),
        "recognition": lambda: predictor.recognize_many(solid, trained.vocabulary.classes, workers=workers),
    }


def body(joints: int) -> Skeleton:
    """A skeleton of that many joints: those of Human3.6M first, then all others that the model knows."""
    ordered = dict.fromkeys((*H36M_17.joints, *SLOTS))
    return skeleton_of(list(ordered)[:joints], "growth")


def build(config: Config, shape: Shape, features: int) -> Trained:
    """An untrained model with that many classes and tasks that recognise actions, and with pose estimation."""
    m = config.model
    names = (LIFT, RECOGNIZE, *(f"task {i}" for i in range(1, shape.tasks)))
    classes = tuple(f"class {i}" for i in range(shape.classes))
    eots = tuple(dict.fromkeys(task.eot for task in TASKS.values()))
    vocabulary = Vocabulary(m.bins, -m.range_m, m.range_m, eots, classes)
    torch.manual_seed(0)
    model = UPS(m, names, torch.randn(vocabulary.size, features))
    return Trained(model.eval(), config, vocabulary, {"growth": DataSetInfo(classes, shape.skeleton)})


def turns(trained: Trained) -> Iterator[str]:
    """The tasks that recognise actions, for ever one after the other."""
    return cycle([name for name in trained.model.tasks if name != LIFT])


def recognition(trained: Trained, shape: Shape, device: torch.device) -> Callable[[], object]:
    """Answers a batch, by one task after the other."""
    task = get_task(RECOGNIZE)
    assert isinstance(task, ActionTask)
    rng = np.random.default_rng(0)
    examples = [
        task.example(random_clip(RECOGNIZE, shape.skeleton, shape.frames, shape.persons, 0, rng), shape.frames)
        for _ in range(shape.batch)
    ]
    poses = collate_poses(examples, shape.skeleton.sorted_by_slot())[0].to(device)
    layout = task.layout(trained.vocabulary, poses.skeleton, trained.vocabulary.classes)
    predictor, names = Predictor(trained), turns(trained)

    def call() -> object:
        name = next(names)
        with inference(predictor.precision, device):
            memory, mask = trained.model.memory(name, poses, layout, None)
            return decode(trained.model, name, memory, mask, layout, predictor.values)

    return call


def training(trained: Trained, shape: Shape, folder: Path) -> Callable[[], object]:
    """An optimiser step of recognition on a ready batch, by one task after the other."""
    shaped = at_shape(trained, RECOGNIZE, shape.skeleton, shape.frames)
    mix = replace(shaped.config.train.tasks[0], batch=shape.batch)
    train = replace(shaped.config.train, tasks=(mix,), accumulate=1)
    run = Run(replace(shaped, config=replace(shaped.config, train=train)), folder)
    run.model.train()
    rng = np.random.default_rng(0)
    clips = [
        random_clip(RECOGNIZE, shape.skeleton, shape.frames, shape.persons, 0, rng) for _ in range(shape.batch)
    ]  # fmt: skip
    batches = training_batches(run.trained, mix, clips, trained.vocabulary.classes)
    names = turns(trained)
    return lambda: run.take_step(next(names), batches)


def lifting(trained: Trained, shape: Shape) -> Callable[[], object]:
    """Lifts one sequence."""
    window = next((mix.frames for mix in trained.config.train.tasks if mix.task == LIFT), 27)
    predictor = Predictor(at_shape(trained, LIFT, shape.skeleton, window))
    clip = random_clip(LIFT, shape.skeleton, shape.frames, shape.persons, -1, np.random.default_rng(0))
    return lambda: predictor.lift(clip, flip=False)


def run_panel(
    panel: Panel, config: Config, features: int, rounds: int, seconds: float, folder: Path, device: torch.device
) -> dict[str, Any]:
    """Seconds a clip of each curve at each size, all timed in turn, and the fitted exponents."""
    calls: Calls = {}
    for size, shape in panel.shapes.items():
        trained = build(config, shape, features)
        trained.model.to(device)
        calls[f"recognition/{size}"] = recognition(trained, shape, device)
        if panel.lifting:
            calls[f"lifting/{size}"] = lifting(trained, shape)
        calls[f"training/{size}"] = training(build(config, shape, features), shape, folder)
    clips = {
        f"{name}/{size}": shape.batch for size, shape in panel.shapes.items() for name in ("recognition", "training")
    }
    return _timed(calls, list(panel.shapes), clips, "ms a clip", rounds, seconds, device)


def _timed(
    calls: Calls, sizes: list[int], clips: dict[str, int], unit: str, rounds: int, seconds: float, device: torch.device
) -> dict[str, Any]:
    """Seconds of each curve at each size, called "curve/size", for each of so many clips, all timed in turn."""
    times, curves = interleaved(calls, rounds, seconds, device), {}
    for name in dict.fromkeys(key.partition("/")[0] for key in calls):
        keys = [f"{name}/{size}" for size in sizes]
        cost = [Spread.of(1 / times[key].rates(clips.get(key, 1))) for key in keys]
        curves[name] = {
            "seconds": [c.to_dict() for c in cost],
            "exponent": growth_exponent(sizes, [c.median for c in cost]),
        }
    return {"sizes": sizes, "curves": curves, "unit": unit}


def draw(results: dict[str, dict[str, Any]], kind: str) -> bytes:
    """The panels as a picture."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter

    file = io.BytesIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "ups", "text.parse_math": False, "font.size": 10}):
        rows = -(-len(results) // 3)
        figure = Figure(figsize=(12, 3.5 * rows), dpi=120, layout="constrained", facecolor="white")
        places = figure.subplots(rows, 3, squeeze=False).flat
        for axes in list(places)[len(results) :]:
            axes.remove()
        for axes, (name, result) in zip(figure.axes, results.items(), strict=True):
            for colour, (curve, found) in zip(SERIES, result["curves"].items(), strict=False):
                low, middle, high = ([1000 * c[key] for c in found["seconds"]] for key in ("low", "median", "high"))
                label = f"{curve}: exponent {found['exponent']:.2f}"
                axes.plot(result["sizes"], middle, "-o", color=colour, markersize=4, linewidth=1.8, label=label)
                axes.fill_between(result["sizes"], low, high, color=colour, alpha=0.15, linewidth=0)
            axes.set(xscale="log", yscale="log", xlabel=name, ylabel=result["unit"])
            ticks = result["sizes"][:: 1 + len(result["sizes"]) // 8]
            axes.set_xticks(ticks, [str(size) for size in ticks], fontsize=8)
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter("{x:g}")
            axes.yaxis.set_minor_formatter(NullFormatter())
            axes.set_title(f"Growth with {name}", loc="left", fontweight="bold", fontsize=11)
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(alpha=0.12, linewidth=0.8)
            axes.legend(frameon=False, fontsize=8)
        figure.savefig(file, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return file.getvalue()


def main(options: argparse.Namespace) -> None:
    """Measure, print, draw."""
    keep_freed_memory()
    if options.threads:
        torch.set_num_threads(options.threads)
    kind = options.output.suffix.removeprefix(".")
    if kind not in ("svg", "png", "pdf"):
        raise SystemExit(f"--output {options.output}: its name must end with .svg, .png or .pdf")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trained = load_or_build(options.what)
    facts, features = machine(device), trained.model.vocabulary.features.shape[1]
    timing, results = (options.repeats, options.seconds), {}
    shapes = {panel.name: panel for panel in panels(options.largest)}
    questions = longer_and_more(options.largest)
    if unknown := set(options.only) - {*shapes, *questions}:
        raise SystemExit(f"--only {' '.join(sorted(unknown))}: there are {', '.join([*shapes, *questions])}")
    for name in options.only or [*shapes, *questions]:
        if name in shapes:
            found = run_panel(shapes[name], trained.config, features, *timing, options.output.parent, device)
        else:
            sizes, make = questions[name]
            model = build(trained.config, Shape(), features)
            calls = {f"{curve}/{size}": call for size in sizes for curve, call in make(model, size).items()}
            found = _timed(calls, sizes, {}, "ms in all", *timing, device)
        results[name] = found
        for curve, told in found["curves"].items():
            costs = zip(found["sizes"], told["seconds"], strict=True)
            milliseconds = ", ".join(f"{size}: {1000 * cost['median']:.3g}" for size, cost in costs)
            show(f"{name}, {curve}: exponent {told['exponent']:.2f}; {found['unit']} at {milliseconds}")
    record = {"machine": facts, "what": options.what, "rounds": options.repeats, "panels": results}
    write_whole(options.output.with_suffix(".json"), json.dumps(record, indent=1).encode())
    write_whole(options.output, draw(results, kind))
    print(f"plot: {options.output}; all figures: {options.output.with_suffix('.json')}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", help="a recipe, or the folder of a trained model")
    parser.add_argument("--threads", type=int, help="processor threads")
    parser.add_argument("--repeats", type=int, default=3, help="rounds")
    parser.add_argument("--seconds", type=float, default=0.3, help="least time of one measurement in each round")
    parser.add_argument("--largest", type=float, default=1.0, help="scale of the largest sizes, for a quick look")
    parser.add_argument("--only", nargs="+", default=[], help="some of the panels")
    parser.add_argument("--output", type=Path, default=Path("growth.svg"), help="the plot: .svg, .png or .pdf")
    main(parser.parse_args())
