"""New models: untrained, from a trained model's weights, or extended by the classes of further data sets."""

from __future__ import annotations

import copy
from dataclasses import replace

import torch

from ups.checkpoint.io import Trained, load, locate
from ups.checkpoint.open_vocabulary import add_classes
from ups.config import Config, to_dict
from ups.data.datasets.registry import DATA_SETS
from ups.data.store.store import Store
from ups.errors import SettingError
from ups.labels import canonical_text
from ups.model.ups import UPS
from ups.recipes import RECIPES
from ups.refs import DataSetInfo
from ups.tasks import TASKS, get_task
from ups.tasks.task import Task
from ups.tokens.text_encoders import get_text_encoder
from ups.tokens.vocabulary import Vocabulary, token_features


def new_model(config: Config, stores: dict[str, Store], tasks: tuple[Task, ...] | None = None) -> Trained:
    """An untrained model whose vocabulary holds the EOTs of the tasks and the classes of the stores that teach any.

    Names of recordings that serve pose estimation alone, as Human3.6M's 15, are no classes: no clip teaches them.
    """
    tasks = tuple(TASKS.values()) if tasks is None else tasks
    data_sets = {name: DataSetInfo(store.classes, store.skeleton) for name, store in stores.items()}
    classes = _taught_classes(config, data_sets)
    eots = tuple(dict.fromkeys(task.eot for task in tasks))
    m = config.model
    vocabulary = Vocabulary(m.bins, -m.range_m, m.range_m, eots, classes)
    features = token_features(
        vocabulary, get_text_encoder(m.text_encoder), standardise=m.text_features == "standardised"
    )
    torch.manual_seed(config.train.seed)
    model = UPS(m, tuple(task.name for task in tasks), torch.from_numpy(features.values))
    return Trained(model, config, vocabulary, data_sets, features.class_mean, features.class_scale)


def _taught_classes(config: Config, data_sets: dict[str, DataSetInfo]) -> tuple[str, ...]:
    """Classes of the data sets that a task of the mixture learns actions from."""
    names = {name for mix in config.train.tasks if get_task(mix.task).teaches_actions for name in mix.stores}
    return tuple(text for name, known in data_sets.items() if name in names for text in known.classes)


def started_from(trained: Trained, config: Config, stores: dict[str, Store]) -> Trained:
    """The weights of a trained model, for another run on all tasks of `config`; classes that it does not know are added.

    Raises:
        SettingError: the config's model has a different architecture, or trains a task that the model does not know.
    """
    have, want = to_dict(trained.config.model), to_dict(config.model)
    del want["confidence"]  # what is read, not how large anything is
    if "token" not in (have["decoding"], want["decoding"]):
        del want["decoding"]  # how much a step writes: the same weights but for token by token
    if differ := [f"{key} is {have[key]}, the run's {want[key]}" for key in want if have[key] != want[key]]:
        raise SettingError(f"the model to start from has a different architecture: {'; '.join(differ)}")
    for mix in config.train.tasks:
        trained.model.task_index(mix.task)
    model = copy.deepcopy(trained.model)
    model.config = config.model
    return with_data_sets(replace(trained, model=model, config=config, steps=0), stores)


def with_data_sets(trained: Trained, stores: dict[str, Store]) -> Trained:
    """A model that also knows the skeletons and class names of these stores; its answers about others stay as they are."""
    known = set(trained.vocabulary.classes)
    new = tuple(c for store in stores.values() for c in store.classes if canonical_text(c) not in known)
    if new:
        trained = add_classes(trained, list(new))
    data_sets = {name: DataSetInfo(store.classes, store.skeleton) for name, store in stores.items()}
    return replace(trained, data_sets={**trained.data_sets, **data_sets})


def load_or_build(what: str) -> Trained:
    """The model in a checkpoint folder, or an untrained one of the recipe called `what`.

    Raises:
        SettingError: neither; a damaged checkpoint (`CheckpointError`).
    """
    if locate(what).is_dir():
        return load(what)
    if what in RECIPES:
        return untrained(RECIPES[what])
    raise SettingError(f"{what!r} is neither a checkpoint folder nor a recipe; recipes: {', '.join(RECIPES)}")


def untrained(config: Config) -> Trained:
    """A model of the config's size with the classes of its data sets; it needs no stores, and its texts mean nothing."""
    known = (DATA_SETS[name] for mix in config.train.tasks for name in mix.stores if name in DATA_SETS)
    data_sets = {data_set.name: DataSetInfo(data_set.classes, data_set.skeleton) for data_set in known}
    eots = tuple(dict.fromkeys(task.eot for task in TASKS.values()))
    classes = _taught_classes(config, data_sets)
    m = config.model
    vocabulary = Vocabulary(m.bins, -m.range_m, m.range_m, eots, classes)
    width = get_text_encoder(m.text_encoder).encode(["walk"]).shape[1]
    torch.manual_seed(config.train.seed)  # the routes are those that training starts with
    model = UPS(m, tuple(TASKS), torch.zeros(vocabulary.size, width)).eval()
    return Trained(model, config, vocabulary, data_sets)
