"""One page to look at about an evaluation: the figures, and of recognition the confusion matrix and every action."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ups.evaluation.results import Record
from ups.refs import Benchmark
from ups.reporting.charts import confusion_chart
from ups.reporting.html import figure, html_table, write_page
from ups.tasks import get_task


def write_evaluation_page(path: Path, record: Record) -> None:
    """Write a record's results as one HTML page that needs no other file; raises OSError."""
    sections = [(_heading(key), _section(key, metrics)) for key, metrics in record["results"].items()]
    write_page(path, f"Evaluation of {record['checkpoint']}", sections)


def _heading(key: str) -> str:
    benchmark = Benchmark.parse(key)
    return f"{get_task(benchmark.task).title}: {benchmark.data}"


def _section(key: str, metrics: dict[str, Any]) -> str:
    task = get_task(Benchmark.parse(key).task)
    content = html_table(("clips", str(metrics["clips"])), task.headline(metrics))
    if "predicted" not in metrics:
        return content
    labels, predicted = np.array(metrics["labels"]), np.array(metrics["predicted"])
    met = np.union1d(labels, predicted)  # actions without a test clip that were never answered would be empty rows
    place = {int(label): i for i, label in enumerate(met)}
    counts = np.zeros((len(met), len(met)), int)
    for true, answer in zip(labels.tolist(), predicted.tolist(), strict=True):
        counts[place[true], place[answer]] += 1
    names = [metrics["classes"][label] for label in met]
    chart = confusion_chart(counts, names, "Confusion matrix")
    caption = "Rows: what was done. Columns: what the model said. What lies on the diagonal is right."
    rows = []
    for i in sorted(range(len(met)), key=lambda i: counts[i, i] / max(counts[i].sum(), 1)):
        if counts[i].sum():
            others = [(int(counts[i, j]), names[j]) for j in range(len(met)) if j != i and counts[i, j]]
            taken = ", ".join(f"{name} ({count})" for count, name in sorted(others, reverse=True)[:3])
            rows.append((names[i], counts[i].sum(), f"{counts[i, i] / counts[i].sum():.0%}", taken))
    return content + figure(chart, caption) + html_table(("action", "test clips", "right", "taken for"), rows)
