"""Every command that README and docs tell works: run here, by another test, or named as not run."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from stages.wells.synthetic.archive import draw_archive
from tests.clones import CONFIG, ROOT, commit, in_clone, small_clone, tiny_clone
from tests.pages import fenced_commands, named_commands
from tests.wells_files import unpack, zip_of

pytestmark = pytest.mark.slow

UP_TO_DATE = r"Data and pipelines are up to date\."
BUILD = "WELLS_ARCHIVE=~/Downloads/dataset.zip make repro"
OWN_AVATARS = (
    "dvc exp run -S avatars.source=PATH -S 'avatars.generators=[mle,poly,pixel,tree]' "
    "measure_avatars"
)
SHOW = "dvc exp show --only-changed"
PAGES = ("README.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")))
# Walked through in a test of its own.
SHARING = "docs/sharing.md"
FIVE = r"(^new/tree_\d\.png: ln P = .*, P = .*\n){5}5 avatars in new"

# Run in a clone of the whole project, after OWN_AVATARS; a command and what its answer holds.
WHOLE = {
    OWN_AVATARS: "Running stage 'measure_avatars'",
    "make help": r"make demo .*\n(.*\n)*make test ",
    "python -m tools.style -n 3": r"(.*, одежда: .* \(ln -\d.*\n){3}",
    'python -m tools.style --given "одежда=худи" -n 3': r"(.*, одежда: худи, .* \(ln -\d.*\n){3}",
    'python -m tools.style --given "одежда=худи" --marginals': r"одежда: худи 1\.0",
    "python -m tools.avatar --generator tree -n 5 --out new": FIVE,
    'python -m tools.avatar --generator style -n 5 --out hoodies --style "одежда=худи"': (
        "^5 avatars in hoodies"
    ),
    "dvc repro draw_avatars": "didn't change",
    "python -m tools.bench_avatars": r"^\| `tree` \| [\d.]+ \| [\d.]+ \| \d+ \|$",
    SHOW: "avatars.source",
    "dvc metrics diff HEAD": r"metrics/avatars\.json +mle\.",
    "dvc plots show": r"dvc_plots/index\.html",
    "git diff": r"\+  source: own",
}
# Run in a clone without evaluation and with few wells, after BUILD.
TINY = {
    BUILD: "Running stage 'export'",
    "make repro": UP_TO_DATE,
    "dvc repro train@mnad": UP_TO_DATE,
    "dvc exp run -S networks.mnad.items=20": "Running stage 'train@mnad'",
    "python -m tools.classify photos/ --output rows.csv": "",
    "grep ,spill, rows.csv | cut -d, -f1 | python -m tools.classify - --heatmaps heat": (
        "^photos/.*,spill,"
    ),
    "python -m tools.bulk.pack photos/ shards": "",
    "python -m tools.classify --into results shards/": "^2 photos: .*, in 1 shards$",
    "grep -rh ,spill, results --include='*.zip.csv' | cut -d, -f1 | sed 's#^#photos/#' "
    "| python -m tools.classify - --heatmaps heat": "^photos/.*,spill,",
    "python -m tools.classify shards/000000.zip --heatmaps heat": "^shards/000000.zip/.*,spill,",
}
# Run by another module: its name and what stands in it.
ELSEWHERE = {
    "make demo": ("test_rebuild", 'in_clone(clone, *one_core, "make", "demo"'),
    "dvc repro": ("test_rebuild", '"dvc", "repro")'),
    "make compare": ("test_rebuild", '"make", "compare", "LATENTS=2,3", "CHANNELS=8"'),
    "make compare LATENTS=0.3,1,3 CHANNELS=8,16": ("test_rebuild", '"make", "compare", "LATENTS=2'),
    "dvc plots diff": ("test_review", '"dvc", "plots", "diff", "main"'),
    "make review BASE=HEAD": ("test_review", '"python", "-m", "tools.review", "--check", "main"'),
    "python -m tools.review --check HEAD": ("test_review", '"tools.review", "--check", "main"'),
    "make review BASE=main": ("test_review", '"python", "-m", "tools.review", "--check", "main"'),
    "python -m tools.surface tiles": ("test_other_sources", '"-m", "tools.surface", "drawn")'),
    "make restore": ("test_rebuild", 'in_clone(clone, "make", "restore")'),
    'git tag -a detector@v1.0.0 -m "first"': ("test_rebuild", '"-a", "detector@v1.0.0", "-m"'),
    "dvc artifacts get REPOSITORY detector --rev v1.0.0": ("test_rebuild", '"artifacts", "get"'),
    "dvc get REPOSITORY models/exported": ("test_sharing", '"get", "hub.git", "models/exported"'),
    "dvc exp run -S detectors.together.rule=sigma": (
        "test_sharing",
        '"dvc exp run -S detectors.together.rule=sigma',
    ),
    "python -m tools.sweep": ("test_sweep", '"python", "-m", "tools.sweep")'),
    "python -m tools.sweep --jobs 2": ("test_sweep", 'project.sweep("--jobs", "2")'),
    "make docs": ("test_docs", "filled_pages(ROOT)"),
    "python classify.py exported/detector.onnx a.jpg b.jpg": (
        "test_embedding",
        '"python classify.py exported/detector.onnx a.jpg b.jpg"',
    ),
    "npm install --ignore-scripts onnxruntime-node@1.30.0 sharp@0.35.5": (
        "test_embedding",
        '"npm install --ignore-scripts onnxruntime-node@"',
    ),
    "export ORT_DISABLE_TELEMETRY=1": ("test_embedding", "typed_line('export ')"),
    'python -c "import onnxruntime as o; '
    "print(o.InferenceSession('exported/detector.onnx').get_inputs()[0])\"": (
        "test_embedding",
        "import onnxruntime as o; print(o.InferenceSession(",
    ),
    "python3 -m venv small": ("test_small_environment", '"-m", "venv", folder'),
    "small/bin/python -m pip install -r requirements-classify.txt": (
        "test_small_environment",
        "-m pip install --quiet --retries 1 -r {REQUIREMENTS}",
    ),
    "small/bin/python -m tools.classify photos/ --model exported/detector.onnx": (
        "test_small_environment",
        '"-m", "tools.classify", "photos"',
    ),
    "make watch-demo": ("test_watch_page", '"demo", "--state"'),
    "python -m tools.watch FOLDER": ("test_main", '([str(folder)], ["demo"], ["export"'),
    "python -m tools.watch export FOLDER.watch judged": ("test_watch_page", '"export", str(tmp'),
    "python -m tools.classify --into results s3://bucket/shards": (
        "test_s3",
        'run(model, tmp_path / "out", "s3://bucket/in")',
    ),
    "ray start --head --port=6379": ("test_ray", '"--head", "--port", port'),
    "ray start --address=FIRST:6379": ("test_ray", 'f"--address={self.address}"'),
    "RAY_ADDRESS=FIRST:6379 python -m tools.classify --into results --engine ray shards/": (
        "test_ray",
        "RAY_ADDRESS=cluster.address",
    ),
    "python -m tools.bulk.bench": ("test_bulk_bench", '"tools.bulk.bench", "--photos"'),
    "dvc push": ("test_sharing", 'walk.type("clone", "dvc push")'),
    "dvc pull": ("test_sharing", 'walk.type("wells", "dvc pull")'),
}
# Run by no test, and why.
NOT_RUN = {
    "dvc exp run -n tiles -S dataset.source=tiles.zip -S images.height=128 -S images.width=96 "
    "-S train.epochs=60": "10 minutes, and photos that are not published",
    "make small-sets": "3 minutes",
    "make memory": "16 minutes",
    "make growth": "50 minutes, 8 GB of disk and 12 GB of memory",
    "make alarm-rule": "2 minutes",
    "python -m pip install onnxruntime==1.32.0 pillow==13.0.0": "a test compares its pins",
    "python -m pip install -r requirements-classify.txt -r requirements-watch.txt": (
        "the tests' environment has them; a test compares their pins"
    ),
    "python -m pip install -r requirements-classify.txt -r requirements-bulk.txt": (
        "`make test-bulk` installs them; a test compares their pins"
    ),
    "export RAY_AUTH_MODE=token RAY_AUTH_TOKEN=TOKEN RAY_USAGE_STATS_ENABLED=0": (
        "changes the shell that it is typed in"
    ),
    "ray stop": "ends every Ray of whoever types it",
    "dvc exp run -S 'dataset.additions=[judged]' --name judged": "what sharing tells of additions",
    "dvc exp apply judged": "the walk through sharing applies one",
    "dvc exp remove NAME": "DVC's own; the walk through sharing removes one from a remote",
    "git switch BRANCH": "Git's own",
    "git push origin detector@v1.0.0": "Git's own",
    "make seeds": "17 minutes",
    "make seeds JOBS=2": "as `make seeds`, two at once",
    "python -m tools.seeds 0 1 2 3 4": "what `make seeds` ends with",
    "dvc exp run --queue -S KEY=A,B": "what `make compare` runs",
    "dvc exp run --run-all": "may wait for ever, which is why the page names it",
    "dvc queue logs NAME": "DVC's own; the sweep's test runs it",
    "dvc queue logs NAME --follow": "DVC's own; the sweep's test shows such a log",
    "dvc queue status": "DVC's own; the sweep's test runs it",
    "make quick": "a part of the tests",
    "make setup": "2 to 5 minutes",
    "python3 -m venv .venv": "a part of `make setup`",
    ".venv/bin/python -m pip install torch==2.13.0 OPTION": "fetches PyTorch",
    "make hooks": "changes the hooks of whoever runs it",
    "make show": "what `make compare` ends with",
    "make test": "runs this test",
    "make test-bulk": "installs packages; `.ci/run` runs it",
    "python -m tools.bench": "7 minutes",
    "source .venv/bin/activate": "changes the shell that it is typed in",
}


def typed(clone: Path, command: str) -> str:
    """Run a command of the README in a clone, as a shell would."""
    command = command.replace("PATH", "own")
    return in_clone(clone, "bash", "-c", f"set -o pipefail; {command}")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A clone of the whole project, and what learning from a few tiny avatars answered."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / ".gitconfig").write_text(CONFIG, encoding="utf-8")
    clone = small_clone(folder)
    commit(clone)
    rng = np.random.default_rng(0)
    counts = yaml.safe_load((clone / "data/styles.yaml").read_text(encoding="utf-8"))
    lines = [["name", *counts]]
    for i in range(12):
        path = clone / "own" / ("holdout" if i > 8 else "") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.choice(np.array([0, 99, 255], dtype=np.uint8), (6, 6, 4))
        Image.fromarray(pixels, "RGBA").save(path)
        lines.append([path.name, *(list(values)[i % len(values)] for values in counts.values())])
    table = "".join(",".join(line) + "\n" for line in lines)
    (clone / "own/styles.csv").write_text(table, encoding="utf-8")
    return clone, typed(clone, OWN_AVATARS)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A clone whose wells are to come from a URL, with photos in it, and what building answered."""
    folder = tmp_path_factory.mktemp("tiny")
    stages = ["download", "preprocess", "train", "calibrate", "export"]
    clone = tiny_clone(folder, stages, source="http://localhost/none.zip")
    (clone / ".venv").mkdir()
    (clone / ".venv/ready").touch()
    files = draw_archive(60)
    photos = [(Path(name).name, data) for name, data in files.items() if name.endswith(".jpg")]
    spill = next((Path(name).name, data) for name, data in files.items() if "proliv" in name)
    unpack([*photos[:1], spill], clone / "photos")
    (folder / "Downloads").mkdir()
    (folder / "Downloads/dataset.zip").write_bytes(zip_of(files.items()))
    return clone, typed(clone, BUILD)


