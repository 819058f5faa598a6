"""Which actions a trained model knows because clips taught it. Needs no PyTorch."""

from __future__ import annotations

from ups.config import Config
from ups.labels import canonical_text
from ups.refs import DataSetInfo
from ups.tasks import get_task
from ups.tokens.vocabulary import Vocabulary


def taught_actions(config: Config, vocabulary: Vocabulary, data_sets: dict[str, DataSetInfo]) -> tuple[str, ...]:
    """The actions that the last training taught: without those of data sets that only other tasks learned from, or only an
    earlier training that this one began from. Actions that were added by name stay.
    """
    taught = {name for name in taught_by(config) if name in data_sets}
    if not taught:
        return vocabulary.classes
    texts = {name: {canonical_text(c) for c in info.classes} for name, info in data_sets.items()}
    never = set().union(*(texts[name] for name in texts.keys() - taught)) - set().union(*(texts[n] for n in taught))
    return tuple(c for c in vocabulary.classes if canonical_text(c) not in never)


def taught_by(config: Config) -> tuple[str, ...]:
    """Names of the stores that the last training learned actions from."""
    mixes = (mix for mix in config.train.tasks if get_task(mix.task).teaches_actions)
    return tuple(dict.fromkeys(name for mix in mixes for name in mix.stores))
