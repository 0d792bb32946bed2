"""Wells in MVTec's layout, and additions, become the same archive as wells in the own layout."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from stages.common.errors import InputError
from stages.wells.data.archive import Wells, read_wells
from stages.wells.data.fetch import fetch_archive
from tests.wells_files import LAYOUT, OLD, message_of, run_stage, unpack, zip_of

GOOD = {f"test/good/{number}.png": b"good in test %d" % number for number in range(3)}
CRACKS = {f"test/crack/{number}.png": b"crack %d" % number for number in range(5)}
HOLES = {f"test/hole/{number}.png": b"hole %d" % number for number in range(4)}
MASKS = {f"ground_truth/crack/{number}_mask.png": b"mask %d" % number for number in range(5)}
TRAIN = {f"train/good/{number}.png": b"good %d" % number for number in range(6)}
MVTEC = TRAIN | GOOD | CRACKS | HOLES | MASKS
ADDED = {"train/new.png": b"a new normal", "proliv/x/new.png": b"a new anomaly"}


def fetched(
    files: Mapping[str, bytes], folder: Path, known: int = 2, packed: bool = False
) -> Wells:
    """Return what an archive holds that was fetched from files, as a folder or a zip."""
    source, target = folder / "source", folder / "out/wells.zip"
    if packed:
        source.write_bytes(zip_of(files.items()))
    else:
        unpack(files.items(), source)
    fetch_archive(str(source), target, known)
    return read_wells(target)


def refused(source: Path, message: str, known: int = 2, additions: list[str] | None = None) -> None:
    """Fetching fails with a message that names the source, and the old archive stays."""
    target = source.parent / "out/wells.zip"
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(OLD)
    with pytest.raises(InputError, match=message):
        fetch_archive(str(source), target, known, additions or [])
    assert target.read_bytes() == OLD


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("top", ["", "hazelnut/"])
def test_mvtecs_layout_is_read_and_some_of_each_kind_are_known(
    packed: bool, top: str, tmp_path: Path
) -> None:
    files = {f"{top}{path}": data for path, data in MVTEC.items()}
    wells = fetched(files | {f"{top}readme.txt": b"about"}, tmp_path, packed=packed)
    assert wells.layout == "mvtec"
    assert sorted(wells.train.values()) == sorted(TRAIN.values())
    kinds = [name.partition("/")[0] for name in wells.spills]
    assert kinds == ["crack", "crack", "hole", "hole"]
    everything = [*wells.spills.values(), *wells.test.values()]
    assert sorted(everything) == sorted([*GOOD.values(), *CRACKS.values(), *HOLES.values()])
    assert wells.labels == {name: not name.startswith("good/") for name in wells.test}
    assert len(wells.test) == 3 + 3 + 2


def test_which_anomalies_are_known_depends_on_content_and_not_on_names(tmp_path: Path) -> None:
    renamed = dict(zip(CRACKS, reversed(CRACKS.values()), strict=True))
    one = fetched(MVTEC, tmp_path / "one")
    other = fetched(TRAIN | GOOD | renamed | HOLES, tmp_path / "other")
    assert sorted(one.spills.values()) == sorted(other.spills.values())
    assert one.spills != other.spills


def test_without_known_anomalies_all_are_measured_on(tmp_path: Path) -> None:
    wells = fetched(MVTEC, tmp_path, known=0)
    assert not wells.spills
    assert len(wells.test) == 3 + 5 + 4


def test_an_archive_that_came_in_mvtecs_layout_is_read_again_as_it_is(tmp_path: Path) -> None:
    fetched(MVTEC, tmp_path)
    first = tmp_path / "out/wells.zip"
    fetch_archive(str(first), tmp_path / "again.zip", known=1)
    assert (tmp_path / "again.zip").read_bytes() == first.read_bytes()


@pytest.mark.parametrize(
    ("files", "message"),
    [
        pytest.param(MVTEC | LAYOUT, "source holds two layouts, .* proliv/8_CAM", id="both"),
        pytest.param({"a/x.png": b"", "b/x.png": b""}, "or else MVTec's layout .*a, b", id="none"),
        pytest.param(TRAIN | CRACKS, "source: test/good/ without a photo", id="no good"),
        pytest.param(TRAIN | GOOD, "source: test/KIND/ without a photo", id="no anomaly"),
        pytest.param(
            TRAIN | GOOD | HOLES | MASKS,
            r"source: masks without a photo in test/: ground_truth/crack/0_mask\.png, .*add the",
            id="a kind of masks alone",
        ),
        pytest.param(
            MVTEC | {"ground_truth/hole/9_mask.png": b""},
            r"without a photo in test/: ground_truth/hole/9_mask\.png; add",
            id="a mask alone",
        ),
    ],
)
def test_what_is_not_one_whole_layout_is_refused(
    files: dict[str, bytes], message: str, tmp_path: Path
) -> None:
    refused(unpack(files.items(), tmp_path / "source"), message)


@pytest.mark.parametrize("packed", [False, True])
def test_a_kind_without_photos_is_refused(packed: bool, tmp_path: Path) -> None:
    source = tmp_path / "source"
    if packed:
        source.write_bytes(zip_of([*MVTEC.items(), ("test/scratch/", b"")]))
    else:
        (unpack(MVTEC.items(), source) / "test/scratch").mkdir()
    refused(source, "source: test/scratch/ without a photo")


def test_more_known_anomalies_than_can_be_spared_are_refused(tmp_path: Path) -> None:
    source = unpack(MVTEC.items(), tmp_path / "source")
    refused(source, r"test/hole has 4 photos, and 4 of each kind .*dataset\.known", known=4)
    fetch_archive(str(source), tmp_path / "wells.zip", known=3)


def test_additions_bring_normals_and_known_anomalies(tmp_path: Path) -> None:
    source = unpack(LAYOUT.items(), tmp_path / "source")
    folder = unpack(ADDED.items(), tmp_path / "folder")
    (tmp_path / "more.zip").write_bytes(zip_of([("top/train/new.png", b"another normal")]))
    additions = [str(folder), str(tmp_path / "more.zip")]
    for target, more in (("without.zip", []), ("with.zip", additions)):
        fetch_archive(str(source), tmp_path / target, additions=more)
    before, after = (read_wells(tmp_path / name) for name in ("without.zip", "with.zip"))
    assert after.train == before.train | {
        "addition-1/new.png": b"a new normal",
        "addition-2/new.png": b"another normal",
    }
    assert after.spills == before.spills | {"addition-1/x/new.png": b"a new anomaly"}
    assert (after.test, after.labels) == (before.test, before.labels)


def test_additions_go_to_wells_of_either_layout(tmp_path: Path) -> None:
    source = unpack(MVTEC.items(), tmp_path / "source")
    folder = unpack(ADDED.items(), tmp_path / "folder")
    fetch_archive(str(source), tmp_path / "wells.zip", 2, [str(folder)])
    assert read_wells(tmp_path / "wells.zip").train["addition-1/new.png"] == b"a new normal"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"train/a.png": b"", "test/imgs/b.png": b""}, r"more \(dataset\.additions\) holds test/"),
        ({"normal/a.png": b""}, r"more \(dataset\.additions\) holds neither train/ nor proliv/"),
        ({}, r"more is neither a file nor a folder: correct dataset\.additions"),
    ],
)
def test_an_addition_that_is_none_is_refused(
    files: dict[str, bytes], message: str, tmp_path: Path
) -> None:
    source = unpack(LAYOUT.items(), tmp_path / "source")
    more = unpack(files.items(), tmp_path / "more")
    refused(source, message, additions=[str(more)])


def test_the_stage_takes_additions_and_warns_of_no_other_data(tmp_path: Path) -> None:
    unpack(MVTEC.items(), tmp_path / "source")
    unpack(ADDED.items(), tmp_path / "more")
    changes = {"dataset.source": "source", "dataset.known": 0, "dataset.additions": []}
    done = run_stage("download", tmp_path, changes)
    assert "only the rule `sigma`" in done.stderr
    done = run_stage("download", tmp_path, {**changes, "dataset.additions": ["more"]})
    assert (done.returncode, done.stderr) == (0, "")
    wrong = run_stage("download", tmp_path, {**changes, "dataset.known": 5})
    assert "test/crack has 5 photos, and 5 of each kind" in message_of(wrong)
