"""How far a model's answers can be believed, as one safetensors file beside its weights. Needs no PyTorch.

Of each task one tensor of mean states, and its figures as JSON in the file's header.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ups.errors import CheckpointError
from ups.tasks.calibration import Calibration, TaskCalibration

CALIBRATION = "calibration.safetensors"


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Write the file; raises OSError."""
    facts = {
        task: {
            "temperature": of.temperature, "weight": of.weight, "bias": of.bias, "longest_s": of.longest_s,
            "classes": list(of.classes),
        }
        for task, of in calibration.items()
    }  # fmt: skip
    tensors = {task: np.ascontiguousarray(of.centres, np.float32) for task, of in calibration.items()}
    save_file(tensors, path, {"calibration": json.dumps(facts)})


def read_calibration(path: Path, width: int) -> Calibration:
    """What `write_calibration` wrote for a model whose decoder's states have `width` numbers.

    Raises:
        CheckpointError: the file is damaged, or of another model.
    """
    try:
        with safe_open(path, "numpy") as file:
            facts = json.loads((file.metadata() or {})["calibration"])
            found = {task: _of_task(values, file.get_tensor(task), width) for task, values in facts.items()}
    except (OSError, SafetensorError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: damaged or of another model ({error}); calibrate the model again") from error
    return found


def _of_task(values: dict, centres: np.ndarray, width: int) -> TaskCalibration:
    numbers = {name: float(values[name]) for name in ("temperature", "weight", "bias", "longest_s")}
    classes = tuple(map(str, values["classes"]))
    if centres.shape != (len(classes), width) or not len(classes):
        raise ValueError(f"mean states {centres.shape} for {len(classes)} classes of a model of width {width}")
    if not (np.isfinite([*numbers.values()]).all() and np.isfinite(centres).all() and numbers["temperature"] > 0):
        raise ValueError("values that are no finite numbers, or no temperature above 0")
    return TaskCalibration(**numbers, classes=classes, centres=centres.astype(np.float32))
