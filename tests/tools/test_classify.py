"""Classifying gives a row for every photo that a path names, whatever else lies there."""

import csv
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from PIL import Image

from stages.common.errors import InputError
from stages.wells.detection.calibration import fit_detectors
from stages.wells.detection.detector import Detector
from stages.wells.detection.judge import judge_images
from stages.wells.detection.params import DetectorParams
from stages.wells.inference.decision_picture import draw_decision, list_decisions
from stages.wells.inference.exported import Exported, load_exported, run_exported
from stages.wells.networks.registry import Members
from tests.clones import ROOT
from tests.exported_files import exported
from tests.hostile import written
from tests.processes import public_folder, run_as_nobody, run_module
from tests.small_wells import in_turn, small_members
from tests.wells_files import encoded
from tools import rows as tool
from tools.photos import Photo, find_photos
from tools.rows import Row, classify, write_rows

HEIGHT, WIDTH = 16, 24


def wells(count: int, strength: float, seed: int) -> list[Image.Image]:
    """Return green images with grain of that strength."""
    rng = np.random.default_rng(seed)
    grain = rng.normal(0, strength, (count, HEIGHT, WIDTH, 1)) + rng.normal(0, 4, (count, 1, 1, 3))
    pixels = np.array([100, 140, 120]) + grain
    return [Image.fromarray(image) for image in pixels.clip(0, 255).round().astype(np.uint8)]


def arrays(images: list[Image.Image]) -> Any:
    return np.stack([np.asarray(image).transpose(2, 0, 1) for image in images])


NORMAL, SPILLED = wells(6, 8, seed=2), wells(3, 60, seed=3)


@pytest.fixture(scope="module")
def networks() -> dict[str, Members]:
    return {"autoencoder": small_members("autoencoder", height=HEIGHT, width=WIDTH)}


@pytest.fixture(scope="module")
def fitted(networks: dict[str, Members]) -> Detector:
    """The detector as the pipeline has it, fitted to wells of weak and spills of strong grain."""
    train, spills = arrays(wells(120, 8, seed=0)), arrays(wells(20, 60, seed=4))
    scores = ["autoencoder.excess", "appearance", "texture"]
    wanted = {"grain": DetectorParams(scores=scores, rule="equal_error")}
    return fit_detectors(wanted, networks, train, in_turn(120), spills)["grain"]


@pytest.fixture(scope="module")
def model(
    fitted: Detector, networks: dict[str, Members], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Its file."""
    return exported(fitted, networks, tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def detector(model: Path) -> Exported:
    return load_exported(model)


def with_threshold(detector: Exported, threshold: float) -> Exported:
    return detector._replace(metadata=detector.metadata._replace(threshold=threshold))


def photo(name: str, image: Image.Image) -> Photo:
    return Photo(name, lambda: encoded(image))


def put(folder: Path, name: str, image: Image.Image) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(image))
    return path


def run(
    folder: Path, model: Path, *arguments: str, given: bytes = b""
) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder."""
    options = ("--model", str(model), *arguments)
    return run_module("tools.classify", *options, folder=folder, given=given)


def rows_of(done: subprocess.CompletedProcess[str]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(done.stdout)))


def test_each_photo_has_a_row_with_its_label_and_margin_in_order(detector: Exported) -> None:
    images = [NORMAL[0], SPILLED[0], NORMAL[1], SPILLED[1]]
    rows = list(classify([photo(str(i), one) for i, one in enumerate(images)], detector))
    assert [row.name for row in rows] == ["0", "1", "2", "3"]
    assert [row.label for row in rows] == ["normal", "spill", "normal", "spill"]
    for row in rows:
        assert row.score is not None
        assert row.margin == pytest.approx(row.score - detector.metadata.threshold)


def test_a_photo_at_the_threshold_is_a_spill(detector: Exported) -> None:
    (row,) = classify([photo("a", NORMAL[0])], detector)
    assert row.score is not None
    at = with_threshold(detector, row.score)
    (again,) = classify([photo("a", NORMAL[0])], at)
    assert (again.label, again.margin) == ("spill", 0)


