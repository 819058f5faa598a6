"""Number formats of matrix products: bfloat16 where the device computes it itself, float32 elsewhere.

A processor without bfloat16 of its own (AVX512-BF16, AMX, Arm's BF16) works it out in software, many times slower.
"""

from __future__ import annotations

import torch

from ups.config import ComputePrecision, Precision


def computes_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 matrices in hardware, as far as PyTorch can tell."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu" or not hasattr(torch.cpu, "get_capabilities"):  # before PyTorch 2.11
        return False
    able = torch.cpu.get_capabilities()
    return any(able.get(name, False) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def resolve_precision(precision: Precision, device: torch.device) -> ComputePrecision:
    """What "auto" is on this device; other settings stay as they are."""
    if precision != "auto":
        return precision
    return "bf16-mixed" if computes_bfloat16(device) else "32-true"
