"""Imports go one way, so that each layer can be read, tested and used without the ones above it."""

import ast
from pathlib import Path

import pytest

import ups

ROOT = Path(ups.__file__).parent
MODULES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))

FOUNDATION = {"pose", "skeleton", "metrics"}
SHARED = FOUNDATION | {"vocabulary", "text", "config", "batch"}
PACKAGES = {"data", "tasks", "model"}


def imported(source: str, module: str) -> set[str]:
    """What a module ("data/store.py") imports of ours: first names below `ups`, "" for the package itself."""
    package = ["ups", *module.split("/")[:-1]]
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join(above + ([node.module] if node.module else []))
            names = [f"{base}.{alias.name}" for alias in node.names] if base == "ups" else [base]
        else:
            continue
        for name in names:
            first, _, rest = name.partition(".")
            if first == "ups":
                below = rest.partition(".")[0]
                known = (ROOT / below).is_dir() or (ROOT / f"{below}.py").is_file()
                found.add(below if known or below == "__version__" else "")
    return found


def allowed(module: str) -> set[str] | None:
    """What a module may import of ours; None: anything but `cli`."""
    top = module.split("/")[0].removesuffix(".py")
    if top in FOUNDATION:
        return FOUNDATION
    if top in SHARED:
        return SHARED
    if top in PACKAGES:
        return SHARED | {top, "__version__"}
    return None


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_one_way(module):
    found = imported((ROOT / module).read_text(encoding="utf-8"), module)
    assert "cli" not in found or module.startswith("cli/"), f"{module} imports ups.cli; nothing may"
    limit = allowed(module)
    if limit is not None:
        assert found <= limit, f"{module} imports {sorted(found - limit)}; it may import {sorted(limit)}"


def test_every_layer_is_there():
    tops = {module.split("/")[0].removesuffix(".py") for module in MODULES}
    assert tops >= SHARED | PACKAGES


@pytest.mark.parametrize(
    ("source", "module", "expected"),
    [
        ("import ups.pose\nimport numpy", "text.py", {"pose"}),
        ("import ups", "text.py", {""}),
        ("from ups import pose, __version__", "text.py", {"pose", "__version__"}),
        ("def f():\n    from ups.model.ups import UPS", "data/store.py", {"model"}),
        ("from ..model import ups", "data/store.py", {"model"}),
        ("from . import dataset", "data/store.py", {"data"}),
        ("from .. import tasks", "data/store.py", {"tasks"}),
        ("from .pose import PoseError", "skeleton.py", {"pose"}),
        ("from upstream import x", "text.py", set()),
    ],
)
def test_the_checker_sees_every_form_of_import(source, module, expected):
    assert imported(source, module) == expected
