"""Changes one byte of a store, a checkpoint or an export, and has it read: is any change silent?

`python -m fuzz.flips 5000` (in tests/) spreads that many over the three and prints a table. A change is seen where reading
raises an error of ours; harmless where all that is read is what was written, as with a space between two words of JSON;
else it is silent.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from fuzz.own import BASES, base, store_files
from fuzz.run import put

from ups.errors import UpsError


def _store(path: Path) -> Any:
    """What training reads, without `Store.verify`."""
    from ups.data.store.store import Store

    store = Store.open(path)
    clips = [store[i] for i in range(len(store))]
    arrays = [array.tobytes() for clip in clips for array in (clip.joints, clip.visibility)]
    facts = [(clip.id, clip.label, clip.subject, clip.fps, clip.image_size) for clip in clips]
    columns = {key: column.tolist() for key, column in store.columns.items()}
    return arrays, facts, columns, store.classes, store.terms, store.problems, store.origin, store.skeleton, store.space


def _checkpoint(path: Path) -> Any:
    from ups.checkpoint.io import load, load_training

    trained, state = load(path), load_training(path)
    assert state is not None
    weights = [(key, value.numpy().tobytes()) for key, value in trained.model.state_dict().items()]
    moments = [(key, value.numpy().tobytes()) for key, value in state["tensors"].items()]
    mean = np.asarray(trained.class_mean).tobytes()
    return weights, moments, state["facts"], trained.config, trained.vocabulary, trained.data_sets, mean, trained.steps


def _export(path: Path) -> Any:
    from ups.inference.onnx import OnnxPredictor

    predictor = OnnxPredictor(path, threads=1)
    return (
        predictor.config,
        predictor.vocabulary,
        predictor.data_sets,
        predictor.skeleton,
        predictor.steps,
        predictor.facts,
    )


READERS: dict[str, tuple[Callable[[], dict[str, bytes]], Callable[[Path], Any]]] = {
    "store": (store_files, _store),
    "checkpoint": (lambda: base("checkpoint"), _checkpoint),
    "export": (lambda: base("export"), _export),
}


def flip(kind: str, count: int, seed: int = 0) -> tuple[Counter, list[str]]:
    """Outcomes of `count` changes of a kind, each file in turn, and the changes that were silent."""
    make, read = READERS[kind]
    files, rng, outcomes, silent = make(), random.Random(seed), Counter(), []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "in", kind)
        put(files, path)
        right = read(path)
        for number in range(count):
            name = sorted(files)[number % len(files)]
            content = bytearray(files[name])
            at = rng.randrange(len(content))
            content[at] ^= rng.choice([1 << rng.randrange(8), rng.randrange(1, 256)])
            (path / name).write_bytes(content)
            try:
                outcome = "harmless" if repr(read(path)) == repr(right) else "silent"
            except UpsError:
                outcome = "seen"
            outcomes[outcome] += 1
            if outcome == "silent":
                silent.append(f"{kind}: byte {at} of {name} became {content[at]}")
            (path / name).write_bytes(files[name])
    return outcomes, silent


def main(count: int) -> int:
    """Prints a line for every kind; 1 if any change was silent."""
    print(("{:12}" + "{:>10}" * 4).format("", "changes", "seen", "harmless", "silent"))
    faults = []
    shares = {"store": count * 3 // 5, "checkpoint": count // 5, "export": count // 5}
    with tempfile.TemporaryDirectory() as bases:
        os.environ[BASES] = bases
        for kind, share in shares.items():
            if kind != "store":
                subprocess.run([sys.executable, "-m", "fuzz.own", kind, f"{bases}/{kind}"], check=True)
            outcomes, silent = flip(kind, share)
            numbers = (share, *(outcomes[each] for each in ("seen", "harmless", "silent")))
            print(("{:12}" + "{:10}" * 4).format(kind, *numbers), flush=True)
            faults += silent
    print("\n".join(faults[:20]))
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
