"""Tell what a change does: `python -m tools.review BASE`, or `make review BASE=main`.

Compares the workspace with a Git revision by DVC's own commands and writes review/report.md, for a
pull request, and review/report.html, with charts and pictures, in one file that needs no network.
It needs no data, for what is compared lies in Git. Thumbnails of wells whose label changed are
shown where the pipeline's arrays are at hand.
"""

import argparse
import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from stages.common.errors import InputError, run
from stages.common.files import read_arrays, write_text
from tools.review_page import Change, Chart, LabelChange, Pair, Review, as_html, as_markdown

OUT, PREDICTIONS, TEST = Path("review"), "plots/detection", Path("data/wells/test.npz")
LOCK, DATA = Path("dvc.lock"), ("data/", "models/")
DVC = [sys.executable, "-m", "dvc"]


def main() -> None:
    """Write both reports."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base", help="a branch, tag or commit")
    base = parser.parse_args().base
    check_revision(base)
    with tempfile.TemporaryDirectory() as folder:
        review = compare(base, folder)
        write_text(OUT / "report.html", as_html(review))
    write_text(OUT / "report.md", as_markdown(review))
    print(f"{OUT}/report.md and {OUT}/report.html: changed {review.summary()}")


def check_revision(base: str) -> None:
    """Raise InputError where a name stands for no commit."""
    found = subprocess.run(
        ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{base}^{{commit}}"],
        capture_output=True,
        check=False,
    )
    if found.returncode:
        raise InputError(f"BASE={base} is no revision of this repository: see `git branch --all`")


def compare(base: str, folder: str) -> Review:
    """Compare the workspace with a revision; pictures of plots are put into the folder."""
    with ThreadPoolExecutor() as pool:
        params, metrics, plots = pool.map(
            dvc_json,
            (
                ["params", "diff", base],
                ["metrics", "diff", base],
                ["plots", "diff", base, "--out", folder],
            ),
        )
    charts, pairs = changed_plots(plots, base)
    return Review(
        base,
        changes_of(params),
        changes_of(metrics),
        changed_files(
            written_by(at_revision(base, LOCK)),
            written_by(LOCK.read_bytes() if LOCK.exists() else None),
        ),
        changed_labels(base),
        charts,
        pairs,
    )


def dvc_json(command: list[str]) -> dict[str, Any]:
    """Return what a DVC command says as JSON; raises InputError with its message where it fails."""
    done = subprocess.run([*DVC, *command, "--json"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"dvc {' '.join(command)} failed: {done.stderr.strip()}")
    found: dict[str, Any] = json.loads(done.stdout or "{}")
    return found


def changes_of(by_file: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[Change]:
    """Return the values that differ, by the names of their files and their dotted paths."""
    return [
        Change(Path(file).stem if file != "params.yaml" else "", name, pair["old"], pair["new"])
        for file, values in sorted(by_file.items())
        for name, pair in sorted(values.items())
        if pair["old"] != pair["new"]
    ]


def at_revision(base: str, path: Path) -> bytes | None:
    """Return a file as it was at a revision; None where there was none."""
    shown = subprocess.run(
        ["git", "show", f"{base}:{path.as_posix()}"], capture_output=True, check=False
    )
    return None if shown.returncode else shown.stdout


def written_by(lock: bytes | None) -> dict[str, str]:
    """Return the MD5 of every file or folder of data and models that stages wrote, by dvc.lock.

    The files themselves need not be there, and may be those of another revision.
    """
    stages = (yaml.safe_load(lock) or {}).get("stages", {}) if lock else {}
    outs = [out for stage in stages.values() for out in stage.get("outs", [])]
    return {out["path"]: out["md5"] for out in outs if out["path"].startswith(DATA)}


def changed_files(before: Mapping[str, str], now: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return what became of each path whose content differs, and the path."""
    return [
        ("added" if path not in before else "deleted" if path not in now else "modified", path)
        for path in sorted(before.keys() | now.keys())
        if before.get(path) != now.get(path)
    ]


def changed_plots(plots: Mapping[str, Any], base: str) -> tuple[list[Chart], list[Pair]]:
    """Return the charts whose points differ, and pictures whose bytes do, before and after."""
    charts, pairs = [], []
    for name, parts in plots.get("data", {}).items():
        if parts[0]["type"] == "vega":
            spec = parts[0]["content"]
            if points_of(spec, "workspace") != points_of(spec, base):
                charts.append(Chart(name, before_and_now(spec, base)))
        else:
            found = {part["revisions"][0]: Path(part["url"]).read_bytes() for part in parts}
            now = found.pop("workspace", None)
            before = next(iter(found.values()), None)
            if now != before:
                pairs.append(Pair(name, before, now))
    return charts, pairs


def points_of(spec: Mapping[str, Any], revision: str) -> list[dict[str, Any]]:
    """Return the points that a chart shows of a revision."""
    return [
        {key: value for key, value in point.items() if key != "rev"}
        for point in spec["data"]["values"]
        if point["rev"] == revision
    ]


def before_and_now(spec: Mapping[str, Any], base: str) -> dict[str, Any]:
    """Return a chart of both revisions that shows the points of `base` first and calls them so."""
    titles = {base: "before", "workspace": "now"}
    values = [
        {**point, "rev": title}
        for revision, title in titles.items()
        for point in spec["data"]["values"]
        if point["rev"] == revision
    ]
    return {**spec, "data": {"values": values}}


def changed_labels(base: str) -> list[LabelChange]:
    """Return the test wells that a detector calls otherwise than before."""
    changed = []
    for path in sorted(Path(PREDICTIONS).glob("*/predictions.csv")):
        shown = at_revision(base, path)
        if shown is None:
            continue
        before, now = pd.read_csv(io.BytesIO(shown)), pd.read_csv(path)
        both = now.merge(before[["name", "predicted"]], on="name", suffixes=("", "_before"))
        moved = both[both["predicted"] != both["predicted_before"]]
        columns = moved[["name", "actual", "predicted_before", "predicted"]]
        changed += [LabelChange(path.parent.name, *row) for row in columns.itertuples(index=False)]
    if changed and TEST.is_file():
        images, names = read_arrays(TEST, "images", "names")
        by_name = dict(zip(names.tolist(), images, strict=True))
        changed = [one._replace(image=by_name.get(one.name)) for one in changed]
    return changed


if __name__ == "__main__":
    run(main)
