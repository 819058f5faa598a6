"""Errors that tell a user what is wrong and what to do. Whatever else escapes from a public function is a bug.

Every message names the item, the value, the limit and the remedy. The command shows these errors, and `OSError`, in
one line; anything else keeps its traceback.
"""

from collections.abc import Iterable
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
