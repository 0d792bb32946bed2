"""A review tells in its first sentence what became of the detector, and shows it, offline."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from stages.wells.networks.registry import NETWORKS
from tests.clones import commit, copy_project, in_clone
from tests.wells_files import ROOT
from tools.compare import Change
from tools.review import Review, changed_files, changed_plots, changes_of, draw_chart, render

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


PNG = "data:image/png;base64,AAAA"


def a_review(**changes: Any) -> Review:
    sentence = "The detector in use is unchanged."
    nothing = Review("main", "unchanged", sentence, "Basis.", [], [], [], [], {}, [], [])
    return nothing._replace(**changes)


def as_markdown(review: Review) -> str:
    return render(review, "review.md.j2")


def as_html(review: Review) -> str:
    return render(review, "review.html.j2")


def test_only_values_that_differ_are_changes() -> None:
    found = changes_of(
        {
            "params.yaml": {"seed": {"old": 0, "new": 1}},
            "metrics/a.json": {"x": {"old": 1, "new": 1}, "y": {"old": 1, "new": 2}},
        }
    )
    assert found == [Change("y", 1, 2), Change("seed", 0, 1)]


def test_a_chart_is_drawn_where_its_points_differ() -> None:
    chart = draw_chart(SPEC, "main")
    assert chart is not None
    assert chart.startswith("data:image/svg+xml;base64,")
    same = {**SPEC, "data": {"values": [{"rev": rev, "x": 1} for rev in ("workspace", "main")]}}
    assert draw_chart(same, "main") is None
    plots = {"data": {"loss": [{"type": "vega", "content": SPEC}]}}
    assert changed_plots(plots, "main") == [("loss", None, chart)]


def test_a_picture_is_shown_where_its_bytes_differ(tmp_path: Path) -> None:
    contents = {"a": b"1", "b": b"1", "c": b"2"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)

    def picture(**revisions: str) -> list[dict[str, Any]]:
        return [
            {"type": "image", "revisions": [revision], "url": str(tmp_path / name)}
            for revision, name in revisions.items()
        ]

    plots = {
        "same": picture(main="a", workspace="b"),
        "other": picture(main="a", workspace="c"),
        "new": picture(workspace="c"),
        "gone": picture(main="a"),
    }
    one, two = ("data:image/png;base64,MQ==", "data:image/png;base64,Mg==")
    assert changed_plots({"data": plots}, "main") == [
        ("other", one, two),
        ("new", None, two),
        ("gone", one, None),
    ]


def test_files_are_compared_by_the_hashes_in_the_lock() -> None:
    def lock(**hashes: str) -> bytes:
        outs = [{"path": f"models/{name}", "md5": md5} for name, md5 in hashes.items()]
        plot = {"path": "plots/x.png", "md5": hashes.get("other", "")}
        stages = {"train": {"outs": [*outs, plot]}, "bare": {}}
        return str(yaml.safe_dump({"stages": stages})).encode()

    before, now = lock(same="1", other="2", gone="3"), lock(same="1", other="4", new="5")
    assert changed_files(before, now) == ["models/gone", "models/new", "models/other"]
    assert changed_files(before, before) == []
    assert changed_files(b"", now) == ["models/new", "models/other", "models/same"]


def test_a_change_of_everything_still_fits_a_comment_and_a_page() -> None:
    name = "detectors.autoencoder_and_appearance_and_texture.validation"
    photo = [f"{'a' * 36}.jpg", "spill", "normal", "spill", "now right"]
    everything = a_review(
        params=[Change(name, 12.5, 13.5)] * 999,
        beyond=[Change(name, 0.9, 0.95, "better", "± 0.0022")] * 999,
        chance=[Change("detector.tpr", 0.9, 0.95, "within chance", "McNemar's p = 0.2")] * 999,
        files=["models/networks/autoencoder"] * 20,
        moved=[[f"{i}.jpg", *photo[1:]] for i in range(9999)],
        thumbnails={f"{i}.jpg": PNG for i in range(24)},
        plots=[("plots/networks/autoencoder_reconstructions.png", None, None)] * 999,
    )
    text, page = as_markdown(everything), as_html(everything)
    assert len(text) < 65_536
    assert text.count("now right") == 60
    assert "and 9939 more" in text
    assert page.count('<img alt="photo and decision map"') == 24
    assert "verdict: 9999, of which 9999 are right now; 24 are shown" in page


def test_markdown_begins_with_the_sentence_and_holds_every_change() -> None:
    text = as_markdown(
        a_review(
            sentence="The detector in use got better.",
            outcome="better",
            params=[Change("train.epochs", 12, 20)],
            beyond=[Change("detector.tpr", 0.9, 0.95, "better", "why")],
            chance=[Change("mnad.tpr", 0.9, None, "within chance", "p|q")],
            files=["models/a"],
            moved=[["a.jpg", "spill", "normal", "spill", "now right"]],
            plots=[("plots/x.png", None, PNG)],
        )
    )
    assert text.splitlines()[0] == "**The detector in use got better.**"
    assert "Since `main`. Basis." in text
    for row in (
        "| train.epochs | 12 | 20 |",
        "| detector.tpr | 0.9 | 0.95 | better | why |",
        r"| mnad.tpr | 0.9 | – | within chance | p\|q |",
        "| a.jpg | spill | normal | spill | now right |",
        "| plots/x.png |",
        "Data and models that changed: models/a",
    ):
        assert f"\n{row}\n" in f"{text}\n"


def test_a_review_of_nothing_is_its_sentence() -> None:
    text, page = as_markdown(a_review()), as_html(a_review())
    assert " ".join(text.split()) == "**The detector in use is unchanged.** Since `main`."
    assert not re.search("<(h[2-6]|table|details|img)", page)


def test_only_what_is_beyond_chance_is_unfolded_and_coloured() -> None:
    moved = [["a.jpg", "spill", "normal", "spill", "now right"]]
    chance = [Change("detector.tpr", 0.9, 0.95, "within chance", "why")]
    quiet = a_review(moved=moved, chance=chance, plots=[("p.png", PNG, PNG)])
    loud = quiet._replace(outcome="worse", beyond=[Change("detector.tnr", 0.9, 0.8, "worse", "")])
    assert as_html(quiet).count("<details>") == 3
    assert not re.search('class="(better|worse)"', as_html(quiet))
    assert as_html(loud).count("<details open>") == 2
    assert as_html(loud).count('class="worse"') == 2
    # Another metric is beyond chance: the detector's photos stay folded.
    other = loud._replace(outcome="within chance")
    assert as_html(other).count("<details open>") == 1


def test_names_cannot_break_out_of_the_page() -> None:
    evil = "<script>alert(1)</script>"
    page = as_html(
        a_review(
            base=evil,
            sentence=evil,
            params=[Change(evil, evil, evil)],
            files=[evil],
            moved=[[evil] * 5],
            plots=[(evil, PNG, None)],
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
    # All was run with the changed parameter.
    for network in NETWORKS:
        lock["stages"][f"train@{network}"]["params"]["params.yaml"]["train"] = params["train"]
    (clone / "dvc.lock").write_text(yaml.safe_dump(lock), encoding="utf-8")
    picture = clone / "plots/random_styles/frequencies.png"
    Image.new("RGB", (30, 20), "red").save(picture)

    return clone


@pytest.fixture(scope="module")
def reports(reviewed: Path) -> tuple[str, str]:
    # The check passes, for the rate's photos say that chance alone may have moved it.
    in_clone(reviewed, "python", "-m", "tools.review", "--check", "main")
    text, page = (reviewed / f"review/report.{kind}" for kind in ("md", "html"))
    return text.read_text(encoding="utf-8"), page.read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_reports_tell_what_changed_and_nothing_else(reports: tuple[str, str]) -> None:
    text, page = reports
    rates = json.loads((ROOT / "metrics/detection.json").read_text())["detector"]
    chosen = json.loads((ROOT / "metrics/validation.json").read_text())["detector"]["validation"]
    sentence = (
        f"The detector in use changed within chance: hard cases {chosen:g}, "
        f"TPR {rates['tpr']:g} → 0.5, "
        f"TNR {rates['tnr']:g}; 1 of 3,794 test photos changed verdict."
    )
    assert text.splitlines()[0] == f"**{sentence}**"
    assert f">{sentence}</h1>" in page
    epochs = yaml.safe_load((ROOT / "params.yaml").read_text())["train"]["epochs"]
    assert f"| train.epochs | {epochs} | {epochs + 1} |" in text
    assert f"| detector.tpr | {rates['tpr']:g} | 0.5 | within chance | McNemar's p = 1 |" in text
    assert text.count("now wrong") == 1
    assert "Data and models that changed: models/detector\n" in text
    plots = text.split("Charts and pictures that changed")[1]
    assert "plots/random_styles/frequencies.png" in plots
    assert "Test photos by what they are" in plots
    assert "ROC" not in plots
    assert "plots/dataset" not in plots
    # A chart, the picture before and after.
    assert page.count("data:image/svg+xml") == 1
    assert page.count('<img alt="plots/random_styles/frequencies.png') == 2


@pytest.mark.slow
def test_a_check_fails_where_a_metric_changed_beyond_chance_or_is_of_other_photos(
    reviewed: Path,
) -> None:
    avatars, detection = (reviewed / f"metrics/{name}.json" for name in ("avatars", "detection"))
    predictions = reviewed / "plots/detection/mnad/predictions.csv"
    kept = {path: path.read_text() for path in (avatars, detection, predictions)}
    metrics = json.loads(kept[avatars])
    metrics["tree"]["held_out_bits"] += 1
    avatars.write_text(json.dumps(metrics))
    rates = json.loads(kept[detection])
    rates["mnad"]["auroc"] = 0.5
    detection.write_text(json.dumps(rates))
    predictions.write_text(kept[predictions].replace(",normal,", ",spill,", 1))
    command = [sys.executable, "-m", "tools.review", "--check", "main"]
    done = subprocess.run(command, cwd=reviewed, capture_output=True, text=True, check=False)
    for path, text in kept.items():
        path.write_text(text)
    assert done.returncode == 1
    assert "error: changed beyond chance: tree.held_out_bits, mnad.auroc" in done.stderr


@pytest.mark.slow
def test_parameters_that_have_not_run_are_told_and_are_no_improvement(reviewed: Path) -> None:
    params = reviewed / "params.yaml"
    kept = params.read_text()
    changed = yaml.safe_load(kept)
    changed["detectors"]["together"]["rule"] = "sigma"
    params.write_text(yaml.safe_dump(changed), encoding="utf-8")
    command = [sys.executable, "-m", "tools.review", "main"]
    done = subprocess.run(command, cwd=reviewed, capture_output=True, text=True, check=False)
    params.write_text(kept)
    assert done.returncode == 1
    assert done.stdout.startswith("Not run with what stands here: calibrate. Run `dvc repro` first")
    assert "| detectors.together.rule | equal_error | sigma |" in (
        reviewed / "review/report.md"
    ).read_text(encoding="utf-8")


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
