"""Everything in a few minutes, on generated motion: train, fine-tune, evaluate, predict, and one page that shows it."""

from __future__ import annotations

import os
import platform
import shutil
import time
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ups.checkpoint.create import new_model
from ups.checkpoint.describe import components
from ups.checkpoint.io import Trained, load
from ups.config import Config
from ups.data.datasets import synthetic
from ups.data.datasets.base import DataSet
from ups.data.datasets.registry import DATA_SETS
from ups.data.formats.native import write_file
from ups.data.open_file import read_file
from ups.data.store.prepare import write_store
from ups.data.store.store import Store
from ups.errors import DataError
from ups.evaluation.evaluate import evaluate
from ups.inference.predictor import Predictor
from ups.pose import PoseSequence
from ups.recipes import get_recipe
from ups.refs import Benchmark
from ups.reporting.charts import line_chart, route_diagram
from ups.reporting.html import figure, html_table, write_page
from ups.reporting.poses import save_lift_picture, save_picture, skeleton_animation
from ups.tasks import get_task
from ups.tasks.action import RATIOS, recognize_3d
from ups.training.batches import open_stores
from ups.training.loop import fine_tune, train
from ups.training.progress import read_log

TASK = recognize_3d.name
"""The task that is fine-tuned."""
FINE_TUNE_CYCLES = 80
FINE_TUNE_RATE = 1e-3
PRETRAINED_MODEL = "ups-small"
RECORDED = ("nw_ucla", "utd_mhad", "penn_action")
"""Data sets whose test clips the page shows, where UPS_DATA has them."""
_RECORDINGS = {"recognize": "recording_3d.npz", "lift": "recording_2d.npz"}


@dataclass(frozen=True)
class _Outcome:
    """What the page shows."""

    config: Config
    unified: Trained
    before: dict[str, dict[str, Any]]
    after: dict[str, dict[str, Any]]
    action: PoseSequence
    lift: PoseSequence
    seconds: dict[str, float]


