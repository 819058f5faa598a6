"""Answers: the predictors, offline, streaming and exported."""
