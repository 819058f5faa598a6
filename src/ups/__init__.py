"""Unified Pose Sequence: one model that recognises, predicts and lifts human motion given as joints over time."""

__version__ = "0.1.0"
