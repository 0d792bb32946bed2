"""The house: rooms that keep apart, floors, short files, and declared packages."""

import ast
import re
import sys
import tomllib
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.clones import ROOT

# What each room may import from, beside itself: floors, from the ground up.
FLOORS = {
    "stages/common": set(),
    "stages/bayes": {"stages/common"},
    "stages/wells/synthetic": {"stages/common"},
    "stages/wells/data": {"stages/common", "stages/wells/synthetic"},
    "stages/wells/networks": {"stages/common"},
    "stages/wells/inference": {"stages/common"},
    "stages/wells/detection": {
        "stages/common",
        "stages/wells/inference",
        "stages/wells/networks",
    },
    "stages/wells/export": {
        "stages/common",
        "stages/wells/detection",
        "stages/wells/inference",
        "stages/wells/networks",
    },
    "stages/wells/evaluation": {
        "stages/common",
        "stages/wells/detection",
        "stages/wells/inference",
        "stages/wells/networks",
        "stages/wells/synthetic",
    },
    "stages/wells/latent": {"stages/common", "stages/wells/networks"},
}
LONGEST_FILE, LONGEST_DOOR = 250, 80
DOORS = sorted((ROOT / "stages").glob("[!_]*.py"))


@cache
def imported_by(path: Path) -> frozenset[str]:
    """The modules that a file names in its imports; `from a import b` may name a.b too."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(modules)


def own_imports(path: Path) -> set[Path]:
    """The project's files that a file imports itself, and those that stand for their folders."""
    candidates = [ROOT / f"{name.replace('.', '/')}.py" for name in imported_by(path)]
    candidates += [folder / "__init__.py" for folder in path.parents]
    return {candidate for candidate in candidates if candidate.is_file()} - {path}


def own_files(start: Path) -> set[Path]:
    """The project's files that a script runs: itself and all it imports, directly or not."""
    found: set[Path] = set()
    waiting = [start]
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += own_imports(path)
    return found


def room_of(path: Path) -> str:
    """The room that a file stands in, or the file itself where it stands in none."""
    name = path.relative_to(ROOT).as_posix()
    return next((room for room in FLOORS if name.startswith(f"{room}/")), name)


@pytest.mark.parametrize("room", FLOORS)
def test_a_room_imports_only_from_rooms_below_it(room: str) -> None:
    files = sorted((ROOT / room).rglob("*.py"))
    assert files
    found = {room_of(imported) for path in files for imported in own_imports(path)}
    assert found - {room, "stages/__init__.py"} <= FLOORS[room]


def test_no_file_imports_itself_by_way_of_others() -> None:
    files = [path for folder in ("stages", "tools") for path in (ROOT / folder).rglob("*.py")]
    # The package's face imports a file of its own, which any of its files then seems to import.
    face = ROOT / "stages/__init__.py"
    order = TopologicalSorter({path: own_imports(path) - {face} for path in files})
    assert list(order.static_order())


def test_every_file_of_the_stages_stands_in_a_room_or_is_a_door() -> None:
    loose = {p for p in (ROOT / "stages").rglob("*.py") if room_of(p) not in FLOORS}
    assert loose == {*DOORS, ROOT / "stages/__init__.py"}


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_files_are_short_and_doors_shorter() -> None:
    files = [path for folder in ("stages", "tools") for path in (ROOT / folder).rglob("*.py")]
    assert [path for path in files if lines(path) > LONGEST_FILE] == []
    assert [path for path in DOORS if lines(path) >= LONGEST_DOOR] == []


def pinned_in(name: str) -> set[str]:
    lines = (ROOT / name).read_text().splitlines()
    return {line.split("==")[0].lower().replace("_", "-") for line in lines if "==" in line}


def test_every_package_that_is_imported_is_declared_and_every_declared_one_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[<>=]", name)[0] for name in project["dependencies"]}
    watch = set(project["optional-dependencies"]["watch"])
    bulk = set(project["optional-dependencies"]["bulk"])
    assert declared <= pinned_in("requirements.txt")
    assert watch <= pinned_in("requirements-watch.txt")
    assert bulk <= pinned_in("requirements-bulk.txt")
    names = {
        "PIL": "pillow",
        "dicebear": "dicebear-core",
        "onnx_ir": "onnx-ir",
        "resvg_py": "resvg-py",
        "sklearn": "scikit-learn",
        "vl_convert": "vl-convert-python",
        "yaml": "pyyaml",
    }
    files = [path for folder in ("stages", "tools") for path in (ROOT / folder).rglob("*.py")]
    for path in files:
        imported = {name.split(".")[0] for name in imported_by(path)}
        others = imported - set(sys.stdlib_module_names) - {"stages", "tools"}
        # What only serves a review need not be where stages run.
        extras = {"tools": {"vl-convert-python"}, "watch": watch, "bulk": bulk}
        more = extras.get(path.parent.name, set())
        assert {names.get(name, name) for name in others} <= declared | more, path
