"""A store as large as NTU RGB+D 120: how fast it opens and loads, and the memory that evaluating it takes.

`python studies/store_scale.py [--clips 113945] [--folder FOLDER]` writes a store of generated joints (walks of random
steps; the lengths, one or two people, 25 joints, 120 classes, and the size of the test part are as in NTU RGB+D 120),
about 4 GB, in a temporary folder where none is given. One core. It prints

- the time to open it, and its size;
- the memory that a new process holds (the largest of samples every 20 ms; pages of files count) which has loaded an
  untrained model of the recipe `base` and lets `evaluate_task` go through the whole test part without the
  model's answers: clips are read, cut, normalised, resized to 64 frames and put into batches, and every answer is the
  same; then through some of it with them; and the most it held from its start on;
- clips a second that training's loader makes into random batches of 64 clips of 64 frames, with augmentation, and that
  training steps of the recipe `base` use up, by turns, so that other work on the machine slows both.

The store was just written, so it is read from the system's cache as far as memory allows.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from ups.checkpoint.io import save
from ups.config import TaskMix
from ups.data.datasets.ntu import CLASSES
from ups.data.store.store import Store, StoreWriter
from ups.evaluation.evaluate import evaluate_task
from ups.inference.predictor import Predictor
from ups.pose import PoseSequence
from ups.recipes import get_recipe
from ups.skeletons import NTU_25
from ups.tasks import get_task
from ups.tasks.action import ActionTask
from ups.tasks.task import collate_poses

if TYPE_CHECKING:
    from ups.training.run import Run

TASK, NAME, FRAMES, BATCH = "recognize_3d", "ntu120", 64, 64
CLIPS, TEST_SHARE = 113_945, 50_919 / 113_945


class Loading(Predictor):
    """All of a predictor but the model's answer."""

    def class_scores(
        self, task: str, clips: list[PoseSequence], classes: tuple[str, ...], batch: int = 64
    ) -> np.ndarray:
        """The same score for every class."""
        question = get_task(task)
        assert isinstance(question, ActionTask) and len(clips) <= batch
        collate_poses([question.example(clip, FRAMES) for clip in clips], clips[0].skeleton.sorted_by_slot())
        return np.full((len(clips), len(classes)), -np.log(len(classes)), np.float32)


def write_store(folder: Path, clips: int) -> None:
    """Generated clips: 70 frames in the median, two people in 26 of 120 classes."""
    rng = np.random.default_rng(0)
    walk = np.cumsum(rng.normal(0, 0.01, (2, 20_000, 25, 3)), 1).astype(np.float32)
    lengths = np.clip(rng.lognormal(np.log(70), 0.4, clips), 20, 300).astype(int)
    starts = rng.integers(0, walk.shape[1] - 300, clips)
    test = rng.random(clips) < TEST_SHARE
    with StoreWriter(folder, NAME, NTU_25, "kinect", CLASSES, ("xsub",)) as out:
        for i in range(clips):
            label = i % 120
            joints = walk[: 2 if label % 60 >= 47 else 1, starts[i] : starts[i] + lengths[i]]
            seen = np.ones(joints.shape[:3], np.float32)
            name, subject = f"S{i // 3600:03}C001P{i // 120 % 30:03}R001A{label + 1:03}", i % 106 + 1
            clip = PoseSequence(joints, seen, NTU_25, "kinect", 30.0, name, label, subject)
            out.add(clip, {"xsub": "test" if test[i] else "train"})


@contextlib.contextmanager
def resident() -> Iterator[list[float]]:
    """MB that this process holds: at the start, then the most while the block runs."""

    def now() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    found, done = [now(), now()], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            found[1] = max(found[1], now())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield found
    finally:
        done.set()
        watcher.join()


def evaluation(folder: Path, checkpoint: Path, clips: int) -> None:
    """Prints the memory that evaluation takes, and its speed."""
    torch.set_num_threads(1)
    store = Store.open(folder)
    test = store.indices("xsub", "test")
    base = Predictor.from_pretrained(checkpoint)
    for what, predictor, indices in (
        ("without the model's answers", Loading(base.trained), test),
        ("with them", base, test[:clips]),
    ):
        with resident() as memory:
            start = time.perf_counter()
            evaluate_task(predictor, TASK, store, indices)
            rate = len(indices) / (time.perf_counter() - start)
        print(
            f"evaluation {what}: {len(indices)} clips, {rate:.1f} clips/s, {memory[0]:.0f} MB before, {memory[1]:.0f} MB "
            "at most",
            flush=True,
        )
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(
        f"most that this process ever held, loading the model included: {int(status['VmHWM'].split()[0]) * 1.024e-3:.0f} MB"
    )


def training(store: Store, base: Run, rounds: int) -> None:
    """Prints clips/s of the loader and of training steps."""
    from ups.training.batches import streams_of

    stream = streams_of(base.trained, {NAME: store})[0]
    base.model.train()
    rates = []
    for i in range(rounds):
        start = time.perf_counter()
        batches = [stream[10 * i + k] for k in range(10)]
        loaded = time.perf_counter()
        base.take_step(TASK, batches[:1])
        end = time.perf_counter()
        rates.append((10 * BATCH / (loaded - start), BATCH / (end - loaded)))
    load, use = np.median(rates, 0)
    ratios = [a / b for a, b in rates]
    print(f"loader: {load:.0f} clips/s; training steps of base: {use:.2f} clips/s, {use / BATCH:.4f} steps/s, one core")
    print(f"the loader is {np.median(ratios):.0f} x as fast ({min(ratios):.0f} to {max(ratios):.0f}, {rounds} rounds)")


def main(folder: Path, clips: int, answered: int, rounds: int) -> None:
    """Writes the store, then measures."""
    from ups.checkpoint.create import new_model
    from ups.training.run import Run

    torch.set_num_threads(1)
    start = time.perf_counter()
    write_store(folder / NAME, clips)
    print(f"{clips} clips written in {time.perf_counter() - start:.0f} s", flush=True)
    with resident() as memory:
        start = time.perf_counter()
        store = Store.open(folder / NAME)
        seconds = time.perf_counter() - start
        assert len(store.ids) == clips
    size = sum(path.stat().st_size for path in store.folder.iterdir()) / 1e6
    poses = int((store.frames.astype(np.int64) * store.persons).sum())
    print(
        f"opened in {seconds:.3f} s; {size:.0f} MB, {poses} poses; memory {memory[0]:.0f} MB, then {memory[1]:.0f} MB"
    )
    recipe = get_recipe("base")
    mix = TaskMix(TASK, (f"{NAME}:xsub",), batch=BATCH, frames=FRAMES)
    config = replace(recipe, train=replace(recipe.train, tasks=(mix,), precision="32-true", hold_out=0.0))
    trained = new_model(config, {NAME: store})
    save(trained, folder / "checkpoint", trained.model.state_dict())
    child = get_context("spawn").Process(target=evaluation, args=(store.folder, folder / "checkpoint", answered))
    child.start()
    child.join()
    if child.exitcode:
        raise SystemExit(f"evaluation failed with exit code {child.exitcode}")
    training(store, Run(trained, folder), rounds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clips", type=int, default=CLIPS, help="in the store")
    parser.add_argument("--answered", type=int, default=256, help="clips of the test part that the model answers")
    parser.add_argument("--rounds", type=int, default=3, help="of loading and training")
    parser.add_argument("--folder", type=Path, help="where the store is written; a temporary folder where not given")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        main(options.folder or Path(temporary), options.clips, options.answered, options.rounds)
