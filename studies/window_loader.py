"""How many training windows a second the loader assembles: whole clips read and made one by one, against cut windows.

    python studies/window_loader.py --windows 243 --batch 1024 --seconds 10

Generated clips of Human3.6M's shape and length (17 joints, 1,500 to 3,000 frames, 2D with 3D) are written to a store in a
temporary folder. Both ways make the same batches, to the bit. Times are of the processor, so that other programs on the
machine count little; "memory" is how fast one core copies.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from ups.config import Config, ModelConfig, TaskMix, TrainConfig
from ups.data.loader import BatchStream
from ups.data.store.store import Store, StoreWriter
from ups.pose import PoseSequence
from ups.skeletons import H36M_17
from ups.tasks.pose import estimate_pose
from ups.tokens.vocabulary import Vocabulary
from ups.training.batches import make_batch


def write_clips(folder: Path, clips: int) -> Store:
    """A store of generated clips."""
    rng = np.random.default_rng(0)
    with StoreWriter(folder, "generated", H36M_17, "image", ("walk",), ("all",), paired=True) as writer:
        for i in range(clips):
            shape = (1, int(rng.integers(1500, 3000)), 17)
            clip = PoseSequence(
                rng.uniform(200, 800, (*shape, 2)).astype(np.float32), np.ones(shape, np.float32), H36M_17, "image", 50.0,
                f"clip {i}", 0, image_size=(1000, 1002), pose_3d=rng.uniform(-1, 1, (*shape, 3)).astype(np.float32),
            )  # fmt: skip
            writer.add(clip, {"all": "train"})
    return Store.open(folder)


def rate(make: Callable[[int], object], batch: float, seconds: float, threads: int) -> tuple[float, float]:
    """Windows a second of processor time and of wall time; batches 0, 1, 2, ... by several threads."""
    number, wall, cpu = 0, time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        while time.process_time() - cpu < seconds:
            list(pool.map(make, range(number, number + threads)))
            number += threads
    spent = time.process_time() - cpu
    return number * batch / spent, number * batch / (time.perf_counter() - wall)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=243, help="frames of a window")
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=10.0, help="of processor time for each figure")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = write_clips(Path(folder) / "store", args.clips)
        mix = TaskMix("estimate_pose", ("generated:all",), batch=args.batch, frames=args.windows)
        config = Config("study", ModelConfig(), TrainConfig((mix,), target_frames=1))
        make = partial(make_batch, estimate_pose, mix, config, Vocabulary(512, -1.2, 1.2, ("estimation",), ()))
        stream = BatchStream(
            [(store, np.arange(len(store)))], make, batch=args.batch, batches=10_000, seed=0, temperature=1.0
        )

        def whole(number: int) -> object:
            clips = [store[int(i)] for i in stream.indices(number)[1]]
            return make(clips, store.classes, np.random.default_rng([0, 3, number]))

        stream[0]  # every clip has been read and checked once
        normal = np.empty((args.windows, 17, 2))
        noise = rate(lambda _: np.random.default_rng(0).standard_normal(out=normal), 1, 1.0, 1)[0]
        print(f"one core draws the noise of {noise:,.0f} windows a second and does nothing else")
        block, copy = np.ones(50_000_000, np.float32), np.empty(50_000_000, np.float32)
        print(f"memory: {rate(lambda _: np.copyto(copy, block), 0.2, 1.0, 1)[0]:.1f} GB a second")
        for name, assemble in (("whole clips", whole), ("cut windows", stream.__getitem__)):
            for threads in (1, 2):
                cpu, wall = rate(assemble, args.batch, args.seconds, threads)
                print(
                    f"{name}, {threads} threads: {cpu:,.0f} windows a second of processor time, {wall:,.0f} of wall time"
                )


if __name__ == "__main__":
    main()
