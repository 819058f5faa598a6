"""Where a model answers: on the accelerator that PyTorch finds, or where the user says."""

from __future__ import annotations

import torch

from ups.errors import SettingError


def choose_device(name: str | None = None) -> torch.device:
    """The device called `name`, as "cpu", "cuda" or "cuda:1"; where None, the first accelerator, or else the processor.

    Raises:
        SettingError: no such device here.
    """
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if name is None:
        return found or torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise SettingError(f"device {name!r}: cpu, cuda or cuda:NUMBER is needed") from error
    if device.type == "cpu":
        return device
    count = torch.accelerator.device_count() if found is not None and found.type == device.type else 0
    if (device.index or 0) >= count:
        here = f"{count} of {found.type}" if found is not None and count else "none but cpu"
        raise SettingError(f"device {name!r} is not there; PyTorch finds {here}")
    return device
