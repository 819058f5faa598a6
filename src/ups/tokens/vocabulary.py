"""The unified vocabulary: every value the model reads or writes as a token, and the text features of those tokens.

Token ids lie in one row, so that class names, and only they, can be added at the end:

    [ X bins | Y bins | Z bins | end-of-task tokens | class names ]

`quantize` maps metres to the bins, `token_values` maps the bins back; `prompts` gives the text of every token (paper, 3.2).
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ups.errors import SettingError
from ups.labels import canonical_text, names_of

if TYPE_CHECKING:
    from ups.tokens.text_encoders import TextEncoder

_AXES = ("horizontal", "vertical", "depth")
_ORDINALS = ("first", "second", "third")
_EOT_PROMPTS = {
    "recognition": "action recognition ends here",
    "estimation": "pose estimation ends here",
    "anticipation": "action prediction ends here",
}


@dataclass(frozen=True)
class Vocabulary:
    """Which token means what.

    Attributes:
        bins: number of equal bins on each of the three axes.
        low: lower edge of the first bin, metres.
        high: upper edge of the last bin, metres.
        eots: names of the tasks, each of which has one end-of-task token.
        classes: class names; kept in canonical spelling, names with the same spelling are one token.

    Raises:
        SettingError: no bin, an empty or infinite range, no, empty or repeated task names, an empty class name.
    """

    bins: int = 512
    low: float = -1.2
    high: float = 1.2
    eots: tuple[str, ...] = ("recognition", "estimation", "anticipation")
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.bins < 1:
            raise SettingError(f"a vocabulary of {self.bins} bins an axis; at least 1 is needed")
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.low < self.high):
            raise SettingError(f"bins range from {self.low} to {self.high} m; finite metres with low < high are needed")
        if not self.eots or not all(self.eots) or len(set(self.eots)) != len(self.eots):
            raise SettingError(f"end-of-task names {self.eots}; at least one is needed, none empty, none twice")
        classes = tuple(dict.fromkeys(canonical_text(text) for text in self.classes))
        if "" in classes:
            raise SettingError(f"a class name is empty among {self.classes[:5]}...; every class needs a text")
        object.__setattr__(self, "eots", tuple(self.eots))
        object.__setattr__(self, "classes", classes)

    @property
    def size(self) -> int:
        """Number of tokens."""
        return 3 * self.bins + len(self.eots) + len(self.classes)

    @property
    def bin_width(self) -> float:
        """Metres."""
        return (self.high - self.low) / self.bins

    @cached_property
    def bin_centres(self) -> np.ndarray:
        """(bins,) float32 metres, the same on every axis."""
        return (self.low + (np.arange(self.bins) + 0.5) * self.bin_width).astype(np.float32)

    @cached_property
    def token_values(self) -> np.ndarray:
        """(size,) float32: metres that each token stands for, 0 for those that are no coordinate."""
        values = np.zeros(self.size, np.float32)
        values[: 3 * self.bins] = np.tile(self.bin_centres, 3)
        return values

    @cached_property
    def _axis_starts(self) -> np.ndarray:
        return np.arange(3, dtype=np.int64) * self.bins

    @cached_property
    def _class_ids(self) -> dict[str, int]:
        return {text: 3 * self.bins + len(self.eots) + i for i, text in enumerate(self.classes)}

    def ranges(self) -> list[tuple[str, int, int]]:
        """(kind, first token, one past the last) of the five kinds of token, in order."""
        end_of_bins = 3 * self.bins
        end_of_eots = end_of_bins + len(self.eots)
        return [
            ("x", 0, self.bins),
            ("y", self.bins, 2 * self.bins),
            ("z", 2 * self.bins, end_of_bins),
            ("eot", end_of_bins, end_of_eots),
            ("class", end_of_eots, self.size),
        ]

    def axis_tokens(self, axis: int) -> range:
        """Tokens of axis 0 (x), 1 (y) or 2 (z), from the lowest bin to the highest."""
        if axis not in (0, 1, 2):
            raise SettingError(f"axis {axis}; 0 (x), 1 (y) or 2 (z) is needed")
        return range(axis * self.bins, (axis + 1) * self.bins)

    def eot_token(self, name: str) -> int:
        """The token that ends task `name`'s output; raises SettingError with the known names."""
        if name not in self.eots:
            raise SettingError(f"no end-of-task token {name!r}; known: {', '.join(self.eots)}")
        return 3 * self.bins + self.eots.index(name)

    def class_token(self, text: str) -> int:
        """The token of a class name in any spelling; raises SettingError with the closest known names."""
        known = self._class_ids
        canonical = canonical_text(text)
        if canonical not in known:
            close = difflib.get_close_matches(canonical, known, n=3)
            hint = f"did you mean {', '.join(map(repr, close))}?" if close else "add it with `with_classes`"
            raise SettingError(f"no class {text!r} among the vocabulary's {len(known)}; {hint}")
        return known[canonical]

    def class_tokens(self, texts: Sequence[str]) -> list[int]:
        """`class_token` of each text."""
        return [self.class_token(text) for text in texts]

    def with_classes(self, texts: Sequence[str]) -> Vocabulary:
        """A vocabulary that also holds these class names; every token that exists keeps its id."""
        return Vocabulary(self.bins, self.low, self.high, self.eots, (*self.classes, *texts))

    def text_of(self, token: int) -> str:
        """The text that describes a token; raises SettingError for an id that is no token."""
        if not 0 <= token < self.size:
            raise SettingError(f"token {token} lies outside 0..{self.size - 1}")
        axis, k = divmod(int(token), self.bins)
        if axis < 3:
            ordinal = _ORDINALS[k] if k < len(_ORDINALS) else f"{k + 1}-th"
            return f"The {ordinal} {_AXES[axis]} coordinate"
        place = int(token) - 3 * self.bins
        if place < len(self.eots):
            name = self.eots[place]
            return _EOT_PROMPTS.get(name, f"{name} ends here")
        return self.classes[place - len(self.eots)]

    def prompts(self) -> list[str]:
        """The text of every token, by id (size)."""
        return [self.text_of(token) for token in range(self.size)]

    def quantize(self, coordinates: np.ndarray) -> np.ndarray:
        """Coordinates (..., 3) in metres -> int64 tokens (..., 3); values outside the range take the nearest bin.

        Raises:
            SettingError: the last axis isn't 3, or a value is NaN.
        """
        values = _triples(coordinates).astype(np.float64)
        if np.isnan(values).any():
            raise SettingError(f"{int(np.isnan(values).sum())} coordinates are NaN; leave out joints that weren't seen")
        return self.bin_numbers(values) + self._axis_starts

    def bin_numbers(self, values: np.ndarray) -> np.ndarray:
        """Metres of any one axis -> number of the bin (0 .. bins - 1), int64; outside the range the nearest one."""
        bins = np.floor((np.clip(values, self.low, self.high) - self.low) / self.bin_width)
        return np.clip(bins, 0, self.bins - 1).astype(np.int64)

    def to_dict(self) -> dict[str, object]:
        """Plain JSON values; `from_dict` reads them back."""
        return {
            "bins": self.bins,
            "low": self.low,
            "high": self.high,
            "eots": list(self.eots),
            "classes": list(self.classes),
        }

    @staticmethod
    def from_dict(values: dict) -> Vocabulary:
        """The inverse of `to_dict`; raises KeyError, TypeError or ValueError where it is something else."""
        return Vocabulary(
            int(values["bins"]),
            float(values["low"]),
            float(values["high"]),
            names_of(values["eots"], "names of tasks"),
            names_of(values["classes"], "class names"),
        )


