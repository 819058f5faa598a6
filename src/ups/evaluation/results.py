"""Files of figures, `metrics.json`: what an evaluation found together with where it comes from.

A record is a plain dictionary:

checkpoint, recipe, steps, seed, precision, ups, torch      where the figures come from; precision is that of the answers
config, routes                                              the whole config; task -> block (from 0) of each layer
split, flip, greedy, stride, views                           how they were measured, see `ups.tasks.task.Reading`; stride is
                                                            None where nothing was lifted
results                                                     {"task/data set:protocol": metrics}, see `ups.evaluation.evaluate`;
                                                            metrics["leak"] where the model has learned clips of the test part
shifts                                                      {"task/data set:protocol": ...}, see `ups.evaluation.shifts`
untrimmed                                                   the same of timelines, see `ups.evaluation.untrimmed`
experiment                                                  {"name", "fine_tuned", "cycles"}; only of `ups experiments`
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ups import __version__
from ups.config import to_dict
from ups.data.datasets.h36m import H36M_ACTIONS
from ups.errors import SettingError
from ups.files import write_whole
from ups.inference.base import default_stride
from ups.refs import Benchmark
from ups.tasks import get_task
from ups.tasks.pose import estimate_pose

if TYPE_CHECKING:
    from ups.inference.base import BasePredictor
    from ups.inference.onnx import OnnxPredictor
    from ups.inference.predictor import Predictor

Record = dict[str, Any]
METRICS = "metrics.json"
MOST_CLASSES = 2000
"""That a table of confusions can have where a record doesn't name them; a record's numbers don't decide its size."""
LEAK = "(leak)"
"""Stands behind figures of test clips that the model has learned."""
TITLES = {"unified": "UPS", "without_routing": "UPS without routing"}
"""Names of experiments as tables show them; every other one is "UPS, " and its name."""


def new_record(
    predictor: Predictor,
    checkpoint: Path | str,
    results: dict[str, dict],
    split: str,
    flip: bool = True,
    greedy: bool = False,
    stride: int | None = None,
    views: int = 1,
) -> Record:
    """What `ups.evaluation.evaluate.evaluate` found for a model, as a record; `stride` is what it was given."""
    import torch

    trained = predictor.trained
    return {
        "checkpoint": str(checkpoint),
        "recipe": trained.config.name,
        "steps": trained.steps,
        "seed": trained.config.train.seed,
        "precision": predictor.precision,
        "ups": __version__,
        "torch": torch.__version__,
        "config": to_dict(trained.config),
        "routes": trained.model.routes(),
        "split": split,
        "flip": flip,
        "greedy": greedy,
        "stride": _stride(predictor, results, stride),
        "views": views,
        "results": results,
    }


def _unusual_stride(record: Record) -> bool:
    """Whether lifting was measured with another stride than the model's own."""
    train = record.get("config", {}).get("train", {})
    frames = [mix["frames"] for mix in train.get("tasks", []) if mix["task"] == estimate_pose.name]
    if not record.get("stride") or not frames:
        return False
    return record["stride"] != (1 if train.get("target_frames") == "centre" else default_stride(frames[0]))


def _stride(predictor: BasePredictor, results: dict[str, dict], stride: int | None) -> int | None:
    """Frames that were decoded from each window of lifting; None where nothing was lifted."""
    lifted = any(Benchmark.parse(key).task == estimate_pose.name for key in results)
    return predictor.windows(stride, None)[2] if lifted else None


def exported_record(
    predictor: OnnxPredictor,
    folder: Path | str,
    results: dict[str, dict],
    split: str,
    flip: bool = True,
    greedy: bool = False,
    stride: int | None = None,
    views: int = 1,
) -> Record:
    """The same for an exported model; "precision" is what its weights are kept in."""
    facts = predictor.facts
    config = facts["config"]
    return {
        "checkpoint": str(folder),
        "recipe": config["name"],
        "steps": facts["steps"],
        "seed": config["train"]["seed"],
        "precision": facts["weights"],
        "ups": __version__,
        "torch": facts["torch"],
        "config": config,
        "split": split,
        "flip": flip,
        "greedy": greedy,
        "stride": _stride(predictor, results, stride),
        "views": views,
        "results": results,
    }


