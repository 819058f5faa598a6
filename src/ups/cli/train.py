"""`ups train`, `fine-tune`, `evaluate`, `describe`: make models and measure them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from tyro.conf import Positional, arg

from ups.cli.show import say, show
from ups.config import ComputePrecision, Config, Precision
from ups.errors import SettingError
from ups.recipes import RECIPES

if TYPE_CHECKING:
    from ups.checkpoint.io import Trained
    from ups.inference.base import BasePredictor

    Recipe = Config
else:
    Recipe = tyro.extras.subcommand_type_from_defaults(RECIPES)


@dataclass
class Train:
    """Train one model on all tasks of a recipe. Ctrl-C saves; the same command continues a run that was cut short.

    Under torchrun or srun the processes share the micro-batches of a step: see --train.accumulate.
    """

    config: Annotated[Recipe, arg(name="")]
    output: Path
    """Folder of the run: its checkpoint, log.jsonl and TensorBoard curves."""
    stores: Path = Path("data")
    """Folder of the prepared stores."""
    start: Path | None = None
    """Begin with the weights of this model, not with random ones: a folder, or ups-small. Sizes must be the recipe's;
    with --train.explore 0 its routes stay as they are."""
    stop_after: int | None = None
    """End after this many steps in all, with a checkpoint that the same command continues."""
    allow_leak: bool = False
    """Go on where recordings of the test part are learned through another data set or protocol; figures are marked."""

    def run(self) -> None:
        """Train or continue."""
        from ups.checkpoint.create import new_model, started_from
        from ups.checkpoint.io import load
        from ups.runtime.allocator import keep_freed_memory
        from ups.training.batches import open_stores
        from ups.training.loop import train
        from ups.training.run import check_unfinished

        check_unfinished(self.output)
        keep_freed_memory()
        stores = open_stores(self.config.train, self.stores)
        first = started_from(load(self.start), self.config, stores) if self.start else new_model(self.config, stores)
        _finish(train(first, stores, self.output, self.stop_after, self.allow_leak), self.output)


@dataclass
class FineTune:
    """Train a model further on one of its tasks, along the route it has learned; on its own data or on yours."""

    checkpoint: Positional[Path]
    """Folder of the trained model, or the name of one that comes with the package: ups-small."""
    output: Path
    """Folder of the new run."""
    data: tuple[str, ...] = ()
    """Data sets and protocols to learn instead of the model's own, each as STORE:PROTOCOL, or STORE where it has but one;
    your own stores too. Actions that the model does not know yet are added by their names."""
    task: str | None = None
    """Task: estimate_pose, recognize_2d, anticipate or recognize_3d. Default: recognition of the data's actions."""
    stores: Path = Path("data")
    """Folder of the prepared stores."""
    cycles: int = 500
    """Optimiser steps."""
    learning_rate: float = 5e-4
    """Peak learning rate."""
    precision: Precision = "auto"
    """As in training: bfloat16 where the device has it, or in float32."""
    allow_leak: bool = False
    """Go on where recordings of the test part are learned through another data set or protocol; figures are marked."""
    force: bool = False
    """Learn from data in which the check finds an error, too."""

    def run(self) -> None:
        """Fine-tune or continue to."""
        from dataclasses import replace

        from ups.checkpoint.io import load
        from ups.data.checks.recordings import check_before_training
        from ups.refs import DataRef
        from ups.runtime.allocator import keep_freed_memory
        from ups.training.batches import open_stores
        from ups.training.loop import fine_tune
        from ups.training.run import check_unfinished

        check_unfinished(self.output)
        keep_freed_memory()
        trained = load(self.checkpoint)
        train = replace(trained.config.train, precision=self.precision)
        trained = replace(trained, config=replace(trained.config, train=train))
        data, task = _own_data(self.data, self.stores, self.task)
        mixes = tuple(mix for mix in trained.config.train.tasks if mix.task == task)
        if data:
            mixes = tuple(replace(mix, data=data) for mix in mixes)
        stores = open_stores(replace(trained.config.train, tasks=mixes), self.stores)
        for entry in data:
            ref = DataRef.parse(entry)
            store = stores[ref.store]
            check_before_training(store, store.indices(ref.protocol, "train"), self.force)
        how = self.cycles, self.learning_rate, data, self.allow_leak
        _finish(fine_tune(trained, task, stores, self.output, *how), self.output)


