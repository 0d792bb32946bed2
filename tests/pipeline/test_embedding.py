"""The programs that docs/embedding.md shows say of photos what `tools.classify` says."""

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image, ImageCms

from stages.common.types import Images
from stages.wells.detection.calibration import fit_detectors
from stages.wells.detection.params import DetectorParams
from stages.wells.inference.exported import OUTPUTS, load_exported, run_exported
from stages.wells.inference.metadata import FORMAT, Metadata
from tests.clones import BIN, ROOT
from tests.exported_files import exported
from tests.pages import FENCED
from tests.small_wells import in_turn, noise
from tests.wells_files import encoded, unpack
from tools.photos import find_photos
from tools.rows import classify

slow = pytest.mark.slow

PAGE = (ROOT / "docs/embedding.md").read_text(encoding="utf-8")
LONGEST_PROGRAM = 30
DETECTOR = "exported/detector.onnx"
PROGRAMS = {
    "python": "python classify.py exported/detector.onnx a.jpg b.jpg",
    "js": "node classify.mjs exported/detector.onnx a.jpg b.jpg",
}
CHECK = "python -c \"import onnxruntime as o; print(o.InferenceSession('exported/detector.onnx')"
INSTALL = "npm install --ignore-scripts onnxruntime-node@"
# Scores are printed with four digits.
TOLERANCE = 1e-4
SIZE = {"height": 16, "width": 24}
OLDEST_NODE = (20, 9)
# What npm says where no request reaches the registry. All else that it says is a failure.
UNREACHED = re.compile(
    r"\b(EAI_AGAIN|ECONN\w+|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|E\w*TIMEDOUT|E407|E50[234])\b"
)


def blocks(kind: str) -> list[str]:
    return [text for name, text in FENCED.findall(PAGE) if name == kind]


def program(kind: str) -> str:
    (text,) = blocks(kind)
    return text


