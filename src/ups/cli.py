"""The command `ups`. Everything heavy is imported inside the commands, so that `ups --help` answers at once."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro
from tyro.conf import Positional, arg, subcommand

from ups import __version__
from ups.config import Config
from ups.recipes import RECIPES

if TYPE_CHECKING:
    from ups.checkpoint import Trained
    from ups.data.dataset import DataSet
    from ups.data.prepare import Report
    from ups.pose import PoseSequence
    from ups.predictor import Predictor

    Recipe = Config
else:
    Recipe = tyro.extras.subcommand_type_from_defaults(RECIPES)
BAD_INPUT, FAILED, INTERRUPTED = 2, 1, 130
"""Exit codes: something the user can put right, a run that failed, Ctrl-C."""


@dataclass
class Prepare:
    """Turn the official files of a data set, or your own recordings (a folder with clips.csv, a PYSKL pickle), into a
    store that training and evaluation read. A data set's store that is there already, made without problems from the
    same files, stays. The exit code is 1 if recordings could not be used.
    """

    name: Positional[str]
    """Data set, see `ups data list`; a new name for your own recordings."""
    source: Path | None = None
    """Folder that holds the official files or their archive; the environment variable UPS_DATA where not given. The
    synthetic sets need none."""
    output: Path = Path("data")
    """Folder of stores; the store is written to OUTPUT/NAME, that of a shard to OUTPUT/NAME-I-of-N."""
    shard: str = "1/1"
    """I/N: every N-th recording from the I-th on. The N stores, made side by side, become one by `ups data merge`."""
    force: bool = False
    """Prepare anew, whatever is there."""
    skeleton: str | None = None
    """Your own recordings: name of their skeleton or a TOML file that describes it, where they don't tell."""
    classes: Path | None = None
    """A PYSKL pickle: text file with its class names, one a line."""

    def run(self) -> None:
        """Prepare, and report what could not be used."""
        from ups.data.catalogue import DATA_SETS
        from ups.data.prepare import prepare, write_store

        source = self.source or os.environ.get("UPS_DATA")
        if source is None and not self.name.startswith("synthetic_"):
            raise ValueError(f"where are the files of {self.name}? Give --source FOLDER, or set UPS_DATA")
        number, _, total = self.shard.partition("/")
        if not (number.isdecimal() and total.isdecimal() and 1 <= int(number) <= int(total)):
            raise ValueError(f"--shard {self.shard}: I/N is needed, I one of 1..N, as in 2/4")
        shard = int(number), int(total)
        folder = self.name if shard[1] == 1 else f"{self.name}-{shard[0]}-of-{shard[1]}"
        if self.name in DATA_SETS or source is None:
            _tell(prepare(self.name, source or ".", self.output / folder, shard, self.force))
        else:
            _tell(write_store(self.own(Path(source)), Path(source), self.output / folder, shard))

    def own(self, source: Path) -> DataSet:
        """The user's recordings: a PYSKL pickle, or a folder with clips.csv."""
        from ups.data.catalogue import DATA_SETS
        from ups.data.custom import custom_data_set
        from ups.data.pyskl import pyskl_data_set
        from ups.data.skeletons import find_skeleton

        skeleton = find_skeleton(self.skeleton) if self.skeleton else None
        if source.suffix in (".pkl", ".pickle"):
            classes = tuple(self.classes.read_text(encoding="utf-8").split("\n")) if self.classes else None
            return pyskl_data_set(source, self.name, tuple(filter(None, classes)) if classes else None, skeleton)
        if (source / "clips.csv").exists():
            return custom_data_set(source, self.name, skeleton)
        raise ValueError(
            f"unknown data set {self.name!r}; known: {', '.join(DATA_SETS)}. Your own recordings need a table "
            f"{source / 'clips.csv'}, see docs/own_data.md"
        )


@dataclass
class Merge:
    """Put the stores of all shards of a data set together: the store that `prepare` makes without --shard."""

    shards: Positional[tuple[Path, ...]]
    """Folders of the stores, in any order."""
    output: Path
    """Folder of the new store."""

    def run(self) -> None:
        """Merge, and report what could not be used."""
        from ups.data.merge import merge

        _tell(merge(self.shards, self.output))