def test_a_thing_at_the_side_changes_the_view_and_not_the_label(detector: Exported) -> None:
    covered = NORMAL[0].copy()
    covered.paste((20, 20, 20), (0, 0, WIDTH // 6, HEIGHT))
    before, after = classify([photo("a", NORMAL[0]), photo("b", covered)], detector)
    assert (before.view, after.view) == ("clear", "obstructed")
    assert before.label == after.label == "normal"


def test_a_photo_of_another_size_and_mode_is_resized_and_converted(detector: Exported) -> None:
    large = NORMAL[0].resize((WIDTH * 5, HEIGHT * 7)).convert("RGBA")
    (row,) = classify([photo("large", large)], detector)
    assert row.label in ("normal", "spill")
    assert row.error is None


def test_an_unreadable_photo_has_its_error_in_its_place(detector: Exported) -> None:
    photos = [photo("a", NORMAL[0]), Photo("b", lambda: b"no image"), photo("c", SPILLED[0])]
    rows = list(classify(photos, detector))
    assert [row.label for row in rows] == ["normal", None, "spill"]
    assert rows[1] == Row("b", error="not an image")


def test_rows_do_not_depend_on_the_batch_size(
    monkeypatch: pytest.MonkeyPatch, detector: Exported
) -> None:
    photos = [photo(str(i), one) for i, one in enumerate(NORMAL + SPILLED)]
    expected = list(classify(photos, detector))
    monkeypatch.setattr(tool, "BATCH", 2)
    assert [row.name for row in classify(photos, detector)] == [p.name for p in photos]
    for one, other in zip(classify(photos, detector), expected, strict=True):
        assert one.score == pytest.approx(other.score)


def test_labels_views_and_scores_are_those_that_the_pipeline_gives_all_photos_in_one_go(
    monkeypatch: pytest.MonkeyPatch,
    detector: Exported,
    fitted: Detector,
    networks: dict[str, Members],
) -> None:
    images = wells(25, 8, seed=5) + wells(15, 60, seed=6)
    verdict = judge_images(fitted, networks, arrays(images))
    monkeypatch.setattr(tool, "BATCH", 3)
    photos = [photo(str(index), image) for index, image in enumerate(images)]
    rows = list(classify(photos, detector))
    assert [row.score for row in rows] == pytest.approx(verdict.score.tolist(), abs=1e-4)
    assert [row.margin for row in rows] == pytest.approx(verdict.margin.tolist(), abs=1e-4)
    assert [row.label == "spill" for row in rows] == verdict.spill.tolist()
    assert [row.view == "obstructed" for row in rows] == verdict.view.astype(bool).tolist()
    assert {row.label for row in rows} == {"normal", "spill"}
    assert {row.view for row in rows} == {"clear", "obstructed"}


def test_rows_keep_their_order_where_a_later_batch_is_scored_first(
    monkeypatch: pytest.MonkeyPatch, detector: Exported
) -> None:
    monkeypatch.setattr(tool, "BATCH", 1)
    score, second_done = tool.score_batch, Event()

    def score_the_second_first(batch: Any, *rest: Any) -> list[Row]:
        ((name, _),) = batch
        if name == "0":
            assert second_done.wait(60), "two batches are not scored at once"
        found = score(batch, *rest)
        if name == "1":
            second_done.set()
        return found

    monkeypatch.setattr(tool, "score_batch", score_the_second_first)
    photos = [photo(str(index), NORMAL[index]) for index in range(6)]
    assert [row.name for row in classify(photos, detector)] == list("012345")


def test_photos_are_read_as_they_are_needed(
    monkeypatch: pytest.MonkeyPatch, detector: Exported
) -> None:
    monkeypatch.setattr(tool, "BATCH", 2)
    asked = 0

    def endless() -> Any:
        nonlocal asked
        while True:
            asked += 1
            yield photo(str(asked), NORMAL[0])

    rows = classify(endless(), detector)
    for _ in range(5):
        next(rows)
    # Three batches of two were wanted; those being scored and one more may be read ahead.
    assert 6 <= asked <= 2 * (3 + tool.SCORERS + 1)


def test_heat_maps_lie_below_their_folder_and_show_how_each_photo_was_decided(
    tmp_path: Path, detector: Exported
) -> None:
    names = ["../../a.png", "/b/c.jpg", "d/e.png"]
    photos = [photo(name, SPILLED[0]) for name in names]
    other = with_threshold(detector, detector.metadata.threshold + 1)
    list(classify(photos, other, tmp_path / "heat"))
    written = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file())
    assert [str(path) for path in written] == [
        "heat/__/__/a.png.png",
        "heat/b/c.jpg.png",
        "heat/d/e.png.png",
    ]
    said, images = other.metadata, arrays([SPILLED[0]] * 3)
    verdict = run_exported(other, images)
    decisions = list_decisions(images, verdict, said.scores, said.threshold)
    for path, decision in zip(written, decisions, strict=True):
        with Image.open(tmp_path / path) as picture:
            shown = np.asarray(picture)
        expected = draw_decision(path.name.removesuffix(".png"), decision, said.marks())
        np.testing.assert_array_equal(shown, np.asarray(expected))


def names_below(*paths: Path | str) -> list[str]:
    return [found.name for found in find_photos(str(path) for path in paths)]


def test_a_folders_photos_are_found_by_ending_and_sorted(tmp_path: Path) -> None:
    folders = [f"{letter}/c.jpeg" for letter in "zqymcxdnw"]
    for name in ("b.JPG", "a.png", *folders, "._a.png", "__MACOSX/x.jpg"):
        put(tmp_path, name, NORMAL[0])
    (tmp_path / "notes.txt").write_text("no photo")
    found = [str(Path(name).relative_to(tmp_path)) for name in names_below(tmp_path)]
    assert found == ["a.png", "b.JPG", *sorted(folders)]


def test_a_pattern_names_files_and_folders(tmp_path: Path) -> None:
    for name in ("x1/a.png", "x2/b.png", "y/c.png", "x.png"):
        put(tmp_path, name, NORMAL[0])
    found = names_below(tmp_path / "x*")
    assert [Path(name).name for name in found] == ["x.png", "a.png", "b.png"]
    assert [Path(name).name for name in names_below(f"{tmp_path}/**/[ac].png")] == [
        "a.png",
        "c.png",
    ]


def test_a_file_that_looks_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    put(tmp_path, "a[1].png", NORMAL[0])
    put(tmp_path, "a1.png", NORMAL[0])
    assert names_below(tmp_path / "a[1].png") == [str(tmp_path / "a[1].png")]


def test_a_zips_photos_are_read_from_it(tmp_path: Path, detector: Exported) -> None:
    path = tmp_path / "wells.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("imgs/b.png", encoded(SPILLED[0]))
        archive.writestr("imgs/a.png", encoded(NORMAL[0]))
        archive.writestr("readme.txt", b"no photo")
    rows = list(classify(find_photos([str(path)]), detector))
    assert [(row.name, row.label) for row in rows] == [
        (f"{path}/imgs/a.png", "normal"),
        (f"{path}/imgs/b.png", "spill"),
    ]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("nowhere.png", "no such file"),
        ("x" * 300, "no such file"),
        ("nowhere*.png", "nothing fits"),
        ("empty", "no photo in it"),
        ("broken.zip", "zip"),
    ],
)
def test_what_gives_no_photo_says_so_in_a_row(
    tmp_path: Path, name: str, problem: str, detector: Exported
) -> None:
    (tmp_path / "empty").mkdir()
    with zipfile.ZipFile(tmp_path / "broken.zip", "w") as archive:
        archive.writestr("../a.png", encoded(NORMAL[0]))
    (row,) = classify(find_photos([str(tmp_path / name)]), detector)
    assert row.error is not None
    assert problem in row.error


