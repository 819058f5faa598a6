"""Metrics, the evaluation that computes them, and the files that keep them."""