@dataclass
class Check:
    """Tell in plain words what is wrong with a recording or a folder of them, and draw the first clip."""

    path: Positional[Path]
    """The recording, or a folder with clips.csv."""
    skeleton: str | None = None
    """Name of the skeleton, or a TOML file that describes it, where the recordings don't tell."""
    plot: Path | None = None
    """Draw the first recording, so that a wrong joint order is seen at once: a PNG file."""

    def run(self) -> None:
        """Check, draw, print; fails where something is an error."""
        from rich.table import Table

        from ups.data.check import check
        from ups.data.custom import read_table
        from ups.data.files import read_file
        from ups.visualise import save_picture

        findings = check(self.path, self.skeleton)
        table = Table("", "where", "what", "remedy", show_lines=True)
        for finding in findings:
            table.add_row(finding.severity, finding.where, finding.what, finding.remedy)
        _print(table if findings else "nothing found that looks wrong")
        if self.plot:
            folder = (self.path / "clips.csv").exists()
            first = self.path / read_table(self.path).rows[0].file if folder else self.path
            save_picture(read_file(first, self.skeleton), self.plot, first.name)
            print(f"picture: {self.plot}", file=sys.stderr)
        errors = sum(finding.severity == "error" for finding in findings)
        if errors:
            raise ValueError(f"{self.path}: {errors} errors")


@dataclass
class Export:
    """Write a store in the format of other projects, to train their code on it."""

    store: Positional[Path]
    """Folder of the store."""
    format: Literal["pyskl", "videopose3d"]
    """pyskl: one pickle, as PYSKL and MMAction2 read; videopose3d: two npz files of a set that pairs 2D with 3D."""
    output: Path
    """pyskl: the file; videopose3d: the folder."""

    def run(self) -> None:
        """Write, and tell what was written."""
        from ups.data.pyskl import export_pyskl
        from ups.data.store import Store
        from ups.data.videopose3d import export_videopose3d

        store = Store.open(self.store)
        if self.format == "pyskl":
            export_pyskl(store, self.output)
            print(self.output)
        else:
            print(*export_videopose3d(store, self.output), sep="\n")


@dataclass
class Info:
    """Tell what a store holds: clips, classes, splits, and what to know before training."""

    store: Positional[Path]
    """Folder of the store."""

    def run(self) -> None:
        """Print the store's facts."""
        from ups.data.prepare import info
        from ups.data.store import Store

        _print(info(Store.open(self.store)))


@dataclass
class List:
    """Tell which data sets can be prepared."""

    def run(self) -> None:
        """Print the catalogue."""
        from rich.table import Table

        from ups.data.catalogue import DATA_SETS

        table = Table("name", "skeleton", "classes", "protocols", "terms", show_lines=True)
        for d in DATA_SETS.values():
            table.add_row(d.name, d.skeleton.name, str(len(d.classes)), ", ".join(d.protocols), d.terms)
        _print(table)


@dataclass
class Data:
    """Prepare data sets, and look at them."""

    command: Annotated[
        Annotated[Prepare, subcommand("prepare")]
        | Annotated[Merge, subcommand("merge")]
        | Annotated[Info, subcommand("info")]
        | Annotated[List, subcommand("list")]
        | Annotated[Check, subcommand("check")]
        | Annotated[Export, subcommand("export")],
        arg(name=""),
    ]

    def run(self) -> None:
        """Run the chosen command."""
        self.command.run()


@dataclass
class Train:
    """Train one model on all tasks of a recipe. Ctrl-C saves; the same command continues a run that was cut short."""

    config: Annotated[Recipe, arg(name="")]
    output: Path
    """Folder of the run: its checkpoint, log.jsonl and TensorBoard curves."""
    stores: Path = Path("data")
    """Folder of the prepared stores."""
    stop_after: int | None = None
    """End after this many steps in all, with a checkpoint that the same command continues."""

    def run(self) -> None:
        """Train or continue."""
        from ups.training import new_model, open_stores, train

        _check_unfinished(self.output)
        stores = open_stores(self.config.train, self.stores)
        _finish(train(new_model(self.config, stores), stores, self.output, stop_after=self.stop_after), self.output)


@dataclass
class FineTune:
    """Train a model further on one of its tasks, along the route it has learned."""

    checkpoint: Positional[Path]
    """Folder of the trained model."""
    task: str
    """Task: estimate_pose, recognize_2d, anticipate or recognize_3d."""
    output: Path
    """Folder of the new run."""
    stores: Path = Path("data")
    """Folder of the prepared stores."""
    cycles: int = 500
    """Optimiser steps."""
    learning_rate: float = 5e-4
    """Peak learning rate."""

    def run(self) -> None:
        """Fine-tune or continue to."""
        from dataclasses import replace

        from ups.checkpoint import load
        from ups.training import fine_tune, open_stores

        _check_unfinished(self.output)
        trained = load(self.checkpoint)
        mixes = tuple(mix for mix in trained.config.train.tasks if mix.task == self.task)
        stores = open_stores(replace(trained.config.train, tasks=mixes), self.stores)
        _finish(fine_tune(trained, self.task, stores, self.output, self.cycles, self.learning_rate), self.output)


