"""What people judged becomes a folder that dataset.additions takes."""

from pathlib import Path

import pytest
from PIL import Image

from stages.common.errors import InputError
from stages.common.sources import files_of_folder, folders_of_folder
from stages.wells.data.layouts import Found, add
from tests.watch.stand_in import SPILL, Watch, photo
from tools.watch.export import export
from tools.watch.store import VERDICTS


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    """Return a watch on two wells, of which three photos are logged each."""
    watch = Watch(tmp_path)
    for number in range(3):
        for well in ("table/1", "table/2"):
            watch.put(f"{well}/{number}.png", photo(SPILL + number))
            watch.turns(seconds=1)
    return watch


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))


def test_spills_and_false_alarms_are_written_where_additions_have_them(
    watch: Watch, tmp_path: Path
) -> None:
    for number, verdict in enumerate(VERDICTS, start=1):
        watch.engine.judge(number, verdict)
    out = tmp_path / "out"
    assert export(watch.state, out) == {"spill": 1, "false alarm": 1}
    assert files(out) == ["proliv/table-1-1.png", "train/table-2-2.png"]
    found = Found("out", files_of_folder(out), folders_of_folder(out))
    assert sorted(add({}, [found])) == [
        "proliv/addition-1/table-1-1.png",
        "train/addition-1/table-2-2.png",
    ]
    with Image.open(out / "train/table-2-2.png") as image:
        assert (image.size, image.getpixel((0, 0))) == ((24, 16), (SPILL,) * 3)


def test_the_last_verdict_counts(watch: Watch, tmp_path: Path) -> None:
    for verdict in ("spill", "unsure", "false alarm"):
        watch.engine.judge(1, verdict)
    watch.engine.judge(2, "spill")
    watch.engine.judge(2, "unsure")
    assert export(watch.state, tmp_path / "out") == {"false alarm": 1}


def test_a_photo_that_was_not_kept_is_told(
    watch: Watch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (watch.folder / "table/1/0.png").unlink()
    watch.engine.judge(1, "spill")
    watch.engine.judge(2, "spill")
    assert export(watch.state, tmp_path / "out") == {"spill": 1, "not kept": 1}
    assert capsys.readouterr().err == "1 not kept, 1 spill\n"


def test_an_old_export_is_not_mixed_with_a_new_one(watch: Watch, tmp_path: Path) -> None:
    watch.engine.judge(1, "spill")
    export(watch.state, tmp_path / "out")
    with pytest.raises(InputError, match="isn't empty: name a new folder"):
        export(watch.state, tmp_path / "out")


def test_where_nothing_is_judged_or_nothing_logged_it_says_so(watch: Watch, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nobody has called a photo a spill"):
        export(watch.state, tmp_path / "out")
    (tmp_path / "empty").mkdir()
    for name in ("nowhere", "empty"):
        with pytest.raises(InputError, match="can't be exported"):
            export(tmp_path / name, tmp_path / "out")
    assert not list((tmp_path / "empty").iterdir())
