"""The parts of `ups report` on recordings that differ from the benchmarks: the shift board, and timelines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ups.evaluation.results import Variant
from ups.refs import Benchmark
from ups.reporting.charts import bar_chart
from ups.reporting.document import Block, Chart, Table, Text
from ups.tasks import get_task


def board_blocks(found: Sequence[Variant]) -> list[Block]:
    """A table of all shifts and a chart for every data set; a model's first record that has a board counts."""
    blocks: list[Block] = []
    for number, variant in enumerate(found, 1):
        board: dict[str, Any] = next((r["shifts"] for r in variant.records if r.get("shifts")), {})
        for unit, what in (("%", "actions, percent right"), ("mm", "lifting, MPJPE of the limbs in millimetres")):
            of = {key: values for key, values in board.items() if values["unit"] == unit}
            if not of:
                continue
            blocks.append(Text(f"{variant.title} ({variant.origin}): {what}."))
            names = list(dict.fromkeys(name for values in of.values() for name in values["shifts"]))
            rows = [(name, *(_figure(values["shifts"].get(name)) for values in of.values())) for name in names]
            blocks.append(Table(("what differs", *map(_name, of)), rows))
            label = "top-1 or area under the curve, %" if unit == "%" else "MPJPE of limbs, mm"
            series = {_name(key): values["shifts"] for key, values in of.items()}
            caption = "Test clips, changed as each line says and in nothing else; the first line is the benchmark."
            name = f"shifts-{number}-{'actions' if unit == '%' else 'lifting'}"
            blocks.append(Chart(name, bar_chart(series, label, f"Shift board: {what}"), caption))
    return blocks


def timeline_blocks(found: Sequence[Variant]) -> list[Block]:
    """What timelines of made-up recordings are worth."""
    rows = []
    for variant in found:
        for record in variant.records:
            for key, values in record.get("untrimmed", {}).items():
                overlaps = ((f"F1 at IoU {at}", value) for at, value in values["f1_at"].items())
                for name, value in (("frame accuracy", values["frame_accuracy"]), *overlaps):
                    rows.append((f"{variant.title}, {_name(key)}", str(values["clips"]), name, f"{100 * value:.1f} %"))
    if not rows:
        return []
    told = "Test clips in a row, eight to a recording, with pauses before each; pauses that are taken for an action are wrong."
    return [Text(told), Table(("model and data", "clips", "figure", "value"), rows)]


def _name(key: str) -> str:
    benchmark = Benchmark.parse(key)
    return f"{get_task(benchmark.task).title}, {benchmark.data}"


def _figure(value: float | None) -> str | None:
    return None if value is None else f"{value:.1f}"
