"""Tell what a change does: `python -m tools.review BASE`, or `make review BASE=main`.

Compares the workspace with a Git revision by DVC's own commands and writes review/report.md, for a
pull request, and review/report.html, with charts and pictures, in one file that needs no network.
The first sentence of both says what became of the detector in use. It needs no data, for what is
compared lies in Git; photos whose verdict changed are shown, with their decision maps, where the
pipeline's arrays and its detector are at hand.
"""

import argparse
import base64
import io
import json
import subprocess
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import numpy as np
import pandas as pd
import vl_convert
import yaml
from PIL import Image, ImageOps

from stages.common import paths
from stages.common.errors import InputError, run
from stages.common.files import read_arrays, write_text
from stages.common.params import load_params
from stages.common.pictures import evenly_spaced
from stages.wells.detection import scores
from stages.wells.detection.detector import IN_USE
from stages.wells.detection.params import DetectionParams
from stages.wells.inference.exported import load_exported, run_exported
from stages.wells.inference.heat import lay_over
from tools import compare
from tools.dvc_state import ask_dvc, stale_stages

OUT, LOCK = Path("review"), Path("dvc.lock")
RETRAINED = "Its networks were trained anew; chance is what another seed does."
SAME_NETWORKS = "No network of it was trained anew; chance is told by McNemar's exact test."
NOT_RUN = "not run"
PHOTOS, MAGNIFICATION = 24, 4


class Review(NamedTuple):
    """All that differs from the revision `base`.

    outcome, sentence: what became of the detector in use; basis: what says so; beyond, chance:
    changes of metrics beyond chance and within; moved: test photos with another verdict, each with
    its name, label, verdict before and now, and whether that is right; thumbnails: of some of them
    with their decision maps, by name; files: of data and models; plots: name, before (a chart shows
    both at once) and now. Pictures are `data:` addresses, None where there is none.
    """

    base: str
    outcome: str
    sentence: str
    basis: str
    params: list[compare.Change]
    beyond: list[compare.Change]
    chance: list[compare.Change]
    moved: list[list[str]]
    thumbnails: Mapping[str, str | None]
    files: list[str]
    plots: list[tuple[str, str | None, str | None]]


def main() -> None:
    """Write both reports and print their first sentence."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", help="a branch, tag or commit")
    parser.add_argument("--check", action="store_true", help="fail on changes beyond chance")
    arguments = parser.parse_args()
    review = compare_with(arguments.base)
    write_text(OUT / "report.md", render(review, "review.md.j2") + "\n")
    write_text(OUT / "report.html", render(review, "review.html.j2"))
    print(f"{review.sentence}\n{OUT}/report.md and {OUT}/report.html tell more.")
    if review.outcome == NOT_RUN:
        raise InputError("what is compared is of other parameters, code or data")
    if arguments.check and (names := [change.name for change in review.beyond]):
        raise InputError(f"changed beyond chance: {', '.join(names)}")


def render(review: Review, template: str) -> str:
    """Return a review as the template of that name in this folder writes it."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=template.endswith(".html.j2"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["value"] = _value
    return environment.get_template(template).render(review._asdict())


def compare_with(base: str) -> Review:
    """Return what differs; raises InputError where `base` is no commit, or DVC can't compare."""
    command = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{base}^{{commit}}"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        raise InputError(f"BASE={base} is no revision of this repository: see `git branch --all`")
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor() as pool:
        waiting = pool.submit(stale_stages)
        diffs = [["params"], ["metrics"], ["plots", "--out", folder]]
        params, metrics, plots = pool.map(
            lambda one: ask_dvc(one[0], "diff", base, *one[1:]), diffs
        )
        shown, stale = changed_plots(plots, base), waiting.result()
    files = changed_files(at_revision(base, LOCK), LOCK.read_bytes())
    verdicts = compare_verdicts(base)
    retrained = {key for key, networks in networks_of().items() if networks & set(files)}
    spread = json.loads(at_revision(base, paths.METRICS / "seeds.json") or b"{}")
    changes = sorted(changes_of(metrics), key=lambda one: not one.name.startswith(f"{IN_USE}."))
    judged = [compare.judge_metric(one, spread, verdicts, retrained) for one in changes]
    photos = verdicts.get(IN_USE, pd.DataFrame(columns=["predicted", "predicted_before"]))
    rates: dict[str, float] = {}
    for report in ("validation", "detection"):
        rates |= json.loads((paths.METRICS / f"{report}.json").read_bytes())[IN_USE]
    outcome, sentence = compare.judge_detector(judged, photos, rates)
    sentence = f"The detector in use {sentence}."
    if stale:
        outcome, stages = NOT_RUN, ", ".join(stale)
        sentence = f"Not run with what stands here: {stages}. Run `dvc repro` first."
    moved = compare.pick_changed(photos).to_numpy().tolist()
    return Review(
        base=base,
        outcome=outcome,
        sentence=sentence,
        basis=RETRAINED if IN_USE in retrained else SAME_NETWORKS,
        params=changes_of(params),
        beyond=[one for one in judged if one.outcome != "within chance"],
        chance=[one for one in judged if one.outcome == "within chance"],
        moved=moved,
        thumbnails=draw_photos([moved[i][0] for i in evenly_spaced(len(moved), PHOTOS)]),
        files=files,
        plots=shown,
    )


