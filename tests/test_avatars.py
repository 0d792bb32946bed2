"""Avatars are drawn as their styles say, or read from anywhere, or refused with a reason."""

import csv
import io
import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from stages.bayes.avatars import as_avatar, as_letters, load_avatars, read_avatars, save_avatars
from stages.bayes.avatars_summary import of_holdout
from stages.bayes.drawing import HEIGHT, OPTIONS, WIDTH, draw_avatar
from stages.bayes.places import Poly
from stages.bayes.styles import load_counts
from stages.common.errors import InputError
from tests.avatar_files import dressed, painted
from tests.processes import run_module
from tests.wells_files import ROOT, message_of, params_with, run_stage

COURSE = load_counts(ROOT / "data/styles.yaml")
REAL = ROOT.parent / "shared/avatars"
PLAIN = {
    "прическа": "длинные прямые",
    "цвет волос": "рыжий",
    "аксесуар": "нет очков",
    "одежда": "футболка с круглым вырезом",
    "цвет одежды": "зеленый",
}


def share_of(avatar: np.ndarray, colour: tuple[int, int, int]) -> float:
    return float((avatar == (*colour, 255)).all(axis=-1).mean())


def test_every_value_that_was_counted_can_be_drawn() -> None:
    assert {name: set(values) for name, values in OPTIONS.items()} == {
        name: set(values) for name, values in COURSE.items()
    }


def test_each_value_changes_the_picture() -> None:
    pictures = {
        draw_avatar(PLAIN | {attribute: value}).tobytes()
        for attribute, values in COURSE.items()
        for value in values
    }
    # The plain avatar is drawn once for each attribute.
    assert len(pictures) == sum(map(len, COURSE.values())) - len(COURSE) + 1


def test_hair_and_clothes_have_their_colours() -> None:
    avatar = draw_avatar(PLAIN)
    assert avatar.shape == (HEIGHT, WIDTH, 4)
    assert share_of(avatar, (0xC9, 0x33, 0x05)) > 0.1
    assert share_of(avatar, (0xA7, 0xFF, 0xC4)) > 0.1
    assert share_of(draw_avatar(PLAIN | {"прическа": "нет волос"}), (0xC9, 0x33, 0x05)) == 0


