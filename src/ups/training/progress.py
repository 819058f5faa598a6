"""What a training run reports while it goes on: a progress bar, OUTPUT/log.jsonl, TensorBoard."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch.utils.tensorboard import SummaryWriter

if TYPE_CHECKING:
    from ups.training.run import Run


class Reporter:
    """Progress bar with losses, samples/s and time left; log.jsonl; TensorBoard."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.losses: dict[str, float] = {}
        self.samples, self.since = 0, time.monotonic()
        self.every = max(1, run.total // 200)
        self.progress = Progress(
            BarColumn(), TextColumn("{task.completed}/{task.total} {task.fields[text]}"),
            TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), refresh_per_second=2,
        )  # fmt: skip

    def __enter__(self) -> Reporter:
        self.board = SummaryWriter(str(self.run.output / "tensorboard"), purge_step=self.run.step)
        self.file = (self.run.output / "log.jsonl").open("a" if self.run.step else "w", encoding="utf-8")
        self.progress.start()
        self.bar = self.progress.add_task("training", total=self.run.total, completed=self.run.step, text="")
        return self

    def __exit__(self, *error: object) -> None:
        self.progress.stop()
        self.board.close()
        self.file.close()

    def step(self, task: str, loss: float, samples: int) -> None:
        """Record one optimiser step."""
        self.losses[task] = 0.9 * self.losses[task] + 0.1 * loss if task in self.losses else loss
        self.samples += samples
        if self.run.step % self.every and self.run.step != self.run.total:
            return
        rate = self.samples / max(time.monotonic() - self.since, 1e-9)
        self.samples, self.since = 0, time.monotonic()
        text = "  ".join(f"{name} {value:.2f}" for name, value in self.losses.items()) + f"  {rate:.0f} samples/s"
        self.progress.update(self.bar, completed=self.run.step, text=text)
        entry = {
            "step": self.run.step,
            "learning_rate": self.run.optimizer.param_groups[0]["lr"],
            "losses": self.losses,
            "samples_per_second": rate,
            "routes": self.run.model.routes(),
            "time": time.time(),
        }
        self.file.write(json.dumps(entry) + "\n")
        self.file.flush()
        _write_board(self.board, self.run.step, {f"loss/{k}": v for k, v in self.losses.items()} | {"samples/s": rate})


def _write_board(board: SummaryWriter, step: int, values: dict[str, float]) -> None:
    for key, value in values.items():
        board.add_scalar(key, value, step)


def read_log(output: Path) -> list[dict]:
    """Entries of OUTPUT/log.jsonl, of the last run into that folder."""
    with (Path(output) / "log.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]
