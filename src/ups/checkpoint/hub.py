"""Models in repositories of the Hugging Face hub: fetched once, kept in its cache, and sent there with their card.

Only the files that make a model are fetched: facts as JSON, weights as safetensors, the card. The hub's own variables
hold: HF_ENDPOINT, HF_HUB_CACHE, HF_TOKEN, HF_HUB_OFFLINE. Needs the extra `[hub]`.
"""

from __future__ import annotations

import json
import logging
import os
import re
from pathlib import Path
from typing import Any

from ups.errors import CheckpointError, SettingError, extras_needed

log = logging.getLogger("ups")
FILES = ("model.json", "weights.safetensors", "README.md", "metrics.json", "TERMS.md")
"""What is fetched and sent."""
_NAME = re.compile(r"([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?:@([\w./-]+))?")
_MEASURES = {"top1", "top5", "area_under_curve", "mpjpe_mm", "p_mpjpe_mm"}
"""Figures of metrics.json that the card's metadata tell."""
_TAGS = ["human-pose", "skeleton", "action-recognition", "pose-estimation", "motion", "pytorch"]


def is_repository(name: str) -> bool:
    """Whether a name may be a repository, owner/name or owner/name@revision, rather than a folder that is missing: no
    folder of the owner's name is here.
    """
    return _NAME.fullmatch(name) is not None and not Path(name.partition("/")[0]).exists()


def fetch(name: str) -> Path:
    """The folder in the hub's cache that holds a repository's model.

    Args:
        name: owner/name, or owner/name@revision: a commit, tag or branch. Give the commit where the model must not change;
            without one, which commit was used is told.

    Raises:
        CheckpointError: no such repository or revision, no model in it, or no way there and nothing in the cache.
        SettingError: huggingface_hub is not installed.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise CheckpointError(f"{name}: owner/name or owner/name@revision is needed")
    with extras_needed():
        from huggingface_hub import snapshot_download
    repository, revision = found.groups()
    try:
        folder = Path(
            snapshot_download(
                repository, revision=revision, allow_patterns=list(FILES), endpoint=os.environ.get("HF_ENDPOINT"),
                cache_dir=os.environ.get("HF_HUB_CACHE"), library_name="ups",
            )
        )  # fmt: skip
    except Exception as error:  # the hub's errors have no common class but this
        what = " ".join(str(error).split())[:200] or type(error).__name__
        raise CheckpointError(f"{name}: neither a folder, nor can it be had from the hub ({what})") from error
    if not (folder / "weights.safetensors").is_file() or not (folder / "model.json").is_file():
        raise CheckpointError(f"{name}: the repository holds no model.json and weights.safetensors of ups")
    if revision != folder.name:
        log.info("%s: commit %s is used; %s@%s always means this one", name, folder.name, repository, folder.name)
    return folder


def cached() -> dict[str, Path]:
    """Folders of the models in the hub's cache, by owner/name@commit; none where huggingface_hub is not installed."""
    try:
        from huggingface_hub import CacheNotFound, scan_cache_dir
    except ImportError:
        return {}
    try:
        repositories = scan_cache_dir(os.environ.get("HF_HUB_CACHE")).repos
    except (CacheNotFound, OSError, ValueError):
        return {}
    return {
        f"{repository.repo_id}@{revision.commit_hash}": revision.snapshot_path
        for repository in sorted(repositories, key=lambda repository: repository.repo_id)
        for revision in sorted(repository.revisions, key=lambda revision: revision.commit_hash)
        if {"model.json", "weights.safetensors"} <= {file.file_name for file in revision.files}
    }


def push(folder: Path, repository: str, license: str = "other", private: bool = False) -> str:
    """Send a model and its card to the hub, into a repository that is made where there is none; returns the commit.

    Args:
        folder: of the model.
        repository: owner/name.
        license: of the weights, as the hub names licences; TERMS.md in the folder says more where it is "other".
        private: whether a new repository is.

    Raises:
        CheckpointError: no model there, or the hub refuses it.
        SettingError: huggingface_hub is not installed, or a name that can't be.
    """
    found = _NAME.fullmatch(repository)
    if found is None or found[2]:
        raise SettingError(f"{repository}: the hub's repositories are called owner/name")
    for name in FILES[:2]:
        if not (folder / name).is_file():
            raise CheckpointError(f"{folder}: no model there ({name} is missing)")
    with extras_needed():
        from huggingface_hub import CommitOperationAdd, HfApi
    files = {name: (folder / name) for name in FILES if (folder / name).is_file() and name != "README.md"}
    operations = [CommitOperationAdd(name, str(path)) for name, path in files.items()]
    operations.append(CommitOperationAdd("README.md", card(folder, repository, license).encode()))
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=os.environ.get("HF_TOKEN"), library_name="ups")
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        return api.create_commit(repository, operations, commit_message="A model of ups").oid
    except Exception as error:
        what = " ".join(str(error).split())[:200] or type(error).__name__
        raise CheckpointError(f"{repository}: the hub did not take it ({what}); is HF_TOKEN set?") from error


def card(folder: Path, repository: str, license: str = "other") -> str:
    """The card of a model with the hub's metadata: its own README.md, or a short one made of model.json."""
    from huggingface_hub import ModelCardData

    facts = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    data_sets = sorted(facts["data_sets"])
    metadata = ModelCardData(
        license=license, library_name="ups", tags=_TAGS, datasets=data_sets, metrics=["accuracy", "mpjpe"],
        model_name=repository.partition("/")[2], eval_results=_results(folder),
        license_name="ups-terms" if license == "other" and (folder / "TERMS.md").is_file() else None,
        license_link="TERMS.md" if license == "other" and (folder / "TERMS.md").is_file() else None,
    )  # fmt: skip
    own = folder / "README.md"
    text = own.read_text(encoding="utf-8") if own.is_file() else _short(facts, repository, data_sets)
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.S).lstrip()
    return f"---\n{metadata.to_yaml()}\n---\n\n{text}"


def _results(folder: Path) -> list[Any] | None:
    """The figures of metrics.json as the hub's cards have them."""
    from huggingface_hub import EvalResult

    try:
        results = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["results"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    told = []
    for key, values in results.items():
        task, _, data_set = key.partition("/")
        name, _, protocol = data_set.partition(":")
        for metric in sorted(_MEASURES & set(values)):
            told.append(
                EvalResult(task.replace("_", "-"), name, name, metric, values[metric], dataset_config=protocol or None)
            )
    return told or None


def _short(facts: dict[str, Any], repository: str, data_sets: list[str]) -> str:
    return (
        f"# {repository}\n\nA model of UPS, Unified Pose Sequence modeling: recipe "
        f"{facts['config']['name']}, {facts['steps']:,} steps, tasks {', '.join(facts['tasks'])}, trained on "
        f"{', '.join(data_sets) or 'nothing that is named'}.\n\n    from ups import Predictor\n"
        f'    predictor = Predictor.from_pretrained("{repository}")\n'
    )
