"""Our speed beside that of five well-known models, timed in turn in one run, at the same shapes.

`python studies/neighbours.py small --ctrgcn DIR --videopose3d DIR --pyskl DIR --motionbert DIR --mixste DIR` takes a recipe or
the folder of a trained model, and checkouts of the neighbours' repositories, of which nothing is kept here; those that are
not given, or can't be imported, are left out with a note. Cases:

CTR-GCN, joint stream       against our recognition: 52 frames x 20 joints, 1 person, 10 classes, batches of 16 and of 1
ST-GCN++ of PYSKL           against our recognition: 100 frames x 25 joints, 2 persons, batches of 16 and of 1
VideoPose3D, 243 frames     against our lifting: one sequence, whose every frame is lifted, without averaging with the
                            mirrored sequence on either side
MotionBERT-Lite             the same, in windows of 243 frames beside one another
MixSTE                      as MotionBERT-Lite; its repository needs timm below 1, torchvision, einops

Their models start from a tensor that is ready on the device: cutting, centring and resampling of clips is not counted for
them. Ours are given twice, "model only", from a tensor to probabilities (encoder and decoder), and "from poses", which is
all that a user waits for: from `PoseSequence` objects to results. Lifting is given from poses alone.

Each is timed in float32 and under bfloat16 autocast; a ratio compares with the neighbour's faster one, round by round. Their
modules run as their repositories have them, in PyTorch's eager mode. Weights are untrained or made for other shapes: how
long an answer takes does not depend on what it says.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.table import Table

from ups.bench.inputs import at_shape, random_clip
from ups.bench.measure import inference
from ups.bench.timing import Spread, interleaved, machine, number
from ups.checkpoint.cost import cost, count_flops
from ups.checkpoint.create import load_or_build
from ups.checkpoint.io import Trained
from ups.cli.show import show
from ups.config import ComputePrecision
from ups.files import write_whole
from ups.inference.predictor import Predictor
from ups.model.decoding import decode
from ups.runtime.allocator import keep_freed_memory
from ups.runtime.precision import computes_bfloat16
from ups.skeleton import Skeleton
from ups.skeletons import H36M_17, KINECT_20, NTU_25
from ups.tasks import get_task
from ups.tasks.action import ActionTask
from ups.tasks.task import collate_poses

PRECISIONS: dict[str, ComputePrecision] = {"float32": "32-true", "bfloat16": "bf16-mixed"}
RECEPTIVE_FIELD = 3**5
"""Frames that VideoPose3D's model sees of a sequence to tell one."""
Answer = Callable[[ComputePrecision], object]
"""Computes once, in the precision it is given."""


@dataclass(frozen=True)
class Contender:
    """A model that answers.

    Attributes:
        name: as printed.
        parameters: those that take part.
        answer: one call.
        ours: whether it is.
    """

    name: str
    parameters: int
    answer: Answer
    ours: bool


@dataclass(frozen=True)
class Case:
    """Contenders that do the same work; the neighbour is the last.

    Attributes:
        title: the shape.
        unit: what is counted.
        units: how many of them one call answers.
        contenders: ours and the neighbour.
    """

    title: str
    unit: str
    units: int
    contenders: tuple[Contender, ...]


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """A checkout whose modules can be imported within the block."""
    if not folder.is_dir():
        raise ImportError(f"{folder} is no folder")
    sys.path.insert(0, str(folder.resolve()))
    try:
        yield
    finally:
        sys.path.remove(str(folder.resolve()))


def neighbour(name: str, model: torch.nn.Module, shape: tuple[int, ...], device: torch.device) -> Contender:
    """A model that answers a random tensor."""
    model.to(device).eval().requires_grad_(False)
    x = torch.randn(shape, device=device)

    def answer(precision: ComputePrecision) -> object:
        with inference(precision, device):
            return model(x).float()

    return Contender(name, sum(p.numel() for p in model.parameters()), answer, False)


