"""What a detector of several kinds of things says that it found: only persons are kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ups.data.formats.joint_names import quoted
from ups.errors import DataError
from ups.notices import Notice

PERSON = ("person", "human", "people", "pedestrian", "body", "athlete", "player")
"""Names of classes that are preferred where there are several."""
_ANIMALS = {
    "animal",
    "bird",
    "cat",
    "dog",
    "horse",
    "sheep",
    "cow",
    "elephant",
    "bear",
    "zebra",
    "giraffe",
    "monkey",
    "mouse",
}


def only_persons(
    found: Sequence[Any], where: str, names: Sequence[str] = (), first: int = 0
) -> tuple[list[bool], tuple[Notice, ...]]:
    """Which of what was found are persons, by their classes, and what to tell of the others.

    Args:
        found: class of each: a number or a name; None where nothing says.
        where: the file, for errors.
        names: of the classes by number, where the file has them.
        first: number of the class person where there are no names: 0 in YOLO, 1 in COCO.

    Raises:
        DataError: several classes, none of which is known to be persons.
    """
    counts = Counter(value for value in found if value is not None)
    if not counts:
        return [True] * len(found), ()
    called = {value: _name(value, names) for value in counts}
    persons = [value for value in counts if called[value].lower() in PERSON or (not names and value == first)]
    if len(counts) == 1:
        value = next(iter(counts))
        animal = called[value].lower() in _ANIMALS
        if persons or (not animal and (names or not isinstance(value, int))):
            return [True] * len(found), ()
        usual = "" if animal else f"; persons are class {first} in most models"
        what = f"all that was found is of class {called[value]}, and is read as persons{usual}"
        return [True] * len(found), (Notice("warning", what, "nothing, if they are persons"),)
    if not persons:
        raise DataError(
            f"{where}: {len(counts)} classes ({quoted([called[value] for value in counts])}), none of which is called person; "
            "call persons so, and leave out what is none"
        )
    best = min(
        persons, key=lambda value: PERSON.index(called[value].lower()) if called[value].lower() in PERSON else -1
    )
    left = [called[value] for value in counts if value != best]
    what = f"only class {called[best]} is read; others are left out"
    detail = f"{sum(counts.values()) - counts[best]} of {len(found)}, of {quoted(left)}"
    keep = [value is None or value == best for value in found]
    return keep, (Notice("warning", what, "nothing, if they are no persons; else give all persons one class", detail),)


def _name(value: Any, names: Sequence[str]) -> str:
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else str(value)