def test_shoulders_reach_the_lower_edge_and_the_corners_are_empty() -> None:
    avatar = draw_avatar(PLAIN)
    assert (avatar[-1, WIDTH // 4 : -WIDTH // 4, 3] == 255).all()
    assert avatar[0, 0].tolist() == avatar[0, -1].tolist() == [0, 0, 0, 0]


def test_faces_vary_only_where_they_may() -> None:
    first, second = draw_avatar(PLAIN), draw_avatar(PLAIN)
    assert first.tobytes() == second.tobytes()
    varied = {draw_avatar(PLAIN, np.random.default_rng(seed)).tobytes() for seed in range(8)}
    assert len(varied) > 4
    again = draw_avatar(PLAIN, np.random.default_rng(3)).tobytes()
    assert again == draw_avatar(PLAIN, np.random.default_rng(3)).tobytes()


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(InputError, match="прическа=ирокез can't be drawn; what can: нет волос"):
        draw_avatar(PLAIN | {"прическа": "ирокез"})
    with pytest.raises(InputError, match="not from hat"):
        draw_avatar({"hat": "cap"})


def test_letters_and_avatars_are_the_same_bytes() -> None:
    avatars = painted("rgb", " ws")
    for letter in (np.uint8, np.uint32):
        rows = as_letters(avatars, letter)
        assert rows.shape == (2, 12 // np.dtype(letter).itemsize)
        assert (as_avatar(rows[1], 1, 3) == avatars[1]).all()


def png(avatar: np.ndarray, mode: str = "RGBA") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(avatar).convert(mode).save(buffer, format="PNG")
    return buffer.getvalue()


RED, BLUE, WIDE = png(painted("rr")[0]), png(painted("bb")[0]), png(painted("rrr")[0])
STYLED = "name,hat,coat\na.png,cap,red\nb.png,none,blue\nc.png,cap,blue\n"


def folder_of(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def zip_of(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("packed", [False, True])
def test_a_folder_and_a_zip_give_the_same(tmp_path: Path, packed: bool) -> None:
    files = {
        "some/b.png": BLUE,
        "a.png": RED,
        "holdout/c.png": RED,
        "styles.csv": STYLED.encode(),
        "notes.txt": b"?",
        ".hidden/d.png": b"?",
        "__MACOSX/a.png": b"?",
    }
    source = zip_of(tmp_path / "x.zip", files) if packed else folder_of(tmp_path / "x", files)
    train, holdout = read_avatars(source)
    assert train.avatars.tolist() == painted("rr", "bb").tolist()
    assert train.attributes == holdout.attributes == ("hat", "coat")
    assert train.styles == (("cap", "red"), ("none", "blue"))
    assert holdout.avatars.tolist() == painted("rr").tolist()
    assert holdout.styles == (("cap", "blue"),)


def test_without_a_table_there_are_no_styles(tmp_path: Path) -> None:
    train, holdout = read_avatars(folder_of(tmp_path, {"a.png": RED, "b.PNG": BLUE}))
    assert len(train.avatars) == 2
    assert (train.styles, train.attributes) == ((), ())
    assert holdout.avatars.shape == (0, 1, 2, 4)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "LA", "1"])
def test_any_colour_mode_becomes_rgba(tmp_path: Path, mode: str) -> None:
    files = {"a.png": png(painted("ww")[0], mode), "b.png": BLUE}
    train, _ = read_avatars(folder_of(tmp_path, files))
    assert train.avatars.shape == (2, 1, 2, 4)
    assert (train.avatars[0, ..., 3] == 255).all()


def test_what_is_transparent_has_no_colour(tmp_path: Path) -> None:
    ghost = painted("r ")
    ghost[0, 0, 1] = (9, 8, 7, 0)
    train, _ = read_avatars(folder_of(tmp_path, {"a.png": png(ghost[0]), "b.png": BLUE}))
    assert train.avatars[0].tolist() == painted("r ")[0].tolist()


def huge() -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (20000, 20000)).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"readme.txt": b"?"}, "holds 0 PNG files to learn from; at least 2"),
        ({"a.png": RED}, "holds 1 PNG files to learn from; at least 2"),
        ({"a.png": RED, "holdout/b.png": RED}, "holds 1 PNG files to learn from; at least 2"),
        ({"a.png": RED, "b.png": WIDE}, "b.png has 3 x 1 pixels, a.png 2 x 1"),
        ({"a.png": RED, "b.png": b"no image"}, "b.png can't be read as a PNG image"),
        ({"a.png": RED, "b.png": RED[:45]}, "b.png can't be read as a PNG image"),
        ({"a.png": RED, "b.png": b""}, "b.png can't be read as a PNG image"),
        ({"a.png": RED, "b.png": huge()}, "b.png"),
        ({"a.png": RED, "b.png": BLUE, "styles.csv": b"name,hat\na.png,cap\n"}, "style of b.png"),
        ({"a.png": RED, "b.png": BLUE, "styles.csv": b"hat\ncap\n"}, "a column `name`"),
        ({"a.png": RED, "b.png": BLUE, "styles.csv": b"name\na.png\n"}, "a column for each"),
        ({"a.png": RED, "b.png": BLUE, "styles.csv": b""}, "a column `name`"),
        ({"a.png": RED, "b.png": BLUE, "styles.csv": b"\xff\xfe"}, "styles.csv can't be read"),
        (
            {"a.png": RED, "b.png": BLUE, "styles.csv": b"name,hat\na.png,cap\nb.png\n"},
            "style of b.png",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(
    tmp_path: Path, files: dict[str, bytes], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        read_avatars(folder_of(tmp_path / "given", files))
    assert message in str(caught.value)


@pytest.mark.parametrize("content", [None, b"no zip", b"PK\x03\x04 broken"])
def test_a_source_that_is_none_is_refused(tmp_path: Path, content: bytes | None) -> None:
    source = tmp_path / "source.zip"
    if content is not None:
        source.write_bytes(content)
    with pytest.raises(InputError, match=r"avatars\.source"):
        read_avatars(source)


def test_avatars_come_back_from_their_file(tmp_path: Path) -> None:
    for part in (dressed(3, 0), dressed(3, 0)._replace(attributes=(), styles=())):
        save_avatars(tmp_path / "a.npz", part)
        found = load_avatars(tmp_path / "a.npz")
        assert found.avatars.tolist() == part.avatars.tolist()
        assert (found.attributes, found.styles) == (part.attributes, part.styles)
    with pytest.raises(InputError, match="dvc repro"):
        load_avatars(tmp_path / "missing.npz")


# The stages and the command, in a folder of their own.

FEW = {"avatars.train": 6, "avatars.holdout": 3}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    (folder / "data").mkdir()
    counts = (ROOT / "data/styles.yaml").read_text(encoding="utf-8")
    (folder / "data/styles.yaml").write_text(counts, encoding="utf-8")
    done = run_stage("draw_avatars", folder, FEW)
    assert done.returncode == 0, done.stderr
    return folder


def avatar_tool(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "params.yaml").write_text(params_with(FEW), encoding="utf-8")
    return run_module("tools.avatar", *arguments, folder=folder)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_drawn_avatars_are_those_of_their_styles(drawn: Path) -> None:
    for part, number in (("train", 6), ("holdout", 3)):
        found = load_avatars(drawn / f"data/avatars/{part}.npz")
        assert found.avatars.shape == (number, HEIGHT, WIDTH, 4)
        for avatar, style in zip(found.avatars, found.styles, strict=True):
            assert (draw_avatar(dict(zip(found.attributes, style, strict=True))) == avatar).all()


@pytest.mark.parametrize("generator", ["mle", "poly", "pixel", "tree", "style"])
def test_the_command_draws_the_avatars_of_its_seeds(
    drawn: Path, tmp_path: Path, generator: str
) -> None:
    for name, arguments in (("a", ("-n", "2", "--seed", "4")), ("b", ("-n", "1", "--seed", "5"))):
        out = tmp_path / name
        done = avatar_tool(drawn, "--generator", generator, "--out", str(out), *arguments)
        assert done.returncode == 0, done.stderr
    first, second = table(tmp_path / "a/avatars.csv")
    assert [first["seed"], second["seed"]] == ["4", "5"]
    assert table(tmp_path / "b/avatars.csv") == [second]
    both = [(tmp_path / folder / second["file"]).read_bytes() for folder in "ab"]
    assert both[0] == both[1]
    assert first["file"] != second["file"]
    bits = -float(first["log_probability"]) / np.log(2) / (HEIGHT * WIDTH * 4)
    assert float(first["bits_per_dimension"]) == pytest.approx(bits)
    if first["probability"]:
        assert np.log(float(first["probability"])) == pytest.approx(float(first["log_probability"]))
    assert ("style" in first) == (generator == "style")


def test_a_style_that_is_asked_for_is_drawn(drawn: Path, tmp_path: Path) -> None:
    given = ["--style", "одежда=худи", "--style", "прическа=нет волос"]
    done = avatar_tool(drawn, "--generator", "style", "-n", "3", "--out", str(tmp_path), *given)
    assert done.returncode == 0, done.stderr
    styles = [row["style"] for row in table(tmp_path / "avatars.csv")]
    assert len(styles) == 3
    assert all("одежда: худи" in style and "прическа: нет волос" in style for style in styles)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--generator", "style", "--style", "одежда=худ"), "did you mean худи"),
        (("--generator", "style", "--style", "одежд=худи"), "did you mean одежда"),
        (("--generator", "style", "--style", "худи"), "isn't ATTRIBUTE=VALUE"),
        (("--generator", "tree", "--style", "одежда=худи"), "tree knows no styles"),
    ],
)
def test_wrong_wishes_are_refused(
    drawn: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = avatar_tool(drawn, "--out", str(tmp_path / "out"), *arguments)
    assert message in message_of(done)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("arguments", [("-n", "0"), ("--seed", "-1"), ("--generator", "vae")])
def test_wrong_options_are_refused(drawn: Path, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = avatar_tool(drawn, "--out", str(tmp_path / "out"), *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_without_avatars_the_command_says_how_to_get_them(drawn: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/styles.yaml").write_bytes((drawn / "data/styles.yaml").read_bytes())
    assert "dvc repro" in message_of(avatar_tool(tmp_path, "--out", "out"))


@pytest.mark.slow
def test_measures_are_of_every_generator(drawn: Path) -> None:
    done = run_stage("measure_avatars", drawn, FEW)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads((drawn / "metrics/avatars.json").read_text())
    assert list(found) == ["source", "mle", "poly", "pixel", "tree", "style"]
    for name, figures in found.items():
        if name != "source":
            assert {
                "log_probability",
                "bits_per_dimension",
                "held_out_bits_per_dimension",
                "held_out_bits_per_dimension_error",
                "unseen_share",
                "copy_rate",
                "nearest_distance",
                "diversity",
                "unseen_colours",
            } == figures.keys() - {"style_fidelity"}
    assert 0.5 < found["style"]["style_fidelity"] <= 1
    assert (drawn / "plots/avatars/compared.png").is_file()


def test_avatars_without_styles_are_learnt_from_by_all_but_style(tmp_path: Path) -> None:
    folder_of(
        tmp_path / "given",
        {f"{i}.png": png(painted(p)[0]) for i, p in enumerate(["rgb", "rgw", "bgw"])},
    )
    (tmp_path / "data").mkdir()
    counts = (ROOT / "data/styles.yaml").read_text(encoding="utf-8")
    (tmp_path / "data/styles.yaml").write_text(counts, encoding="utf-8")
    changes = {"avatars.source": "given", "avatars.generators": ["mle", "tree"]}
    for stage in ("draw_avatars", "measure_avatars"):
        done = run_stage(stage, tmp_path, changes)
        assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "metrics/avatars.json").read_text())
    assert list(found) == ["source", "mle", "tree"]
    assert "held_out_bits_per_dimension" not in found["tree"]
    assert found["source"]["holdout"] == 0
    assert "have no styles" in message_of(run_stage("infer_styles", tmp_path, changes))


def test_held_out_bits_are_told_with_the_standard_error_of_their_mean() -> None:
    training, holdout = painted("rr", "bb"), painted("rr", "rg")
    generator = Poly.fit(training, np.uint32)
    found = of_holdout(generator, training, holdout, 0.1, np.uint32)
    # Of two pixels with four channels each; the smoothing is that of 0.1 avatars beside two.
    one, other = -generator.log_probability(holdout, 0.1 / 2.1) / (8 * np.log(2))
    assert found["held_out_bits_per_dimension"] == pytest.approx((one + other) / 2)
    assert found["held_out_bits_per_dimension_error"] == pytest.approx(abs(one - other) / 2)
    assert found["unseen_share"] == 1 / 4


@pytest.mark.skipif(not REAL.is_dir(), reason=f"{REAL} is missing")
def test_the_real_avatars_are_read_and_mixed_anew() -> None:
    from stages.bayes.tree import Tree

    train, holdout = read_avatars(REAL)
    assert train.avatars.shape == (11, 560, 528, 4)
    assert not len(holdout.avatars)
    fitted = Tree.fit(train.avatars, 0.1)
    assert len(fitted.order) == 331
    known = {avatar.tobytes() for avatar in train.avatars}
    drawn = [fitted.sample(np.random.default_rng(seed)).avatar.tobytes() for seed in range(40)]
    assert sum(avatar in known for avatar in drawn) <= 2


def test_committed_avatars_are_those_of_their_table() -> None:
    wanted = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["avatars"]
    for name in wanted["generators"]:
        rows = pd.read_csv(ROOT / f"data/generated/avatars/{name}/avatars.csv")
        assert len(rows) == 5
        for file in rows["file"]:
            with Image.open(ROOT / f"data/generated/avatars/{name}" / file) as image:
                assert (image.mode, image.size) == ("RGBA", (WIDTH, HEIGHT))
