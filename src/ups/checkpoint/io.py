"""Trained models on disk: a folder that needs no text encoder, no data and no pickle to be used again.

model.json            config, task names, vocabulary, data sets (classes, skeleton), how it was trained; SHA-256 of these
                      facts and of the other files
weights.safetensors   the averaged (EMA) weights, or the raw ones where no average was kept
training.safetensors  raw weights, optimiser moments, running average; only while a run may be resumed
training.json         step and what else a resumed run needs
calibration.safetensors  how far its answers can be believed (`ups calibrate`); only where that was measured

What was exchanged or damaged since it was written is noticed when it is loaded; checkpoints of versions before the hashes
lack them, and are read all the same.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch.overrides import TorchFunctionMode

from ups.checkpoint.calibration import CALIBRATION, read_calibration, write_calibration
from ups.checkpoint.hashes import HASHES, check_facts, check_file, write_facts
from ups.checkpoint.known_models import PRETRAINED, locate
from ups.checkpoint.lineage import Lineage, joined, parse_lineage
from ups.config import Config, ModelConfig, from_dict, to_dict
from ups.errors import CheckpointError, SettingError
from ups.files import new_folder, put_back
from ups.labels import names_of
from ups.model.ups import UPS
from ups.refs import DataSetInfo
from ups.skeleton import SLOTS
from ups.tasks.calibration import Calibration
from ups.tokens.vocabulary import Vocabulary

FORMAT = 1
SPARE = 10_000_000
"""Elements that a model may hold besides its weights: tables that are computed."""
WEIGHTS, TRAINING, STEP = "weights.safetensors", "training.safetensors", "training.json"


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
        calibration: how far its answers can be believed, by task; empty where that was not measured.
    """

    model: UPS
    config: Config
    vocabulary: Vocabulary
    data_sets: dict[str, DataSetInfo] = field(default_factory=dict)
    class_mean: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    class_scale: float = 1.0
    steps: int = 0
    lineage: Lineage = ()
    calibration: Calibration = field(default_factory=dict)

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
            if training is not None:
                tensors = {k: v.cpu().contiguous() for k, v in training["tensors"].items()}
                save_file(tensors, temporary / TRAINING)
                (temporary / STEP).write_text(json.dumps(training["facts"], indent=1))
            if trained.calibration:
                write_calibration(temporary / CALIBRATION, trained.calibration)
            write_facts(temporary, facts)
            for path in temporary.iterdir():
                shutil.copymode(temporary / "model.json", path)  # safetensors' are for their owner alone
    except (OSError, SafetensorError) as error:
        raise OSError(
            f"{folder}: the checkpoint was not written ({error}); nothing that stood there has changed"
        ) from error


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
    if len(models) > 1:
        trained.calibration = {}  # it was another model's
    save(trained, folder, {name: (value / len(models)).to(torch.bfloat16) for name, value in total.items()})


def add_calibration(model: Path | str, calibration: Calibration, output: Path) -> None:
    """Write a copy of a checkpoint with another calibration, whole or not at all; `output` may be its own folder.

    Raises:
        CheckpointError: no checkpoint there, or a damaged one.
        OSError: the copy can't be written.
    """
    source = locate(model)
    load(source)  # what is damaged is not passed on
    facts = {key: value for key, value in _read_json(source / "model.json").items() if key != HASHES}
    with new_folder(output, "a checkpoint", WEIGHTS) as temporary:
        for path in source.iterdir():
            if path.is_file() and path.name not in ("model.json", CALIBRATION):
                shutil.copyfile(path, temporary / path.name)
        write_calibration(temporary / CALIBRATION, calibration)
        shutil.copymode(temporary / WEIGHTS, temporary / CALIBRATION)  # safetensors' are for their owner alone
        write_facts(temporary, facts)


