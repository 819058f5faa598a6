"""Trained models on disk: a folder that needs no text encoder, no data and no pickle to be used again.

model.json            config, task names, vocabulary, data sets (classes, skeleton), how it was trained
weights.safetensors   the averaged (EMA) weights, or the raw ones where no average was kept
training.safetensors  raw weights, optimiser moments, running average; only while a run may be resumed
training.json         step and what else a resumed run needs
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ups.checkpoint.lineage import Lineage, joined, parse_lineage
from ups.config import Config, from_dict, to_dict
from ups.errors import CheckpointError, SettingError
from ups.files import new_folder
from ups.model.ups import UPS
from ups.refs import DataSetInfo
from ups.skeleton import SLOTS
from ups.tokens.vocabulary import Vocabulary

FORMAT = 1
WEIGHTS = "weights.safetensors"
PRETRAINED = {"ups-small": Path(__file__).parents[1] / "pretrained" / "ups-small"}
"""Models that come with the package, by name; each folder holds a model card."""


@dataclass
class Trained:
    """A model with all it needs to answer.

    Attributes:
        model: the network; its buffers hold the vocabulary's text features.
        config: what it was built and trained with.
        vocabulary: meaning of its tokens.
        data_sets: class names and skeleton of every data set it was trained on.
        class_mean, class_scale: standardisation of class text features, to add classes by text.
        steps: optimiser steps behind it.
        lineage: all that it and the models it started from have learned from.
    """

    model: UPS
    config: Config
    vocabulary: Vocabulary
    data_sets: dict[str, DataSetInfo] = field(default_factory=dict)
    class_mean: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    class_scale: float = 1.0
    steps: int = 0
    lineage: Lineage = ()

    def classes_of(self, data_set: str) -> tuple[str, ...]:
        """Class names of a data set it was trained on; SettingError names the known ones."""
        if data_set not in self.data_sets:
            raise SettingError(f"the model was not trained on {data_set!r}; it knows {', '.join(self.data_sets)}")
        return self.data_sets[data_set].classes


def save(trained: Trained, folder: Path, weights: dict[str, torch.Tensor], training: dict | None = None) -> None:
    """Write a checkpoint atomically.

    `weights` are the model's state; `training` = {"tensors": ..., "facts": ...} makes it resumable.

    Raises:
        OSError: the folder can't be written; whatever stood there before still stands.
    """
    facts = {
        "format": FORMAT,
        "config": to_dict(trained.config),
        "tasks": list(trained.model.tasks),
        "slots": list(SLOTS),
        "vocabulary": trained.vocabulary.to_dict(),
        "data_sets": {name: info.to_dict() for name, info in trained.data_sets.items()},
        "class_scale": trained.class_scale,
        "steps": trained.steps,
        "lineage": [part.to_dict() for part in trained.lineage],
        "route_temperature": trained.model.router.temperature,  # of routing "dense", whose answers depend on it
    }
    try:
        with new_folder(folder, "a checkpoint", WEIGHTS) as temporary:
            tensors = {k: v.detach().cpu().contiguous() for k, v in weights.items()}
            tensors["class_mean"] = torch.from_numpy(np.asarray(trained.class_mean, np.float32))
            save_file(tensors, temporary / WEIGHTS)
            (temporary / "model.json").write_text(json.dumps(facts, indent=1))
            shutil.copymode(temporary / "model.json", temporary / WEIGHTS)  # readable to those who read other files
            if training is not None:
                save_file(
                    {k: v.cpu().contiguous() for k, v in training["tensors"].items()},
                    temporary / "training.safetensors",
                )
                (temporary / "training.json").write_text(json.dumps(training["facts"], indent=1))
    except (OSError, SafetensorError) as error:
        raise OSError(
            f"{folder}: the checkpoint was not written ({error}); nothing that stood there has changed"
        ) from error


def locate(model: Path | str) -> Path:
    """The folder of a model: itself, or that of a model of `PRETRAINED`; a folder of that name comes first."""
    return Path(model) if Path(model).exists() else PRETRAINED.get(str(model), Path(model))


def pack(models: Sequence[Path | str], folder: Path) -> None:
    """Write a copy of a trained model with weights in bfloat16 and without its training state: half the size or less.

    Of several models, what is written is the mean of their weights, with the last one's config. That makes sense for
    models whose training went on from one another's weights, which lie in one basin of the loss (dev/LOG.md).

    Raises:
        CheckpointError: no model there.
        SettingError: no model given, a copy in the place of one, or models whose architecture, tokens or routes differ
            from the last one's.
        OSError: the copy can't be written.
    """
    if not models:
        raise SettingError("no model to pack; give one, or several for the mean of their weights")
    if any(locate(model).resolve() == Path(folder).resolve() for model in models):
        raise SettingError(f"{folder}: the copy would take the place of what it is made from; choose another folder")
    trained = load(models[-1])
    total = {name: value.clone() for name, value in trained.model.state_dict().items()}
    for path in models[:-1]:
        other = load(path)
        same = {
            "architecture": other.config.model == trained.config.model and other.model.tasks == trained.model.tasks,
            "tokens": other.vocabulary == trained.vocabulary,
            "routes": other.model.routes() == trained.model.routes(),
        }
        if differ := [what for what, equal in same.items() if not equal]:
            raise SettingError(
                f"{path} and {models[-1]} have other {', '.join(differ)}; the mean of their weights means nothing"
            )
        trained.lineage = joined(other.lineage, trained.lineage)
        for name, value in other.model.state_dict().items():
            total[name] += value
    save(trained, folder, {name: (value / len(models)).to(torch.bfloat16) for name, value in total.items()})


def load(folder: Path | str) -> Trained:
    """The trained model in a folder, or one that comes with the package, by its name; in evaluation mode.

    Raises:
        CheckpointError: no checkpoint there, a damaged file, another format version, weights that do not fit.
    """
    folder = locate(folder)
    facts = _read_json(folder / "model.json")
    version = facts.get("format") if isinstance(facts, dict) else None
    if version != FORMAT:
        raise CheckpointError(f"{folder}: checkpoint format {version}, this version reads {FORMAT}")
    try:
        with _tensors(folder / WEIGHTS) as (names, read):
            return _build(facts, names, read)
    except CheckpointError:
        raise
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{folder}: model.json and weights.safetensors do not fit each other or this version ({error}); "
            "copy the folder again, or train again"
        ) from error


def _build(facts: dict, names: list[str], read: Callable[[str], torch.Tensor]) -> Trained:
    if tuple(facts["slots"]) != SLOTS[: len(facts["slots"])]:
        raise SettingError("its joint slots differ from this version's")
    class_mean = read("class_mean").numpy().copy()
    config = from_dict(Config, facts["config"])
    vocabulary = Vocabulary.from_dict(facts["vocabulary"])
    model = UPS(config.model, tuple(facts["tasks"]), torch.zeros(read("vocabulary.features").shape))
    model.router.temperature = facts.get("route_temperature", config.train.route_temperature[1])
    weights = model.state_dict()
    kept = {name: name for name in names if name != "class_mean"}
    kept.setdefault("start_embedding", "router.task")  # older checkpoints: one embedding for routes and the start
    strange = sorted(set(weights) ^ set(kept))
    if strange:
        raise SettingError(f"the model or the file lacks {', '.join(strange[:3])}{', ...' if len(strange) > 3 else ''}")
    for name, weight in weights.items():
        value = read(kept[name])
        if value.shape != weight.shape:
            raise SettingError(f"{name} is {tuple(value.shape)} in the file, {tuple(weight.shape)} in the model")
        weight.copy_(value)
    data_sets = {name: DataSetInfo.from_dict(values) for name, values in facts["data_sets"].items()}
    lineage = parse_lineage(facts.get("lineage"), config.train)
    scale, steps = facts["class_scale"], facts["steps"]
    return Trained(model.eval(), config, vocabulary, data_sets, class_mean, scale, steps, lineage)


def load_training(folder: Path) -> dict | None:
    """The training state of a checkpoint: {"tensors", "facts"}; None where it holds none."""
    if not (Path(folder) / "training.json").exists():
        return None
    return {
        "tensors": read_tensors(Path(folder) / "training.safetensors"),
        "facts": _read_json(Path(folder) / "training.json"),
    }


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """All tensors of a safetensors file; CheckpointError where it is missing or damaged."""
    with _tensors(path) as (names, read):
        return {name: read(name).clone() for name in names}


@contextmanager
def _tensors(path: Path) -> Iterator[tuple[list[str], Callable[[str], torch.Tensor]]]:
    """Names of the tensors in a safetensors file, and a function that maps one of them into memory; raises
    CheckpointError where the file is missing, damaged or replaced meanwhile.

    The whole file is mapped as long as any of its tensors is in use, and pages that were touched count as the process's
    memory until then; so copy each before the next.
    """

    def read(name: str) -> torch.Tensor:
        with safe_open(path, "pt") as file:
            return file.get_tensor(name)

    try:
        before = path.stat()
        with safe_open(path, "pt") as file:
            names = list(file.keys())
        yield names, read
        after = path.stat()
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: can't be read as safetensors ({error}); is the copy complete?") from error
    if (before.st_ino, before.st_mtime_ns) != (after.st_ino, after.st_mtime_ns):
        raise CheckpointError(f"{path}: was replaced while it was read; try again")


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path.parent}: no checkpoint there ({path.name} is missing); models of the package: {', '.join(PRETRAINED)}"
        ) from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: can't be read ({error})") from error
