"""What the documentation's site has beside docs/: pages from elsewhere in the repository, the commands, the API.

A hook of mkdocs, see mkdocs.yml.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any, get_args, get_type_hints

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
ELSEWHERE = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changes.md": "CHANGELOG.md",
    "log.md": "dev/LOG.md",
    "card.md": "src/ups/pretrained/ups-small/README.md",
    "terms.md": "src/ups/pretrained/ups-small/TERMS.md",
}
"""Page of the site -> file of the repository."""
API = (
    "ups.inference.predictor", "ups.inference.streaming", "ups.inference.onnx", "ups.tasks.predictions", "ups.pose",
    "ups.skeleton", "ups.data.open_file", "ups.data.formats.native", "ups.data.store.store", "ups.checkpoint.io",
    "ups.checkpoint.open_vocabulary", "ups.training.loop", "ups.evaluation.evaluate", "ups.tasks.metrics",
    "ups.tasks.task", "ups.config", "ups.errors",
)  # fmt: skip
"""Modules whose public names are described."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that are not in docs/."""
    for page, source in ELSEWHERE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    files.append(File.generated(config, "commands.md", content=commands()))
    api = "# Python API\n\nTwo names are all that most programs need: `Predictor` and `pose_sequence`.\n\n"
    files.append(File.generated(config, "api.md", content=api + "\n\n".join(f"::: {name}" for name in API)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links that lead to another place on the site, or, to files that are not on it, become plain text."""
    own = ROOT / ELSEWHERE.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    pages = {source: name for name, source in ELSEWHERE.items()}

    def moved(found: re.Match[str]) -> str:
        mark, text, target, rest = found.groups()
        if "://" in target or target.startswith(("#", "mailto:")):
            return found[0]
        path, _, anchor = target.partition("#")
        try:
            place = Path(os.path.normpath(own.parent / path)).relative_to(ROOT).as_posix()
        except ValueError:
            return text
        name = pages.get(place, place.removeprefix("docs/") if place.startswith("docs/") else "")
        if not name or files.get_file_from_path(name) is None:
            return text
        link = os.path.relpath(name, Path(page.file.src_uri).parent)
        return f"{mark}[{text}]({link}{'#' * bool(anchor)}{anchor}{rest})"

    return re.sub(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)([^)]*)\)", moved, markdown)


def commands() -> str:
    """The page of every command's help."""
    from ups.cli import Command, main

    os.environ["COLUMNS"] = "90"
    text = ["# Commands", "What `--help` says of each."]
    for words in subcommands(Command):
        help_text = io.StringIO()
        with redirect_stdout(help_text), suppress(SystemExit):
            main([*words, "--help"])
        plain = re.sub(r"\x1b\[[0-9;]*m", "", help_text.getvalue())
        text.append(f"## ups {' '.join(words)}\n\n```text\n{plain.strip()}\n```")
    return "\n\n".join(text)


def subcommands(union: Any) -> Iterator[list[str]]:
    """Words of every command below a union of annotated dataclasses."""
    for option in get_args(union):
        kind, name = get_args(option)[0], _name(option)
        fields = [_bare(hint) for hint in get_type_hints(kind, include_extras=True).values()]
        inner = next((field for field in fields if get_args(field) and all(map(_name, get_args(field)))), None)
        if inner is None:
            yield [name]
        else:
            yield from ([name, *words] for words in subcommands(inner))


def _bare(hint: Any) -> Any:
    """The type within Annotated[...], unless it is a command itself."""
    return get_args(hint)[0] if hasattr(hint, "__metadata__") and not _name(hint) else hint


def _name(option: Any) -> str:
    """The name of a subcommand; "" for other types."""
    return next((note.name for note in getattr(option, "__metadata__", ()) if getattr(note, "name", None)), "")