def test_a_huge_file_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, detector: Exported
) -> None:
    monkeypatch.setattr("tools.photos.MAX_BYTES", 10)
    (row,) = classify(find_photos([str(put(tmp_path, "a.png", NORMAL[0]))]), detector)
    assert row.error == "larger than 10 bytes"


def test_the_command_writes_csv_to_standard_output(tmp_path: Path, model: Path) -> None:
    put(tmp_path, "in/a.png", NORMAL[0])
    put(tmp_path, "in/b.png", SPILLED[0])
    done = run(tmp_path, model, "in")
    assert done.returncode == 0, done.stderr
    rows = rows_of(done)
    assert list(rows[0]) == ["name", "score", "margin", "label", "view", "error"]
    assert [(row["name"], row["label"]) for row in rows] == [
        ("in/a.png", "normal"),
        ("in/b.png", "spill"),
    ]


def test_an_unreadable_photo_makes_the_exit_status_1_and_stops_nothing(
    tmp_path: Path, model: Path
) -> None:
    put(tmp_path, "a.png", NORMAL[0])
    (tmp_path / "b.png").write_bytes(b"no image")
    done = run(tmp_path, model, "b.png", "a.png")
    assert done.returncode == 1
    assert "error: 1 of 2 could not be read; their rows say why" in done.stderr
    assert re.search(r"^2 photos: 0 spill \(0 obstructed\), 1 normal \([01] obs", done.stderr, re.M)
    assert "Traceback" not in done.stderr
    assert [row["error"] for row in rows_of(done)] == ["not an image", ""]