class _Clock:
    """Tells what is going on, and how long each step took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.since = time.monotonic()

    def done(self, step: str) -> None:
        """`step` has ended."""
        now = time.monotonic()
        self.seconds[step] = now - self.since
        self.since = now
        print(f"{step}: {self.seconds[step]:.0f} s", flush=True)


def quickstart(
    output: Path,
    config: Config | None = None,
    clips: int = synthetic.CLIPS,
    fine_tune_cycles: int = FINE_TUNE_CYCLES,
) -> Path:
    """Prepare generated data, train on all tasks, fine-tune one, evaluate both models, predict on two files.

    Args:
        output: folder of everything that is made: stores, unified (the run of all tasks), fine_tuned, two recordings,
            pictures of the answers, index.html.
        config: what is trained; the recipe "tiny" where None.
        clips: clips in each of the two data sets.
        fine_tune_cycles: optimiser steps of fine-tuning.

    Returns:
        The page.

    Raises:
        OSError: a file can't be written.
        TrainingError: the loss is no longer finite.
    """
    config, clock = config or get_recipe("tiny"), _Clock()
    prepare_stores(output / "stores", clips)
    stores = open_stores(config.train, output / "stores")
    clock.done("data")
    for run in ("unified", "fine_tuned"):  # of an earlier quickstart
        shutil.rmtree(output / run, ignore_errors=True)
    unified = train(new_model(config, stores), stores, output / "unified")
    clock.done("training on all tasks")
    before = evaluate(Predictor(unified), output / "stores")
    clock.done("evaluation")
    trained = load(output / "unified" / "checkpoint")
    tuned = fine_tune(trained, TASK, stores, output / "fine_tuned", fine_tune_cycles, FINE_TUNE_RATE)
    clock.done("fine-tuning")
    after = evaluate(Predictor(tuned), output / "stores")
    action = _recording(stores["synthetic_3d"], output / _RECORDINGS["recognize"])
    lift = _recording(stores["synthetic_2d"], output / _RECORDINGS["lift"])
    clock.done("evaluation after fine-tuning")
    outcome = _Outcome(config, unified, before, after, action, lift, clock.seconds)
    page = output / "index.html"
    write_page(page, "Unified Pose Sequence: quickstart", _sections(outcome, output))
    return page


def prepare_stores(folder: Path, clips: int) -> None:
    """Stores of the two generated data sets below `folder`, `clips` clips each."""
    three = replace(synthetic.SYNTHETIC_3D, read=lambda _: synthetic.generate_3d(clips))
    two = replace(synthetic.SYNTHETIC_2D, read=lambda _: synthetic.generate_2d(clips))
    for data_set in (three, two):
        write_store(data_set, folder, folder / data_set.name)


def _recording(store: Store, path: Path) -> PoseSequence:
    """A test clip with much movement, written to a file of its own and read back from there."""
    test = store.indices("xsub", "test")
    names = [store.classes[store.labels[i]] for i in test]
    chosen = names.index("kick") if "kick" in names else 0
    write_file(store[int(test[chosen])], path)
    return read_file(path)


def _sections(o: _Outcome, output: Path) -> list[tuple[str, str]]:
    return [
        ("", _introduction(o)),
        ("Results", _results(o)),
        ("From 2D to 3D", _lifting(o, output)),
        ("What is being done, and what is about to be", _action(o, output)),
        ("The route of each task", _routes(o)),
        ("Training", _training(o, output)),
        ("The model that comes with the package", _pretrained(o)),
        ("Go on", _next_steps()),
    ]


def _introduction(o: _Outcome) -> str:
    total = sum(o.seconds.values())
    parameters = sum(components(o.unified.model).values())
    return (
        f"<p>One model of {parameters:,} parameters answers four questions about a sequence of poses: which action is "
        "this, in 3D or in 2D; which action is about to happen; and which 3D pose lies behind these 2D joints. It was "
        f"trained on all of them at once, in {o.seconds['training on all tasks']:.0f} seconds; with data, evaluation "
        f"and fine-tuning this took {total / 60:.1f} minutes.</p>\n"
        "<p>The motion is generated, so that nothing has to be downloaded. These figures show that everything works; "
        "they say nothing about recorded motion.</p>\n"
    )


def _results(o: _Outcome) -> str:
    rows = []
    for key, metrics in o.before.items():
        benchmark = Benchmark.parse(key)
        task = get_task(benchmark.task)
        tuned = dict(task.headline(o.after[key])) if key in o.after else {}
        for name, value in task.headline(metrics):
            rows.append((task.name, benchmark.data, metrics["clips"], name, value, tuned.get(name)))
    classes = len(synthetic.CLASSES)
    return (
        html_table(("task", "data set:protocol", "test clips", "metric", "all tasks", "fine-tuned"), rows)
        + f"<p>Test subjects were not seen in training. There are {classes} actions, so guessing gives "
        f"{1 / classes:.1%} top-1. Fine-tuned: {TASK} alone, along the route that it had learned, for "
        f"{o.seconds['fine-tuning']:.0f} more seconds. MPJPE is the mean distance of the joints from where they are, "
        "relative to the root; P-MPJPE after the best rotation, shift and scale.</p>\n"
    )


def _lifting(o: _Outcome, output: Path) -> str:
    clip = o.lift
    assert clip.pose_3d is not None
    lifted = Predictor(o.unified).lift(clip)
    save_lift_picture(clip, lifted.joints[0], output / "lifted.png", clip.id)
    roots = list(clip.skeleton.root_indices)
    truth = clip.pose_3d[0] - clip.pose_3d[0][:, roots].mean(1, keepdims=True)
    error = 1000 * float(np.linalg.norm(lifted.joints[0] - truth, axis=-1).mean())
    moving = skeleton_animation(
        {"lifted from 2D": lifted.joints[0], "ground truth": truth}, clip.skeleton, clip.fps, False, "lifted"
    )
    caption = (
        f"A test clip, “{synthetic.CLASSES[clip.label]}”: the 3D poses that the model finds behind its 2D joints, beside "
        f"the true ones; the joints are {error:.0f} mm apart on average. Drag to turn."
    )
    return figure(moving, caption)


def _action(o: _Outcome, output: Path) -> str:
    predictor = Predictor(o.unified)
    early = o.action.first(round(0.4 * o.action.frames))
    answers = {
        "all of it": predictor.recognize(o.action),
        "its first 40%": predictor.anticipate(early),
    }
    whole = answers["all of it"]
    best = list(zip(whole.classes, whole.probabilities, strict=True))[:5]
    save_picture(o.action, output / "recognized.png", o.action.id, best)
    rows = [
        (seen, f"{i + 1}.", answer.classes[i], f"{answer.probabilities[i]:.1%}")
        for seen, answer in answers.items()
        for i in range(3)
    ]
    key = next(key for key in o.before if key.startswith("anticipate/"))
    accuracy = 100 * np.array(list(o.before[key]["top1_at"].values()))
    share = 100 * np.array(RATIOS)
    guess = np.full(len(share), 100 / len(synthetic.CLASSES))
    chart = line_chart(
        {"model": (share, accuracy), "guessing": (share, guess)},
        "observed part of the clip, %",
        "top-1, %",
        "Early action prediction",
    )
    return (
        f"<p>One test clip, a “{escape(synthetic.CLASSES[o.action.label])}”, and what the model says:</p>\n"
        + html_table(("seen", "", "answer", "probability"), rows)
        + figure(chart, "How often the action is recognised from the beginning of a clip, over all test clips.")
    )


def _routes(o: _Outcome) -> str:
    m = o.config.model
    diagram = route_diagram(o.unified.model.routes(), m.blocks)
    caption = (
        "Each layer has several blocks; every task has learned which one to use. Tasks that share a block meet in it."
    )
    rows = [(name, f"{number:,}") for name, number in components(o.unified.model).items()]
    return figure(diagram, caption) + html_table(("part of the model", "parameters"), rows)


def _training(o: _Outcome, output: Path) -> str:
    entries = read_log(output / "unified")
    steps = [entry["step"] for entry in entries]
    losses = {
        mix.task: (steps, [entry["losses"].get(mix.task, float("nan")) for entry in entries])
        for mix in o.config.train.tasks
    }
    chart = line_chart(losses, "step", "loss", "Loss of each task (running mean)", log_y=True)
    gaps = {
        mix.task: (steps, [sum(entry["score_gaps"][mix.task]) / o.config.model.layers for entry in entries])
        for mix in o.config.train.tasks
    }
    gap_chart = line_chart(gaps, "step", "score gap", "How far the best block's score is ahead, mean over layers")
    flips = sum(entry["flips"] for entry in entries)
    rows = [(step, f"{seconds:.1f} s") for step, seconds in o.seconds.items()]
    rows.append(("all", f"{sum(o.seconds.values()):.1f} s"))
    machine = (
        f"{os.cpu_count()} processors ({platform.machine()}), {torch.get_num_threads()} threads; Python "
        f"{platform.python_version()}, PyTorch {torch.__version__}"
    )
    return (
        figure(chart, "The tasks take turns, one an optimiser step.")
        + figure(gap_chart, f"Routes changed {flips} times while they were learned; Gumbel noise has a spread of 1.3.")
        + html_table(("step", "time"), rows)
        + f"<p>{escape(machine)}.</p>\n"
    )


def _pretrained(o: _Outcome) -> str:
    """What `ups-small`, trained on recorded motion, says of the generated clips, and of recordings where there are any."""
    predictor = Predictor.from_pretrained(PRETRAINED_MODEL)
    rows = [_asked(predictor, "generated", synthetic.CLASSES[o.action.label], o.action)]
    folder = os.environ.get("UPS_DATA")
    for name in RECORDED if folder else ():
        data_set = DATA_SETS[name]
        rows += [
            _asked(predictor, name, data_set.classes[c.label], c) for c in _test_clips(data_set, Path(folder or ""))
        ]
    lifted = predictor.lift(o.lift)
    seen = o.lift.pick_joints(lifted.skeleton)
    assert seen.pose_3d is not None
    truth = seen.root_relative_3d()
    error = 1000 * float(np.linalg.norm(lifted.joints - truth, axis=-1).mean())
    where = (
        "recordings of the folder that UPS_DATA names" if folder else "set UPS_DATA to a folder of recordings for more"
    )
    return (
        f"<p>{PRETRAINED_MODEL} was trained on recorded motion and has never met generated clips, nor these test "
        f"clips. Its candidates are all {len(predictor.actions())} actions that it knows "
        f"({where}).</p>\n"
        + html_table(
            ("clip", "action", "answer to all of it", "probability", "answer to its first 40%", "probability"), rows
        )
        + f"<p>3D poses behind the generated 2D clip above: {error:.0f} mm from the truth on average, for a body and a "
        "camera that it never saw.</p>\n"
    )


def _asked(predictor: Predictor, source: str, action: str, clip: PoseSequence) -> tuple[str, ...]:
    whole, early = predictor.recognize(clip), predictor.anticipate(clip.first(round(0.4 * clip.frames)))
    return (source, action, whole.best, f"{whole.probabilities[0]:.0%}", early.best, f"{early.probabilities[0]:.0%}")


def _test_clips(data_set: DataSet, folder: Path, most: int = 3) -> list[PoseSequence]:
    """The first test clips of different actions, no copies of training clips; none where the files are not there."""
    protocol = next((p for p in data_set.protocols if p.endswith("_no_leak")), data_set.protocols[0])
    found: dict[int, PoseSequence] = {}
    try:
        for item in data_set.read(folder):
            if not isinstance(item, DataError) and item[1].get(protocol) == "test":
                found.setdefault(item[0].label, item[0])
            if len(found) == most:
                break
    except FileNotFoundError:
        return []
    return list(found.values())


def _next_steps() -> str:
    commands = (
        f"ups predict {_RECORDINGS['recognize']} --model unified/checkpoint --plot answer.png",
        f"ups predict {_RECORDINGS['lift']} --task estimate_pose --model unified/checkpoint --plot lifted.png",
        "ups evaluate unified/checkpoint --stores stores",
        "ups describe unified/checkpoint",
        "ups data list",
    )
    return "<p>In this folder, try:</p>\n<pre>" + "\n".join(map(escape, commands)) + "</pre>\n"