def our_recognition(
    trained: Trained, skeleton: Skeleton, frames: int, persons: int, batch: int, classes: int
) -> tuple[Contender, Contender]:
    """Ours for the 3D recognition of `batch` clips: model only, and from poses."""
    task = get_task("recognize_3d")
    assert isinstance(task, ActionTask)
    names = trained.vocabulary.classes[:classes]
    shaped = at_shape(trained, task.name, skeleton, frames, names)
    rng = np.random.default_rng(0)
    clips = [random_clip(task.name, skeleton, frames, persons, 0, rng) for _ in range(batch)]
    predictors = {precision: Predictor(shaped, precision) for precision in PRECISIONS.values()}
    one = predictors["32-true"]
    poses, _ = collate_poses([task.example(clip, frames) for clip in clips], skeleton.sorted_by_slot())
    poses, layout = poses.to(one.device), task.layout(trained.vocabulary, poses.skeleton, names)

    def model_only(precision: ComputePrecision) -> object:
        with inference(precision, one.device):
            memory, mask = one.model.memory(task.name, poses, layout, None)
            return decode(one.model, task.name, memory, mask, layout, one.values).first

    def from_poses(precision: ComputePrecision) -> object:
        return predictors[precision].class_scores(task.name, clips, names, batch)

    parameters = cost(shaped, task.name, frames, skeleton).parameters
    name = trained.config.name
    return (
        Contender(f"UPS {name}, model only", parameters, model_only, True),
        Contender(f"UPS {name}, from poses", parameters, from_poses, True),
    )


def our_lifting(trained: Trained, skeleton: Skeleton, frames: int) -> Contender:
    """Ours for the lifting of every frame of one sequence, in the windows it was trained on."""
    task = "estimate_pose"
    window = Predictor(trained).frames_of(task)
    shaped = at_shape(trained, task, skeleton, window)
    clip = replace(random_clip(task, skeleton, frames, 1, -1, np.random.default_rng(0)), fps=50.0)  # Human3.6M's
    predictors = {precision: Predictor(shaped, precision) for precision in PRECISIONS.values()}

    def answer(precision: ComputePrecision) -> object:
        return predictors[precision].lift(clip, flip=False)

    parameters = cost(shaped, task, window, skeleton).parameters
    return Contender(f"UPS {trained.config.name}, windows of {window}, from poses", parameters, answer, True)


def load_ctr_gcn(folder: Path) -> torch.nn.Module:
    """CTR-GCN as configured for NW-UCLA."""
    with importable(folder):
        build = importlib.import_module("model.ctrgcn").Model
        return build(
            num_class=10, num_point=20, num_person=1, graph="graph.ucla.Graph", graph_args={"labeling_mode": "spatial"}
        )


def load_video_pose_3d(folder: Path) -> torch.nn.Module:
    """VideoPose3D's largest model."""
    with importable(folder):
        build = importlib.import_module("common.model").TemporalModel
    return build(17, 2, 17, filter_widths=[3, 3, 3, 3, 3], causal=False, dropout=0.25, channels=1024)


def load_st_gcn(folder: Path) -> torch.nn.Module:
    """ST-GCN++ as PYSKL configures it for NTU RGB+D 60 with 3D joints."""
    with importable(folder):
        backbone = importlib.import_module("pyskl.models.gcns.stgcn").STGCN(
            gcn_adaptive="init",
            gcn_with_res=True,
            tcn_type="mstcn",
            graph_cfg={"layout": "nturgb+d", "mode": "spatial"},
        )
        head = importlib.import_module("pyskl.models.heads.simple_head").GCNHead(num_classes=60, in_channels=256)
    return torch.nn.Sequential(backbone, head)


