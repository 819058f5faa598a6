"""Timing: calls take turns in rounds, so that whatever else the machine is doing slows all of them alike.

Every figure is a median over rounds with the lowest and the highest beside it; a ratio is taken within each round first.
"""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike

from ups import __version__
from ups.errors import SettingError

WARM_UP = 2
"""Untimed calls at the start: the first ones allocate, choose kernels, and compile."""
MATMUL_SIZE = {"cpu": 2048}
"""Rows and columns of the matrices whose product measures the machine's peak, by device; `_LARGE` elsewhere."""
_LARGE = 8192


@dataclass(frozen=True)
class Spread:
    """A figure's median, lowest and highest value over the rounds of a measurement."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(values: ArrayLike) -> Spread:
        """Of the figure's values (rounds,)."""
        array = np.asarray(values, np.float64)
        return Spread(float(np.median(array)), float(array.min()), float(array.max()))

    def scaled(self, factor: float) -> Spread:
        """The figure in another unit; `factor` is above 0."""
        return Spread(self.median * factor, self.low * factor, self.high * factor)

    def to_dict(self) -> dict[str, float]:
        """Plain JSON values."""
        return {"median": self.median, "low": self.low, "high": self.high}

    def __str__(self) -> str:
        return f"{number(self.median)} ({number(self.low)}..{number(self.high)})"


@dataclass(frozen=True)
class Timing:
    """How long a call took.

    Attributes:
        rounds: seconds of every timed call, one tuple a round.
    """

    rounds: tuple[tuple[float, ...], ...]

    def rates(self, units: float = 1.0) -> np.ndarray:
        """Units a second in each round, (rounds,), where one call does `units` of them."""
        return np.array([units * len(seconds) / sum(seconds) for seconds in self.rounds])

    def percentile(self, share: float) -> float:
        """Seconds within which `share` (0..1) of all calls ended."""
        return float(np.quantile([s for seconds in self.rounds for s in seconds], share))

    @property
    def calls(self) -> int:
        """Number of timed calls."""
        return sum(map(len, self.rounds))


def interleaved(
    calls: Mapping[str, Callable[[], object]], rounds: int, seconds: float, device: torch.device
) -> dict[str, Timing]:
    """Time calls in turn; every second round goes backwards, so that a drift of the machine's speed cancels.

    Args:
        calls: what to time, by name; each is first called `WARM_UP` times untimed.
        rounds: repetitions of the whole.
        seconds: a turn repeats its call until this much time is spent, and takes it at least once.
        device: where the calls compute; it is synchronised before each reading of the clock.

    Raises:
        SettingError: no round.
    """
    if rounds < 1:
        raise SettingError(f"{rounds} rounds; at least 1 is needed")
    for call in calls.values():
        for _ in range(WARM_UP):
            call()
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in calls}
    for i in range(rounds):
        for name in list(calls)[:: -1 if i % 2 else 1]:
            found[name].append(_turn(calls[name], seconds, device))
    return {name: Timing(tuple(rows)) for name, rows in found.items()}


def _turn(call: Callable[[], object], seconds: float, device: torch.device) -> tuple[float, ...]:
    synchronise(device)
    times: list[float] = []
    while not times or sum(times) < seconds:
        start = perf_counter()
        call()
        synchronise(device)
        times.append(perf_counter() - start)
    return tuple(times)


def synchronise(device: torch.device) -> None:
    """Wait until the device has done all it was given."""
    if device.type != "cpu":
        getattr(torch, device.type).synchronize()


def matmul(dtype: torch.dtype, device: torch.device) -> tuple[Callable[[], object], float]:
    """A square matrix product, the yardstick of the machine's speed, and its floating-point operations."""
    n = MATMUL_SIZE.get(device.type, _LARGE)
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    result = torch.empty_like(a)
    return lambda: torch.mm(a, b, out=result), 2.0 * n**3


def growth_exponent(sizes: ArrayLike, costs: ArrayLike) -> float:
    """The k of cost ~ size ** k, fitted over the upper half of the sizes' logarithmic range, where fixed costs matter least.

    Args:
        sizes: (P,) above 0, ascending.
        costs: (P,) above 0.

    Raises:
        SettingError: values that are not above 0, other shapes, or fewer than two sizes in the upper half.
    """
    x, y = np.asarray(sizes, np.float64), np.asarray(costs, np.float64)
    if x.ndim != 1 or x.shape != y.shape or not (x > 0).all() or not (y > 0).all():
        raise SettingError(f"sizes {x} and costs {y}: two rows of the same length, all above 0, are needed")
    upper = x >= math.sqrt(x.min() * x.max()) * (1 - 1e-9)
    if len(np.unique(x[upper])) < 2:
        raise SettingError(f"sizes {x}: at least two of them must lie in the upper half of their range")
    return float(np.polyfit(np.log(x[upper]), np.log(y[upper]), 1)[0])


def machine(device: torch.device) -> dict[str, Any]:
    """What a figure depends on besides the code."""
    facts: dict[str, Any] = {
        "processor": processor_name(),
        "processors": os.cpu_count(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "float32_products": torch.get_float32_matmul_precision(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "ups": __version__,
    }
    if hasattr(os, "getloadavg"):  # processes that ran or waited during the last minute: above 0, others were at work
        facts["load_before"] = round(os.getloadavg()[0], 2)
    return facts


def processor_name() -> str:
    """The processor's name as the system reports it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def peak_memory(device: torch.device) -> float:
    """The most memory that was held so far, MB: of the device (CUDA), or of this process (nan where unknown)."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    status = Path("/proc/self/status")  # not getrusage: there a process starts with its parent's peak
    lines = status.read_text(encoding="utf-8").splitlines() if status.is_file() else []
    return next((int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM")), math.nan)


def number(value: float) -> str:
    """A figure with three digits that count, without an exponent."""
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    return f"{value:,.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"
