"""README and docs: lines, links, Python snippets and commands are right."""

import ast
import importlib
import inspect
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tyro

from ups import OnlinePredictor, OnnxPredictor, Predictor, pose_sequence
from ups.cli import Command
from ups.inference.streaming import OnlinePose
from ups.serving.client import Client, Stream
from ups.tasks.predictions import Answer, Lifted

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    ).stdout.split()
    if not name.startswith("src/ups/reporting/")  # a template
)
SNIPPETS = {
    str(page.relative_to(ROOT)): found
    for page in PAGES
    if (found := re.findall(r"(?ms)^```python\n(.*?)^```", page.read_text(encoding="utf-8")))
}
"""Page -> its Python snippets, each of which may use what those before it made."""
NEED_MORE = {
    "docs/streaming.md": "a camera",
    "docs/export.md": "exported files",
    "docs/service.md": "a service",
    "docs/performance.md": "a process of its own: it changes how memory is freed",
}
"""Pages whose snippets don't run, with what they would need: the names in them are checked instead."""
ANSWERS = (Predictor, OnlinePredictor, OnnxPredictor, Answer, Lifted, OnlinePose, Client, Stream, np)
"""What the snippets of those pages read attributes of."""


def wrong_names(tree: ast.Module) -> Iterator[str]:
    """Names imported from ups, arguments of those, and attributes, that don't exist."""
    ours = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "ups":
            module = importlib.import_module(str(node.module))
            ours |= {alias.name: getattr(module, alias.name, None) for alias in node.names}
    yield from (name for name, value in ours.items() if value is None)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if not any(
                hasattr(kind, node.attr) or node.attr in vars(kind).get("__annotations__", {}) for kind in ANSWERS
            ):
                yield f".{node.attr}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and ours.get(node.func.id):
            known = inspect.signature(ours[node.func.id]).parameters
            yield from (f"{node.func.id}({key.arg}=)" for key in node.keywords if key.arg not in known)


def commands() -> Iterator[tuple[str, list[str]]]:
    """(page, arguments) of every `ups` command in an indented block."""
    for page in PAGES:
        if page.parts[-2:] == ("dev", "LOG.md") or "results" in page.parts:
            continue  # history: as it was run
        text = re.sub(r"\\\n\s+", " ", page.read_text(encoding="utf-8"))
        for line in re.findall(r"(?m)^    +(?:[\w./]+ \| |\.venv/bin/|[A-Z_]+=\S* )*ups (.*)$", text):
            words = shlex.split(line.replace("$f", "1").replace("[OPTIONS]", ""), comments=True)
            if "|" in words:
                words = words[: words.index("|")]
            yield str(page.relative_to(ROOT)), words


COMMANDS = list(commands())


def test_there_is_something_to_check():
    assert len(PAGES) > 10 and len(SNIPPETS) > 3 and len(COMMANDS) > 40


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_line_is_too_wide_and_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    wide = [i for i, line in enumerate(text.splitlines(), 1) if len(line.encode()) > 120]
    assert not wide, f"{page.name}: lines {wide[:5]} are wider than 120 characters"
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target} is not there"


def test_names_in_snippets_that_do_not_run_are_checked():
    assert set(NEED_MORE) <= set(SNIPPETS)
    wrong = "from ups import OnlinePredictor, Nobody\nOnlinePredictor(None, lifts=1).posture()"
    assert sorted(wrong_names(ast.parse(wrong))) == [".posture", "Nobody", "OnlinePredictor(lifts=)"]


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 900


@pytest.mark.parametrize("name", SNIPPETS)
def test_snippets_run(name, tmp_path, monkeypatch):
    code = compile("\n".join(SNIPPETS[name]), name, "exec")
    if name in NEED_MORE:
        assert not list(wrong_names(ast.parse("\n".join(SNIPPETS[name]))))
        return
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    walk = np.cumsum(rng.normal(0, 3, (40, 17, 2)), 0) + rng.uniform(400, 600, (17, 2))
    np.save("keypoints.npy", walk)
    clip = pose_sequence(walk, "coco-17", space="image", fps=30, image_size=(1000, 1000), id="walk")
    landmarks = [SimpleNamespace(x=0.1 + i / 50, y=0.2 + i / 60, visibility=0.9) for i in range(33)]
    results = [SimpleNamespace(pose_landmarks=found) for found in ([landmarks], [])]  # nobody in the second frame
    exec(code, {"__name__": "snippet", "clip": clip, "results": results})


@pytest.mark.parametrize(("page", "arguments"), COMMANDS, ids=[f"{page}: {' '.join(a)[:60]}" for page, a in COMMANDS])
def test_commands_are_understood(page, arguments, capsys):
    config = (tyro.conf.CascadeSubcommandArgs, tyro.conf.DisallowNone)
    try:
        tyro.cli(Command, prog="ups", args=arguments, config=config)  # pyright: ignore
    except SystemExit as ended:
        assert ended.code == 0, f"{page}: ups {' '.join(arguments)}\n{capsys.readouterr().err}"


TROUBLES = re.findall(r"\[(test_\w+)\]\(\.\./(tests/[\w/]+\.py)\)", (ROOT / "docs/troubles.md").read_text("utf-8"))


def test_the_page_of_troubles_names_a_test_for_each() -> None:
    kinds = [line for line in (ROOT / "docs/troubles.md").read_text("utf-8").splitlines() if line.startswith("- ")]
    assert len(kinds) >= 40 and len(TROUBLES) >= len(kinds)


@pytest.mark.parametrize(("test", "file"), TROUBLES)
def test_tests_of_the_page_of_troubles_exist(test: str, file: str) -> None:
    assert f"\ndef {test}(" in (ROOT / file).read_text(encoding="utf-8")
