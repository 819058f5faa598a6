"""What can be said of a store: its facts, its splits, what a user should know before training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.console import Group
from rich.table import Table

from ups.data.datasets.base import SPLITS
from ups.data.duplicates import copies
from ups.data.store.store import Store

SHORT = 5
"""Clips of fewer frames are reported."""
NO_CHECKSUMS = "none: an older version wrote this store, so damage can't be seen; prepare it again to have them"


def info(store: Store) -> Group:
    """Facts of a store, printable with rich: what it is, its splits, its classes, its problems. Reads every clip.

    Raises:
        DataError: a file that is damaged.
    """
    store.verify()
    lengths, fps = store.frames, np.unique(store.fps)
    subjects = np.unique(store.subjects[store.subjects >= 0])
    facts = Table("store", str(store.folder), title=store.name)
    for key, value in {
        "clips": f"{len(store)}, {int((store.persons * lengths.astype(np.int64)).sum())} poses",
        "skeleton, space": f"{store.skeleton.name} ({len(store.skeleton)} joints), {store.space}",
        "paired with 3D": "yes" if store.paired else "no",
        "frames a clip": f"{lengths.min()} to {lengths.max()}, median {np.median(lengths):g}",
        "frames a second": ", ".join(f"{value:g}" for value in fps),
        "persons": f"{store.persons.min()} to {store.persons.max()}",
        "subjects": f"{len(subjects)} ({', '.join(map(str, subjects))})" if len(subjects) else "unknown",
        "checksums": "all files are as they were written" if store.checksums else NO_CHECKSUMS,
        "terms": store.terms or "unknown",
    }.items():
        facts.add_row(key, value)
    labels = [[store.labels[store.indices(protocol, split)] for split in SPLITS] for protocol in store.protocols]
    classes = Table("class", "clips", *store.protocols, title=f"clips a class; of each protocol: {' / '.join(SPLITS)}")
    for label, name in enumerate(store.classes):
        counts = (" / ".join(str(int((split == label).sum())) for split in each) for each in labels)
        classes.add_row(name, str(int((store.labels == label).sum())), *counts)
    classes.add_row("all", str(len(store)), *(" / ".join(str(len(split)) for split in each) for each in labels))
    problems = Table("problems", show_edge=False)
    for line in find_problems(store) or ["none"]:
        problems.add_row(line)
    return Group(facts, classes, problems)


def find_problems(store: Store) -> list[str]:
    """What a user should know before training, one line each: recordings that could not be read, clips of under SHORT
    frames, joints that are invisible throughout a clip, test clips that are copies of training clips. Reads every clip.
    """
    lines = list(store.problems)
    short = np.flatnonzero(store.frames < SHORT)
    if len(short):
        lines.append(f"{len(short)} clips have under {SHORT} frames: {_names(store, short)}")
    unseen: list[list[int]] = [[] for _ in store.skeleton.joints]
    for i in range(len(store)):
        for joint in np.flatnonzero(~store[i].visibility.any((0, 1))):
            unseen[joint].append(i)
    for joint, clips in zip(store.skeleton.joints, unseen, strict=True):
        if clips:
            lines.append(f"{joint} is never visible in {len(clips)} of {len(store)} clips: {_names(store, clips)}")
    for protocol in store.protocols:
        test = store.indices(protocol, "test")
        found = copies(lambda i: store[i].joints, store.indices(protocol, "train"), test)
        if found:
            names = _names(store, [i for i, _ in found])
            lines.append(f"{protocol}: {len(found)} of {len(test)} test clips are copies of training clips: {names}")
    return lines


def _names(store: Store, clips: Sequence[int] | np.ndarray, most: int = 3) -> str:
    return ", ".join(store.ids[i] for i in clips[:most]) + (", ..." if len(clips) > most else "")
