"""What a reader assumed, changed or left out: facts about a recording that its user should know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Notice:
    """One thing to know about a recording, found while it was read.

    Attributes:
        severity: "warning" = most likely to be put right, "note" = worth knowing.
        what: was assumed, changed or left out.
        remedy: what to do about it.
        detail: numbers or names of this one recording.
    """

    severity: Literal["warning", "note"]
    what: str
    remedy: str
    detail: str = ""

    def __str__(self) -> str:
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.what}{detail}; {self.remedy}"
