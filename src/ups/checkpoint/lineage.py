"""What a model has learned from, itself and the models that it started from, and which test clips are among it.

Needs no PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ups.config import TrainConfig
from ups.data.recordings import keys_from_text, keys_to_text, recording_keys
from ups.errors import DataError, SettingError
from ups.refs import DataRef

if TYPE_CHECKING:  # an exported model answers without stores
    from ups.data.store.store import Store


@dataclass(frozen=True)
class TrainingPart:
    """The clips of one data set that a model was trained on.

    Attributes:
        data: "store:protocol".
        recordings: keys of the recordings as text (`ups.data.recordings`); "" in models of older versions, which tell
            the name alone.
        hold_out, seed: which of the protocol's training subjects were kept apart, see `ups.data.loader.split_of`.
    """

    data: str
    recordings: str
    hold_out: float = 0.0
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"data": self.data, "recordings": self.recordings, "hold_out": self.hold_out, "seed": self.seed}

    @staticmethod
    def from_dict(values: dict[str, Any]) -> TrainingPart:
        """From what `to_dict` gave; raises KeyError, TypeError or ValueError where it is something else."""
        DataRef.parse(values["data"])
        keys_from_text(values["recordings"])
        return TrainingPart(values["data"], values["recordings"], float(values["hold_out"]), int(values["seed"]))

    def keys(self, stores: Path | None) -> np.ndarray:
        """Keys of the recordings; of a model that tells the name alone those of its store in the folder `stores`, none
        where it isn't there.
        """
        if self.recordings or stores is None:
            return keys_from_text(self.recordings)
        ref = DataRef.parse(self.data)
        if not (stores / ref.store / "store.json").is_file():
            return keys_from_text("")
        from ups.data.loader import split_of
        from ups.data.store.store import Store

        store = Store.open(stores / ref.store)
        if ref.protocol not in store.protocols:
            return keys_from_text("")
        return recording_keys(store, split_of(store, ref.protocol, "train", self.hold_out, self.seed))


@dataclass(frozen=True)
class Leak:
    """Test clips that a model has learned from.

    Attributes:
        clips: how many.
        of: clips of the test part.
        learned_in: the training parts that hold them, each as "store:protocol".
    """

    clips: int
    of: int
    learned_in: tuple[str, ...]

    def __str__(self) -> str:
        some = ", ".join(self.learned_in[:3]) + (", ..." if len(self.learned_in) > 3 else "")
        return f"{self.clips:,} of its {self.of:,} clips are recordings of {some}, which the model learned from"


Lineage = tuple[TrainingPart, ...]
"""All training parts of a model and of those it started from, oldest first."""


def named_parts(config: TrainConfig) -> Lineage:
    """The lineage of a model of an older version: what its config names."""
    names = dict.fromkeys(str(ref) for mix in config.tasks for ref in mix.refs)
    return tuple(TrainingPart(name, "", config.hold_out, config.seed) for name in names)


def training_parts(config: TrainConfig, stores: dict[str, Store]) -> Lineage:
    """What a run with this config learns from."""
    from ups.data.loader import split_of

    found = []
    for name in dict.fromkeys(str(ref) for mix in config.tasks for ref in mix.refs):
        ref = DataRef.parse(name)
        store = stores[ref.store]
        keys = recording_keys(store, split_of(store, ref.protocol, "train", config.hold_out, config.seed))
        found.append(TrainingPart(name, keys_to_text(keys), config.hold_out, config.seed))
    return tuple(found)


def joined(*lineages: Lineage) -> Lineage:
    """All parts, each once: of those that tell their recordings the first with the same, whatever the run's seed."""
    found: dict[object, TrainingPart] = {}
    for part in (part for lineage in lineages for part in lineage):
        found.setdefault((part.data, part.recordings) if part.recordings else part, part)
    return tuple(found.values())


def find_leak(lineage: Lineage, store: Store, indices: Iterable[int], stores: Path | None = None) -> Leak | None:
    """Which of these clips of a store are recordings that the model has learned; None where none is.

    `stores` is the folder of stores, where the training parts of models of older versions are looked up.
    """
    wanted = recording_keys(store, indices)
    learned, names = np.zeros(len(wanted), bool), []
    for part in lineage:
        inside = np.isin(wanted, part.keys(stores))
        if inside.any():
            learned |= inside
            names.append(part.data)
    return Leak(int(learned.sum()), len(wanted), tuple(dict.fromkeys(names))) if names else None


def check_mixture(config: TrainConfig, stores: dict[str, Store], lineage: Lineage, folder: Path | None = None) -> None:
    """Raises SettingError where a run would learn, or its model has learned, test clips of its own data sets.

    `lineage` holds the run's own parts too.
    """
    for name in dict.fromkeys(str(ref) for mix in config.tasks for ref in mix.refs):
        ref = DataRef.parse(name)
        store = stores[ref.store]
        test = store.indices(ref.protocol, "test")
        leak = find_leak(lineage, store, test, folder) if len(test) else None
        if leak is not None:
            raise SettingError(
                f"test part of {name}: {leak}; choose protocols that agree, or --allow-leak, and figures are marked"
            )


def parse_lineage(values: Any, config: TrainConfig) -> Lineage:
    """From a list of what `TrainingPart.to_dict` gave, or None; raises SettingError where it is something else."""
    if values is None:
        return named_parts(config)
    try:
        return tuple(TrainingPart.from_dict(part) for part in values)
    except (KeyError, TypeError, ValueError, AttributeError, DataError) as error:
        raise SettingError(f"its list of what it learned from is damaged ({error!r})") from error