@pytest.mark.parametrize("command", WHOLE)
def test_a_command_for_the_whole_project_works(whole: tuple[Path, str], command: str) -> None:
    clone, first = whole
    answer = first if command == OWN_AVATARS else typed(clone, command)
    assert re.search(WHOLE[command], answer, re.MULTILINE), answer


@pytest.mark.parametrize("command", TINY)
def test_a_command_for_the_wells_works(tiny: tuple[Path, str], command: str) -> None:
    clone, first = tiny
    answer = first if command == BUILD else typed(clone, command)
    assert re.search(TINY[command], answer, re.MULTILINE), answer
    if "--output rows.csv" in command:
        assert len((clone / "rows.csv").read_text(encoding="utf-8").splitlines()) == 3


@pytest.mark.parametrize("command", ELSEWHERE)
def test_a_command_is_run_by_the_test_that_is_named(command: str) -> None:
    module, run = ELSEWHERE[command]
    (path,) = (ROOT / "tests").rglob(f"{module}.py")
    assert run in path.read_text(encoding="utf-8")


def test_every_command_that_is_told_is_proven_or_excused_and_none_is_left_over() -> None:
    pages = [(ROOT / name).read_text(encoding="utf-8") for name in PAGES if name != SHARING]
    told = {
        command for page in pages for command in (*fenced_commands(page), *named_commands(page))
    }
    tables = [*WHOLE, *TINY, *ELSEWHERE, *NOT_RUN]
    assert told == set(tables)
    assert len(tables) == len(set(tables))