def _triples(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values)
    if values.ndim == 0 or values.shape[-1] != 3:
        raise SettingError(f"values have shape {values.shape}; (..., 3) is needed: x, y, z")
    return values


@dataclass(frozen=True)
class TokenFeatures:
    """Text features of a vocabulary's tokens, standardised kind by kind (see `token_features`).

    Attributes:
        values: (size, F) float32.
        class_mean: (F,) float32, what was subtracted from the class names' features.
        class_scale: what they were divided by.
    """

    values: np.ndarray
    class_mean: np.ndarray
    class_scale: float


def token_features(
    vocabulary: Vocabulary, encoder: TextEncoder, cache: Path | None = None, standardise: bool = True
) -> TokenFeatures:
    """Text features of every token, by id.

    The raw features of neighbouring coordinate prompts are almost equal. So for each kind (x, y, z, end of task, class)
    the kind's mean is subtracted and the rest divided by its root mean square, which tells them apart. A kind with one
    token keeps its mean, since nothing would be left. Without class names the scale of the end-of-task texts serves
    the class names that are added later.

    Args:
        vocabulary: whose prompts are encoded.
        encoder: the language model.
        cache: folder for raw features; None is the user's cache folder.
        standardise: False leaves the features as the language model gives them.
    """
    from ups.tokens.text_encoders import encode_cached

    raw = encode_cached(encoder, vocabulary.prompts(), cache)
    if not standardise:
        return TokenFeatures(raw.astype(np.float32), np.zeros(raw.shape[1], np.float32), 1.0)
    parts, mean, scale = [], np.zeros(raw.shape[1], np.float32), 1.0
    for kind, start, stop in vocabulary.ranges():
        if kind == "class" and start == stop:
            eots = raw[start - len(vocabulary.eots) : start]
            mean, scale = np.zeros_like(mean), _rms(eots)
            break
        part = raw[start:stop]
        mean = part.mean(axis=0) if len(part) > 1 else np.zeros_like(mean)
        scale = _rms(part - mean)
        parts.append((part - mean) / scale)
    return TokenFeatures(np.concatenate(parts).astype(np.float32), mean.astype(np.float32), scale)


def class_features(
    features: TokenFeatures, encoder: TextEncoder, texts: Sequence[str], cache: Path | None = None
) -> np.ndarray:
    """Features (T, F) float32 of class names that are added to a vocabulary whose `features` exist.

    Raises:
        SettingError: the encoder's features have another width than `features`.
    """
    from ups.tokens.text_encoders import encode_cached

    raw = encode_cached(encoder, [canonical_text(text) for text in texts], cache)
    if raw.shape[1] != features.values.shape[1]:
        raise SettingError(
            f"text encoder {encoder.name} gives {raw.shape[1]} features, "
            f"the vocabulary has {features.values.shape[1]}; use the text encoder the model was trained with"
        )
    return ((raw - features.class_mean) / features.class_scale).astype(np.float32)


def _rms(values: np.ndarray) -> float:
    """Root mean square; 1 where all values are 0, so that dividing by it is safe."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) or 1.0