def test_json_to_a_file_and_another_threshold(tmp_path: Path, model: Path) -> None:
    put(tmp_path, "a.png", NORMAL[0])
    done = run(tmp_path, model, "a.png", "--output", "rows.json", "--threshold=-1e9")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    (row,) = json.loads((tmp_path / "rows.json").read_text())
    assert row["label"] == "spill"
    assert row["margin"] == pytest.approx(row["score"] + 1e9)


# Runs classify where the modules named first can't be found, and tells which others it imported.
ALONE = """
import json, runpy, sys
hidden, told, *arguments = sys.argv[1:]
before = {name.partition(".")[0] for name in sys.modules}
sys.modules.update(dict.fromkeys(set(json.loads(hidden)) - before))
sys.argv[1:] = arguments
try:
    runpy.run_module("tools.classify", run_name="__main__", alter_sys=True)
finally:
    found = {name.partition(".")[0] for name, module in sys.modules.items() if module}
    with open(told, "w") as file:
        json.dump(sorted(found - before), file)
"""


@pytest.fixture(scope="module")
def pinned() -> dict[str, str]:
    """The lines of requirements-classify.txt, by the packages that they pin."""
    lines = (ROOT / "requirements-classify.txt").read_text().splitlines()
    return {
        canonicalize_name(line.split("==")[0]): line for line in lines if not line.startswith("#")
    }


