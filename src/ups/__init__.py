"""Unified Pose Sequence: one model that recognises, predicts and lifts human motion given as joints over time.

from ups import OnlinePredictor, Predictor, pose_sequence
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ups.inference.onnx import OnnxPredictor
    from ups.inference.predictor import Predictor
    from ups.inference.streaming import OnlinePredictor
    from ups.pose import PoseSequence, pose_sequence

__version__ = "0.1.0"
__all__ = ["OnlinePredictor", "OnnxPredictor", "PoseSequence", "Predictor", "pose_sequence"]


def __getattr__(name: str) -> object:
    """The public names, imported when they are first used: `import ups` alone loads neither numpy nor torch."""
    if name == "Predictor":
        from ups.inference.predictor import Predictor

        return Predictor
    if name == "OnlinePredictor":
        from ups.inference.streaming import OnlinePredictor

        return OnlinePredictor
    if name == "OnnxPredictor":
        from ups.inference.onnx import OnnxPredictor

        return OnnxPredictor
    if name in ("PoseSequence", "pose_sequence"):
        from ups import pose

        return getattr(pose, name)
    raise AttributeError(f"module 'ups' has no attribute {name!r}")
