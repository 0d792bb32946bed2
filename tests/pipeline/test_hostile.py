"""Whatever bytes come, a reader gives what it promises or refuses them with a reason, and soon."""

import ast
from pathlib import Path

import pytest

from tests.wells_files import ROOT

pytestmark = pytest.mark.slow


# What is read is never run.

SOURCES = [path for top in ("stages", "tools") for path in sorted((ROOT / top).rglob("*.py"))]
PICKLING = {"pickle", "cPickle", "_pickle", "cloudpickle", "joblib", "dill", "shelve", "marshal"}
RUNNING = {"eval", "exec", "compile", "__import__"}
UNSAFE_LOADERS = {f"yaml.{name}" for name in ("Loader", "FullLoader", "UnsafeLoader")}


def dangers(code: str) -> list[str]:
    """Return what, in code, could run what a file holds."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            modules = {alias.name for alias in node.names}
            if isinstance(node, ast.ImportFrom):
                modules = {node.module or ""} | {f"{node.module}.{name}" for name in modules}
            found += [name for name in modules if name.split(".")[0] in PICKLING]
            found += [name for name in modules if name in ("torch.load", "numpy.load", "yaml.load")]
            found += [name for name in modules if name in UNSAFE_LOADERS]
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in UNSAFE_LOADERS:
            found.append(ast.unparse(node))
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            safe = {ast.unparse(keyword) for keyword in node.keywords} & {"allow_pickle=False"}
            loads = called in ("np.load", "numpy.load", "np.save", "np.savez") and not safe
            unsafe_yaml = called.startswith("yaml.") and "load" in called
            if (
                loads
                or called in RUNNING
                or called in ("torch.load", "pd.read_pickle", "np.fromfile")
                or (unsafe_yaml and called != "yaml.safe_load")
            ):
                found.append(called)
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_that_is_read_is_unpickled_or_run(path: Path) -> None:
    assert dangers(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "import joblib as j",
        "from dill import loads",
        "import shelve, json",
        "from marshal import load",
        "torch.load(path)",
        "from torch import load",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text, Loader=yaml.SafeLoader)",
        "yaml.unsafe_load(text)",
        "class Loader(yaml.UnsafeLoader): pass",
        "from yaml import FullLoader",
        "def read(text):\n    return eval(text)",
        "exec(text)",
        "pd.read_pickle(path)",
    ],
)
def test_what_would_run_a_file_is_noticed(code: str) -> None:
    assert dangers(code)


@pytest.mark.parametrize(
    "code", ["network.eval()", "np.load(path, allow_pickle=False)", "yaml.safe_load(text)"]
)
def test_what_runs_nothing_is_let_be(code: str) -> None:
    assert dangers(code) == []