@dataclass
class Evaluate:
    """Measure a model on the test split of its data sets; print the figures, and write all of them to a file and a page with
    confusion matrices.

    Under torchrun or srun the processes share out the clips.
    """

    checkpoint: Positional[Path]
    """Folder of the trained model or of one that was exported, or the name of one that comes with the package."""
    stores: Path = Path("data")
    """Folder of the prepared stores."""
    split: Literal["test", "validation"] = "test"
    """validation: the training subjects that the run kept apart (train.hold-out)."""
    tasks: tuple[str, ...] = ()
    """Only these tasks; default: all that the model was trained on."""
    data: tuple[str, ...] = ()
    """Other data sets and protocols than those of training, each as TASK/STORE:PROTOCOL."""
    output: Path | None = None
    """The file; default: metrics.json beside the checkpoint's folder, or in that of an export. The page has its name and
    .html behind."""
    scores: Path | None = None
    """Write the scores of every clip of recognition to this .npz file, for `ups fuse`."""
    flip: bool = True
    """Average lifted poses with those of the mirrored clip."""
    greedy: bool = False
    """Write and read the most probable bins of lifted coordinates instead of the expectation over bins."""
    stride: int | None = None
    """Frames that lifting decodes from each window, 1 = the central one; default: 1 for a model that was trained on central
    frames (train.target-frames centre, as recipe paper), else eight ninths of the window. It is written to the file."""
    clips: int = 1
    """Views of each clip whose probabilities recognition averages: the whole clip, then crops of 0.8 of it, and each of them
    in a mirror too where training showed mirrors. It is written to the file."""
    free: bool = False
    """Also let the model write without the grammar, the whole vocabulary competing, until it ends its output itself, and tell
    the share of well-formed outputs and the figures with them. For models that decode token by token."""
    shifts: bool = False
    """Instead measure how the answers hold where recordings differ from the test clips: other skeletons, noise, missing
    joints, pictures, rates, pauses, views, sizes. The figures are added to the file."""
    untrimmed: bool = False
    """Instead measure timelines of made-up recordings: test clips in a row, parted by pauses. They are added to the file."""
    limit: int = 60
    """Clips of each data set, at most, for --shifts and --untrimmed."""
    allow_leak: bool = False
    """Measure recordings that the model has learned through another data set or protocol; such figures are marked."""
    device: str | None = None
    """Where the model answers: cpu, cuda, cuda:1; default: a GPU if there is one. Exports answer on the processor."""
    precision: ComputePrecision = "32-true"
    """Of the answers: float32, so that figures do not depend on whether a machine has bfloat16. Exports answer in their own."""

    def run(self) -> None:
        """Evaluate, write, print."""
        from ups.checkpoint.io import load
        from ups.evaluation.evaluate import evaluate
        from ups.evaluation.fusion import ClipScores, write_scores
        from ups.evaluation.page import write_evaluation_page
        from ups.evaluation.results import exported_record, new_record, result_tables, write_record
        from ups.inference.onnx import OnnxPredictor, is_export
        from ups.inference.predictor import Predictor
        from ups.runtime.device import choose_device
        from ups.runtime.distributed import is_first, start

        exported, fabric = is_export(self.checkpoint), start()
        if exported:
            predictor = OnnxPredictor(self.checkpoint)
        else:
            device = fabric.device if fabric.world_size > 1 else choose_device(self.device)
            predictor = Predictor(load(self.checkpoint), self.precision, device)
        train = predictor.config.train
        known = [mix.task for mix in train.tasks]
        if wrong := [task for task in self.tasks if task not in known]:
            raise SettingError(f"the model was not trained on {', '.join(wrong)}; it knows {', '.join(known)}")
        for name, value in (("--stride", self.stride), ("--clips", self.clips)):
            if value is not None and value < 1:
                raise SettingError(f"{name} {value}; at least 1 is needed")
        if self.split == "validation" and not train.hold_out:
            raise SettingError("the run kept no subjects apart for validation; train with --train.hold-out 0.2, say")
        if self.shifts or self.untrimmed:
            self._measure_beside(predictor)
            return
        kept: dict[str, ClipScores] = {}
        chosen = self.split, self.tasks or None, self.flip, self.greedy, self.data, self.allow_leak, kept
        results = evaluate(predictor, self.stores, *chosen, self.stride, self.clips, self.free)
        if not is_first():
            return
        if self.scores is not None:
            write_scores(self.scores, kept)
        path = self._path(exported)
        how = self.checkpoint, results, self.split, self.flip, self.greedy, self.stride, self.clips
        if isinstance(predictor, OnnxPredictor):
            record = exported_record(predictor, *how)
        else:
            record = new_record(predictor, *how)
        write_record(path, record)
        write_evaluation_page(path.with_suffix(".html"), record)
        show(result_tables(results))
        say(f"all figures: {path}")
        say(f"to look at, with confusion matrices: {path.with_suffix('.html')}")

    def _path(self, exported: bool) -> Path:
        folder = Path(os.path.abspath(self.checkpoint))
        return self.output or (folder if exported else folder.parent) / "metrics.json"

    def _measure_beside(self, predictor: BasePredictor) -> None:
        """The shift board and timelines: measured by one process, and added to the figures of the same model."""
        from ups.evaluation.results import add_to_record, board_tables, new_record, write_record
        from ups.evaluation.shifts import measure_shifts
        from ups.evaluation.untrimmed import measure_untrimmed
        from ups.inference.predictor import Predictor
        from ups.runtime.distributed import is_first

        if not isinstance(predictor, Predictor):
            raise SettingError("an exported model knows one skeleton and one task; measure the model it was made of")
        if self.limit < 2:
            raise SettingError(f"--limit {self.limit}; at least 2 clips are needed")
        if not is_first():
            return
        how = predictor, self.stores, self.limit, self.tasks or None, self.data, self.allow_leak
        found: dict[str, dict] = {}
        if self.shifts:
            found["shifts"] = measure_shifts(*how)
        if self.untrimmed:
            found["untrimmed"] = measure_untrimmed(*how)
        path = self._path(exported=False)
        write_record(path, add_to_record(path, new_record(predictor, self.checkpoint, {}, "test"), found))
        show(board_tables(found))
        say(f"all figures: {path}")


