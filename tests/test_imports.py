"""Imports go one way, room by room, so that each room can be read, tested and used without the ones above it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import ups

ROOT = Path(ups.__file__).parent
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix("__init__").removesuffix("."): path
    for path in sorted(ROOT.rglob("*.py"))
}

LAYERS = (
    # nouns
    {"errors", "notices"},
    {"files", "skeleton", "cameras", "labels", "seen"},
    {"refs"},
    {"config"},
    {"recipes", "skeletons"},
    {"pose"},
    {"tokens"},
    {"batch"},
    # data
    {"data.formats", "data.duplicates"},
    {"data.datasets"},
    {"data.open_file"},
    {"data.custom", "data.propose_joints", "data.read_back", "data.store"},
    {"data.checks", "data.loader", "data.clip_table", "data.recordings"},
    {"data.apart"},
    # the method
    {"tasks", "model"},
    {"runtime"},
    {"checkpoint"},
    {"training", "inference", "reporting"},
    # what is done with it
    {"evaluation", "bench", "video"},
    {"experiments", "serving", "bulk"},
    {"cli"},
)
"""A room imports from rooms above its own line in this list, never from its own line or below."""
HEIGHT = {room: height for height, layer in enumerate(LAYERS) for room in layer}
DATA_KNOWS = {"errors", "notices", "files", "skeleton", "cameras", "labels", "seen", "pose", "skeletons", "batch"}
"""What rooms of data/ may import from outside data/: recordings know nothing of tokens, tasks and models."""
PUBLIC = ""
"""The package itself: it hands out the public names, and holds the version, which everyone may ask for."""


def room_of(module: str) -> str:
    """A module of the root and of data/ is a room of its own; every other folder is one room."""
    first, *rest = module.split(".")
    return f"data.{rest[0]}" if first == "data" and rest else first


def imported(source: str, package: list[str], known: set[str]) -> Iterator[str]:
    """Modules of ours (without the leading "ups.") that a source imports; "" for the package itself."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join(above + ([node.module] if node.module else []))
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "ups":
                while ".".join(parts[1:]) not in known:
                    parts.pop()
                yield ".".join(parts[1:])


def imports_of(module: str) -> set[str]:
    path = MODULES[module]
    package = ["ups", *path.relative_to(ROOT).parts[:-1]]
    return set(imported(path.read_text(encoding="utf-8"), package, set(MODULES))) - {module}


def test_every_room_has_its_place():
    rooms = {room_of(module) for module in MODULES} - {PUBLIC, "data"}
    assert rooms == set(HEIGHT)
    assert len(list(ROOT.glob("*.py"))) <= 14, "the root holds the nouns that all rooms share; find the file's room"


@pytest.mark.parametrize("module", [m for m in MODULES if m not in (PUBLIC, "data")])
def test_imports_go_one_way(module):
    room = room_of(module)
    others = {room_of(m) for m in imports_of(module)} - {room, PUBLIC}
    up = {other for other in others if HEIGHT[other] >= HEIGHT[room]}
    assert not up, f"{module} imports {sorted(up)}, which stand above {room} or beside it"
    if room.startswith("data."):
        strange = {other for other in others if not other.startswith("data.")} - DATA_KNOWS
        assert not strange, f"{module} imports {sorted(strange)}; data/ knows recordings alone"


def test_no_circle_of_modules():
    finished: set[str] = set()

    def walk(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, "a circle: " + " -> ".join((*way[way.index(module) :], module))
        if module not in finished:
            for other in imports_of(module) - {PUBLIC}:
                walk(other, (*way, module))
            finished.add(module)

    for module in MODULES:
        walk(module, ())


@pytest.mark.parametrize(
    ("source", "package", "expected"),
    [
        ("import ups.pose\nimport numpy", ["ups", "tokens"], {"pose"}),
        ("import ups", ["ups", "tokens"], {""}),
        ("from ups import pose, __version__", ["ups", "tokens"], {"pose", ""}),
        ("def f():\n    from ups.model.ups import UPS", ["ups", "data", "store"], {"model.ups"}),
        ("from ...model import ups", ["ups", "data", "store"], {"model.ups"}),
        ("from . import prepare", ["ups", "data", "store"], {"data.store.prepare"}),
        ("from .pose import DataError", ["ups"], {"pose"}),
        ("from upstream import x", ["ups"], set()),
    ],
)
def test_the_checker_sees_every_form_of_import(source, package, expected):
    assert set(imported(source, package, set(MODULES))) == expected