def test_every_link_of_a_page_leads_somewhere() -> None:
    for name in PAGES:
        page = ROOT / name
        links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
        assert links, name
        for link in links:
            path, _, anchor = link.partition("#")
            if not link.startswith("http"):
                target = (page.parent / path).resolve() if path else page
                assert target.exists(), (name, link)
                if anchor:
                    titles = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.M)
                    slugs = {re.sub(r"[^\w\- ]", "", t).lower().replace(" ", "-") for t in titles}
                    assert anchor in slugs, (name, link)


def test_two_pages_show_the_graph_that_dvc_draws() -> None:
    shown: list[str] = []
    for name in ("README.md", "docs/avatars.md"):
        page = (ROOT / name).read_text(encoding="utf-8")
        (graph,) = re.findall(
            r"^```mermaid\nflowchart TD\n(.*?)^```", page, re.MULTILINE | re.DOTALL
        )
        shown += graph.splitlines()
    drawn = in_clone(ROOT, "dvc", "dag", "--md").strip().splitlines()
    assert shown == drawn[2:-1]


def test_the_readme_leads_to_every_page_and_its_first_picture_stands_on_its_first_screen() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert [page for page in PAGES[1:] if f"({page})" not in "\n".join(lines)] == []
    assert next(number for number, line in enumerate(lines) if line.startswith("![")) < 20


def test_pages_are_no_longer_than_somebody_reads() -> None:
    lengths = {name: len((ROOT / name).read_text(encoding="utf-8").splitlines()) for name in PAGES}
    assert lengths.pop("README.md") <= 220
    assert max(lengths.values()) <= 250


def test_every_picture_of_a_page_says_in_words_what_it_shows() -> None:
    for name in PAGES:
        for words in re.findall(r"!\[(.*?)\]", (ROOT / name).read_text(encoding="utf-8")):
            assert len(words.split()) >= 5, (name, words)
