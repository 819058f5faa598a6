"""Experiments: named sets of runs that differ in one thing, run, resumed and compared.

Each experiment is a recipe's config, changed in one line, and a seed. OUTPUT/NAME/seed_S holds its run (see
`ups.training.loop`) and its metrics.json, and fine_tuned/TASK in it the same of a model that was fine-tuned on that task.
Heavy libraries are imported inside the functions, so that states can be listed at once.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ups import recipes
from ups.config import Config, from_dict
from ups.errors import IncompleteError, SettingError, TrainingError, did_you_mean
from ups.evaluation.results import METRICS, Record, Variant, measures, new_record, read_record, variants, write_record
from ups.recipes import seeded, separate, without_routing
from ups.refs import Benchmark
from ups.tasks import get_task

if TYPE_CHECKING:
    import torch
    from rich.console import Group
    from rich.table import Table

    from ups.checkpoint.io import Trained
    from ups.data.store.store import Store

log = logging.getLogger("ups")

SETS: dict[str, Callable[[Config], dict[str, Config]]] = {
    "claims": lambda c: {
        "unified": c,
        **{f"separate_{mix.task}": separate(c, mix.task) for mix in c.train.tasks},
        "without_routing": without_routing(c),
    },
    "plain_twins": lambda c: {
        "unified": c,
        **{f"separate_{mix.task}_plain": without_routing(separate(c, mix.task)) for mix in c.train.tasks},
    },
    "routing": lambda c: {
        "unified": c,
        **{f"routing_{kind}": recipes.routing(c, kind) for kind in ("chosen", "hard_all")},
        "frozen_routes": recipes.frozen_routes(c),
        "without_routing": without_routing(c),
    },
    "blocks": lambda c: {"unified": c} | {f"blocks_{h}": recipes.blocks(c, h) for h in (1, 2, 5)},
    "depth": lambda c: {"unified": c} | {f"depth_{n}": recipes.depth(c, n) for n in (1, 3, 5)},
    "memory_and_vocabulary": lambda c: {
        "unified": c,
        **{f"bins_{n}": recipes.bins(c, n) for n in (c.model.bins // 2, c.model.bins * 2)},
        "one_hot_bins": recipes.unsmoothed(c),
        "full_inputs": recipes.full_inputs(c),
        "minilm": recipes.text(c, "minilm"),
        "roberta": recipes.text(c, "roberta:roberta-base"),
    },
}
"""Name -> what a recipe is turned into. Configs that are equal are one experiment, in all sets."""
FINE_TUNE_RATE = 0.3
"""Peak learning rate of fine-tuning, as a share of the recipe's."""


