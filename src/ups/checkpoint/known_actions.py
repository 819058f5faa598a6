"""Which actions a trained model knows because clips taught it. Needs no PyTorch."""

from __future__ import annotations

from ups.config import Config
from ups.labels import canonical_text
from ups.refs import DataSetInfo
from ups.tasks import get_task
from ups.tokens.vocabulary import Vocabulary


def taught_actions(config: Config, vocabulary: Vocabulary, data_sets: dict[str, DataSetInfo]) -> tuple[str, ...]:
    """The vocabulary's classes, without those of data sets that no task learned actions from."""
    mixes = config.train.tasks
    taught, silent = (
        {name for mix in mixes if get_task(mix.task).teaches_actions is teaches for name in mix.stores}
        for teaches in (True, False)
    )
    if not taught:
        return vocabulary.classes
    texts = {name: {canonical_text(c) for c in info.classes} for name, info in data_sets.items()}
    untaught = {name for name in texts if name in silent - taught}
    never = set().union(*(texts[name] for name in untaught))
    never -= set().union(*(texts[name] for name in texts if name not in untaught))
    return tuple(c for c in vocabulary.classes if canonical_text(c) not in never)
