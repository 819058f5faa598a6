"""How data is referred to: a data set under a protocol, a task measured on it, and what a model remembers of a data set.

Each has one text or JSON form, which is parsed here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ups.errors import SettingError
from ups.labels import names_of
from ups.skeleton import Skeleton


@dataclass(frozen=True)
class DataRef:
    """A data set split by one of its protocols; as text "STORE:PROTOCOL".

    Attributes:
        store: name of the data set, and of the folder of its store.
        protocol: name of the way to split it.
    """

    store: str
    protocol: str

    @staticmethod
    def parse(text: str) -> DataRef:
        """From "nw_ucla:xview"; raises SettingError where either half is missing."""
        store, _, protocol = text.partition(":")
        if not store or not protocol:
            raise SettingError(f"data {text!r}: STORE:PROTOCOL is needed, as in nw_ucla:xview")
        return DataRef(store, protocol)

    def __str__(self) -> str:
        return f"{self.store}:{self.protocol}"


@dataclass(frozen=True)
class Benchmark:
    """A task measured on a data set; as text "TASK/STORE:PROTOCOL".

    Attributes:
        task: name of the task.
        data: what it is measured on.
    """

    task: str
    data: DataRef

    @staticmethod
    def parse(text: str) -> Benchmark:
        """From "recognize_3d/nw_ucla:xview"; raises SettingError where something is missing."""
        task, _, data = text.partition("/")
        if not task or ":" not in data:
            raise SettingError(f"{text!r}: TASK/STORE:PROTOCOL is needed, as in recognize_3d/nw_ucla:xview")
        return Benchmark(task, DataRef.parse(data))

    def __str__(self) -> str:
        return f"{self.task}/{self.data}"


@dataclass(frozen=True)
class DataSetInfo:
    """What a model remembers of a data set that it was trained on.

    Attributes:
        classes: action names, indexed by a clip's label; empty where clips have no action.
        skeleton: of every clip.
    """

    classes: tuple[str, ...]
    skeleton: Skeleton

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"classes": list(self.classes), "skeleton": self.skeleton.to_dict()}

    @staticmethod
    def from_dict(values: dict[str, Any]) -> DataSetInfo:
        """From what `to_dict` gave; raises KeyError, TypeError or DataError where it is something else."""
        return DataSetInfo(names_of(values["classes"], "class names"), Skeleton.from_dict(values["skeleton"]))