@dataclass
class Evaluate:
    """Measure a model on the test part of its data sets; print the figures and write all of them to a file."""

    checkpoint: Positional[Path]
    """Folder of the trained model."""
    stores: Path = Path("data")
    """Folder of the prepared stores."""
    part: Literal["test", "validation"] = "test"
    """validation: the training subjects that the run kept apart (train.hold-out)."""
    tasks: tuple[str, ...] = ()
    """Only these tasks; all that the model was trained on where not given."""
    data: tuple[str, ...] = ()
    """Other data sets and protocols than those of training, each as TASK/STORE:PROTOCOL."""
    output: Path | None = None
    """The file; metrics.json beside the checkpoint's folder where not given."""
    flip: bool = True
    """Average lifted poses with those of the mirrored clip."""
    greedy: bool = False
    """Read lifted coordinates off the most probable bins instead of the expectation over bins."""

    def run(self) -> None:
        """Evaluate, write, print."""
        from ups.describe import result_tables
        from ups.evaluation import evaluate
        from ups.predictor import Predictor
        from ups.report import write_whole

        predictor = Predictor.from_pretrained(self.checkpoint)
        train = predictor.trained.config.train
        known = [mix.task for mix in train.tasks]
        if wrong := [task for task in self.tasks if task not in known]:
            raise ValueError(f"the model was not trained on {', '.join(wrong)}; it knows {', '.join(known)}")
        if self.part == "validation" and not train.hold_out:
            raise ValueError("the run kept no subjects apart for validation; train with --train.hold-out 0.2, say")
        results = evaluate(predictor, self.stores, self.part, self.tasks or None, self.flip, self.greedy, self.data)
        path = self.output or Path(os.path.abspath(self.checkpoint)).parent / "metrics.json"
        facts = {"part": self.part, "flip": self.flip, "greedy": self.greedy}
        record = {**_provenance(predictor.trained, self.checkpoint), **facts, "results": results}
        write_whole(path, json.dumps(record, indent=1).encode())
        _print(result_tables(results))
        print(f"all figures: {path}")


@dataclass
class Predict:
    """Ask a model about one recording. The answer goes to standard output as JSON."""

    file: Positional[Path]
    """The recording: the project's .npz, .json or .csv, BVH, keypoints in COCO's format, a folder of OpenPose's."""
    task: Literal["recognize", "anticipate", "lift"]
    """What is being done; what is about to be done; which 3D poses lie behind the 2D joints."""
    model: Path
    """Folder of the trained model."""
    skeleton: str | None = None
    """Name of the skeleton, or a file that describes it, where the recording doesn't tell."""
    fps: float | None = None
    """Frames per second, where the recording doesn't tell."""
    image_size: tuple[int, int] | None = None
    """Width and height in pixels, where a 2D recording doesn't tell."""
    classes: str | None = None
    """Candidate actions, separated by commas; all that the model knows where not given."""
    data_set: str | None = None
    """Take the actions of this data set as candidates."""
    top: int = 5
    """How many actions to tell."""
    plot: Path | None = None
    """Write a picture of the recording and the answer: a PNG file."""

    def run(self) -> None:
        """Read, ask, answer."""
        from ups.data.files import read_file
        from ups.predictor import Predictor

        if self.classes and self.data_set:
            raise ValueError("give either --classes or --data-set")
        if self.top < 1:
            raise ValueError(f"--top {self.top}; at least 1 is needed")
        clip = read_file(self.file, self.skeleton, self.fps, self.image_size)
        predictor = Predictor.from_pretrained(self.model)
        facts: dict[str, Any] = {
            "file": str(self.file),
            "task": self.task,
            "persons": clip.persons,
            "frames": clip.frames,
            "fps": clip.fps,
            "skeleton": clip.skeleton.name,
        }
        answer = self.lift(predictor, clip) if self.task == "lift" else self.name_action(predictor, clip)
        print(json.dumps(facts | answer))
        if self.plot:
            print(f"picture: {self.plot}", file=sys.stderr)

    def name_action(self, predictor: Predictor, clip: PoseSequence) -> dict[str, Any]:
        """The most probable actions."""
        from ups.visualise import save_picture

        classes = tuple(text.strip() for text in self.classes.split(",")) if self.classes else None
        if self.data_set:
            classes = predictor.trained.classes_of(self.data_set)
        ask = predictor.recognize if self.task == "recognize" else predictor.anticipate
        answer = ask(clip, classes)
        pairs = list(zip(answer.classes, answer.probabilities, strict=True))[: self.top]
        if self.plot:
            save_picture(clip, self.plot, f"{self.file.name}: {answer.best}", pairs)
        return {"best": answer.best, "answers": [{"class": text, "probability": p} for text, p in pairs]}

    def lift(self, predictor: Predictor, clip: PoseSequence) -> dict[str, Any]:
        """3D poses of all persons."""
        from ups.visualise import save_lift_picture

        clip = predictor.familiar("estimate_pose", clip)
        lifted = predictor.lift(clip)
        if self.plot:
            save_lift_picture(clip, lifted.joints[0], self.plot, f"{self.file.name}: person 1")
        return {
            "unit": "metre",
            "frame": "camera: x right, y down, z forward; relative to the root joint",
            "joint_names": list(lifted.skeleton.joints),
            "joints": lifted.joints.astype(float).round(4).tolist(),
            "spread": lifted.spread.astype(float).round(4).tolist(),
        }