def changes_of(by_file: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> list[compare.Change]:
    """Return the values that differ, as DVC tells them, by their dotted paths."""
    return [
        compare.Change(name, pair["old"], pair["new"])
        for _, values in sorted(by_file.items())
        for name, pair in sorted(values.items())
        if pair["old"] != pair["new"]
    ]


def at_revision(base: str, path: Path) -> bytes:
    """Return a file as it was at a revision; nothing where there was none."""
    command = ["git", "show", f"{base}:{path.as_posix()}"]
    return subprocess.run(command, capture_output=True, check=False).stdout


def changed_files(before: bytes, now: bytes) -> list[str]:
    """Return the paths of data and models that a dvc.lock gives another MD5 than the other.

    The files themselves need not be there, and may be those of another revision.
    """
    written = []
    for lock in (before, now):
        stages = (yaml.safe_load(lock) or {}).get("stages", {}).values()
        outs = [out for stage in stages for out in stage.get("outs", [])]
        written.append({(out["path"], out["md5"]) for out in outs})
    changed = {path for path, _ in written[0] ^ written[1]}
    return sorted(path for path in changed if path.startswith(("data/", "models/")))


def networks_of() -> dict[str, set[str]]:
    """Return the paths of the networks that each detector needs, by its key in metrics."""
    params = load_params(DetectionParams)
    found = {
        name: {(paths.NETWORKS / network).as_posix() for network in scores.networks_of(one.scores)}
        for name, one in params.detectors.items()
    }
    return {**found, IN_USE: found[params.detector]}


def compare_verdicts(base: str) -> dict[str, pd.DataFrame]:
    """Return every detector's verdicts before and now, by its key, as `join_verdicts` does."""
    return {
        path.parent.name: compare.join_verdicts(pd.read_csv(io.BytesIO(before)), pd.read_csv(path))
        for path in sorted((paths.PLOTS / "detection").glob("*/predictions.csv"))
        if (before := at_revision(base, path))
    }


def changed_plots(plots: Mapping[str, Any], base: str) -> list[tuple[str, str | None, str | None]]:
    """Return the charts whose points differ, and the pictures whose bytes do."""
    changed: list[tuple[str, str | None, str | None]] = []
    for name, parts in plots.get("data", {}).items():
        if parts[0]["type"] == "vega":
            if chart := draw_chart(parts[0]["content"], base):
                changed.append((name, None, chart))
        else:
            found = {part["revisions"][0]: Path(part["url"]).read_bytes() for part in parts}
            before, now = found.get(base), found.get("workspace")
            if now != before:
                changed.append((name, _address(before), _address(now)))
    return changed


def draw_chart(spec: Mapping[str, Any], base: str) -> str | None:
    """Return a chart of both revisions, or None where both show the same points."""
    shown: dict[str, list[Any]] = {base: [], "workspace": []}
    for point in spec["data"]["values"]:
        shown[point["rev"]].append({**point, "rev": None})
    if shown[base] == shown["workspace"]:
        return None
    titles = {"before": shown[base], "now": shown["workspace"]}
    values = [{**point, "rev": title} for title, points in titles.items() for point in points]
    drawn = json.dumps({**spec, "data": {"values": values}})
    return _address(vl_convert.vegalite_to_svg(drawn, allowed_base_urls=[]).encode(), "svg+xml")


def draw_photos(names: list[str]) -> dict[str, str | None]:
    """Return test photos beside their decision maps, by name; None where they aren't at hand."""
    test = paths.WELLS / "test.npz"
    if not names or not test.is_file() or not paths.EXPORTED.is_file():
        return dict.fromkeys(names)
    images, known = read_arrays(test, "images", "names")
    chosen = np.isin(known, names)
    detector = load_exported()
    blocks = run_exported(detector, images[chosen]).blocks
    heat = lay_over(images[chosen], blocks)
    drawn: dict[str, str | None] = {}
    for name, *pair in zip(known[chosen].tolist(), images[chosen], heat, strict=True):
        picture = Image.fromarray(np.concatenate(pair, axis=2).transpose(1, 2, 0))
        buffer = io.BytesIO()
        ImageOps.scale(picture, MAGNIFICATION, Image.Resampling.NEAREST).save(buffer, format="PNG")
        drawn[name] = _address(buffer.getvalue())
    return drawn


def _address(content: bytes | None, kind: str = "png") -> str | None:
    encoded = base64.b64encode(content or b"").decode()
    return None if content is None else f"data:image/{kind};base64,{encoded}"


def _value(value: Any) -> str:
    return "–" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    run(main)