@dataclass(frozen=True)
class Experiment:
    """One run: a config with its seed, then `fine_tune` optimiser steps on each of its tasks (0 = none)."""

    name: str
    config: Config
    fine_tune: int = 0

    @property
    def title(self) -> str:
        """Name and seed."""
        return f"{self.name}, seed {self.config.train.seed}"

    @property
    def total(self) -> int:
        """Optimiser steps before fine-tuning."""
        return self.config.train.cycles * len(self.config.train.tasks)

    @property
    def rate(self) -> float:
        """Peak learning rate of fine-tuning."""
        return FINE_TUNE_RATE * self.config.train.learning_rate

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks of the mixture."""
        return tuple(mix.task for mix in self.config.train.tasks)

    @property
    def models(self) -> int:
        """How many models it makes: of all its tasks, and fine-tuned on each."""
        return 1 + len(self.tasks) if self.fine_tune else 1

    @property
    def split(self) -> str:
        """What it is evaluated on: the subjects that were held out, where there are any."""
        return "validation" if self.config.train.hold_out else "test"

    def folder(self, output: Path, tuned_on: str = "") -> Path:
        """Of the run, or of the one that fine-tunes it on a task."""
        run = Path(output) / self.name / f"seed_{self.config.train.seed}"
        return run / "fine_tuned" / tuned_on if tuned_on else run


@dataclass(frozen=True)
class State:
    """How far an experiment is.

    Attributes:
        step: optimiser steps done, of the experiment's `total`.
        records: what was measured: of the run itself, then of the fine-tuned models.
        done: nothing is left to do.
    """

    step: int
    records: tuple[Record, ...]
    done: bool


def experiments(name: str, base: Config, seeds: Sequence[int] = (0,), fine_tune: float = 0.1) -> list[Experiment]:
    """The experiments of a set, all of the first seed before those of the next.

    Args:
        name: a key of SETS.
        base: the config that all are derived from.
        seeds: at least one.
        fine_tune: optimiser steps of fine-tuning on each task, as a share of the config's cycles; 0 = none.

    Raises:
        SettingError: an unknown set, no seed, a share below 0.
    """
    if name not in SETS:
        raise SettingError(f"unknown set of experiments {name!r}{did_you_mean(name, SETS)}; known: {', '.join(SETS)}")
    if not seeds or fine_tune < 0:
        raise SettingError(f"{len(seeds)} seeds, a share of {fine_tune} for fine-tuning; at least 1 and 0 are needed")
    names: dict[Config, str] = {without_routing(base): "without_routing", base: "unified"}
    for variant, config in SETS[name](base).items():
        names.setdefault(config, variant)
    chosen = dict.fromkeys(SETS[name](base).values())
    steps = round(fine_tune * base.train.cycles)
    return [Experiment(names[config], seeded(config, seed), steps) for seed in seeds for config in chosen]


def state(experiment: Experiment, output: Path) -> State:
    """How far an experiment in OUTPUT is; SettingError where its folder holds a run of another configuration."""
    step = _steps(experiment, output)
    if step < experiment.total:
        return State(step, (), False)
    wanted = ["", *(experiment.tasks if experiment.fine_tune else ())]
    found = [_record(experiment, output, task) for task in wanted]
    return State(step, tuple(r for r in found if r), all(found))


def run(
    chosen: Sequence[Experiment],
    stores: Path,
    output: Path,
    allow_leak: bool = False,
    device: torch.device | None = None,
) -> None:
    """Train, fine-tune and evaluate each experiment; what is done is skipped, what was interrupted goes on.

    Args:
        chosen: see `experiments`.
        stores: folder of the prepared stores.
        output: folder of all runs.
        allow_leak: learn and measure recordings of the test part, too; such figures are marked.
        device: where models are measured; the processor where None. Several processes (`ups.runtime.distributed`) share
            the training and measuring of each model; all must call.

    Raises:
        SettingError, OSError: a folder that holds a run of another configuration; a store that is missing; a mixture
            that learns test clips.
        IncompleteError: some experiments failed, or their text encoder is unavailable; all others are done.
        KeyboardInterrupt: after the checkpoint was saved; the same call goes on from it.
    """
    from ups.runtime.distributed import is_first
    from ups.tokens.text_encoders import get_text_encoder
    from ups.training.batches import open_stores

    told = logging.INFO if is_first() else logging.DEBUG
    states = [state(experiment, output) for experiment in chosen]  # another configuration shows before anything runs
    failed = []
    for i, (experiment, known) in enumerate(zip(chosen, states, strict=True), 1):
        where = f"[{i}/{len(chosen)}] {experiment.title}"
        if known.done:
            log.log(told, "%s: done", where)
            continue
        log.log(told, "%s", where)
        try:
            get_text_encoder(experiment.config.model.text_encoder)
        except (ValueError, OSError) as error:
            failed.append(f"{experiment.title}: {error}")
            continue
        try:
            measure = partial(_evaluate, experiment, stores, output, allow_leak, device)
            _run(experiment, open_stores(experiment.config.train, stores), output, allow_leak, measure)
        except TrainingError as error:
            failed.append(f"{experiment.title}: {error}")
    if failed:
        raise IncompleteError(f"{len(failed)} of {len(chosen)} experiments could not be run: " + "; ".join(failed))


def listing(chosen: Sequence[Experiment], output: Path) -> Table:
    """How far each experiment is, and its main figures, printable with rich."""
    from rich.table import Table

    table = Table("experiment", "seed", "state", "figures before fine-tuning")
    for experiment in chosen:
        known = state(experiment, output)
        if known.done:
            progress = "done"
        elif known.step == 0:
            progress = "missing"
        elif known.step < experiment.total:
            progress = f"at step {known.step:,} of {experiment.total:,}"
        else:
            progress = f"trained; {len(known.records)} of {experiment.models} models measured"
        figures = [
            f"{Benchmark.parse(key).data} {name} {value:.1f}"
            for record in known.records
            if not record["experiment"]["fine_tuned"]
            for key, metrics in record["results"].items()
            for name, value in measures(key, metrics).items()
            if name == get_task(Benchmark.parse(key).task).main
        ]
        table.add_row(experiment.name, str(experiment.config.train.seed), progress, "\n".join(figures))
    return table


def comparison(chosen: Sequence[Experiment], output: Path) -> Group:
    """Tables of what was measured, printable with rich: a row an experiment, mean and spread over its seeds.

    Each figure is followed by its difference to the unified model at the same stage, before or after fine-tuning.
    """
    from rich.console import Group
    from rich.table import Table

    records = [record for experiment in chosen for record in state(experiment, output).records]
    if not records:
        return Group(f"{output}: nothing was measured yet")
    found = variants(records)
    tasks = dict.fromkeys(Benchmark.parse(key).task for v in found for key in v.results())
    tables = []
    for task in tasks:
        columns = _columns(found, task)
        table = Table("experiment", "seeds", *(heading for heading, _, _ in columns), title=task)
        for variant in found:
            if variant.results(task + "/"):
                seeds = {r["seed"] for r in variant.records}
                cells = [_with_difference(found, variant, result, measure) or "–" for _, result, measure in columns]
                table.add_row(variant.title, str(len(seeds)), *cells)
        tables.append(table)
    routes = Table("experiment", "seed", *tasks, title="blocks of layers 1, 2, ... of each task")
    for record in records:
        if not record["experiment"]["fine_tuned"]:
            trained_on = {Benchmark.parse(key).task for key in record["results"]}
            ways = ["-".join(str(b + 1) for b in record["routes"][t]) if t in trained_on else "–" for t in tasks]
            routes.add_row(record["experiment"]["name"], str(record["seed"]), *ways)
    return Group(*tables, routes)


def _columns(found: Iterable[Variant], task: str) -> list[tuple[str, str, str]]:
    """(heading, result, measure) of the columns of a task's table."""
    keys = dict.fromkeys(key for variant in found for key in variant.results(task + "/"))
    return [
        (f"{Benchmark.parse(key).data} {measure}", key, measure) for key in keys for measure in get_task(task).columns
    ]