def write_record(path: Path, record: Record) -> None:
    """Write a record, whole or not at all; raises OSError."""
    write_whole(path, json.dumps(record, indent=1).encode())


def add_to_record(path: Path, record: Record, found: dict[str, dict[str, dict]]) -> Record:
    """The record in a file with more figures ("shifts", "untrimmed"), or `record` with them where there is no such file.

    Raises:
        SettingError: the file holds figures of another model.
    """
    if path.exists():
        old = read_record(path)
        if differ := [key for key in ("checkpoint", "steps", "seed", "recipe") if old.get(key) != record[key]]:
            raise SettingError(
                f"{path}: holds figures of another model ({', '.join(differ)} differ); give another --output, or remove it"
            )
        record = old
    return record | {name: record.get(name, {}) | values for name, values in found.items()}


def board_tables(found: dict[str, dict[str, dict[str, Any]]]) -> Group:
    """What was found of "shifts" and "untrimmed", printable with rich."""
    tables: list[RenderableType] = []
    if board := found.get("shifts"):
        for unit, title in (("%", "Shift board, actions, %"), ("mm", "Shift board, lifting, mm")):
            of = {key: values for key, values in board.items() if values["unit"] == unit}
            if not of:
                continue
            table = Table("what differs", *of, title=title)
            for name in dict.fromkeys(name for values in of.values() for name in values["shifts"]):
                figures = (values["shifts"].get(name) for values in of.values())
                table.add_row(name, *("" if x is None else Text(f"{x:.1f}", justify="right") for x in figures))
            tables.append(table)
    if timelines := found.get("untrimmed"):
        overlaps = list(next(iter(timelines.values()))["f1_at"])
        table = Table("made-up recordings", "clips", "frame accuracy, %", *(f"F1 at IoU {at}, %" for at in overlaps))
        for key, values in timelines.items():
            figures = (values["frame_accuracy"], *values["f1_at"].values())
            table.add_row(key, str(values["clips"]), *(f"{100 * x:.1f}" for x in figures))
        tables.append(table)
    return Group(*tables)


def read_record(path: Path) -> Record:
    """The record in a file.

    Raises:
        OSError: the file can't be read.
        SettingError: it holds something else.
    """
    try:
        record = json.loads(Path(path).read_bytes())
    except (ValueError, RecursionError) as error:
        raise SettingError(f"{path}: is not JSON ({error}); `ups evaluate` writes such files") from error
    results = record.get("results") if isinstance(record, dict) else None
    if not isinstance(results, dict) or not all(isinstance(metrics, dict) for metrics in results.values()):
        raise SettingError(f"{path}: holds no results of an evaluation; `ups evaluate` writes such files")
    if missing := [key for key in ("checkpoint", "recipe", "steps") if key not in record]:
        raise SettingError(f"{path}: lacks {', '.join(missing)}; evaluate the model again")
    _check_origin(path, record)
    for key, metrics in results.items():
        try:
            get_task(Benchmark.parse(key).task).headline(metrics)
            measures(key, metrics)
            _check_answers(metrics)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            if isinstance(error, SettingError):
                raise
            raise SettingError(
                f"{path}: {key[:80]}: not figures as `ups evaluate` writes them ({error!r:.80}); evaluate the model again"
            ) from error
    return record


def _check_origin(path: Path, record: Record) -> None:
    """Raises SettingError unless what a record says of its model has the kinds of values that `new_record` gives."""
    config = record.get("config", {})
    train = config.get("train", {}) if isinstance(config, dict) else None
    mixes = train.get("tasks", []) if isinstance(train, dict) else None
    sound = {
        "checkpoint": isinstance(record["checkpoint"], str),
        "recipe": isinstance(record["recipe"], str),
        "steps": type(record["steps"]) is int,
        "views": type(record.get("views", 1)) is int,
        "stride": type(record.get("stride")) in (int, type(None)),
        "config": isinstance(mixes, list)
        and all(isinstance(mix, dict) and "task" in mix and type(mix.get("frames")) is int for mix in mixes),
    }
    if wrong := [key for key, right in sound.items() if not right]:
        raise SettingError(f"{path}: {', '.join(wrong)}: not as `ups evaluate` writes them; evaluate the model again")