def load(folder: Path | str) -> Trained:
    """The trained model in a folder, or one that comes with the package, by its name; in evaluation mode.

    Raises:
        CheckpointError: no checkpoint there, a file that is damaged or was exchanged, another format version, weights
            that do not fit or are no numbers.
    """
    folder = locate(folder)
    put_back(folder)
    facts = _read_json(folder / "model.json")
    version = facts.get("format") if isinstance(facts, dict) else None
    if version != FORMAT and (folder / "encoder.onnx").exists():
        raise CheckpointError(
            f"{folder}: an exported model, which `ups evaluate`, `ups stream` and `ups.OnnxPredictor` take; give the "
            "checkpoint that it was made of"
        )
    if version != FORMAT:
        raise CheckpointError(f"{folder}: checkpoint format {version}, this version reads {FORMAT}")
    try:
        with _tensors(folder / WEIGHTS) as (shapes, read):
            trained = _build(facts, shapes, read)
        check_facts(folder / "model.json", facts)
        check_file(folder / WEIGHTS, facts)
        if (folder / CALIBRATION).exists() or CALIBRATION in facts.get(HASHES, {}):
            check_file(folder / CALIBRATION, facts)
            trained.calibration = read_calibration(folder / CALIBRATION, trained.config.model.decoder_width)
        return trained
    except CheckpointError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"{folder}: model.json and weights.safetensors do not fit each other or this version ({error}); "
            "copy the folder again, or train again"
        ) from error


def _build(facts: dict, shapes: dict[str, tuple[int, ...]], read: Callable[[str], torch.Tensor]) -> Trained:
    """The model; nothing is made before the sizes are known to be those of the file."""
    if tuple(facts["slots"]) != SLOTS[: len(facts["slots"])]:
        raise SettingError("its joint slots differ from this version's")
    config = from_dict(Config, facts["config"])
    if "vocabulary.features" not in shapes or "class_mean" not in shapes:
        raise SettingError("the file lacks vocabulary.features or class_mean")
    tokens = shapes["vocabulary.features"][0]
    if 3 * facts["vocabulary"]["bins"] > tokens:
        raise SettingError(f"{facts['vocabulary']['bins']} bins an axis, but {tokens} tokens in the file")
    vocabulary = Vocabulary.from_dict(facts["vocabulary"])
    if vocabulary.size != tokens:
        raise SettingError(f"{vocabulary.size} tokens in model.json, {tokens} in the file")
    kept = {name: name for name in shapes if name != "class_mean"}
    kept.setdefault("start_embedding", "router.task")  # older checkpoints: one embedding for routes and the start
    check_sizes(config.model, shapes)
    with _Bounded(sum(map(math.prod, shapes.values()))):
        model = UPS(
            config.model, names_of(facts["tasks"], "names of tasks"), torch.zeros(shapes["vocabulary.features"])
        )
    model.router.temperature = float(facts.get("route_temperature", config.train.route_temperature[1]))
    weights = model.state_dict()
    strange = sorted(set(weights) ^ set(kept))
    if strange:
        raise SettingError(f"the model or the file lacks {', '.join(strange[:3])}{', ...' if len(strange) > 3 else ''}")
    for name, weight in weights.items():
        if shapes[kept[name]] != weight.shape:
            raise SettingError(f"{name} is {shapes[kept[name]]} in the file, {tuple(weight.shape)} in the model")
    for name, weight in weights.items():
        weight.copy_(_finite(name, read(kept[name])))
    class_mean = _finite("class_mean", read("class_mean")).numpy().copy()
    data_sets = {name: DataSetInfo.from_dict(values) for name, values in facts["data_sets"].items()}
    lineage = parse_lineage(facts.get("lineage"), config.train)
    scale, steps = facts["class_scale"], facts["steps"]
    if type(steps) is not int or steps < 0:
        raise SettingError(f"steps are {str(steps)[:40]!r}; a number from 0 on is needed")
    if type(scale) not in (int, float) or not 0 < scale < math.inf:
        raise SettingError(f"class_scale is {str(scale)[:40]!r}; a number over 0 is needed")
    return Trained(model.eval(), config, vocabulary, data_sets, class_mean, scale, steps, lineage)


