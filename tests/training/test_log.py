"""The log of a run that goes on: one entry a step, whatever became of the run before."""

from __future__ import annotations

import json
from pathlib import Path

from ups.training.progress import Reporter, State, read_log


def report(folder: Path, begin: int, steps: list[int]) -> list[int]:
    with Reporter(folder, begin, 5, lambda: State(0.1, {"t": [0]}, {"t": [0.5]})) as reporter:
        for step in steps:
            reporter.step(step, "t", 1.0, 4)
    return [entry["step"] for entry in read_log(folder)]


def test_a_run_that_goes_on_forgets_what_was_not_saved_and_half_a_line(tmp_path: Path) -> None:
    assert report(tmp_path, 0, [1, 2, 3]) == [1, 2, 3]
    first = (tmp_path / "log.jsonl").read_bytes().splitlines()[0]
    with (tmp_path / "log.jsonl").open("a") as file:
        file.write(json.dumps({"step": 4})[:-3])  # the power failed
    assert [entry["step"] for entry in read_log(tmp_path)] == [1, 2, 3]
    assert report(tmp_path, 2, [3, 4, 5]) == [1, 2, 3, 4, 5]
    assert (tmp_path / "log.jsonl").read_bytes().splitlines()[0] == first
    assert report(tmp_path, 0, [1]) == [1]
