"""A clone whose pipeline has one model and few drawn wells: built in half a minute."""

from pathlib import Path
from typing import Any

import yaml

from tests.test_rebuild import in_clone, small_clone

SOURCE = "synthetic:60"
CONFIG = "[user]\n\tname = test\n\temail = test@localhost\n[init]\n\tdefaultBranch = main\n"


def tiny_clone(folder: Path, model: str, stages: list[str], source: str = SOURCE) -> Path:
    """Make an unbuilt clone with some stages of one model, committed; Git knows a user in it."""
    (folder / ".gitconfig").write_text(CONFIG, encoding="utf-8")
    clone = small_clone(folder)
    params = (clone / "params.yaml").read_text(encoding="utf-8")
    for before, after in {
        "source: synthetic:120": f"source: {source}",
        "epochs: 2": "epochs: 1",
        "  model: autoencoder": f"  model: {model}",
    }.items():
        assert before in params
        params = params.replace(before, after)
    (clone / "params.yaml").write_text(params, encoding="utf-8")
    whole = yaml.safe_load((clone / "dvc.yaml").read_text(encoding="utf-8"))
    kept = {name: of_one_model(whole["stages"][name], model) for name in stages}
    (clone / "dvc.yaml").write_text(yaml.safe_dump({"stages": kept}), encoding="utf-8")
    commit(clone)
    return clone


def of_one_model(stage: dict[str, Any], model: str) -> dict[str, Any]:
    """Take the other models out of a stage."""
    if "matrix" in stage:
        return stage | {"matrix": {"model": [model]}}
    deps = [dep for dep in stage["deps"] if not dep.startswith("models/") or f"/{model}/" in dep]
    return stage | {"cmd": stage["cmd"].replace("autoencoder mnad", model), "deps": deps}


def commit(clone: Path) -> None:
    in_clone(clone, "git", "add", ".")
    in_clone(clone, "git", "commit", "--quiet", "-m", "tiny")
