"""SHA-256 of a model's facts and files, kept in its model.json: what was exchanged or damaged since is noticed.

They tell that a folder is as it was written, not who wrote it: whoever changes a file on purpose can write its hash too.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ups.errors import CheckpointError
from ups.files import sha256

HASHES, FACTS = "hashes", "facts"
"""Key of the hashes in model.json; key of that of the facts themselves among them."""


def write_facts(folder: Path, facts: dict[str, Any]) -> None:
    """Write model.json with the hashes of the facts and of every file that is in the folder already."""
    hashes = {path.name: sha256(path) for path in sorted(folder.iterdir())}
    hashes[FACTS] = _hash_of({**facts, HASHES: hashes})
    (folder / "model.json").write_text(json.dumps({**facts, HASHES: hashes}, indent=1), encoding="utf-8")


def check_facts(path: Path, facts: dict[str, Any]) -> None:
    """Raises CheckpointError where the facts in model.json are not those that were written; older ones have no hashes."""
    hashes = _hashes(path, facts)
    others = {name: value for name, value in hashes.items() if name != FACTS}
    if hashes and hashes.get(FACTS) != _hash_of({**facts, HASHES: others}):
        raise CheckpointError(
            f"{path}: its names, sizes or settings are not those that were written (SHA-256 differs); copy the folder again"
        )


def check_file(path: Path, facts: dict[str, Any]) -> None:
    """Raises CheckpointError where a file is not the one that model.json was written with; older ones have no hashes."""
    hashes = _hashes(path, facts)
    if hashes and not path.is_file():
        raise CheckpointError(f"{path}: is missing; copy the folder again")
    if hashes and hashes.get(path.name) != sha256(path):
        raise CheckpointError(f"{path}: not what was written with model.json (SHA-256 differs); copy the folder again")


def _hashes(path: Path, facts: dict[str, Any]) -> dict[str, Any]:
    hashes = facts.get(HASHES, {}) if isinstance(facts, dict) else None
    if not isinstance(hashes, dict):
        raise CheckpointError(f"{path.parent / 'model.json'}: damaged; copy the folder again")
    return hashes


def _hash_of(facts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
