"""How many tokens a decoding step should write: what it costs in accuracy, and what it saves.

    python studies/decoding_tradeoff.py small --stores data --cycles 250 --output tradeoff.svg

Pose estimation alone is trained four times, alike but for `ModelConfig.decoding` (token by token as in the paper, a
joint's x, y, z at a step, all joints of one depth, or of a whole body, at a step), with a fifth of the training subjects
held out, on whom the error is measured. Decoding 64 poses from a memory that is ready is timed in turn, with and without
the key-value cache.
Written are the plot (SVG, PNG or PDF, as the file's name says) and a JSON file of the same name.
"""

from __future__ import annotations

import argparse
import io
import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import torch

from ups.bench.measure import decoding_calls
from ups.bench.timing import Spread, interleaved, machine
from ups.bench.workload import workload
from ups.checkpoint.create import new_model
from ups.config import Decoding, TaskMix
from ups.evaluation.evaluate import evaluate
from ups.files import write_whole
from ups.inference.predictor import Predictor
from ups.recipes import RECIPES, get_recipe, held_out, seeded, separate
from ups.reporting.poses import SERIES
from ups.tasks import get_task
from ups.training.batches import open_stores
from ups.training.loop import train

TASK = "estimate_pose"
TITLES = {"token": "a token", "joint": "a joint's x, y, z", "level": "a level of the skeleton", "body": "a whole body"}


def draw(results: dict[str, dict[str, Any]], data: str, kind: str) -> bytes:
    """Error against time, a point for each way to decode, without cache and with."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.add_subplot()
    for (name, found), colour in zip(results.items(), SERIES, strict=False):
        times = [1000 * found[key]["median"] for key in ("uncached", "cached")]
        errors = [found["mpjpe_mm"]] * 2
        axes.plot(times, errors, color=colour, linewidth=1)
        axes.plot(times[0], errors[0], "o", color=colour, fillstyle="none")
        axes.plot(times[1], errors[1], "o", color=colour, label=f"{TITLES[name]}: {found['steps']} steps")
    axes.set(
        xscale="log",
        xlabel="ms to decode 64 poses (filled: with key-value cache)",
        ylabel="MPJPE, mm, held-out subject",
    )
    axes.set_title(f"What a decoding step writes, {data}")
    axes.legend()
    axes.grid(alpha=0.3)
    file = io.BytesIO()
    figure.savefig(file, format=kind, dpi=150)
    return file.getvalue()


def main() -> None:
    """Train, measure, time, draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("--stores", type=Path, default=Path("data"), help="folder of the prepared stores")
    parser.add_argument("--data", default="humaneva:official", help="STORE:PROTOCOL to learn from")
    parser.add_argument("--cycles", type=int, default=250, help="optimiser steps of each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("tradeoff.svg"), help="the plot")
    args = parser.parse_args()
    base = held_out(seeded(separate(get_recipe(args.recipe), TASK), args.seed), 0.2)
    mix: TaskMix = replace(base.train.tasks[0], data=(args.data,), shares=())
    base = replace(base, train=replace(base.train, tasks=(mix,), cycles=args.cycles, explore=0.0, ema=0.98))
    stores = open_stores(base.train, args.stores)
    results: dict[str, dict[str, Any]] = {}
    calls = {}
    for decoding in get_args(Decoding):
        config = replace(base, model=replace(base.model, decoding=decoding))
        with TemporaryDirectory() as folder:
            predictor = Predictor(train(new_model(config, stores), stores, Path(folder)))
        (found,) = evaluate(predictor, args.stores, "validation").values()
        work = workload(predictor.trained, TASK)
        layout = get_task(TASK).layout(predictor.vocabulary, work.clips[0].skeleton.sorted_by_slot(), ())
        results[decoding] = {key: found[key] for key in ("mpjpe_mm", "p_mpjpe_mm", "uncertainty_spearman")}
        results[decoding]["steps"] = len(predictor.model.schedule(layout).spans) - 1  # the end is not computed
        calls |= {f"{decoding}/{name}": call for name, call in decoding_calls(predictor, work).items()}
        print(decoding, results[decoding], flush=True)
    for name, timing in interleaved(calls, 5, 0.3, torch.device("cpu")).items():
        decoding, _, way = name.partition("/")
        results[decoding][way] = Spread.of(1 / timing.rates()).to_dict()
        print(f"{name}: {1000 * results[decoding][way]['median']:.1f} ms", flush=True)
    record = {"machine": machine(torch.device("cpu")), "data": args.data, "cycles": args.cycles, "results": results}
    write_whole(args.output.with_suffix(".json"), json.dumps(record, indent=1).encode())
    write_whole(args.output, draw(results, args.data, args.output.suffix[1:]))


if __name__ == "__main__":
    main()
