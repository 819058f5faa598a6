"""Which recording a clip is, whatever data set, preparation or protocol it came through.

NTU RGB+D 60 lies inside NTU RGB+D 120, their protocols cut the same recordings differently, and several data sets are
preparations of one collection. What a model has learned is therefore told by recordings, not by names of data sets.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from ups.errors import DataError

if TYPE_CHECKING:
    from ups.data.store.store import Store

_NTU = re.compile(r"S\d{3}C\d{3}P\d{3}R\d{3}A\d{3}")
_KINETICS = re.compile(r"(?:train_|val_)?([\w-]{11})(?:_\d{6}_\d{6})?")
"""Kinetics-skeleton's ids say the part, other releases' the seconds; between them stands YouTube's id."""


def recording(data_set: str, clip: str) -> str:
    """The name of a clip's recording: "COLLECTION/ID", the same in every preparation of the collection.

    Args:
        data_set: as its store is named inside; of the catalogue, or the user's own.
        clip: id of the clip.
    """
    if found := _NTU.search(clip):
        return f"ntu/{found[0]}"
    from ups.data.datasets.registry import DATA_SETS  # with all readers and SciPy: an exported model answers without

    known = DATA_SETS.get(data_set)
    collection = (known and known.collection) or data_set
    if collection.startswith(("kinetics", "k400")):
        found = _KINETICS.fullmatch(clip.rsplit("/", 1)[-1])
        return f"kinetics/{found[1] if found else clip}"
    return f"{collection}/{clip}"


def recording_keys(store: Store, indices: Iterable[int]) -> np.ndarray:
    """A 64-bit number for the recording of each of these clips, uint64, sorted, each once."""
    ids = store.ids
    names = (recording(store.name, ids[int(i)]) for i in indices)
    keys = {blake2b(name.encode(), digest_size=8).digest() for name in names}
    return np.sort(np.frombuffer(b"".join(keys), "<u8"))


def keys_to_text(keys: np.ndarray) -> str:
    """Keys as ASCII text, for JSON."""
    return base64.b64encode(np.ascontiguousarray(keys, "<u8").tobytes()).decode("ascii")


def keys_from_text(text: str) -> np.ndarray:
    """The inverse of `keys_to_text`; raises DataError for anything else."""
    try:
        return np.frombuffer(base64.b64decode(text, validate=True), "<u8")
    except (ValueError, TypeError) as error:
        raise DataError(f"keys of recordings are damaged ({error})") from error