class Alone(NamedTuple):
    """What a run of the command left where all other packages are hidden.

    imported: names of top-level modules.
    """

    done: subprocess.CompletedProcess[str]
    folder: Path
    hidden: set[str]
    imported: set[str]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, model: Path, pinned: dict[str, str]) -> Alone:
    folder = tmp_path_factory.mktemp("alone")
    put(folder, "in/a.png", NORMAL[0])
    put(folder, "in/b.png", SPILLED[0])
    hidden = {
        module
        for module, names in metadata.packages_distributions().items()
        if not pinned.keys() & set(map(canonicalize_name, names))
    }
    command = ["in", "--model", str(model), "--heatmaps", "heat"]
    done = subprocess.run(
        [sys.executable, "-c", ALONE, json.dumps(sorted(hidden)), "told.json", *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return Alone(done, folder, hidden, set(json.loads((folder / "told.json").read_text())))


def test_it_runs_and_draws_without_pytorch_and_whatever_else_is_not_pinned_for_it(
    alone: Alone,
) -> None:
    names = {"torch", "sklearn", "scipy", "pandas", "pydantic", "yaml", "matplotlib", "safetensors"}
    assert names <= alone.hidden
    assert alone.done.returncode == 0, alone.done.stderr
    assert "Traceback" not in alone.done.stderr
    assert [row["label"] for row in rows_of(alone.done)] == ["normal", "spill"]
    for name in ("a.png.png", "b.png.png"):
        with Image.open(alone.folder / "heat" / "in" / name) as picture:
            picture.load()
            assert picture.format == "PNG"


def test_what_is_pinned_for_it_is_what_it_needs_pinned_as_for_the_pipeline(
    alone: Alone, pinned: dict[str, str]
) -> None:
    packages = metadata.packages_distributions()
    needed: set[str] = set()
    more = {name for module in alone.imported for name in packages.get(module, ())}
    while more:
        needed |= set(map(canonicalize_name, more))
        required = [Requirement(line) for name in more for line in metadata.requires(name) or ()]
        wanted = {one.name for one in required if not one.marker or one.marker.evaluate()}
        more = {name for name in wanted if canonicalize_name(name) not in needed}
    assert pinned.keys() == needed
    assert set(pinned.values()) <= set((ROOT / "requirements.txt").read_text().splitlines())


def test_no_row_is_an_empty_list(tmp_path: Path, model: Path) -> None:
    done = run(tmp_path, model, "-", "--format", "json", given=b"\n")
    assert json.loads(done.stdout) == []


def test_paths_come_from_standard_input_whatever_their_bytes(tmp_path: Path, model: Path) -> None:
    names = [b"a b.png", b"\xff.png"]
    for name in names:
        Path(os.fsdecode(bytes(tmp_path) + b"/" + name)).write_bytes(encoded(NORMAL[0]))
    done = run(tmp_path, model, "-", given=b"\n".join(names))
    assert done.returncode == 0, done.stderr
    assert [line.split(",")[0] for line in done.stdout.splitlines()[1:]] == [
        *map(os.fsdecode, names)
    ]


def test_a_missing_model_is_told_in_one_message(tmp_path: Path) -> None:
    put(tmp_path, "a.png", NORMAL[0])
    done = run(tmp_path, tmp_path / "no-model.onnx", "a.png")
    assert done.returncode == 1
    said = r"error: \S+/no-model\.onnx can't be read \(No such file.*\): name the ONNX file of "
    assert re.match(said, done.stderr)
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_an_old_result_stays_where_the_new_one_fails(tmp_path: Path) -> None:
    put(tmp_path, "a.png", NORMAL[0])
    (tmp_path / "rows.csv").write_text("old")
    done = run(tmp_path, tmp_path / "no-model.onnx", "a.png", "--output", "rows.csv")
    assert done.returncode == 1
    assert (tmp_path / "rows.csv").read_text() == "old"


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path, model: Path) -> None:
    """As a device does, /dev/null for one, which root would replace for everybody."""
    put(tmp_path, "a.png", NORMAL[0])
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE, text=True) as reader:
        done = run(tmp_path, model, "a.png", "--output", "pipe")
        is_pipe = (tmp_path / "pipe").is_fifo()
        # Whoever waits for a pipe that is gone would wait for ever.
        if not is_pipe:
            reader.terminate()
        told, _ = reader.communicate()
    assert done.returncode == 0, done.stderr
    assert is_pipe
    assert "a.png," in told


def test_a_name_with_a_carriage_return_is_one_cell() -> None:
    text = io.StringIO(newline="")
    write_rows([Row("a\rb.png", error="not an image"), Row("c.png", error="no")], text, "csv")
    text.seek(0)
    assert [row[0] for row in csv.reader(text)] == ["name", "a\rb.png", "c.png"]
    assert "c.png,,,,,no\n" in text.getvalue()


def test_a_folder_that_can_not_be_listed_has_a_row_that_says_so() -> None:
    with public_folder() as folder:
        written(folder / "in/a.png", b"content")
        written(folder / "in/closed/b.png", b"content")
        (folder / "in/closed").chmod(0)

        def find() -> None:
            readable, closed = find_photos([str(folder / "in")])
            assert readable.read() == b"content"
            assert closed.name == str(folder / "in/closed")
            with pytest.raises(InputError, match="it can't be listed: Permission denied"):
                closed.read()

        run_as_nobody(find)