class _Bounded(TorchFunctionMode):
    """A model is built no larger than what is to fill it, and without random numbers.

    Args:
        elements: of all tensors of the file.
    """

    def __init__(self, elements: int) -> None:
        super().__init__()
        self.left, self.elements = 2 * elements + SPARE, elements

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return kwargs["tensor"] if "tensor" in kwargs else args[0]
        if func in _MAKERS:
            size = kwargs.get("size", args[0] if args and isinstance(args[0], (tuple, list)) else args)
            self.left -= math.prod(n for n in size if isinstance(n, int)) ** (2 if func is torch.eye else 1)
            if self.left < 0:
                raise SettingError(
                    f"model.json describes a larger model than the {self.elements:,} weights of the file"
                )
        return (torch.empty if func is torch.randn else func)(*args, **kwargs)


_MAKERS = (torch.empty, torch.zeros, torch.ones, torch.randn, torch.rand, torch.full, torch.eye, torch.arange)


def check_sizes(config: ModelConfig, shapes: dict[str, tuple[int, ...]]) -> None:
    """Raises SettingError where a size exceeds what a file of such tensors can hold, whatever it means."""
    longest = max(n for shape in shapes.values() for n in (1, *shape))
    for name in ("layers", "blocks", "tokenizer_layers", "decoder_layers"):
        if not 1 <= getattr(config, name) <= len(shapes):
            raise SettingError(f"{name} is {getattr(config, name)}, but the file holds {len(shapes)} tensors")
    if config.layers * config.blocks > len(shapes):
        raise SettingError(f"{config.layers} layers of {config.blocks} blocks, but {len(shapes)} tensors in the file")
    for name, value in vars(config).items():
        if isinstance(value, int) and value > longest:
            raise SettingError(f"{name} is {value}, but no tensor in the file has more than {longest} rows or columns")


def _finite(name: str, value: torch.Tensor) -> torch.Tensor:
    if value.is_floating_point() and not value.isfinite().all():
        raise SettingError(f"{name} holds values that are no finite numbers")
    return value


def load_training(folder: Path) -> dict | None:
    """The training state of a checkpoint: {"tensors", "facts"}; None where it holds none.

    Raises:
        CheckpointError: a file is damaged or was exchanged.
    """
    folder = Path(folder)
    put_back(folder)
    if not (folder / STEP).exists():
        return None
    model, step = _read_json(folder / "model.json"), _read_json(folder / STEP)
    tensors = read_tensors(folder / TRAINING)
    check_facts(folder / "model.json", model)
    for name in (STEP, TRAINING):
        check_file(folder / name, model)
    if not isinstance(step, dict) or not isinstance(step.get("step"), int):
        raise CheckpointError(f"{folder / STEP}: holds no step; is the copy complete?")
    return {"tensors": tensors, "facts": step}


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """All tensors of a safetensors file; CheckpointError where it is missing or damaged."""
    with _tensors(path) as (shapes, read):
        return {name: read(name).clone() for name in shapes}


@contextmanager
def _tensors(path: Path) -> Iterator[tuple[dict[str, tuple[int, ...]], Callable[[str], torch.Tensor]]]:
    """Names and shapes of the tensors in a safetensors file, and a function that maps one of them into memory; raises
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
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        yield shapes, read
        after = path.stat()
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: can't be read as safetensors ({error}); is the copy complete?") from error
    if (before.st_ino, before.st_mtime_ns) != (after.st_ino, after.st_mtime_ns):
        raise CheckpointError(f"{path}: was replaced while it was read; try again")


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path.parent}: no checkpoint there ({path.name} is missing); models of the package: {', '.join(PRETRAINED)}"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: can't be read ({error}); is the copy complete?") from error
