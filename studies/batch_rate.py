"""What `ups batch` costs: processor seconds and wall-clock seconds for an hour of motion, one process beside several.

python studies/batch_rate.py                 # 64 recordings of 10 s, actions; then with 3D poses
python studies/batch_rate.py --processes 2   # the same by two processes
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from ups.bulk.part import Asked
from ups.bulk.recordings import list_recordings
from ups.bulk.run import run
from ups.data.formats.native import write_file
from ups.pose import pose_sequence

SECONDS, FPS = 10, 30


def processor() -> float:
    """Processor seconds of this process and of those that have ended."""
    parts = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(part.ru_utime + part.ru_stime for part in parts)


def main() -> None:
    """Write recordings, ask about them, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=64)
    parser.add_argument("--processes", type=int, default=1)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    hours = arguments.recordings * SECONDS / 3600
    with tempfile.TemporaryDirectory() as folder:
        for i in range(arguments.recordings):
            walk = rng.uniform(300, 700, (17, 2)) + np.cumsum(rng.normal(0, 2, (SECONDS * FPS, 17, 2)), 0)
            clip = pose_sequence(walk, "coco-17", space="image", fps=FPS, image_size=(1000, 1000))
            write_file(clip, Path(folder) / "in" / f"{i:04}.npz")
        paths = list_recordings(f"{folder}/in")
        warm = Path(folder) / "warm"
        run(Asked("ups-small", poses=True, force=True), paths[:1], warm, processes=1)  # imports and loads
        for poses in (False, True):
            asked = Asked("ups-small", poses=poses, window_s=2.0, force=True)
            begun, cpu = time.perf_counter(), processor()
            out = Path(folder) / f"out{poses}"
            done = run(asked, paths, out, size=16, processes=arguments.processes)
            wall, cpu = time.perf_counter() - begun, processor() - cpu
            size = sum(path.stat().st_size for path in out.iterdir())
            print(
                f"{'actions and poses' if poses else 'actions'}, {arguments.processes} processes: {done.answered} recordings "
                f"of {SECONDS} s at {FPS} frames/s, one window every 2 s: {wall / hours:.0f} s wall-clock and "
                f"{cpu / hours:.0f} s of processor time for an hour of motion, {size / hours / 1e6:.1f} MB of answers"
            )


if __name__ == "__main__":
    main()
