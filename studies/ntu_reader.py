"""How fast NTU RGB+D `.skeleton` files are read: `python studies/ntu_reader.py [files] [rounds]`.

Writes files in the official format, then reads them by turns with the package's parser and with two plain ones, written
here as the usual public scripts are: a dictionary of all values a joint, line by line (as in ST-GCN), and an array a
joint, stacked frame by frame (as in SGN and CTR-GCN). Times are CPU seconds of this one process, so other work on the
machine counts little; ratios are medians over the rounds, with the range.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ups.data.datasets.ntu import parse, read_clip

JOINT_KEYS = (
    "x y z depthX depthY colorX colorY orientationW orientationX orientationY orientationZ trackingState".split()
)


def skeleton_text(frames: int, bodies: int, rng: np.random.Generator) -> str:
    """A file in the official format; numbers have seven digits, as float32 is written."""
    lines = [str(frames)]
    for _ in range(frames):
        lines.append(str(bodies))
        for body in range(bodies):
            lines += [f"{72057594037931101 + body} 0 1 1 1 1 0 0.02764709 0.05745083 2", "25"]
            values = np.concatenate(
                [rng.normal((0, 0, 3.5), 0.4, (25, 3)), rng.uniform(100, 900, (25, 4)), rng.normal(0, 0.5, (25, 4))], 1
            )
            lines += [" ".join(f"{v:.7g}" for v in row) + f" {rng.integers(1, 3)}" for row in values]
    return "\n".join(lines) + "\n"


def by_dictionaries(path: Path) -> np.ndarray:
    """Every value of every joint into a dictionary, then x, y, z into an array (3, N, 25, M)."""
    recording = []
    with path.open() as file:
        for _ in range(int(file.readline())):
            frame = []
            for _ in range(int(file.readline())):
                body = {"info": file.readline().split(), "joints": []}
                for _ in range(int(file.readline())):
                    body["joints"].append(
                        {k: float(v) for k, v in zip(JOINT_KEYS, file.readline().split(), strict=True)}
                    )
                frame.append(body)
            recording.append(frame)
    data = np.zeros((3, len(recording), 25, max(map(len, recording))))
    for n, frame in enumerate(recording):
        for m, body in enumerate(frame):
            for j, joint in enumerate(body["joints"]):
                data[:, n, j, m] = [joint["x"], joint["y"], joint["z"]]
    return data


def by_arrays(path: Path) -> dict[str, np.ndarray]:
    """x, y, z and the colour pixels of every joint through numpy, bodies stacked as they come."""
    lines = path.read_text().splitlines()
    joints: dict[str, np.ndarray] = {}
    colours: dict[str, np.ndarray] = {}
    at = 1
    for _ in range(int(lines[0])):
        bodies, at = int(lines[at]), at + 1
        for _ in range(bodies):
            name, at = lines[at].split()[0], at + 2
            xyz, pixels = np.zeros((25, 3), np.float32), np.zeros((1, 25, 2), np.float32)
            for j in range(25):
                words, at = lines[at].split(), at + 1
                xyz[j], pixels[0, j] = np.array(words[:3], np.float32), np.array(words[5:7], np.float32)
            joints[name] = np.vstack((joints[name], xyz)) if name in joints else xyz
            colours[name] = np.vstack((colours[name], pixels)) if name in colours else pixels
    return joints


def seconds(read: Callable[[Path], object], paths: list[Path]) -> float:
    """CPU time of reading all files once."""
    start = time.process_time()
    for path in paths:
        read(path)
    return time.process_time() - start


def check(paths: list[Path]) -> None:
    """All three readers give the same joints."""
    for path in paths:
        bodies, plain, stacked = parse(path.name, path.read_bytes()).bodies, by_dictionaries(path), by_arrays(path)
        for m, body in enumerate(bodies):
            assert np.array_equal(body.joints, plain[..., m].transpose(1, 2, 0).astype(np.float32))
            assert np.array_equal(body.joints.reshape(-1, 3), stacked[str(body.id)])


def main(files: int = 30, rounds: int = 5) -> None:
    """Prints MB/s and files/s of each reader, and the ratios."""
    rng = np.random.default_rng(0)
    readers: dict[str, Callable[[Path], object]] = {
        "parse (ours)": lambda path: parse(path.name, path.read_bytes()),
        "read_clip (ours, with denoising)": lambda path: read_clip(path.stem, path.read_bytes()),
        "dictionaries, as ST-GCN": by_dictionaries,
        "arrays, as SGN and CTR-GCN": by_arrays,
    }
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"S001C001P001R001A{i + 1:03}.skeleton" for i in range(files)]
        for i, path in enumerate(paths):
            path.write_text(skeleton_text(int(rng.integers(50, 150)), 1 + i % 3 // 2, rng))
        check(paths)
        size = sum(path.stat().st_size for path in paths) / 1e6
        print(f"{files} files, {size:.1f} MB; {rounds} rounds, by turns, one core")
        times = np.array([[seconds(read, paths) for read in readers.values()] for _ in range(rounds)])
    for name, spent in zip(readers, np.median(times, 0), strict=True):
        print(f"{name:34} {size / spent:7.1f} MB/s {files / spent:8.1f} files/s")
    for column, name in ((2, "dictionaries"), (3, "arrays")):
        ratios = times[:, column] / times[:, 0]
        clip = np.median(times[:, column] / times[:, 1])
        print(
            f"parse is {np.median(ratios):.1f} x as fast as {name} ({ratios.min():.1f} to {ratios.max():.1f}); ", end=""
        )
        print(f"read_clip {clip:.1f} x")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