def _check_answers(metrics: dict[str, Any]) -> None:
    """Raises ValueError unless the answers of single clips, if any are listed, are numbers of classes."""
    if "predicted" not in metrics:
        return
    labels, predicted, classes = metrics["labels"], metrics["predicted"], metrics.get("classes")
    if classes is not None and not (isinstance(classes, list) and all(isinstance(name, str) for name in classes)):
        raise ValueError("classes are no list of names")
    most = len(classes) if classes else MOST_CLASSES
    for values in (labels, predicted):
        if not isinstance(values, list) or not all(type(k) is int and 0 <= k < most for k in values):
            raise ValueError(f"labels and predicted are no lists of numbers from 0 to {most - 1}")
    if len(labels) != len(predicted):
        raise ValueError(f"{len(labels)} labels, but {len(predicted)} answers")


def read_records(paths: Iterable[Path]) -> list[Record]:
    """The records in files, and in all files called metrics.json in and below folders.

    Raises:
        OSError: no such file or folder.
        SettingError: a folder without records, or a file that is none.
    """
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        if path.is_dir():
            below = sorted(path.rglob(METRICS))
            if not below:
                raise SettingError(f"{path}: no {METRICS} in or below it; `ups evaluate` makes one")
            found.update(dict.fromkeys(below))
        else:
            found[path] = None
    return [read_record(path) for path in found]


def measures(result: str, metrics: dict[str, Any]) -> dict[str, float]:
    """The figures that tables show of what was found for "task/data set:protocol", see the task's `measures`."""
    return get_task(Benchmark.parse(result).task).measures(metrics)


@dataclass(frozen=True)
class Variant:
    """One model in a table: the records of a run, and of its twins that differ from it in nothing but the seed.

    Attributes:
        name: an experiment's name, or the folder of a run.
        experiment: whether `name` is an experiment's.
        fine_tuned: the records are of models that were fine-tuned, each on the task it was measured on.
        records: in the order they were given.
    """

    name: str
    experiment: bool
    fine_tuned: bool
    records: tuple[Record, ...]

    @property
    def title(self) -> str:
        """The name as tables show it."""
        if fused := self.records[0].get("fused"):
            return f"fused: {' + '.join(Path(name).stem for name in fused)}"
        separate = self.experiment and self.name.startswith("separate_")
        plain = f"UPS, {self.name.replace('_', ' ')}" if self.experiment else self.name
        name = "UPS_separate" if separate else TITLES.get(self.name, plain) if self.experiment else plain
        return name + (", fine-tuned" if self.fine_tuned else "")

    @property
    def origin(self) -> str:
        """Recipe, length of training, number of seeds, and how it was measured where that is unusual."""
        record = self.records[0]
        if record.get("fused"):
            return f"{record['recipe']} models' scores"
        parts = [record["recipe"], f"{record['steps']:,} steps"]
        if self.experiment:
            parts[1] = f"{record['experiment']['cycles']:,} cycles"
            parts[1] += f" + {record['steps']:,} steps" if self.fine_tuned else ""
        seeds = len({r.get("seed") for r in self.records})
        parts += [f"{seeds} seeds"] if seeds > 1 else []
        parts += ["validation split"] if record.get("split") == "validation" else []
        parts += ["without flips"] if record.get("flip") is False else []
        parts += ["greedy"] if record.get("greedy") else []
        parts += [f"stride {record['stride']}"] if _unusual_stride(record) else []
        parts += [f"{record['views']} views of a clip"] if record.get("views", 1) > 1 else []
        return ", ".join(parts)

    def results(self, prefix: str = "") -> list[str]:
        """Keys "task/data set:protocol" that begin with `prefix` and were measured."""
        return list(dict.fromkeys(k for r in self.records for k in r["results"] if k.startswith(prefix)))

    def metrics(self, result: str) -> list[dict[str, Any]]:
        """All metrics of one task and data set, one of each seed."""
        by_seed = {r.get("seed"): r["results"][result] for r in self.records if result in r["results"]}
        return list(by_seed.values())

    def leaks(self, result: str) -> bool:
        """Whether a model has learned clips that it was measured on."""
        return any(metrics.get("leak") for metrics in self.metrics(result))

    def values(self, result: str, measure: str) -> list[float]:
        """One figure of each seed, see `measures`; empty where it was not measured."""
        found = [measures(result, metrics) for metrics in self.metrics(result)]
        return [values[measure] for values in found if measure in values]

    def mean(self, result: str, measure: str) -> float | None:
        """Mean over seeds; None where it was not measured."""
        values = self.values(result, measure)
        return statistics.fmean(values) if values else None

    def text(self, result: str, measure: str) -> str | None:
        """Mean over seeds with one decimal, and their standard deviation (n - 1) where there are several; marked with
        `LEAK` where the model has learned clips of the test part.
        """
        values = self.values(result, measure)
        if not values:
            return None
        mark = f" {LEAK}" if self.leaks(result) else ""
        if len(values) < 2:
            return f"{values[0]:.1f}{mark}"
        return f"{statistics.fmean(values):.1f} ± {statistics.stdev(values):.1f}{mark}"

    def setting(self, field: str) -> Any:
        """A field of the model's config; None where the record is of an older version and lacks it."""
        return self.records[0].get("config", {}).get("model", {}).get(field)