def typed_line(start: str) -> str:
    """Return the line of the page that begins so, without its comment."""
    (line,) = (
        line for block in blocks("sh") for line in block.splitlines() if line.startswith(start)
    )
    return re.sub(r"\s+#\s.*$", "", line)


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def run(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder as a shell would, without the project, in a home of its own."""
    environment = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(folder / "home")}
    words = ["bash", "-c", command]
    return subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def run_program(
    kind: str, folder: Path, *photos: str, detector: str = DETECTOR
) -> subprocess.CompletedProcess[str]:
    """Run a program of the page as the page says, on these photos."""
    command = PROGRAMS[kind].replace(DETECTOR, detector)
    return run(folder, command.replace("a.jpg b.jpg", shlex.join(photos)))


def well(seed: int, width: int, height: int, grain: float = 8) -> Image.Image:
    """Return a green photo of that size with grain, whose size grows with the photo's."""
    rng = np.random.default_rng(seed)
    pixels = np.array([100, 140, 120]) + rng.normal(0, grain, (16, 24, 1))
    small = Image.fromarray(pixels.clip(0, 255).round().astype(np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC)


def draw_photos() -> dict[str, bytes]:
    """Files of photos of other sizes, kinds and modes than the detector's, by name."""
    covered = well(7, 48, 32)
    covered.paste((20, 20, 20), (0, 0, 10, 32))
    clear = well(8, 60, 40)
    clear.putalpha(100)
    turned = Image.Exif()
    turned[0x0112] = 6
    # A profile that takes red for blue.
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"?XYZ").replace(b"bXYZ", b"rXYZ").replace(b"?XYZ", b"bXYZ")
    return {
        "normal.png": encoded(well(1, 48, 32)),
        "normal.jpg": encoded(well(2, 53, 31), "JPEG", quality=95),
        "spill.png": encoded(well(3, 37, 29, grain=70)),
        "spill.jpg": encoded(well(4, 50, 30, grain=70), "JPEG"),
        "of its own size.png": encoded(well(5, 24, 16)),
        "so tall that Pillow begins with the height.png": encoded(well(6, 25, 90, grain=60)),
        "small.png": encoded(well(9, 9, 7, grain=40)),
        "large.jpg": encoded(well(10, 480, 330, grain=30), "JPEG"),
        "covered.png": encoded(covered),
        "transparent.png": encoded(clear),
        "grey.jpg": encoded(well(11, 40, 33).convert("L"), "JPEG"),
        "grey and transparent.png": encoded(well(12, 40, 33).convert("LA")),
        "palette.png": encoded(well(13, 40, 33, grain=30).quantize(64)),
        "with a profile.jpg": encoded(well(15, 41, 33, grain=30), "JPEG", icc_profile=swapped),
        "on its side.jpg": encoded(well(14, 33, 48, grain=30), "JPEG", exif=turned),
    }


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the page's programs, a small detector, one of another format, and photos."""

    def wells(seeds: range, grain: float) -> Images:
        return np.stack([np.asarray(well(i, 24, 16, grain)).transpose(2, 0, 1) for i in seeds])

    folder = tmp_path_factory.mktemp("desk")
    train, spills = wells(range(100, 220), 8), wells(range(20, 40), 60)
    wanted = {"small": DetectorParams(scores=["appearance", "texture"], rule="equal_error")}
    detector = fit_detectors(wanted, {}, train, in_turn(len(train)), spills)["small"]
    made = exported(detector, {}, tmp_path_factory.mktemp("model"))
    (folder / DETECTOR).parent.mkdir()
    shutil.copy(made, folder / DETECTOR)
    model = onnx.load(made)
    (kept,) = (entry for entry in model.metadata_props if entry.key == "format")
    kept.value = "spill detector, format 3"
    onnx.save(model, folder / "other.onnx")
    (folder / "classify.py").write_text(program("python"), encoding="utf-8")
    (folder / "classify.mjs").write_text(program("js"), encoding="utf-8")
    return unpack(draw_photos().items(), folder)


@pytest.fixture(scope="module")
def node_desk(desk: Path) -> Path:
    """The same folder with the packages that the page installs for Node."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node or npm is not installed")
    version = subprocess.check_output(["node", "--version"], text=True).strip()
    if tuple(int(part) for part in version.lstrip("v").split(".")[:2]) < OLDEST_NODE:
        pytest.skip(f"node is {version}, older than sharp wants")
    more = ["--no-audit", "--no-fund", "--prefix", ".", "--fetch-retries", "1"]
    command = [*shlex.split(typed_line(INSTALL)), *more]
    try:
        # npm may need settings of the user's own to reach its registry.
        done = subprocess.run(
            command, cwd=desk, capture_output=True, text=True, check=False, timeout=300
        )
    except subprocess.TimeoutExpired:
        pytest.skip("the npm registry has not answered for 300 seconds")
    if done.returncode and (word := UNREACHED.search(done.stderr)):
        pytest.skip(f"the npm registry can't be reached ({word[0]})")
    assert done.returncode == 0, done.stderr
    return desk


def check_rows(done: subprocess.CompletedProcess[str], folder: Path) -> None:
    """Fail where a program of the page has printed other rows than `tools.classify` makes."""
    assert (done.returncode, done.stderr) == (0, "")
    names = list(draw_photos())
    expected = list(
        classify(
            find_photos(str(folder / name) for name in names), load_exported(folder / DETECTOR)
        )
    )
    assert {row.label for row in expected} == {"normal", "spill"}
    assert {row.view for row in expected} == {"clear", "obstructed"}
    rows = [line.rsplit(" ", 4) for line in done.stdout.splitlines()]
    assert [name for name, *_ in rows] == names
    told = [(name, label, view) for name, _, _, label, view in rows]
    assert told == [(Path(row.name).name, row.label, row.view) for row in expected]
    for (name, score, margin, *_), row in zip(rows, expected, strict=True):
        assert float(score) == pytest.approx(row.score, abs=TOLERANCE), name
        assert float(margin) == pytest.approx(row.margin, abs=TOLERANCE), name


@slow
def test_the_python_program_says_what_the_command_says(desk: Path) -> None:
    check_rows(run_program("python", desk, *draw_photos()), desk)


@slow
def test_the_javascript_program_says_what_the_command_says(node_desk: Path) -> None:
    check_rows(run_program("js", node_desk, *draw_photos()), node_desk)


def check_refusal(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 1
    assert done.stdout == ""
    assert "other.onnx is no detector of format 2" in done.stderr


@slow
def test_the_python_program_refuses_another_format(desk: Path) -> None:
    check_refusal(run_program("python", desk, "normal.png", detector="other.onnx"))


@slow
def test_the_javascript_program_refuses_another_format(node_desk: Path) -> None:
    check_refusal(run_program("js", node_desk, "normal.png", detector="other.onnx"))


def check_no_report(folder: Path, *commands: str) -> None:
    """Fail where onnxruntime has left anything at home, where it keeps what it will report."""
    shutil.rmtree(folder / "home", ignore_errors=True)
    for command in commands:
        done = run(folder, command)
        assert done.returncode == 0, done.stderr
    assert not list((folder / "home").rglob("*"))


@slow
def test_neither_the_check_nor_the_python_program_reports_its_use(desk: Path) -> None:
    check = f"{typed_line('export ')}\n{typed_line(CHECK)}"
    check_no_report(desk, check, PROGRAMS["python"].replace("a.jpg b.jpg", "normal.png"))


@slow
def test_the_javascript_program_does_not_report_its_use(node_desk: Path) -> None:
    check_no_report(node_desk, PROGRAMS["js"].replace("a.jpg b.jpg", "normal.png"))


@slow
def test_the_check_prints_the_input(desk: Path) -> None:
    done = run(desk, f"{typed_line('export ')}\n{typed_line(CHECK)}")
    assert (done.returncode, done.stderr) == (0, "")
    for told in ("photos", "tensor(uint8)"):
        assert f"`{told}`" in section("Get it and try it")
        assert f"'{told}'" in done.stdout
    assert done.stdout.rstrip().endswith(", 3, 16, 24])")


@slow
def test_the_outputs_have_the_types_that_the_page_tells(node_desk: Path) -> None:
    told = re.findall(r"^\| `(\w+)` \| (\w+) \| (\w+) \|", section("What the numbers mean"), re.M)
    verdict = run_exported(load_exported(node_desk / DETECTOR), noise(1, **SIZE))
    code = (
        "import ort from 'onnxruntime-node';"
        "process.env.ORT_DISABLE_TELEMETRY = '1';"
        f"const session = await ort.InferenceSession.create('{DETECTOR}');"
        "const shape = [1, ...session.inputMetadata[0].shape.slice(1)];"
        "const size = shape.reduce((a, b) => a * b);"
        "const photos = new ort.Tensor('uint8', new Uint8Array(size), shape);"
        "for (const [name, { data }] of Object.entries(await session.run({ photos })))"
        "  console.log(name, data.constructor.name);"
    )
    done = run(node_desk, f"node --input-type=module -e {shlex.quote(code)}")
    arrays = dict(line.split() for line in done.stdout.splitlines())
    types = [(name, str(value.dtype)) for name, value in verdict._asdict().items()]
    assert told == [(name, kind, arrays[name]) for name, kind in types], done.stderr


def test_each_program_is_run_as_the_page_says() -> None:
    for kind, command in PROGRAMS.items():
        assert f"`{command}` prints" in " ".join(PAGE.split()), kind


def test_the_programs_are_short() -> None:
    for kind, comment in {"python": "#", "js": "//"}.items():
        lines = [line.strip() for line in program(kind).splitlines()]
        code = [line for line in lines if line and not line.startswith(comment)]
        assert len(code) <= LONGEST_PROGRAM, kind
        assert max(map(len, program(kind).splitlines())) <= 100, kind


def test_the_python_program_needs_three_packages_that_are_pinned_as_the_commands() -> None:
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(program("python")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported - set(sys.stdlib_module_names) == {"numpy", "onnxruntime", "PIL"}
    pinned = (ROOT / "requirements-classify.txt").read_text(encoding="utf-8").splitlines()
    named = shlex.split(typed_line("python -m pip install "))[4:]
    assert {pin.split("==")[0] for pin in named} == {"onnxruntime", "pillow"}
    assert set(named) <= set(pinned)


def test_the_javascript_program_needs_what_the_page_installs() -> None:
    imported = set(re.findall(r"^import .* from '(.+)';$", program("js"), re.MULTILINE))
    installed = {pin.split("@")[0] for pin in shlex.split(typed_line(INSTALL)) if "@" in pin}
    assert {name for name in imported if not name.startswith("node:")} == installed


def test_the_page_names_every_output_and_every_key_of_the_metadata() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", section("What the numbers mean"), re.MULTILINE)
    assert tuple(rows) == OUTPUTS
    keys = re.findall(r"`(\w+)`", section("Another version of the file"))
    assert {"format", *Metadata._fields} <= set(keys)
    assert all(
        f"{quote}{FORMAT}{quote}" in program(kind) for kind, quote in (("python", '"'), ("js", "'"))
    )