@dataclass
class Fuse:
    """Fuse the scores of several models of recognition, as multi-stream figures are; print and write the figures."""

    files: Positional[tuple[Path, ...]]
    """Files that `ups evaluate --scores` wrote, on the same test clips."""
    output: Path
    """File of figures, for `ups report`."""
    weights: tuple[float, ...] = ()
    """One for each file; default: all alike."""

    def run(self) -> None:
        """Fuse, write, print."""
        from ups.evaluation.fusion import fuse
        from ups.evaluation.results import result_tables, write_record

        record = fuse(self.files, self.weights)
        write_record(self.output, record)
        show(result_tables(record["results"]))


@dataclass
class Pack:
    """Copy a trained model to pass on: weights in bfloat16, without the state that training needs to continue.

    Of several models that were trained on from one another, the mean of their weights.
    """

    checkpoints: Positional[tuple[Path, ...]]
    """Folder of the trained model, or of several."""
    output: Path
    """Folder of the copy."""

    def run(self) -> None:
        """Copy, and print the size."""
        from ups.checkpoint.io import pack

        pack(self.checkpoints, self.output)
        size = sum(file.stat().st_size for file in self.output.iterdir())
        say(f"{self.output}: {size / 1e6:.1f} MB")


@dataclass
class Describe:
    """Show a model's parameters, its cost in FLOPs, its tokens, and the route of each task."""

    what: Positional[str]
    """Folder of a trained model, or a recipe."""
    frames: int | None = None
    """Frames of the input; default: as in training."""
    skeleton: str | None = None
    """Name of the input's skeleton; default: as in training."""

    def run(self) -> None:
        """Print the tables."""
        from ups.checkpoint.create import load_or_build
        from ups.checkpoint.describe import describe

        show(describe(load_or_build(self.what), self.frames, self.skeleton))


def _own_data(data: tuple[str, ...], stores: Path, task: str | None) -> tuple[tuple[str, ...], str]:
    """Data with their protocols, and the task: recognition in the space of the data where none is given.

    Raises:
        SettingError: neither data nor a task, or a store with several protocols of which none is named.
        DataError: no such store.
    """
    from ups.data.store.store import Store
    from ups.tasks.action import recognize_2d, recognize_3d

    if not data and task is None:
        raise SettingError("what is to be learned? Give --data STORE:PROTOCOL for data of your own, or --task")
    found = []
    for entry in data:
        if ":" in entry:
            found.append(entry)
            continue
        protocols = Store.open(stores / entry).protocols
        if len(protocols) != 1:
            choices = ", ".join(f"{entry}:{protocol}" for protocol in protocols[:3]) or "no way to split it"
            raise SettingError(f"--data {entry}: has {choices}; name one, a column of clips.csv with train and test")
        found.append(f"{entry}:{protocols[0]}")
    if task is None:
        space = Store.open(stores / found[0].partition(":")[0]).space
        task = recognize_2d.name if space == "image" else recognize_3d.name
    return tuple(found), task


def _finish(trained: Trained, output: Path) -> None:
    """Print where a run's model is, and whether there is more to do."""
    from ups.runtime.distributed import is_first

    train = trained.config.train
    total = train.cycles * len(train.tasks)
    if not is_first():
        return
    if trained.steps < total:
        say(f"{output / 'checkpoint'}: step {trained.steps} of {total}; the same command continues")
    else:
        say(f"{output / 'checkpoint'}: trained, {trained.steps} steps")
