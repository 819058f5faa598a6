"""Whether the numbers of an array stand in the order in which they are read, as the body tells that they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from ups.data.formats.body import BAD, BETTER, misfit
from ups.data.formats.layouts import LAYOUTS
from ups.errors import DataError
from ups.notices import Notice
from ups.skeletons import H36M_17

_CLEAR = 0.8
"""Share of the strain as it is read at which another order is taken for the right one."""
_CLEARER = 0.4
"""The same where too little is seen to tell how it is as it is read."""
_UNSURE = 1.25
_STEP = 0.5
"""Sizes of a body that joints of one go from frame to frame, at most."""
_ENOUGH = 200
"""Frames that are looked at, at most."""
_FEW = 5
"""Frames below which joints fit another order by chance, so that it is told but not refused."""
_MOST_PERSONS = 8


@dataclass(frozen=True)
class Order:
    """One way to see an array as a recording.

    Attributes:
        name: in words.
        recipe: numpy that makes (M, N, J, V) or (N, J, V) of an `array` of this order.
        points: (M, N, J, V), NaN where not seen.
    """

    name: str
    recipe: str
    points: np.ndarray


def check_arrangement(
    values: np.ndarray, read: np.ndarray, known: Mapping[int, Mapping[str, int]] | None, where: str
) -> tuple[Notice, ...]:
    """What to tell of the order in which numbers of a row are read; nothing of arrays with an axis for each.

    Args:
        values: the array as the file has it, of two to four axes, NaN where not seen.
        read: (M, N, J, V), as it is read.
        known: number of joints -> slot -> index of the joint; None where only the number of joints says which they are.
        where: the file, for errors.

    Raises:
        DataError: in another order the same numbers make a body, and in the one in which they are read none, for some
            frames; of few there is a warning.
    """
    named = known or {count: layout.places for count, layout in LAYOUTS.items()}
    orders = [order for order in _orders(values, named) if not _same(order.points, read)]
    if not orders:
        return ()
    own = _strain(read, _bodies(read.shape[2], named))
    found = [(_strain(order.points, _bodies(order.points.shape[2], named)), order) for order in orders]
    strain, order = min(found, key=lambda item: item[0].all)
    clear = _CLEAR if own.misfit is not None else _CLEARER
    if strain.all < clear * own.all and strain.is_body and {strain.misfit, own.misfit} != {None}:
        much = f"a body {own.all / strain.all:.1f} times worse" if np.isfinite(own.all) else "no body"
        what = f"shape {values.shape} is read as {_as_read(values)}, which makes {much} than {order.name}"
        if min(read.shape[1], order.points.shape[1]) < _FEW:
            return (Notice("warning", what, f"save {order.recipe} if not"),)
        raise DataError(f"{where}: {what}; save {order.recipe}, or a .csv with names of columns if it is as read")
    if values.ndim > 2:
        return ()
    what, remedy = f"the numbers of a row are read as {_as_read(values)}", "save (frames, joints, coordinates) if not"
    doubtful = strain.all < _UNSURE * own.all or own.misfit is None or strain.misfit is None
    return (Notice("warning" if doubtful else "note", what, remedy, "the body does not tell" if doubtful else ""),)


def in_rows(values: np.ndarray, joints: int) -> np.ndarray | None:
    """(N, J, V) of (N, J * V) whose rows are x0, y0, x1, y1, ...; None for another number of columns."""
    if values.ndim != 2 or values.shape[1] not in (2 * joints, 3 * joints):
        return None
    return values.reshape(len(values), joints, -1)


def _as_read(values: np.ndarray) -> str:
    if values.ndim == 2:
        return "x0, y0, x1, y1, ..."
    return "(frames, joints, coordinates)" if values.ndim == 3 else "(persons, frames, joints, coordinates)"


def _orders(values: np.ndarray, known: Mapping[int, Mapping[str, int]]) -> list[Order]:
    """Every way to see an array as a recording of as many joints as are known."""
    if values.ndim == 2:
        return [order for joints in known for order in _orders_of_rows(values, joints)]
    names = ("frames", "joints", "coordinates") if values.ndim == 3 else ("persons", "frames", "joints", "coordinates")
    found = []
    for axes in permutations(range(values.ndim)):
        points = values.transpose(axes)
        if points.shape[-1] not in (2, 3) or points.shape[-2] not in known:
            continue
        if points.ndim == 4 and points.shape[0] > _MOST_PERSONS:
            continue
        name = ", ".join(names[axes.index(axis)] for axis in range(values.ndim))
        found.append(Order(f"as ({name})", f"array.transpose{axes}", points if points.ndim == 4 else points[None]))
    return found


def _orders_of_rows(values: np.ndarray, joints: int) -> list[Order]:
    """Of (N, J * V): x0 y0 x1 y1, all x then all y, and pairs followed by all scores."""
    rows = in_rows(values, joints)
    if rows is None:
        return []
    frames, _, axes = rows.shape
    planes = values.reshape(frames, axes, joints).swapaxes(1, 2)
    found = [Order("as x0, y0, x1, y1, ...", "array", rows[None])]
    recipe = f"array.reshape({frames}, {axes}, {joints}).swapaxes(1, 2)"
    found.append(Order("with all x before all y", recipe, planes[None]))
    if axes == 3:
        pairs = values[:, : 2 * joints].reshape(frames, joints, 2)
        points = np.concatenate([pairs, values[:, 2 * joints :, None]], -1)
        recipe = f"array[:, :{2 * joints}].reshape({frames}, {joints}, 2), and the scores apart"
        found.append(Order("with all scores behind all x and y", recipe, points[None]))
    return found


def _bodies(count: int, known: Mapping[int, Mapping[str, int]]) -> list[Mapping[str, int]]:
    """What joints of that number may be."""
    if count not in known:
        return []
    other = {joint: i for i, joint in enumerate(H36M_17.joints)}
    return [known[count], other] if count == len(other) and len(known) > 1 else [known[count]]


@dataclass(frozen=True)
class _Strain:
    """How unlike moving bodies points are: misfit where enough is seen, size, steps from frame to frame in sizes."""

    misfit: float | None = None
    size: float = float("inf")
    step: float = 0.0

    @property
    def all(self) -> float:
        return (BAD if self.misfit is None else self.misfit) * self.size * (0.1 + self.step)

    @property
    def is_body(self) -> bool:
        """Whether they may be one."""
        return (self.misfit is None or self.misfit < BETTER) and self.step < _STEP


def _strain(points: np.ndarray, bodies: list[Mapping[str, int]]) -> _Strain:
    """That of the best of some orders of joints; infinite where none is known or too little is seen."""
    cut = points[:, :_ENOUGH]
    seen = np.isfinite(cut).all(-1) & (cut != 0).any(-1)
    there = seen.sum(-1) > 1
    fits = [misfit(np.where(seen[..., None], cut, 0)[:, :, i], seen[:, :, i], list(b)) for b, i in _indexed(bodies)]
    fits = [fit for fit in fits if fit is not None]
    if not bodies or not there.any():
        return _Strain()
    shown = np.where(seen[..., None], cut, np.nan)
    size = max(float(np.median(np.sqrt(np.nanvar(shown[there], axis=1).mean(-1)))), 1e-9)
    both = seen[:, 1:] & seen[:, :-1]
    steps = np.linalg.norm(np.diff(shown, axis=1), axis=-1)[both]
    return _Strain(min(fits, default=None), size, float(np.median(steps)) / size if len(steps) else 0.0)


def _indexed(bodies: list[Mapping[str, int]]) -> list[tuple[Mapping[str, int], list[int]]]:
    return [(body, list(body.values())) for body in bodies]


def _same(first: np.ndarray, second: np.ndarray) -> bool:
    return first.shape == second.shape and np.array_equal(first, second, equal_nan=True)
