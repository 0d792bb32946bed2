"""A review tells what changed, what is better, and shows it, without network."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from tests.clones import commit, copy_project, in_clone
from tests.wells_files import ROOT
from tools import review_page
from tools.review import before_and_now, changed_files, changes_of, points_of, written_by
from tools.review_page import Change, Chart, LabelChange, Pair, Review, as_html, as_markdown

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
SPEC: dict[str, Any] = {
    "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
    "data": {
        "values": [
            {"rev": "workspace", "x": 1, "y": 2},
            {"rev": "main", "x": 1, "y": 3},
        ]
    },
    "mark": "point",
    "encoding": {
        "x": {"field": "x", "type": "quantitative"},
        "y": {"field": "y", "type": "quantitative"},
        "color": {"field": "rev", "type": "nominal"},
    },
}


def png() -> bytes:
    return (ROOT / "plots/dataset/test_spill.png").read_bytes()


def a_review(**changes: Any) -> Review:
    nothing = Review("main", [], [], [], [], [], [])
    return nothing._replace(**changes)


@pytest.mark.parametrize(
    ("name", "old", "new", "arrow"),
    [
        ("detector.tpr", 0.9, 0.95, "▲ better"),
        ("detector.tpr", 0.95, 0.9, "▼ worse"),
        ("holdout_mse.autoencoder", 2.0, 1.0, "▼ better"),
        ("tree.held_out_bits", 0.0, 0.5, "▲ worse"),
        ("styles.entropy_bits", 2.0, 2.5, "▲"),
        ("detector.tpr", None, 0.9, "new"),
        ("detector.tpr", 0.9, None, "gone"),
        ("detector.name", "mnad", "surface", ""),
    ],
)
def test_an_arrow_says_where_a_metric_went_and_whether_that_is_better(
    name: str, old: Any, new: Any, arrow: str
) -> None:
    assert Change("detection", name, old, new).arrow() == arrow


def test_every_metric_with_a_direction_is_one_that_the_pipeline_measures() -> None:
    def keys(value: Any) -> set[str]:
        if not isinstance(value, dict):
            return set()
        return set(value).union(*map(keys, value.values()))

    files = [json.loads(path.read_text()) for path in (ROOT / "metrics").glob("*.json")]
    known = set().union(*map(keys, files))
    directed = review_page.HIGHER_IS_BETTER | review_page.LOWER_IS_BETTER
    assert directed <= known


def test_only_values_that_differ_are_changes() -> None:
    found = changes_of(
        {
            "params.yaml": {"seed": {"old": 0, "new": 1}},
            "metrics/a.json": {"x": {"old": 1, "new": 1}, "y": {"old": 1, "new": 2}},
        }
    )
    assert found == [Change("a", "y", 1, 2), Change("", "seed", 0, 1)]


def test_a_charts_points_are_compared_by_revision() -> None:
    assert points_of(SPEC, "main") == [{"x": 1, "y": 3}]
    assert points_of(SPEC, "workspace") == [{"x": 1, "y": 2}]


def test_files_are_compared_by_the_hashes_in_the_lock() -> None:
    def lock(**hashes: str) -> dict[str, str]:
        outs = [{"path": f"models/{name}", "md5": md5} for name, md5 in hashes.items()]
        stages = {"train": {"outs": [*outs, {"path": "plots/x.png", "md5": "9"}]}, "bare": {}}
        return written_by(yaml.safe_dump({"stages": stages}).encode())

    before, now = lock(same="1", other="2", gone="3"), lock(same="1", other="4", new="5")
    changed = [("deleted", "models/gone"), ("added", "models/new"), ("modified", "models/other")]
    assert changed_files(before, now) == changed
    assert changed_files(before, before) == []
    assert written_by(None) == {}


def test_metrics_begin_with_those_of_the_detector_in_use() -> None:
    names = ["mnad.tpr", "detector.tpr", "detector.validation", "tree.held_out_bits"]
    text = as_markdown(a_review(metrics=[Change("m", name, 0.9, 0.95) for name in names]))
    assert re.findall(r"m: (\S+)", text) == [*names[1:3], names[0], names[3]]


def test_a_chart_shows_what_was_before_first() -> None:
    shown = before_and_now(SPEC, "main")["data"]["values"]
    assert shown == [{"rev": "before", "x": 1, "y": 3}, {"rev": "now", "x": 1, "y": 2}]
    assert points_of(SPEC, "main") == [{"x": 1, "y": 3}]


def test_a_change_of_everything_still_fits_a_comment_and_a_page() -> None:
    name = "detectors.autoencoder_and_appearance_and_texture.validation"
    photo = np.zeros((3, 32, 48), dtype=np.uint8)
    label = LabelChange("autoencoder", f"{'a' * 36}.jpg", "spill", "normal", "spill", photo)
    everything = a_review(
        params=[Change("", name, 12.5, 13.5)] * 999,
        metrics=[Change("detection", name, 0.9, 0.95), Change("", "detector.tpr", 0.9, 0.95)] * 999,
        data=[("modified", "models/networks/autoencoder")] * 999,
        labels=[label] * 9999,
        pairs=[Pair("plots/networks/autoencoder_reconstructions.png", None, None)] * 999,
    )
    text, page = as_markdown(everything), as_html(everything)
    assert len(text) < 65_536
    assert text.count("now right") == 80
    assert "and 9919 more" in text
    assert page.count('<img alt="the well"') == 200
    assert "and 9799 more" in page


def test_markdown_holds_every_change() -> None:
    text = as_markdown(
        a_review(
            params=[Change("", "train.epochs", 12, 20)],
            metrics=[Change("detection", "detector.tpr", 0.9, 0.95)],
            data=[("modified", "models/a|b")],
            labels=[LabelChange("mnad", "a.jpg", "spill", "normal", "spill")],
            pairs=[Pair("plots/x.png", None, png())],
        )
    )
    assert "| train.epochs | 12 | 20 |" in text
    assert "| detection: detector.tpr | 0.9 | 0.95 | ▲ better |" in text
    assert r"| models/a\|b | modified |" in text
    assert "| a.jpg | mnad | spill | normal | spill | now right |" in text
    assert "| plots/x.png |" in text


def test_a_review_of_nothing_has_no_sections() -> None:
    assert "###" not in as_markdown(a_review())
    assert "<h2>" not in as_html(a_review())


def test_names_cannot_break_out_of_the_page() -> None:
    evil = "<script>alert(1)</script>"
    page = as_html(
        a_review(
            base=evil,
            params=[Change("", evil, evil, evil)],
            data=[("added", evil)],
            labels=[LabelChange(evil, evil, evil, evil, evil)],
            pairs=[Pair(evil, png(), None)],
        )
    )
    assert "<script" not in page


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of the committed state with a changed parameter, metric, label, plot and picture."""
    clone = tmp_path_factory.mktemp("reviewed") / "clone"
    copy_project(clone)
    in_clone(clone, "git", "init", "--quiet", "--initial-branch", "main")
    commit(clone)

    params = yaml.safe_load((clone / "params.yaml").read_text(encoding="utf-8"))
    params["train"]["epochs"] += 1
    (clone / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    detection = clone / "metrics/detection.json"
    metrics = json.loads(detection.read_text())
    metrics["detector"]["tpr"] = 0.5
    detection.write_text(json.dumps(metrics))
    predictions = clone / "plots/detection/detector/predictions.csv"
    lines = predictions.read_text().splitlines(keepends=True)
    assert ",normal,normal," in lines[1]
    lines[1] = lines[1].replace(",normal,normal,", ",normal,spill,")
    predictions.write_text("".join(lines))
    # Nothing of what the lock names is there; one file is another one now.
    lock = yaml.safe_load((clone / "dvc.lock").read_text(encoding="utf-8"))
    lock["stages"]["calibrate"]["outs"][0]["md5"] = "0" * 32
    (clone / "dvc.lock").write_text(yaml.safe_dump(lock), encoding="utf-8")
    picture = clone / "plots/random_styles/frequencies.png"
    Image.new("RGB", (30, 20), "red").save(picture)

    name = lines[1].split(",")[0]
    (clone / "data/wells").mkdir()
    np.savez(
        clone / "data/wells/test.npz",
        images=np.full((1, 3, 32, 48), 90, dtype=np.uint8),
        names=np.array([name]),
    )
    return clone


@pytest.fixture(scope="module")
def reports(reviewed: Path) -> tuple[str, str]:
    in_clone(reviewed, "python", "-m", "tools.review", "main")
    text, page = (reviewed / f"review/report.{kind}" for kind in ("md", "html"))
    return text.read_text(encoding="utf-8"), page.read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_reports_tell_what_changed_and_nothing_else(reports: tuple[str, str]) -> None:
    text, page = reports
    epochs = yaml.safe_load((ROOT / "params.yaml").read_text())["train"]["epochs"]
    assert f"| train.epochs | {epochs} | {epochs + 1} |" in text
    rate = json.loads((ROOT / "metrics/detection.json").read_text())["detector"]["tpr"]
    assert f"| detection: detector.tpr | {rate:g} | 0.5 | ▼ worse |" in text
    assert text.count("now wrong") == 1
    files = text.split("### Data and models")[1].split("###")[0]
    assert re.findall(r"^\| (\w\S+/\S+) \| (\w+) \|", files, re.MULTILINE) == [
        ("models/detector", "modified")
    ]
    plots = text.split("### Plots")[1]
    assert "plots/random_styles/frequencies.png" in plots
    assert "Test photos by what they are" in plots
    assert "ROC" not in plots
    assert "plots/dataset" not in plots
    # The well, a chart, the picture before and after.
    assert page.count('<img alt="the well"') == 1
    assert page.count("data:image/svg+xml") == 1
    assert page.count('<img alt="plots/random_styles/frequencies.png"') == 2


@pytest.mark.slow
def test_the_page_loads_nothing_from_elsewhere(reports: tuple[str, str]) -> None:
    sources = re.findall(r'(?:src|href)="([^"]{0,12})', reports[1])
    assert sources
    assert all(source.startswith("data:") for source in sources)


@pytest.mark.slow
def test_a_base_that_is_none_is_refused(reviewed: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.review", "--", "--nonsense"],
        cwd=reviewed,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "BASE=--nonsense is no revision" in done.stderr
    assert "Traceback" not in done.stderr


def is_error(line: str) -> bool:
    """Tell whether a line of the browser's log is an error of the page; Vega also warns there."""
    return ":CONSOLE:" in line and bool(re.search(r"error|refused|failed|not found", line, re.I))


def browsed(page: Path) -> tuple[str, list[str]]:
    """Open a page in a headless browser without network: its title at the end, errors it logged.

    The title becomes what a script, added to a copy of the page, counts: pictures, pictures that
    failed, and drawn charts.
    """
    assert CHROMIUM
    count = (
        "setTimeout(() => { const images = [...document.images];"
        "document.title = [images.length, images.filter(i => !i.naturalWidth).length,"
        "document.querySelectorAll('canvas, svg.marks').length].join(' ') }, 6000)"
    )
    copy = page.with_name("browsed.html")
    text = page.read_text(encoding="utf-8")
    copy.write_text(f"{text}<script>{count}</script>", encoding="utf-8")
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            "--enable-logging=stderr",
            "--virtual-time-budget=10000",
            "--dump-dom",
            copy.as_uri(),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    title = re.search(r"<title>([^<]*)</title>", done.stdout)
    assert title, done.stderr
    return title[1], [line for line in done.stderr.splitlines() if is_error(line)]


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM, reason="chromium is missing")
def test_a_browser_without_network_draws_the_whole_report(
    reviewed: Path, reports: tuple[str, str]
) -> None:
    title, messages = browsed(reviewed / "review/report.html")
    assert title == f"{reports[1].count('<img ')} 0 0"
    assert not messages


@pytest.mark.slow
def test_plots_of_dvc_hold_the_library_that_draws_them(reviewed: Path) -> None:
    in_clone(reviewed, "python", "-m", "tools.plots_template")
    in_clone(reviewed, "dvc", "plots", "diff", "main")
    page = (reviewed / "dvc_plots/index.html").read_text(encoding="utf-8")
    assert not re.search(r'<script[^>]*src="http', page)
    assert "window.vegaEmbed" in page
    assert not in_clone(reviewed, "git", "status", "--porcelain", ".dvc")
    if not CHROMIUM:
        pytest.skip("drawn but not looked at: chromium is missing")
    title, messages = browsed(reviewed / "dvc_plots/index.html")
    images, failed, charts = map(int, title.split())
    assert (failed, charts) == (0, 3)
    # Each before and after.
    assert images == 2 * 9
    assert not messages


def test_charts_and_pairs_are_shown() -> None:
    page = as_html(a_review(charts=[Chart("loss", SPEC)], pairs=[Pair("p.png", png(), png())]))
    assert page.count('<img alt="p.png" src="data:image/png;base64,') == 2
    assert page.count('<img alt="loss" src="data:image/svg+xml;base64,') == 1