@dataclass
class Describe:
    """Tell a model's parameters, its cost in FLOPs, its tokens, and the route of each task."""

    what: Positional[str]
    """Folder of a trained model, or a recipe."""
    frames: int | None = None
    """Frames of the input; as in training where not given."""
    skeleton: str | None = None
    """Name of the input's skeleton; as in training where not given."""

    def run(self) -> None:
        """Print the tables."""
        from ups.describe import describe, load_or_build

        _print(describe(load_or_build(self.what), self.frames, self.skeleton))


@dataclass
class Quickstart:
    """Try everything in a few minutes, on generated motion: train, fine-tune, evaluate, predict, and show it."""

    output: Path = Path("quickstart")
    """Folder for all that is made; the page is OUTPUT/index.html."""

    def run(self) -> None:
        """Run, and tell where the page is."""
        from ups.quickstart import quickstart

        print(quickstart(self.output))


Command = (
    Annotated[Data, subcommand("data")]
    | Annotated[Train, subcommand("train")]
    | Annotated[FineTune, subcommand("fine-tune")]
    | Annotated[Evaluate, subcommand("evaluate")]
    | Annotated[Predict, subcommand("predict")]
    | Annotated[Describe, subcommand("describe")]
    | Annotated[Quickstart, subcommand("quickstart")]
)
_DESCRIPTION = (
    f"One model for skeleton action recognition, early action prediction and 3D pose estimation (version {__version__}). "
    "Exit codes: 0 done, 1 the run failed, 2 something about the input is wrong, 130 interrupted. With the environment "
    "variable UPS_TRACEBACK=1, errors come with their traceback."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, `sys.argv` where None; returns the exit code. SystemExit: --help, or bad arguments (2)."""
    config = (tyro.conf.CascadeSubcommandArgs, tyro.conf.DisallowNone)
    command = tyro.cli(Command, prog="ups", description=_DESCRIPTION, args=arguments, config=config)  # pyright: ignore
    messages, log = logging.StreamHandler(), logging.getLogger("ups")
    log.addHandler(messages)
    log.setLevel(logging.INFO)
    try:
        command.run()
        sys.stdout.flush()
        return 0
    except KeyboardInterrupt:
        print("ups: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `ups ... | head`: nobody reads on
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (ValueError, OSError, RuntimeError) as error:
        if os.environ.get("UPS_TRACEBACK"):
            raise
        print(f"ups: {error}", file=sys.stderr)
        return FAILED if isinstance(error, RuntimeError) else BAD_INPUT
    finally:
        log.removeHandler(messages)


def _tell(report: Report) -> None:
    """What became of a data set; RuntimeError if some of it could not be used."""
    for line in report.problems:
        print(line, file=sys.stderr)
    made = "unchanged, " if report.unchanged else ""
    print(f"{report.folder}: {made}{report.clips} clips, {len(report.problems)} recordings could not be used")
    if report.problems:
        raise RuntimeError(f"{len(report.problems)} recordings could not be used; all others are in {report.folder}")


def _check_unfinished(output: Path) -> None:
    """A finished model is not trained over again by mistake."""
    folder = output / "checkpoint"
    if (folder / "model.json").exists() and not (folder / "training.json").exists():
        raise ValueError(f"{folder} holds a model whose training is finished; give another --output, or remove it")


def _finish(trained: Trained, output: Path) -> None:
    """Tell where a run's model is, and whether there is more to do."""
    train = trained.config.train
    total = train.cycles * len(train.tasks)
    if trained.steps < total:
        print(f"{output / 'checkpoint'}: step {trained.steps} of {total}; the same command continues")
    else:
        print(f"{output / 'checkpoint'}: trained, {trained.steps} steps")


def _provenance(trained: Trained, checkpoint: Path) -> dict[str, Any]:
    """What is needed to tell one file of figures from another."""
    import torch

    return {
        "checkpoint": str(checkpoint),
        "recipe": trained.config.name,
        "steps": trained.steps,
        "seed": trained.config.train.seed,
        "precision": trained.config.train.precision,
        "ups": __version__,
        "torch": torch.__version__,
    }


def _print(content: object) -> None:
    """With rich, as wide as the terminal; where output goes to a file, wide enough for every table."""
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else 160).print(content)


if __name__ == "__main__":
    sys.exit(main())
