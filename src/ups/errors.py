"""Errors that tell a user what is wrong and what to do. Whatever else escapes from a public function is a bug.

Every message names the item, the value, the limit and the remedy. The command shows these errors, and `OSError`, in
one line; anything else keeps its traceback.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches


class UpsError(Exception):
    """Something about the input, a setting or the surroundings that the user can put right."""


class DataError(UpsError, ValueError):
    """A recording, a store or an array that can't be read or used."""


class SettingError(UpsError, ValueError):
    """An argument, an option, or a combination of them, that can't be used."""


class CheckpointError(UpsError, ValueError):
    """A checkpoint that is missing, incomplete or of another version; names the file and the remedy."""


class TrainingError(UpsError, RuntimeError):
    """A run that can't go on; names the task, the step and the last good checkpoint."""


class IncompleteError(UpsError, RuntimeError):
    """Work that was done in part: names what failed. What succeeded is kept."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A question, "; did you mean X?", where one of the known words is much like this one; else ""."""
    close = get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


EXTRAS = {
    "lightning_fabric": "train", "tensorboard": "train", "tokenizers": "train", "fastapi": "serve", "httpx": "serve",
    "prometheus_client": "serve", "starlette": "serve", "uvicorn": "serve", "websockets": "serve", "pyarrow": "batch",
    "ray": "ray", "huggingface_hub": "hub",
}  # fmt: skip
"""Packages that not every installation has, and the extra of this package that brings each."""


def lacking(error: ImportError) -> str | None:
    """What to install, where an import failed for want of a package of `EXTRAS`."""
    package = (error.name or "").partition(".")[0]
    if package not in EXTRAS:
        return None
    return f"{package} is needed, which isn't installed: pip install 'unified-pose-sequence[{EXTRAS[package]}]'"


@contextmanager
def extras_needed() -> Iterator[None]:
    """Imports inside need packages of `EXTRAS`: SettingError tells what to install where one is lacking."""
    try:
        yield
    except ImportError as error:
        if (remedy := lacking(error)) is None:
            raise
        raise SettingError(remedy) from error
