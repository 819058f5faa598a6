"""All kinds of mutants; a module that makes others exports `KINDS`, and gets a line here."""

from __future__ import annotations

from fuzz import arrays, detectors, drawn, official, own, recordings
from fuzz.mutate import Kind

KINDS: dict[str, Kind] = {
    **arrays.KINDS,
    **recordings.KINDS,
    **detectors.KINDS,
    **official.KINDS,
    **own.KINDS,
    **drawn.KINDS,
}