def load_motion_bert(folder: Path) -> torch.nn.Module:
    """MotionBERT-Lite as configured for lifting."""
    with importable(folder):
        build = importlib.import_module("lib.model.DSTformer").DSTformer
        return build(
            dim_in=3, dim_out=3, dim_feat=256, dim_rep=512, depth=5, num_heads=8, mlp_ratio=4, maxlen=RECEPTIVE_FIELD,
            num_joints=17,
        )  # fmt: skip


def load_mixste(folder: Path) -> torch.nn.Module:
    """MixSTE as its repository trains it, all frames of a window at once."""
    with importable(folder):
        build = importlib.import_module("common.model_cross").MixSTE2
        return build(
            num_frame=RECEPTIVE_FIELD, num_joints=17, in_chans=2, embed_dim_ratio=512, depth=8, num_heads=8, mlp_ratio=2.0,
            qkv_bias=True, qk_scale=None, drop_path_rate=0,
        )  # fmt: skip


LOADERS = {
    "ctrgcn": load_ctr_gcn, "videopose3d": load_video_pose_3d, "pyskl": load_st_gcn, "motionbert": load_motion_bert,
    "mixste": load_mixste,
}  # fmt: skip


def cases_of(
    key: str, model: torch.nn.Module, trained: Trained, device: torch.device, lengths: list[int]
) -> Iterator[Case]:
    """The neighbour's cases; `lengths` are those of lifted sequences."""
    if key in ("videopose3d", "motionbert", "mixste"):
        for frames in lengths:
            if key == "videopose3d":
                name, shape = f"VideoPose3D, {RECEPTIVE_FIELD} frames", (1, frames + RECEPTIVE_FIELD - 1, 17, 2)
            else:
                name = f"{'MixSTE' if key == 'mixste' else 'MotionBERT-Lite'}, windows of {RECEPTIVE_FIELD}"
                shape = (-(-frames // RECEPTIVE_FIELD), RECEPTIVE_FIELD, 17, 2 if key == "mixste" else 3)
            theirs = neighbour(f"{name}, model only", model, shape, device)
            title = f"lifting: a sequence of {frames} frames x 17 joints, 1 person"
            yield Case(title, "frames", frames, (our_lifting(trained, H36M_17, frames), theirs))
        return
    for batch in (16, 1):
        if key == "ctrgcn":
            skeleton, frames, persons, classes = KINECT_20, 52, 1, 10
            theirs = neighbour("CTR-GCN joint stream, model only", model, (batch, 3, 52, 20, 1), device)
        else:
            skeleton, frames, persons, classes = NTU_25, 100, 2, 60
            theirs = neighbour("ST-GCN++ joint stream, model only", model, (batch, 2, 100, 25, 3), device)
        ours = our_recognition(trained, skeleton, frames, persons, batch, classes)
        ours_know = min(classes, len(trained.vocabulary.classes))
        title = (
            f"recognition: {frames} frames x {len(skeleton)} joints, persons {persons}, classes {classes} (ours: "
            f"{ours_know}), batch {batch}"
        )
        yield Case(title, "clips", batch, (*ours, theirs))


def run_case(case: Case, rounds: int, seconds: float, device: torch.device) -> dict[str, Any]:
    """All contenders in float32, and in bfloat16 where the device has it, in turn."""
    dtypes = [dtype for dtype in PRECISIONS if dtype == "float32" or computes_bfloat16(device)]
    names = {(c.name, dtype): c for c in case.contenders for dtype in dtypes}

    def bound(contender: Contender, dtype: str) -> Callable[[], object]:
        return lambda: contender.answer(PRECISIONS[dtype])

    calls = {f"{name}/{dtype}": bound(c, dtype) for (name, dtype), c in names.items()}
    flops = {c.name: count_flops(bound(c, "float32"))[0] for c in case.contenders}  # autocast and the counter conflict
    times = interleaved(calls, rounds, seconds, device)
    theirs = [times[f"{name}/{dtype}"].rates() for (name, dtype), c in names.items() if not c.ours]
    best = max(theirs, key=np.median)
    rows = []
    for (name, dtype), c in names.items():
        t = times[f"{name}/{dtype}"]
        rows.append(
            {
                "model": name,
                "dtype": dtype,
                "parameters": c.parameters,
                "macs": flops[name] / 2 / case.units,
                "per_s": Spread.of(t.rates(case.units)).to_dict(),
                "p50_ms": 1000 * t.percentile(0.5),
                "p95_ms": 1000 * t.percentile(0.95),
                "calls": t.calls,
                "ratio": Spread.of(t.rates() / best).to_dict(),
            }
        )
    return {"case": case.title, "unit": case.unit, "units": case.units, "rows": rows}


def table(result: dict[str, Any]) -> Table:
    """One case, printable with rich."""
    unit = result["unit"]
    columns = ("model", "dtype", "parameters", f"MMACs/{unit[:-1]}", f"{unit}/s", "range", "call p50", "p95")
    out = Table(*columns, "ratio", "range", title=result["case"], title_justify="left")
    for row in result["rows"]:
        rate, ratio = row["per_s"], row["ratio"]
        out.add_row(
            row["model"], row["dtype"], f"{row['parameters']:,}", number(row["macs"] / 1e6), number(rate["median"]),
            f"{number(rate['low'])}..{number(rate['high'])}", f"{number(row['p50_ms'])} ms", f"{number(row['p95_ms'])} ms",
            f"{number(ratio['median'])} x", f"{number(ratio['low'])}..{number(ratio['high'])}",
        )  # fmt: skip
    return out


def main(options: argparse.Namespace) -> None:
    """Measure, print, write."""
    keep_freed_memory()
    if options.threads:
        torch.set_num_threads(options.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    trained = load_or_build(options.what)
    trained.model.to(device).requires_grad_(False)
    facts = machine(device)
    show(", ".join(f"{key} {value}" for key, value in facts.items()))
    show(f"a ratio is against the neighbour's faster data type, round by round; {options.repeats} rounds")
    results, notes = [], []
    for key, load in LOADERS.items():
        folder = getattr(options, key)
        if folder is None:
            notes.append(f"left out: --{key} was not given")
            continue
        try:
            model = load(folder)
        except (ImportError, AttributeError, AssertionError, RuntimeError) as error:
            notes.append(f"left out: {key} can't be imported from {folder} ({type(error).__name__}: {error})")
            continue
        for case in cases_of(key, model, trained, device, options.frames):
            results.append(run_case(case, options.repeats, options.seconds, device))
            show(table(results[-1]))
    for note in notes:
        print(note)
    record = {"machine": facts, "what": options.what, "rounds": options.repeats, "cases": results, "notes": notes}
    write_whole(options.output, json.dumps(record, indent=1).encode())
    print(f"all figures: {options.output}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", help="a recipe, or the folder of a trained model")
    parser.add_argument("--ctrgcn", type=Path, help="checkout of Uason-Chen/CTR-GCN")
    parser.add_argument("--videopose3d", type=Path, help="checkout of facebookresearch/VideoPose3D")
    parser.add_argument("--pyskl", type=Path, help="checkout of kennymckormick/pyskl; it needs mmcv below 2")
    parser.add_argument("--motionbert", type=Path, help="checkout of Walter0807/MotionBERT")
    parser.add_argument("--mixste", type=Path, help="checkout of JinluZhang1126/MixSTE")
    parser.add_argument("--frames", type=int, nargs="+", default=[243, 2430], help="lengths of lifted sequences")
    parser.add_argument("--threads", type=int, help="processor threads")
    parser.add_argument("--repeats", type=int, default=5, help="rounds")
    parser.add_argument("--seconds", type=float, default=1.0, help="least time of one measurement in each round")
    parser.add_argument("--output", type=Path, default=Path("neighbours.json"), help="the file of all figures")
    main(parser.parse_args())
