"""`ups bench`: how fast a model trains and answers on this machine."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional

from ups.cli.show import say, show
from ups.config import ComputePrecision
from ups.errors import IncompleteError, SettingError


@dataclass
class Bench:
    """Measure how fast a model trains and answers here; print the figures, write all of them to a file, and what bounds
    each stage to a page beside it, of the same name and .html.

    Needs no data: clips are generated. Runs on the accelerator that PyTorch finds, else on the processor; leave the
    machine alone meanwhile.
    """

    what: Positional[str]
    """Folder of a trained model, or a recipe."""
    output: Path = Path("bench.json")
    """The file."""
    tasks: tuple[str, ...] = ()
    """Only these tasks; default: all that the model was trained on."""
    threads: int | None = None
    """Processor threads; default: PyTorch's choice."""
    repeats: int = 5
    """Rounds in which everything is measured in turn; figures are medians over them."""
    seconds: float = 0.5
    """Least time of one measurement in each round."""
    batch: int | None = None
    """Samples of a training step; default: as in training."""
    precision: ComputePrecision | None = None
    """Of training and answers; default: the one the model answers in here."""
    onnx: bool = False
    """Export each task as well, and measure ONNX Runtime's answers beside ours."""
    against: Path | None = None
    """Compare with the record of an earlier run: every rate as a ratio to the matrix product of its own run, so that the
    machine's speed does not matter; the exit code is 1 where one fell below --floor of what it was."""
    floor: float = 0.85
    """Share of the earlier ratio that is still no loss."""

    def run(self) -> None:
        """Measure, write, print."""
        import torch

        from ups.bench.compare import compare, comparison_table, read_record
        from ups.bench.measure import Settings, measure, sections, tables
        from ups.checkpoint.create import load_or_build
        from ups.files import write_whole
        from ups.reporting.html import write_page
        from ups.runtime.allocator import keep_freed_memory

        keep_freed_memory()
        if self.threads is not None:
            if self.threads < 1:
                raise SettingError(f"--threads {self.threads}; at least 1 is needed")
            torch.set_num_threads(self.threads)
        if not 0 < self.floor <= 1:
            raise SettingError(f"--floor {self.floor}; above 0, up to 1 is needed")
        before = None if self.against is None else read_record(self.against)
        settings = Settings(self.tasks, self.batch, self.precision, self.repeats, self.seconds, self.onnx)
        record = measure(load_or_build(self.what), settings)
        write_whole(self.output, json.dumps(record, indent=1).encode())
        page = self.output.with_suffix(".html")
        write_page(page, f"Speed of {record['model']['name']}", sections(record))
        show(tables(record))
        say(f"all figures: {self.output}; what bounds them: {page}")
        if before is not None:
            compared = compare(before, record)
            show(comparison_table(compared, self.floor))
            lost = [name for name, ratio in compared.items() if ratio < self.floor]
            if lost:
                raise IncompleteError(f"slower than {self.against}: {', '.join(lost)}")
