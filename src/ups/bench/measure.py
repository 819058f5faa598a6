"""How fast a model trains and answers on this machine, as a record for a JSON file and as tables.

All of it is measured in one run on generated clips: training steps on batches that are ready, batch assembly, answers in
batches from pose sequences to results, answers to one clip, decoding with and without a cache, and the square matrix
product that all FLOP/s are compared with.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Group
from rich.table import Table

from ups.bench.fresh import FreshProcess, answer_many, answering_memory, first_answer, training_memory
from ups.bench.roofline import STAGES, Work, bounded, count, count_stages, medians, stage_times, triad
from ups.bench.timing import Spread, Timing, interleaved, machine, matmul, number
from ups.bench.workload import BATCH, Workload, training_batches, workload
from ups.checkpoint.cost import count_flops
from ups.checkpoint.io import Trained, load, save
from ups.config import ComputePrecision
from ups.errors import SettingError
from ups.inference.predictor import Predictor
from ups.model.decoding import decode
from ups.reporting.charts import roofline_chart
from ups.reporting.html import figure, html_table
from ups.runtime.precision import resolve_precision
from ups.tasks import get_task
from ups.training.batches import make_batch
from ups.training.run import Run

DTYPES = {"32-true": "float32", "bf16-mixed": "bfloat16"}
"""Data type of the matrix products, by precision."""


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes:
        tasks: which; all that the model was trained on where empty.
        batch: samples of a training step; as the model was trained where None.
        precision: of training and answers; that in which the model answers here where None.
        rounds: repetitions of all measurements, in turn.
        seconds: time a measurement takes in each round, at least.
        onnx: also measure the exported model, float32, through ONNX Runtime on the processor.
    """

    tasks: tuple[str, ...] = ()
    batch: int | None = None
    precision: ComputePrecision | None = None
    rounds: int = 5
    seconds: float = 0.5
    onnx: bool = False


def measure(trained: Trained, settings: Settings) -> dict[str, Any]:
    """Measure one model; threads are those that PyTorch is set to.

    Returns:
        A record of plain JSON values: "machine", "model", "settings", "matmul" (FLOP/s by data type), "memory" (bytes/s),
        and for each task in "tasks" its "input", "training", "assembly", "inference", "latency", "decoding", "roofline",
        "first_answer", "onnx" if asked for.

    Raises:
        SettingError: a task that the model was not trained on, a batch or number of rounds below 1.
        IncompleteError: a process that measures failed.
    """
    train = trained.config.train
    if settings.rounds < 1:
        raise SettingError(f"{settings.rounds} rounds; at least 1 is needed")
    if settings.batch is not None and settings.batch < train.accumulate:
        raise SettingError(f"a batch of {settings.batch}; at least {train.accumulate} is needed")
    mixes = tuple(replace(mix, batch=settings.batch or mix.batch) for mix in train.tasks)
    trained = in_precision(trained, settings.precision or Predictor(trained).precision)
    trained = replace(trained, config=replace(trained.config, train=replace(trained.config.train, tasks=mixes)))
    work = [workload(trained, task) for task in settings.tasks or [mix.task for mix in mixes]]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "checkpoint"
        save(trained, folder, trained.model.state_dict())
        return _measure(folder, work, settings)


