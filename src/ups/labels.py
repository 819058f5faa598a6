"""Names of actions: which spellings are one name, and what to tell where several become one."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_UNSEEN = dict.fromkeys(map(ord, "\u200b\u200e\u200f\u2060\ufeff"))
"""Marks without width, as copies from web pages and spreadsheets hold them."""


def canonical_text(text: str) -> str:
    """The spelling under which class names are compared: small letters, `_` and dashes as spaces, single spaces.

    Letters count as Unicode's NFKC has them, so that a name is the same typed, and as the name of a folder on a Mac.
    """
    plain = unicodedata.normalize("NFKC", text).lower().translate(_UNSEEN)
    return " ".join("".join(" " if unicodedata.category(c) in ("Pc", "Pd") else c for c in plain).split())


def near_alike(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Different names that may mean one action: JumpRope and jump rope, squat and squats, wave and "wave"."""
    groups: dict[str, dict[str, None]] = {}
    for name in names:
        words = re.findall(r"[^\W_]+", canonical_text(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)))
        groups.setdefault("".join(map(_singular, words)), {})[name] = None
    return [tuple(group) for key, group in groups.items() if key and len(group) > 1]


def _singular(word: str) -> str:
    if re.search(r"(ch|sh|ss|x)es$", word):
        return word[:-2]
    return word[:-1] if len(word) > 3 and re.search(r"[^su]s$", word) else word


def names_of(values: object, what: str) -> tuple[str, ...]:
    """The names in a list that JSON held; raises TypeError where it is something else, or one is no text."""
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"{what} are {str(values)[:40]!r}; a list of names is needed")
    return tuple(values)


@dataclass(frozen=True)
class Spellings:
    """Class names of which none is another one's spelling, see `one_spelling`.

    Attributes:
        classes: one spelling of each class, in the order in which they first came.
        places: of each name given, the place of its class in `classes`.
        merged: of each class that had several spellings, all of them, the one kept first.
    """

    classes: tuple[str, ...]
    places: tuple[int, ...]
    merged: tuple[tuple[str, ...], ...]

    @property
    def told(self) -> str:
        """One line about what was merged, of at most three classes; "" where nothing was."""
        shown = [f"{', '.join(map(repr, each[1:4]))} as {each[0]!r}" for each in self.merged[:3]]
        more = f", and so on for {len(self.merged) - 3} more" if len(self.merged) > 3 else ""
        return f"spellings of one action are one class: {'; '.join(shown)}{more}" if shown else ""


def one_spelling(names: Sequence[str], counts: Iterable[int] | None = None) -> Spellings:
    """Names whose `canonical_text` is the same become one: the most frequent spelling, else the first.

    Args:
        names: class names, perhaps repeated.
        counts: how often each occurs; each once where None.
    """
    numbers = Counter[str]()
    for name, count in zip(names, [1] * len(names) if counts is None else counts, strict=True):
        numbers[name] += count
    groups: dict[str, dict[str, int]] = {}
    for name in names:
        groups.setdefault(canonical_text(name), {})[name] = numbers[name]
    ranked = {text: sorted(group, key=group.__getitem__, reverse=True) for text, group in groups.items()}
    place = {text: i for i, text in enumerate(ranked)}
    return Spellings(
        tuple(each[0] for each in ranked.values()),
        tuple(place[canonical_text(name)] for name in names),
        tuple(tuple(each) for each in ranked.values() if len(each) > 1),
    )
