"""What a process that answers about files keeps: the model, and a process that reads."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

from ups.data.apart import Read, Readers, Source
from ups.errors import UpsError
from ups.inference.predictor import Predictor
from ups.pose import PoseSequence
from ups.tasks.predictions import Lifted


@lru_cache(1)
def workshop(model: str, read_seconds: float) -> tuple[Predictor, Readers]:
    """The model and the reader of this process. One thread: the answers of several differ in the last digits."""
    import torch

    torch.set_num_threads(1)
    return Predictor.from_pretrained(model), Readers(1, read_seconds, 4096)


def read_at(readers: Readers, root: str, path: str, options: dict[str, Any], force: bool) -> Read:
    """A recording, whose path counts from `root`; raises as `ups.data.apart.read`."""
    folder, name = os.path.split(os.path.abspath(os.path.join(root, path)))
    return readers.read(Source(folder, name, options, force))


def lifted_together(
    predictor: Predictor, clips: dict[str, PoseSequence], failures: list[tuple[str, str]], flip: bool = True
) -> dict[str, Lifted]:
    """Poses of recordings by their paths; those that can't be lifted stand among the failures."""
    try:
        return dict(zip(clips, predictor.lift_many(list(clips.values()), flip), strict=True))
    except UpsError:  # one must not keep the others from an answer
        found = {}
        for path, clip in clips.items():
            try:
                found[path] = predictor.lift(clip, flip)
            except UpsError as error:
                failures.append((path, first_line(error)))
        return found


def first_line(error: BaseException) -> str:
    """What went wrong, in one line."""
    return str(error).split("\n")[0]
