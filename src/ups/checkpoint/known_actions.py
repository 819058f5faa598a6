"""Which actions a trained model knows because clips taught it. Needs no PyTorch."""

from __future__ import annotations

from ups.config import Config
from ups.skeleton import Skeleton
from ups.tokens.vocabulary import Vocabulary, canonical_text


def taught_actions(
    config: Config, vocabulary: Vocabulary, data_sets: dict[str, tuple[tuple[str, ...], Skeleton]]
) -> tuple[str, ...]:
    """The vocabulary's classes, without those of data sets that only pose estimation learned: no clip taught them."""
    mixes = config.train.tasks
    lifted, told = (
        {entry.partition(":")[0] for mix in mixes if (mix.task == "estimate_pose") is lifting for entry in mix.data}
        for lifting in (True, False)
    )
    if not told:
        return vocabulary.classes
    texts = {name: {canonical_text(c) for c in classes} for name, (classes, _) in data_sets.items()}
    untaught = {name for name in texts if name in lifted - told}
    never = set().union(*(texts[name] for name in untaught))
    never -= set().union(*(texts[name] for name in texts if name not in untaught))
    return tuple(c for c in vocabulary.classes if canonical_text(c) not in never)
