"""Names from files, made fit to be shown: what no XML, HTML or font has is left out, and a label ends somewhere."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from itertools import accumulate

MOST = 50
"""Characters of a label in a chart or picture; as many as the longest name of an action has, in the data sets known here."""
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")
"""Control characters, other separators of lines, changes of direction, halves of characters, and what is no character."""


def clean(text: str) -> str:
    """The text with a replacement character for each that isn't to be shown; lines and tabs stay."""
    return _UNFIT.sub("\ufffd", text)


def label(text: str, most: int = MOST) -> str:
    """The text on one line, without what isn't to be shown, cut where it is too long to stand in a drawing.

    A character as wide as those of Chinese counts as two.
    """
    line = clean(" ".join(text.split()))
    ends = list(accumulate(1 + (unicodedata.east_asian_width(c) in "WF") for c in line[: most + 1]))
    return line if not ends or ends[-1] <= most else line[: bisect_right(ends, most - 1)] + "…"