def variants(records: Sequence[Record]) -> list[Variant]:
    """Records gathered by model: an experiment's seeds together, a run's files together."""
    groups: dict[tuple, list[Record]] = {}
    for record in records:
        experiment = record.get("experiment")
        how = tuple(record.get(key) for key in ("recipe", "steps", "split", "flip", "greedy", "stride", "views"))
        if experiment:
            model = json.dumps(record.get("config", {}).get("model"), sort_keys=True)
            key = (experiment["name"], True, experiment["fine_tuned"], experiment["cycles"], model, *how)
        else:
            key = (record["checkpoint"], False, False, record.get("seed"), *how)
        groups.setdefault(key, []).append(record)
    names = _run_names([key[0] for key in groups if not key[1]])
    return [Variant(key[0] if key[1] else names[key[0]], key[1], key[2], tuple(g)) for key, g in groups.items()]


def _run_names(checkpoints: Sequence[str]) -> dict[str, str]:
    """A short name of each checkpoint's run: its folder's, with as much of the path as distinguishes it from the others."""
    parts = {c: [p for p in Path(c).parts if p != "checkpoint"] or [c] for c in checkpoints}
    names = {}
    for checkpoint, own in parts.items():
        depth = 1
        while depth < len(own) and any(
            other[-depth:] == own[-depth:] for name, other in parts.items() if name != checkpoint
        ):
            depth += 1
        names[checkpoint] = "/".join(own[-depth:])
    return names


def result_tables(results: dict[str, dict[str, Any]]) -> Group:
    """What `ups.evaluation.evaluate.evaluate` found, printable with rich: the main figures, then pose errors by action."""
    main = Table("task", "data set", "protocol", "clips", "metric", "value")
    tables: list[RenderableType] = [main]
    for key, metrics in results.items():
        benchmark = Benchmark.parse(key)
        task, data_set, protocol = benchmark.task, benchmark.data.store, benchmark.data.protocol
        for i, (name, value) in enumerate(get_task(task).headline(metrics)):
            left = (task, data_set, protocol, str(metrics["clips"])) if i == 0 else ("", "", "", "")
            mark = f" {LEAK}" if metrics.get("leak") else ""
            main.add_row(*left, name, Text(value + mark, justify="right"))
        main.add_section()
        if "mpjpe_mm_per_action" in metrics:
            actions = Table("action", "MPJPE, mm", "P-MPJPE, mm", title=f"{data_set}:{protocol}")
            aligned = metrics["p_mpjpe_mm_per_action"]
            for action, error in metrics["mpjpe_mm_per_action"].items():
                name = H36M_ACTIONS.get(action, action) if data_set.startswith("h36m") else action
                actions.add_row(name, f"{error:.1f}", f"{aligned[action]:.1f}")
            actions.add_section()
            actions.add_row("mean", f"{metrics['mpjpe_mm']:.1f}", f"{metrics['p_mpjpe_mm']:.1f}")
            tables.append(actions)
    return Group(*tables)
