"""How long after its start a process that knows nothing yet gives the first answer of an exported model.

    python studies/first_answer.py EXPORT [--repeats 9]

EXPORT is a folder of `ups export` of a task of actions. Bytecode of all modules is there after the first process, as
`pip install` leaves it; that one is not counted. Prints the median, the fastest and the slowest, and the peak of memory.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

PROGRAM = """
import resource, sys
import numpy as np
from ups.inference.onnx import OnnxPredictor
from ups.pose import PoseSequence
predictor = OnnxPredictor(sys.argv[1], threads=1)
shape = 1, 60, len(predictor.skeleton)
space = "image" if predictor.task == "recognize_2d" else "camera"
joints = np.random.default_rng(0).uniform(0.2, 0.8, (*shape, 2 if space == "image" else 3)).astype(np.float32)
size = {"image_size": (1, 1)} if space == "image" else {}
clip = PoseSequence(joints, np.ones(shape, np.float32), predictor.skeleton, space, 30.0, **size)
answer = predictor.anticipate(clip) if predictor.task == "anticipate" else predictor.recognize(clip)
print(answer.best, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)
"""


def first_answer(export: Path, environment: dict[str, str]) -> tuple[float, int]:
    """Seconds from the start of a process to its first answer, and its peak of memory in bytes (Linux)."""
    start = time.perf_counter()
    command = [sys.executable, "-c", PROGRAM, str(export)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = time.perf_counter() - start
    if not line:
        raise SystemExit("the process gave no answer; its message is above")
    return seconds, int(line.split()[-1]) * 1024


def main() -> None:
    """Prints one line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("export", type=Path)
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        first_answer(options.export, environment)
        found = [first_answer(options.export, environment) for _ in range(options.repeats)]
    seconds = [each for each, _ in found]
    print(
        f"first answer after {median(seconds):.3f} s ({min(seconds):.3f} to {max(seconds):.3f}, {len(found)} processes), "
        f"at most {max(size for _, size in found) / 1e6:.0f} MB"
    )


if __name__ == "__main__":
    main()
