"""What a training run reports while it goes on: a progress bar, OUTPUT/log.jsonl, TensorBoard."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

from ups.files import write_whole


class State(NamedTuple):
    """A run as it is.

    Attributes:
        learning_rate: of the last step.
        routes: task -> the block that is best in each of the L layers.
        gaps: task -> by how much that block's score is above the next one's, in each layer.
    """

    learning_rate: float
    routes: dict[str, list[int]]
    gaps: dict[str, list[float]]


class Reporter:
    """Progress bar with losses, samples/s and time left; log.jsonl; TensorBoard.

    An entry's `flips` counts the layers, over all tasks, in which another block became the best since the entry before.

    Args:
        output: folder of the run.
        step: optimiser steps done before; 0 begins a new log, and what an old one tells of later steps is left out.
        total: optimiser steps of the whole run.
        state: asked for whenever an entry is written.
    """

    def __init__(self, output: Path, step: int, total: int, state: Callable[[], State]) -> None:
        self.output, self.begin, self.total, self.state = Path(output), step, total, state
        self.losses: dict[str, float] = {}
        self.routes: dict[str, list[int]] = {}
        self.samples, self.since = 0, time.monotonic()
        self.every = max(1, total // 200)
        self.progress = Progress(
            BarColumn(), TextColumn("{task.completed}/{task.total} {task.fields[text]}"),
            TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), refresh_per_second=2,
        )  # fmt: skip

    def __enter__(self) -> Reporter:
        self.board = SummaryWriter(str(self.output / "tensorboard"), purge_step=self.begin)
        log = self.output / "log.jsonl"
        kept = [entry for entry in read_log(self.output) if entry["step"] <= self.begin] if self.begin else []
        write_whole(log, "".join(json.dumps(entry) + "\n" for entry in kept).encode())
        self.file = log.open("a", encoding="utf-8")
        self.progress.start()
        self.bar = self.progress.add_task("training", total=self.total, completed=self.begin, text="")
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(OSError):  # the terminal may be gone
            self.progress.stop()
        self.board.close()
        self.file.close()

    def step(self, number: int, task: str, loss: float, samples: int) -> None:
        """Record optimiser step `number` (from 1) of a task: its loss, and the samples that it took."""
        self.losses[task] = 0.9 * self.losses[task] + 0.1 * loss if task in self.losses else loss
        self.samples += samples
        if number % self.every and number != self.total:
            return
        rate = self.samples / max(time.monotonic() - self.since, 1e-9)
        self.samples, self.since = 0, time.monotonic()
        text = "  ".join(f"{name} {value:.2f}" for name, value in self.losses.items()) + f"  {rate:.0f} samples/s"
        self.progress.update(self.bar, completed=number, text=text)
        state = self.state()
        before, self.routes = self.routes or state.routes, state.routes
        flips = sum(a != b for name, route in state.routes.items() for a, b in zip(route, before[name], strict=True))
        entry = {
            "step": number,
            "learning_rate": state.learning_rate,
            "losses": self.losses,
            "samples_per_second": rate,
            "routes": state.routes,
            "score_gaps": {name: [round(gap, 4) for gap in gaps] for name, gaps in state.gaps.items()},
            "flips": flips,
            "time": time.time(),
        }
        self.file.write(json.dumps(entry) + "\n")
        self.file.flush()
        gaps = {f"score gap/{name}": sum(gaps) / len(gaps) for name, gaps in state.gaps.items()}
        losses = {f"loss/{k}": v for k, v in self.losses.items()}
        _write_board(self.board, number, losses | gaps | {"samples/s": rate, "flips": flips})


def _write_board(board: SummaryWriter, step: int, values: dict[str, float]) -> None:
    for key, value in values.items():
        board.add_scalar(key, value, step)


def read_log(output: Path) -> list[dict]:
    """Entries of OUTPUT/log.jsonl, of the last run into that folder; a line that a killed run left unfinished is none."""
    path = Path(output) / "log.jsonl"
    entries = []
    for line in path.read_bytes().splitlines() if path.exists() else ():
        with suppress(ValueError):
            entry = json.loads(line)
            entries += [entry] if isinstance(entry, dict) and isinstance(entry.get("step"), int) else []
    return entries