def _with_difference(found: Iterable[Variant], variant: Variant, result: str, measure: str) -> str | None:
    text, mine = variant.text(result, measure), variant.mean(result, measure)
    for other in found:
        same = other.name == "unified" and other.fine_tuned == variant.fine_tuned and other is not variant
        theirs = other.mean(result, measure) if same else None
        if mine is not None and theirs is not None:
            return f"{text} ({round(mine - theirs, 1) + 0.0:+.1f})"  # + 0.0 turns -0.0 into 0.0
    return text


def _run(
    experiment: Experiment,
    opened: dict[str, Store],
    output: Path,
    allow_leak: bool,
    measure: Callable[[Trained, str], None],
) -> None:
    """Do what is left of one experiment."""
    from ups.checkpoint.create import new_model
    from ups.checkpoint.io import load
    from ups.training.loop import fine_tune, train

    folder = experiment.folder(output)
    if _steps(experiment, output) < experiment.total:
        train(new_model(experiment.config, opened), opened, folder, allow_leak=allow_leak)
    if _record(experiment, output) is None:
        measure(load(folder / "checkpoint"), "")
    for task in experiment.tasks if experiment.fine_tune else ():
        tuned = experiment.folder(output, task)
        if _steps(experiment, output, task) < experiment.fine_tune:
            start = load(folder / "checkpoint")
            fine_tune(start, task, opened, tuned, experiment.fine_tune, experiment.rate, allow_leak=allow_leak)
        if _record(experiment, output, task) is None:
            measure(load(tuned / "checkpoint"), task)


def _evaluate(
    experiment: Experiment,
    stores: Path,
    output: Path,
    allow_leak: bool,
    device: torch.device | None,
    trained: Trained,
    tuned_on: str,
) -> None:
    """Measure a model of an experiment; the first process keeps the record."""
    from ups.evaluation.evaluate import evaluate
    from ups.inference.predictor import Predictor
    from ups.runtime.distributed import all_gather, is_first

    folder = experiment.folder(output, tuned_on)
    predictor = Predictor(trained, "32-true", device)  # as `ups evaluate` does
    results = evaluate(predictor, stores, experiment.split, allow_leak=allow_leak)
    facts = {"name": experiment.name, "fine_tuned": bool(tuned_on), "cycles": experiment.config.train.cycles}
    record = new_record(predictor, folder / "checkpoint", results, experiment.split) | {"experiment": facts}
    if is_first():
        write_record(folder / METRICS, record)
    all_gather(None)  # nobody goes on before the record is there


def _steps(experiment: Experiment, output: Path, tuned_on: str = "") -> int:
    """Optimiser steps that a run has behind it; SettingError where it is one of another configuration."""
    folder = experiment.folder(output, tuned_on)
    path = folder / "checkpoint" / "model.json"
    if not path.exists():
        return 0
    facts = json.loads(path.read_text())
    if not _same(experiment, from_dict(Config, facts["config"]), tuned_on):
        raise SettingError(
            f"{folder}: holds a run of {experiment.title} with another configuration (recipe, share, "
            "held-out subjects, fine-tuning or version); give another --output, or remove that folder"
        )
    return facts["steps"]


def _same(experiment: Experiment, saved: Config, tuned_on: str) -> bool:
    """Whether a saved config is the experiment's, or what fine-tuning makes of it."""
    config = experiment.config
    if tuned_on:
        train = replace(
            separate(config, tuned_on).train,
            cycles=experiment.fine_tune,
            learning_rate=experiment.rate,
            explore=saved.train.explore,
            route_learning_rate=saved.train.route_learning_rate,
        )
        config = replace(config, train=train)
    return saved == config


def _record(experiment: Experiment, output: Path, tuned_on: str = "") -> Record | None:
    """What was measured of a finished run; None where it isn't finished or wasn't measured."""
    path = experiment.folder(output, tuned_on) / METRICS
    wanted = experiment.fine_tune if tuned_on else experiment.total
    if _steps(experiment, output, tuned_on) < wanted or not path.exists():
        return None
    record = read_record(path)
    same = record["steps"] == wanted and _same(experiment, from_dict(Config, record["config"]), tuned_on)
    return record if same else None
