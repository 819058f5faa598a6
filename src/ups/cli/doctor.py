"""`ups doctor`: whether everything that ups needs is here, and what this machine gives it."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from ups import __version__
from ups.cli.show import answer, show
from ups.errors import IncompleteError, SettingError

NEEDED = ("torch", "numpy", "scipy", "safetensors", "matplotlib", "tyro", "rich")
"""Distributions that most commands need."""
WARM = 5.0
"""Seconds that the self test may take before it is worth a remark."""


@dataclass(frozen=True)
class Finding:
    """One line of the examination.

    Attributes:
        what: what was looked at.
        found: what it is.
        remedy: what to do about it; "" where all is well.
    """

    what: str
    found: str
    remedy: str = ""


@dataclass
class Doctor:
    """Look at this installation: versions, extras, precision, threads, data folders, and a self test. The exit code is 1
    where something is missing that ups can't do without.
    """

    json: bool = False
    """Print JSON instead of a table."""

    def run(self) -> None:
        """Examine, print."""
        from rich.table import Table

        findings = list(examine())
        ill = [f.what for f in findings if f.remedy.startswith("!")]
        if self.json:
            lines = [{"what": f.what, "found": f.found, "remedy": f.remedy.removeprefix("!")} for f in findings]
            answer({"healthy": not ill, "findings": lines})
        else:
            table = Table("", "here", "to do")
            for f in findings:
                table.add_row(f.what, f.found, f.remedy.removeprefix("!"))
            show(table)
        if ill:
            raise IncompleteError(f"{', '.join(ill)}: ups will not work here; the last column says what to do")


def examine() -> Iterator[Finding]:
    """Every line; a remedy with "!" before it is of something that ups can't do without."""
    yield Finding("ups", f"{__version__} on {platform.system()} {platform.machine()}")
    old = "" if sys.version_info >= (3, 10) else "!install Python 3.10 or newer"
    yield Finding("Python", platform.python_version(), old)
    for name in NEEDED:
        version = _version(name)
        yield Finding(name, version or "missing", "" if version else f"!pip install {name}")
    yield from _extras()
    if _version("torch"):
        yield from _machine()
    yield from _folders()
    if _version("numpy"):
        yield _estimator()
    if all(map(_version, NEEDED)):
        yield _self_test()


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _extras() -> Iterator[Finding]:
    """Optional parts, as the package's own metadata lists them."""
    wanted: dict[str, list[str]] = {}
    for line in metadata.requires("unified-pose-sequence") or [] if _version("unified-pose-sequence") else []:
        requirement, _, condition = line.partition(";")
        if "extra ==" in condition:
            extra = condition.split("extra ==")[1].strip().strip("\"'")
            name = requirement.strip().split("[")[0].split("=")[0].split(">")[0].split("<")[0].strip()
            wanted.setdefault(extra, []).append(name)
    for extra, names in wanted.items():
        missing = [name for name in names if not _version(name)]
        remedy = f"pip install 'unified-pose-sequence[{extra}]' if you need it" if missing else ""
        yield Finding(f"extra {extra}", f"without {', '.join(missing[:3])}" if missing else "complete", remedy)


def _machine() -> Iterator[Finding]:
    import torch

    from ups.runtime.device import choose_device
    from ups.runtime.precision import computes_bfloat16

    device = choose_device()
    yield Finding("device", str(device))
    fast = computes_bfloat16(device)
    yield Finding("precision", "bfloat16 in hardware" if fast else "float32 (no bfloat16 in hardware)")
    cores, threads = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        torch.get_num_threads(),
    )
    many = (
        f"set OMP_NUM_THREADS={cores}: more threads than cores slow each other down" if threads > (cores or 1) else ""
    )
    yield Finding("threads", f"{threads} of {cores} cores", many)


def _folders() -> Iterator[Finding]:
    data = os.environ.get("UPS_DATA")
    missing = data and not Path(data).is_dir()
    yield Finding("UPS_DATA", data or "not set", f"{data} is no folder" if missing else "")
    stores = sorted(path.parent.name for path in Path("data").glob("*/store.json"))
    more = f" and {len(stores) - 3} more" if len(stores) > 3 else ""
    yield Finding("stores in ./data", ", ".join(stores[:3]) + more if stores else "none")


def _estimator() -> Finding:
    """What finds people in videos."""
    from ups.video.estimators import mediapipe_python

    try:
        return Finding("pose estimator", f"mediapipe, {mediapipe_python()}")
    except SettingError:
        if _version("rtmlib"):
            return Finding("pose estimator", "rtmlib")
        return Finding("pose estimator", "none", "ups setup mediapipe, if you have videos")


def _self_test() -> Finding:
    """A generated clip is asked about with the model of the package."""
    import numpy as np

    from ups import Predictor, pose_sequence

    start = time.perf_counter()
    try:
        walk = (
            np.cumsum(np.random.default_rng(0).normal(0, 3, (20, 17, 2)), 0) + np.arange(34).reshape(17, 2) * 20 + 200
        )
        clip = pose_sequence(walk, "coco-17", space="image", fps=30, image_size=(1280, 720), id="self test")
        predictor = Predictor.from_pretrained("ups-small")
        best, lifted = predictor.recognize(clip).best, predictor.lift(clip)
        seconds = time.perf_counter() - start
        if not best or not np.isfinite(lifted.joints).all():
            return Finding("self test", "no sensible answer", "!install again: the weights of the package are damaged")
        slow = "other programs may be busy" if seconds > WARM else ""
        return Finding("self test", f"model loaded, a clip recognised and lifted in {seconds:.1f} s", slow)
    except Exception as error:  # whatever is wrong is what this is to find out
        return Finding("self test", f"{type(error).__name__}: {str(error)[:80]}", "!install again, or report it")
