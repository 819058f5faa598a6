"""Two records of `ups bench` side by side: rates as ratios to the matrix product of the same run, not in seconds.

So machines of other speeds, and one that is busier today, can be compared as far as one number can say.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.table import Table

from ups.errors import DataError, SettingError

RATES = ("training", "inference", "assembly")
"""Of a task; with the answers to one clip."""


def read_record(path: Path) -> dict[str, Any]:
    """The record in a file; DataError where it is none."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: can't be read ({error}); ups bench writes such records") from error
    if not isinstance(record, dict) or not {"matmul", "model", "tasks"} <= record.keys():
        raise DataError(f"{path}: no record of ups bench")
    return record


def relative(record: dict[str, Any]) -> dict[str, float]:
    """Samples, and single clips, for each GFLOP that the matrix product of the run does in the same time."""
    peak = record["matmul"]["flop_per_s"][record["model"]["dtype"]]["median"] / 1e9
    found = {}
    for task, r in record["tasks"].items():
        found |= {f"{task}, {name}": r[name]["samples_per_s"]["median"] / peak for name in RATES}
        found[f"{task}, one clip"] = 1000 / r["latency"]["p50_ms"] / peak
        found[f"{task}, decoding"] = r["decoding"]["cached_steps_per_s"]["median"] / peak
    return found


def compare(before: dict[str, Any], now: dict[str, Any]) -> dict[str, float]:
    """How many times as fast each is now, of what both records have.

    Raises:
        SettingError: the records are of other data types, of other batches or shapes, or have no task in common.
    """
    if before["model"]["dtype"] != now["model"]["dtype"]:
        raise SettingError(
            f"records in {before['model']['dtype']} and {now['model']['dtype']}; measure with the same --precision"
        )
    for task in before["tasks"].keys() & now["tasks"].keys():
        mine, theirs = now["tasks"][task], before["tasks"][task]
        if mine["input"] != theirs["input"] or mine["training"]["batch"] != theirs["training"]["batch"]:
            raise SettingError(f"{task}: the records are of other inputs or batches, and can't be compared")
    old, new = relative(before), relative(now)
    if not old.keys() & new.keys():
        raise SettingError("the records have no task in common")
    return {name: new[name] / old[name] for name in new if name in old}


def comparison_table(compared: dict[str, float], floor: float) -> Table:
    """For people."""
    table = Table("beside the matrix product of its own run", "times as fast as before", "")
    for name, ratio in compared.items():
        table.add_row(name, f"{ratio:.2f}", "slower" if ratio < floor else "")
    return table
