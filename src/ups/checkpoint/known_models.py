"""Where models are, and what their model.json says of them. Needs no PyTorch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ups.checkpoint.hub import fetch, is_repository

PRETRAINED = {"ups-small": Path(__file__).parents[1] / "pretrained" / "ups-small"}
"""Models that come with the package, by name; each folder holds a model card."""


def locate(model: Path | str) -> Path:
    """The folder of a model: itself, that of a model of `PRETRAINED`, or that of a repository of the hub, owner/name or
    owner/name@revision, which is fetched; a folder of that name comes first.

    Raises:
        CheckpointError, SettingError: as `ups.checkpoint.hub.fetch` does.
    """
    if Path(model).exists():
        return Path(model)
    if str(model) in PRETRAINED:
        return PRETRAINED[str(model)]
    if is_repository(str(model)):
        return fetch(str(model))
    return Path(model)


def model_facts(folder: Path) -> dict[str, Any]:
    """Recipe, steps, tasks, data sets and number of actions of a checkpoint, and bytes of its weights.

    Where its model.json can't be read: `error` instead, one line.
    """
    try:
        facts = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        return {
            "recipe": str(facts["config"]["name"]),
            "steps": int(facts["steps"]),
            "tasks": [str(task) for task in facts["tasks"]],
            "data_sets": [str(name) for name in facts["data_sets"]],
            "actions": len(facts["vocabulary"]["classes"]),
            "bytes": (folder / "weights.safetensors").stat().st_size,
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        return {"error": f"can't be read ({type(error).__name__}); `ups describe {folder}` says more"}
