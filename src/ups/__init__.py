"""Unified Pose Sequence: one model that recognises, predicts and lifts human motion given as joints over time.

from ups import OnlinePredictor, Predictor, pose_sequence
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ups.inference.onnx import OnnxPredictor
    from ups.inference.predictor import Predictor
    from ups.inference.streaming import OnlinePredictor
    from ups.pose import PoseSequence, pose_sequence

__version__ = "0.2.0"
__all__ = ["OnlinePredictor", "OnnxPredictor", "PoseSequence", "Predictor", "pose_sequence"]

_HOME = {
    "OnlinePredictor": "ups.inference.streaming",
    "OnnxPredictor": "ups.inference.onnx",
    "PoseSequence": "ups.pose",
    "Predictor": "ups.inference.predictor",
    "pose_sequence": "ups.pose",
}
"""Public name -> its module, imported when the name is first used: `import ups` alone loads neither numpy nor torch."""


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'ups' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