def inference(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """The mode in which the model is called to answer."""
    stack = ExitStack()
    stack.enter_context(torch.inference_mode())
    stack.enter_context(torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16-mixed"))
    return stack


def in_precision(trained: Trained, precision: ComputePrecision) -> Trained:
    """The same model, which trains and answers in `precision`."""
    train = replace(trained.config.train, precision=precision)
    return replace(trained, config=replace(trained.config, train=train))


def _measure(folder: Path, work: list[Workload], settings: Settings) -> dict[str, Any]:
    run = Run(load(folder), folder.parent / "run")
    run.model.train()
    device, answering = run.fabric.device, load(folder)
    answering.model.to(device).requires_grad_(False)
    facts = machine(device)
    predictor = Predictor(answering, resolve_precision(answering.config.train.precision, device))
    precision = predictor.precision
    plain = Predictor(answering, "32-true")  # for counting: the counter and autocast conflict
    calls: dict[str, Callable[[], object]] = {}
    flops: dict[str, float] = {}
    native = resolve_precision("auto", device)  # bfloat16 in software takes minutes
    yardsticks = {"float32", DTYPES[precision], DTYPES[native]}
    for dtype in sorted(yardsticks):
        calls[dtype], flops[dtype] = matmul(getattr(torch, dtype), device)
    calls["triad"], moved = triad(device)
    done: dict[str, dict[str, Work]] = {}
    spent: dict[str, list[dict[str, float]]] = {w.mix.task: [] for w in work}
    for w in work:
        for name, call in {
            **_training_calls(run, w),
            **_answer_calls(predictor, w),
            **decoding_calls(predictor, w),
        }.items():
            calls[f"{w.mix.task}/{name}"] = call
        if settings.onnx:
            exported = _onnx_calls(answering, folder.parent / w.mix.task, w)
            calls |= {f"{w.mix.task}/{name}": call for name, call in exported.items()}
        asking = calls[f"{w.mix.task}/inference"]
        calls[f"{w.mix.task}/stages"] = partial(_follow, predictor, asking, spent[w.mix.task])
        done[w.mix.task] = {
            **count_stages(predictor.answering, asking), "training": count(calls[f"{w.mix.task}/training"]),
        }  # fmt: skip
        flops[f"{w.mix.task}/training"] = count_flops(calls[f"{w.mix.task}/training"])[0]
        flops[f"{w.mix.task}/inference"] = count_flops(_answer_calls(plain, w)["inference"])[0]
    times = interleaved(calls, settings.rounds, settings.seconds, device)
    rates = {name: Spread.of(times[name].rates(flops[name])).to_dict() for name in sorted(yardsticks)}
    bandwidth = Spread.of(times["triad"].rates(moved))
    peak = rates[DTYPES[precision]]["median"]
    model = answering.model
    return {
        "machine": facts,
        "model": {
            "name": answering.config.name,
            "steps": answering.steps,
            "parameters": sum(p.numel() for p in model.parameters()),
            "precision": precision,
            "dtype": DTYPES[precision],
        },
        "settings": {"rounds": settings.rounds, "seconds": settings.seconds, "accumulate": run.config.accumulate},
        "memory": {"bytes_per_s": bandwidth.to_dict(), "megabytes": moved / 1e6},
        "matmul": {"flop_per_s": rates, "size": round((flops["float32"] / 2) ** (1 / 3))},
        "tasks": {
            w.mix.task: {
                **_record(w, times, flops, times[DTYPES[precision]].rates(flops[DTYPES[precision]])),
                "roofline": _against_bounds(
                    done[w.mix.task],
                    medians(spent[w.mix.task]) | {"training": 1 / times[f"{w.mix.task}/training"].rates().mean()},
                    peak,
                    bandwidth.median,
                ),
                **_fresh(folder, w, device, settings),
            }
            for w in work
        },
    }


def _follow(predictor: Predictor, call: Callable[[], object], rows: list[dict[str, float]]) -> None:
    """Answer, and note what each stage took."""
    rows.append(stage_times(predictor.answering, call, predictor.device))


def _against_bounds(
    done: dict[str, Work], seconds: dict[str, float], peak: float, bandwidth: float
) -> dict[str, dict[str, Any]]:
    """Every stage of the answers, all of them, and a training step, against what the machine allows."""
    stages = {name: work for name, work in done.items() if name != "training"}
    names = [name for name in STAGES if name in stages]
    found = {name: bounded(stages[name], seconds[name], peak, bandwidth) for name in names}
    whole = Work(*(sum(getattr(w, f) for w in stages.values()) for f in ("flops", "bytes", "operators")))
    found["inference"] = bounded(whole, sum(seconds[name] for name in STAGES), peak, bandwidth)
    found["training"] = bounded(done["training"], seconds["training"], peak, bandwidth)
    return found


def _training_calls(run: Run, w: Workload) -> dict[str, Callable[[], object]]:
    """An optimiser step on ready batches, and the assembly of its batches in one thread."""
    batches = training_batches(run.trained, w.mix, w.clips, w.classes)
    return {
        "training": lambda: run.take_step(w.mix.task, batches),
        "assembly": lambda: training_batches(run.trained, w.mix, w.clips, w.classes),
    }


def _answer_calls(predictor: Predictor, w: Workload) -> dict[str, Callable[[], object]]:
    """From pose sequences to results: a batch, and one clip."""
    return {
        "inference": lambda: answer_many(predictor, w.mix.task, w.question, w.classes),
        "latency": lambda: predictor.ask(w.mix.task, w.clips[0], w.classes),
    }


def _onnx_calls(trained: Trained, folder: Path, w: Workload) -> dict[str, Callable[[], object]]:
    """What `_answer_calls` has, of the exported model."""
    from ups.inference.export import export
    from ups.inference.onnx import OnnxPredictor

    export(trained, w.mix.task, folder, w.clips[0].skeleton)
    predictor = OnnxPredictor(folder, torch.get_num_threads())
    return {
        "onnx": lambda: answer_many(predictor, w.mix.task, w.question, w.classes),
        "onnx_latency": lambda: predictor.ask(w.mix.task, w.clips[0], w.classes),
    }


def decoding_calls(predictor: Predictor, w: Workload) -> dict[str, Callable[[], object]]:
    """`BATCH` sequences decoded from a memory that is ready."""
    trained, model, device = predictor.trained, predictor.answering, predictor.device
    task, precision = get_task(w.mix.task), predictor.precision
    rng = np.random.default_rng(0)
    config = replace(trained.config, train=replace(trained.config.train, target_frames=1))
    batch = make_batch(task, w.mix, config, trained.vocabulary, w.clips[:BATCH], w.classes, rng).to(device)
    with inference(precision, device):
        memory, mask = model.memory(task.name, batch.poses, batch.layout, batch.target_frames)

    def call(cached: bool) -> object:
        with inference(precision, device):
            return decode(model, task.name, memory, mask, batch.layout, predictor.values, cached=cached)

    return {"cached": lambda: call(True), "uncached": lambda: call(False)}


def _record(w: Workload, times: dict[str, Timing], flops: dict[str, float], peak: np.ndarray) -> dict[str, Any]:
    """What was measured in turns; `peak` (rounds,) is the matrix product's FLOP/s."""
    t = {name.partition("/")[2]: timing for name, timing in times.items() if name.startswith(f"{w.mix.task}/")}
    samples, skeleton = w.mix.batch, w.clips[0].skeleton

    def speed(name: str, units: int) -> dict[str, Any]:
        f = flops[f"{w.mix.task}/{name}"]
        return {
            "samples_per_s": Spread.of(t[name].rates(units)).to_dict(),
            "flops_per_sample": f / units,
            "flop_per_s": Spread.of(t[name].rates(f)).to_dict(),
            "share_of_matmul": Spread.of(t[name].rates(f) / peak).to_dict(),
        }

    onnx = {}
    if "onnx" in t:
        onnx["onnx"] = {
            "samples_per_s": Spread.of(t["onnx"].rates(w.units)).to_dict(),
            "over_ours": Spread.of(t["onnx"].rates() / t["inference"].rates()).to_dict(),
            "p50_ms": 1000 * t["onnx_latency"].percentile(0.5),
            "p95_ms": 1000 * t["onnx_latency"].percentile(0.95),
        }
    return {
        **onnx,
        "input": {
            "skeleton": skeleton.name,
            "joints": len(skeleton),
            "persons": 1,
            "frames": w.mix.frames,
            "space": "image" if w.clips[0].space == "image" else "3D",
            "classes": len(w.classes),
        },
        "training": {"unit": "clip", "batch": samples, **speed("training", samples)},
        "assembly": {"samples_per_s": Spread.of(t["assembly"].rates(samples)).to_dict()},
        "inference": {"unit": w.unit, "batch": BATCH, "flip": False, **speed("inference", w.units)},
        "latency": {
            "p50_ms": 1000 * t["latency"].percentile(0.5),
            "p95_ms": 1000 * t["latency"].percentile(0.95),
            "calls": t["latency"].calls,
        },
        "decoding": {
            "batch": BATCH,
            "steps": w.steps,
            "cached_steps_per_s": Spread.of(t["cached"].rates(w.steps)).to_dict(),
            "uncached_steps_per_s": Spread.of(t["uncached"].rates(w.steps)).to_dict(),
            "cached_over_uncached": Spread.of(t["cached"].rates() / t["uncached"].rates()).to_dict(),
        },
    }


def _fresh(folder: Path, w: Workload, device: torch.device, settings: Settings) -> dict[str, Any]:
    """What new processes measure, one after the other."""
    job = FreshProcess(folder, w.mix, w.clips, w.classes, torch.get_num_threads(), device.type)
    answers = [first_answer(job) for _ in range(min(settings.rounds, 3))]
    seconds = {
        name: Spread.of([answer[name] for answer in answers]).to_dict() for name in ("total_s", "load_s", "answer_s")
    }
    memory = {
        "first_answer": max(answer["peak_memory_mb"] for answer in answers),
        "inference": answering_memory(replace(job, clips=w.question)),
        "training": training_memory(job),
    }
    return {"first_answer": seconds, "peak_memory_mb": memory}


def tables(record: dict[str, Any]) -> Group:
    """The record of `measure`, printable with rich; figures are medians, ranges are over the rounds."""
    m, model, peak = record["machine"], record["model"], record["matmul"]
    speed = Table("task", "", "samples/s", "range", "GFLOP/sample", "GFLOP/s", "of matmul peak")
    times = Table("task", "one clip, p50", "p95", "first answer", "of which loading", "of which answering")
    decoding = Table("task", f"tokens, {BATCH} sequences", "cached steps/s", "uncached steps/s", "ratio", "range")
    onnx = Table("task", "ONNX Runtime, float32: samples/s", "range", "over PyTorch's", "range", "one clip, p50", "p95")
    bounds = Table("task", "stage", "took", "GFLOP", "GB moved", "no faster than", "bound by", "of that bound")
    memory = Table("task", "peak memory: training", "inference", "first answer", "batches assembled, samples/s")
    for task, r in record["tasks"].items():
        shape = f"{r['input']['frames']} frames x {r['input']['joints']} joints"
        for name in ("training", "inference"):
            what = f"{name}, batch {r[name]['batch']}, {shape}" + (
                " a window; frames" if r[name]["unit"] == "frame" else ""
            )
            rate, share = r[name]["samples_per_s"], r[name]["share_of_matmul"]["median"]
            cells = (number(rate["median"]), _range(rate), number(r[name]["flops_per_sample"] / 1e9))
            speed.add_row(task, what, *cells, number(r[name]["flop_per_s"]["median"] / 1e9), f"{share:.1%}")
        first, d = r["first_answer"], r["decoding"]
        seconds = (f"{number(first[name]['median'])} s" for name in ("total_s", "load_s", "answer_s"))
        times.add_row(task, *(f"{number(r['latency'][name])} ms" for name in ("p50_ms", "p95_ms")), *seconds)
        rates = (number(d[f"{name}_steps_per_s"]["median"]) for name in ("cached", "uncached"))
        ratio = d["cached_over_uncached"]
        decoding.add_row(task, str(d["steps"]), *rates, f"{number(ratio['median'])} x", _range(ratio))
        if "onnx" in r:
            x = r["onnx"]
            cells = (number(x["samples_per_s"]["median"]), _range(x["samples_per_s"]))
            ratio = (f"{number(x['over_ours']['median'])} x", _range(x["over_ours"]))
            onnx.add_row(task, *cells, *ratio, *(f"{number(x[name])} ms" for name in ("p50_ms", "p95_ms")))
        held = (f"{number(r['peak_memory_mb'][name])} MB" for name in ("training", "inference", "first_answer"))
        memory.add_row(task, *held, number(r["assembly"]["samples_per_s"]["median"]))
        for stage, x in r["roofline"].items():
            cells = (f"{number(1000 * x['seconds'])} ms", number(x["flops"] / 1e9), number(x["bytes"] / 1e9))
            share = f"{x['share_of_bound']:.0%}"
            bounds.add_row(task, stage, *cells, f"{number(1000 * x['bound_s'])} ms", x["bound_by"], share)
    products = ", ".join(
        f"{number(rate['median'] / 1e9)} GFLOP/s in {dtype} ({_range({k: v / 1e9 for k, v in rate.items()})})"
        for dtype, rate in peak["flop_per_s"].items()
    )
    return Group(
        f"{m['processor']}, {m['threads']} threads, device {m['device']}, PyTorch {m['torch']}, load before the run "
        f"{m.get('load_before', '–')}",
        f"{model['name']}: {model['parameters']:,} parameters, {model['dtype']}; {record['settings']['rounds']} rounds",
        f"matmul {peak['size']} x {peak['size']}: {products}; memory: "
        f"{number(record['memory']['bytes_per_s']['median'] / 1e9)} GB/s",
        speed, bounds, times, *([onnx] if onnx.row_count else []), decoding, memory,
    )  # fmt: skip


def sections(record: dict[str, Any]) -> list[tuple[str, str]]:
    """(heading, HTML) of a page about what bounds each stage: a picture and a table for each task."""
    dtype = record["model"]["dtype"]
    peak, bandwidth = record["matmul"]["flop_per_s"][dtype]["median"], record["memory"]["bytes_per_s"]["median"]
    header = ("stage", "took, ms", "GFLOP", "GB moved", "operators", "no faster than, ms", "bound by", "of that bound")
    found = []
    for task, r in record["tasks"].items():
        stages = r["roofline"]
        points = {n: (x["flops"] / x["bytes"], x["flops"] / x["seconds"]) for n, x in stages.items() if x["bytes"]}
        title = f"{task}: {number(peak / 1e9)} GFLOP/s in {dtype}, {number(bandwidth / 1e9)} GB/s"
        caption = (
            "Each stage of a batch of answers, all of them, and a training step. The roof is what a matrix product and "
            "a triad over memory reach here: no stage whose bytes come from memory gets above it."
        )
        rows = [
            (
                name, number(1000 * x["seconds"]), number(x["flops"] / 1e9), number(x["bytes"] / 1e9), x["operators"],
                number(1000 * x["bound_s"]), x["bound_by"], f"{x['share_of_bound']:.0%}",
            )
            for name, x in stages.items()
        ]  # fmt: skip
        picture = figure(roofline_chart(points, peak, bandwidth, title), caption)
        found.append((get_task(task).title, picture + html_table(header, rows)))
    return found


def _range(values: dict[str, float]) -> str:
    return f"{number(values['low'])}..{number(values['high'])}"
