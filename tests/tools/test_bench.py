"""The benchmark's baselines are those described, ours are the pipeline's, its tables add up."""

import json
import sys
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from stages import calibrate, preprocess, train
from stages.common import paths
from stages.common.errors import InputError
from stages.common.params import load_params
from stages.common.types import Images
from stages.wells.data.archive import read_wells, write_canonical
from stages.wells.data.preparation import Parts, decode_photos, split_photos
from stages.wells.detection.detector import load_detectors
from stages.wells.evaluation.metrics import measure
from stages.wells.networks import base, registry
from stages.wells.networks.base import Network
from stages.wells.networks.registry import Members
from stages.wells.synthetic.archive import draw_archive
from tests.small_wells import small_members
from tests.wells_files import params_with
from tools import bench, bench_baselines
from tools.bench import Params
from tools.bench_baselines import CONVOLUTIONAL, DENSE, Baseline, Fitted

pytestmark = pytest.mark.slow

CHANGES: dict[str, Any] = {
    "seed": 3,
    "dataset.source": "synthetic:60",
    "split.folds": 3,
    "train.epochs": 1,
    "train.batch_size": 16,
    "networks.autoencoder.channels": 8,
    "detector": "surface",
    "detectors": {
        "autoencoder": {"scores": ["autoencoder.excess"], "rule": "equal_error"},
        "baseline": {"scores": ["autoencoder.mse"], "rule": "equal_error"},
        "surface": {"scores": ["appearance", "texture"], "rule": "equal_error"},
    },
}
OTHERS = ["dense network", "convolutional network"]
CPU = torch.device("cpu")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    # Threads that wait for each other on busy cores would take longer than these networks.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with params.yaml, a made-up archive and what the pipeline prepares of it."""
    folder = tmp_path_factory.mktemp("prepared")
    files = draw_archive(60)
    readers = {path: (lambda data=data: data) for path, data in files.items()}
    write_canonical(readers, folder / paths.ARCHIVE, "the test")
    (folder / "params.yaml").write_text(params_with(CHANGES), encoding="utf-8")
    with chdir(folder):
        preprocess.main()
    return folder


@pytest.fixture
def inside(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """The prepared folder as the current one; gives its params."""
    monkeypatch.chdir(prepared)
    return load_params(Params)


def parts_of(seed: int) -> Parts:
    """What the archive gives with a seed, at the pipeline's size."""
    wells = read_wells(paths.ARCHIVE)
    return split_photos(decode_photos(wells, 32, 48), wells.labels, 3, seed)


def random_images(baseline: Baseline, channels: int, count: int) -> Images:
    shape = count, channels, baseline.height, baseline.width
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize(
    ("baseline", "weights", "channels"), [(DENSE, 806_674, 1), (CONVOLUTIONAL, 527_715, 3)]
)
def test_a_baseline_has_the_weights_described_and_gives_images_of_the_shape_it_takes(
    baseline: Baseline, weights: int, channels: int
) -> None:
    network = bench_baselines.build(baseline, seed=0)
    assert sum(weight.numel() for weight in network.parameters()) == weights
    images = torch.rand(2, channels, baseline.height, baseline.width)
    outputs = network(images)
    assert outputs.shape == images.shape
    assert ((outputs > 0) & (outputs < 1)).all()


def outputs_of(kind: type[torch.nn.Module], baseline: Baseline, channels: int) -> list[list[int]]:
    """The shapes, without batch, that a network's layers of a kind give."""
    network, shapes = bench_baselines.build(baseline, seed=0), []
    images = torch.rand(1, channels, baseline.height, baseline.width)
    for layer in network.children():
        images = layer(images)
        if isinstance(layer, kind):
            shapes.append([*images.shape[1:]])
    return shapes


def test_the_dense_network_has_two_numbers_in_the_middle() -> None:
    assert outputs_of(torch.nn.Linear, DENSE, 1) == [[512], [2], [512], [784]]
    assert outputs_of(torch.nn.ReLU, DENSE, 1) == [[512], [512]]


def test_the_convolutional_network_halves_three_times_and_comes_back() -> None:
    shapes = outputs_of(torch.nn.Conv2d, CONVOLUTIONAL, 3)
    channels = [shape[0] for shape in shapes]
    assert channels == [32, 32, 64, 64, 128, 128, 128, 64, 32, 3]
    assert shapes[6] == [128, 6, 6]
    assert [shape[1] for shape in shapes[7:]] == [12, 24, 48]
    assert len(outputs_of(torch.nn.ReLU, CONVOLUTIONAL, 3)) == 9


def test_the_schedules_are_those_described() -> None:
    assert (DENSE.epochs, DENSE.batch_size, DENSE.height, DENSE.width) == (17, 128, 28, 28)
    convolutional = CONVOLUTIONAL
    assert (convolutional.epochs, convolutional.batch_size) == (5, 256)
    assert (convolutional.height, convolutional.width) == (48, 48)
    assert bench_baselines.LEARNING_RATE == 1e-3


def trained(seed: int, epochs: int = 1) -> tuple[torch.nn.Module, Images]:
    images = random_images(DENSE, 1, 20) // 8
    baseline = DENSE._replace(epochs=epochs, batch_size=8)
    network = bench_baselines.build(baseline, seed=0)
    bench_baselines.train(network, baseline, images, seed, CPU)
    return network, images


def test_training_of_a_baseline_learns_and_repeats_itself() -> None:
    errors = [
        bench_baselines.mean_squared_errors(*trained(seed, epochs))
        for seed, epochs in ((0, 1), (0, 1), (1, 1), (0, 20))
    ]
    np.testing.assert_array_equal(errors[0], errors[1])
    assert (errors[0] != errors[2]).any()
    assert errors[3].mean() < 0.5 * errors[0].mean()


def test_a_baseline_is_built_by_its_seed_alone() -> None:
    first = [next(bench_baselines.build(DENSE, seed).parameters()) for seed in (0, 0, 1)]
    assert torch.equal(first[0], first[1])
    assert not torch.equal(first[0], first[2])


def test_errors_are_means_of_squares_in_zero_to_one_by_image(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(base, "BATCH", 2)
    images = np.array([0, 51, 255], dtype=np.uint8).repeat(6).reshape(3, 1, 2, 3)
    black = torch.nn.Threshold(2, 0)
    found = bench_baselines.mean_squared_errors(black, images)
    np.testing.assert_allclose(found, [0, 0.04, 1], rtol=1e-6)


def test_grey_is_the_luma_of_bt_601() -> None:
    red, green, blue, white = np.eye(4, 3, dtype=np.uint8) * 255
    white[:] = 255
    images = np.stack([red, green, blue, white])[:, :, None, None]
    assert bench_baselines.grey(images).ravel().tolist() == [76, 150, 29, 255]
    assert bench_baselines.grey(images).shape == (4, 1, 1, 1)


def test_the_tree_cuts_between_normals_and_spills() -> None:
    threshold = bench_baselines.tree_threshold(np.array([1.0, 2, 3]), np.array([5.0, 6]))
    assert threshold == pytest.approx(4)


def test_the_tree_weighs_every_image_the_same() -> None:
    # Between 4 and 9, two spills among 105 images remain below; between 1 and 3, three of 11 above.
    # Were the kinds balanced, the second would be far better.
    normals, spills = np.r_[np.ones(95), np.full(8, 4.0)], np.array([3.0, 3, 9])
    assert bench_baselines.tree_threshold(normals, spills) == pytest.approx(6.5)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("normals", "spills"), [([2.0, 2], [2.0]), ([5.0, 6], [1.0, 2]), ([3.0, 4], [3.0, 4])]
)
def test_where_the_tree_finds_no_spills_above_a_cut_nothing_is_called_one(
    normals: list[float], spills: list[float]
) -> None:
    highest = max(normals + spills)
    threshold = bench_baselines.tree_threshold(np.array(normals), np.array(spills))
    assert highest < threshold < highest + 1e-6


def constant_parts(train: list[int], holdout: list[int], spills: list[int]) -> Parts:
    """Images of 28 x 28, each of one grey; test holds one of each of 0, 100 and 200.

    holdout: of the training images, those of fold 0.
    """

    def images(greys: list[int]) -> Images:
        return np.array(greys, np.uint8)[:, None, None, None] * np.ones((3, 28, 28), np.uint8)

    names, marks = np.array(["a", "b", "c"]), np.ones(3, np.bool_)
    folds = np.r_[np.zeros(len(holdout), np.intp), 1 + np.arange(len(train))]
    test = images([0, 100, 200])
    return Parts(images([*holdout, *train]), folds, images(spills), test, names, marks, marks)


def without_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let baselines be networks that give black images back, so that scores are squared greys."""
    monkeypatch.setattr(bench_baselines, "train", lambda *_: None)
    monkeypatch.setattr(bench_baselines, "build", lambda *_: torch.nn.Threshold(2, 0))


def rates_of(fitted: Fitted, parts: Parts, labels: list[bool]) -> tuple[float, float, float]:
    found = measure(fitted.score(parts.test), np.array(labels), fitted.threshold)
    return found["tpr"], found["tnr"], found["auroc"]


def test_the_dense_threshold_is_mean_and_three_deviations_of_train_and_held_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_training(monkeypatch)
    parts = constant_parts(train=[0, 51], holdout=[51, 102], spills=[255])
    fitted = bench_baselines.fit_dense(parts, 0)
    errors = np.array([0, 0.04, 0.04, 0.16])
    assert fitted.threshold == pytest.approx(errors.mean() + 3 * errors.std(), rel=1e-6)
    assert rates_of(fitted, parts, [False, False, True]) == (1, 1, 1)


def test_the_convolutional_threshold_is_between_held_out_and_known_spills(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_training(monkeypatch)
    parts = constant_parts(train=[255], holdout=[0, 51], spills=[102, 153])
    fitted = bench_baselines.fit_convolutional(parts, 0)
    assert fitted.threshold == pytest.approx((0.04 + 0.16) / 2, rel=1e-6)
    assert rates_of(fitted, parts, [True, False, True]) == (0.5, 0, 0.5)


def test_the_dense_network_learns_from_train_and_held_out_in_grey_the_other_from_train(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_training(monkeypatch)
    learnt: dict[str, Images] = {}

    def learn(_: object, baseline: Baseline, images: Images, *__: object) -> None:
        learnt[baseline.name] = images

    monkeypatch.setattr(bench_baselines, "train", learn)
    parts = constant_parts(train=[0, 51], holdout=[102], spills=[255])
    # Red alone, so that grey isn't any one of the channels.
    parts = parts._replace(train=parts.train * np.array([1, 0, 0], np.uint8)[:, None, None])
    bench_baselines.fit_dense(parts, 0)
    bench_baselines.fit_convolutional(parts, 0)
    assert learnt[DENSE.name].shape == (3, 1, 28, 28)
    assert learnt[DENSE.name][:, 0, 0, 0].tolist() == [30, 0, 15]
    np.testing.assert_array_equal(learnt[CONVOLUTIONAL.name], parts.train[1:])


def test_ours_are_what_the_pipeline_trains_and_calibrates(
    inside: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["stage", "autoencoder"])
    train.main()
    calibrate.main()
    parts = parts_of(inside.seed)
    members = bench.train_ours("autoencoder", inside, parts, inside.seed)
    expected = registry.load_all(["autoencoder"])["autoencoder"]
    for one, other in zip(members, expected, strict=True):
        assert same_weights(one, other)
    detectors = load_detectors()
    assert detectors.keys() == CHANGES["detectors"].keys()
    for name, detector in detectors.items():
        fitted = bench.fit_detector(name, inside, parts, inside.seed, {"autoencoder": members})
        assert fitted.threshold == detector.threshold
    others = bench.train_ours("autoencoder", inside, parts, inside.seed + 1)
    assert not same_weights(others[0], expected[0])


def same_weights(one: Network, other: Network) -> bool:
    expected = other.state_dict()
    return all(torch.equal(weights, expected[name]) for name, weights in one.state_dict().items())


def test_a_detector_has_the_weights_of_all_members_of_the_networks_that_it_needs(
    inside: Params,
) -> None:
    parts = parts_of(inside.seed)
    members = small_members("autoencoder", 3, height=32, width=48)
    fits = {
        name: bench.fit_detector(name, inside, parts, 0, {"autoencoder": members})
        for name in inside.detectors
    }
    weights = sum(weight.numel() for member in members for weight in member.parameters())
    assert {name: fitted.weights for name, fitted in fits.items()} == {
        "autoencoder": weights,
        "baseline": weights,
        "surface": 0,
    }
    for fitted in fits.values():
        assert fitted.score(parts.test).shape == (len(parts.test),)


@pytest.mark.parametrize(
    ("in_use", "names"),
    [
        ("surface", ["surface", "baseline", "autoencoder", *OTHERS]),
        ("autoencoder", ["autoencoder", "baseline", *OTHERS]),
    ],
)
def test_the_detector_in_use_comes_first_and_once(
    inside: Params, in_use: str, names: list[str]
) -> None:
    params = inside.model_copy(update={"detector": in_use})
    systems = bench.make_systems(params, read_wells(paths.ARCHIVE))
    assert list(systems) == names
    assert [name for name in names if "in use" in systems[name].title] == [in_use]
    assert systems["baseline"].title == "`baseline`: autoencoder.mse"
    assert {name: system.needs for name, system in systems.items() if system.needs} == {
        "baseline": {"autoencoder"},
        "autoencoder": {"autoencoder"},
    }
    sizes = {name: systems[name].photos.test.images.shape[-2:] for name in names}
    assert sizes == dict.fromkeys(names, (32, 48)) | dict(
        zip(OTHERS, [(28, 28), (48, 48)], strict=True)
    )


def test_a_missing_detector_is_refused(inside: Params) -> None:
    left = {"surface": inside.detectors["surface"]}
    params = inside.model_copy(update={"detectors": left})
    with pytest.raises(InputError, match=r"detectors\.baseline, detectors\.autoencoder"):
        bench.make_systems(params, read_wells(paths.ARCHIVE))


def test_a_rule_that_needs_spills_is_named_by_its_key_where_none_is_known(inside: Params) -> None:
    parts = parts_of(inside.seed)
    with pytest.raises(InputError, match=r"detectors\.surface\.rule is equal_error"):
        bench.fit_detector("surface", inside, parts._replace(spills=parts.spills[:0]), 0, {})


def test_a_network_is_trained_once_a_seed_and_counts_for_all_that_need_it(
    inside: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, trained = [0.0], []
    fit_detector = bench.fit_detector

    def train_ours(name: str, _: Params, parts: Parts, seed: int) -> Members:
        now[0] += 100
        trained.append((name, parts.train.shape[-2:], seed))
        return small_members(name, 3, height=32, width=48)

    def calibrate_slowly(*given: Any) -> Fitted:
        now[0] += 1
        return fit_detector(*given)

    def train_baseline(*_: object) -> None:
        now[0] += 10

    monkeypatch.setattr(bench, "perf_counter", lambda: now[0])
    monkeypatch.setattr(bench, "train_ours", train_ours)
    monkeypatch.setattr(bench, "fit_detector", calibrate_slowly)
    monkeypatch.setattr(bench_baselines, "train", train_baseline)
    found = bench.compare(inside, [5, 6])
    assert trained == [("autoencoder", (32, 48), 5), ("autoencoder", (32, 48), 6)]
    expected = [("surface", 1), ("baseline", 101), ("autoencoder", 101), *((o, 10) for o in OTHERS)]
    assert [(run["system"], run["seconds"]) for run in found["runs"]] == expected * 2
    assert [run["seed"] for run in found["runs"]] == [5] * 5 + [6] * 5


def test_arrays_of_another_split_are_refused(inside: Params) -> None:
    parts = parts_of(inside.seed)
    bench.check_prepared(parts)
    with pytest.raises(InputError, match=r"\(folds\).*run `dvc repro` first"):
        bench.check_prepared(parts_of(inside.seed + 1))
    with pytest.raises(InputError, match=r"labels.*run `dvc repro` first"):
        bench.check_prepared(parts._replace(test_labels=~parts.test_labels))


def test_test_photos_of_one_kind_are_refused(
    inside: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = parts_of(inside.seed)
    parts = parts._replace(test_labels=np.zeros_like(parts.test_labels))
    of = {"labels": "test_labels", "folds": "folds"}
    monkeypatch.setattr(
        bench,
        "read_arrays",
        lambda path, name: [getattr(parts, of.get(name, path.stem))],
    )
    with pytest.raises(InputError, match=r"^0 spills and 42 normal wells"):
        bench.check_prepared(parts)


def test_missing_wells_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"wells\.zip.*test\.npz missing: run `dvc repro` first"):
        bench.read_prepared()


@pytest.mark.parametrize("seed", ["-1", str(2**32)])
def test_a_seed_out_of_range_is_refused(
    inside: Params, monkeypatch: pytest.MonkeyPatch, seed: str
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", "--seeds", "0", seed])
    with pytest.raises(InputError, match="--seeds"):
        bench.main()


def run(system: str, seconds: float, tpr: float, seed: int = 0) -> dict[str, Any]:
    about = {"system": system, "title": f"`{system}`", "seed": seed, "weights": 1234}
    return about | {
        "seconds": float(seconds),
        "threshold": 0.1,
        "tpr": tpr,
        "tnr": 0.75,
        "auroc": 0.5,
    }


RUNS = [run("autoencoder", 10, 1), run("dense", 4, 0.5)]
MORE = [run("autoencoder", 30, 0.9, 1), run("dense", 6, 0.25, 1)]


def test_times_are_ratios_of_the_autoencoders_mean_seconds() -> None:
    found = bench.summarise(pd.DataFrame(RUNS + MORE)).set_index("system")
    assert found.index.tolist() == ["autoencoder", "dense"]
    assert found["times"].tolist() == [1, pytest.approx(0.25)]
    assert found["weights"].tolist() == [1234, 1234]
    assert found["seconds"].tolist() == [20, 5]
    assert found["seconds_min"].tolist() == [10, 4]
    assert found["tpr"].tolist() == pytest.approx([0.95, 0.375])
    assert found["tpr_min"].tolist() == [0.9, 0.25]


def tables_of(runs: list[dict[str, Any]], seeds: list[int]) -> tuple[list[list[str]], list[str]]:
    """The cells of the first table's lines, and all lines after it."""
    measured = {
        "machine": "2 cores",
        "seeds": seeds,
        "photos": {"train": 7000, "spills": 100, "test": 3000},
        "systems": bench.summarise(pd.DataFrame(runs)).to_dict("records"),
    }
    table, _, rest = bench.to_markdown(measured).partition("\n\n")
    return [cells_of(line) for line in table.splitlines()], rest.splitlines()


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


HEAD = ["system", "weights", "seconds", "times `autoencoder`", "TPR", "TNR", "AUROC"]


def test_the_tables_tell_one_seed() -> None:
    (head, _, *rows), rest = tables_of(RUNS, [3])
    assert head == HEAD
    assert rows == [
        ["`autoencoder`", "1,234", "10.0", "1.00", "1.000", "0.750", "0.500"],
        ["`dense`", "1,234", "4.0", "0.40", "0.500", "0.750", "0.500"],
    ]
    assert rest[0] == "Seed 3; photos: 7,000 train, 100 spills, 3,000 test."
    assert rest[-1] == "Machine: 2 cores."


def test_the_tables_tell_several_seeds_means_and_least() -> None:
    (head, _, *rows), rest = tables_of(RUNS + MORE, [3, 4])
    assert head == [*HEAD, "least seconds", "least TPR", "least TNR", "least AUROC"]
    means = ["1,234", "20.0", "1.00", "0.950", "0.750", "0.500"]
    assert rows[0] == ["`autoencoder`", *means, "10.0", "0.900", "0.750", "0.500"]
    assert rest[0].startswith("Means of seeds 3, 4; ")


def test_the_processor_is_what_linux_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: Fast: 9000\nmodel name\t: other\n")
    monkeypatch.setattr(bench, "CPU_INFO", info)
    assert " cores, Fast: 9000; torch " in bench.describe_machine()


@pytest.mark.parametrize("content", [None, "Features\t: fp\n"])
def test_the_processor_is_pythons_where_linux_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    info = tmp_path / "cpuinfo"
    if content:
        info.write_text(content)
    monkeypatch.setattr(bench, "CPU_INFO", info)
    monkeypatch.setattr("platform.processor", lambda: "M9")
    assert " cores, M9; torch " in bench.describe_machine()


def test_a_whole_run_prints_tables_and_writes_what_was_measured(
    inside: Params,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("DENSE", "CONVOLUTIONAL"):
        quick = getattr(bench_baselines, name)._replace(epochs=1)
        monkeypatch.setattr(bench_baselines, name, quick)
    output = tmp_path / "bench.json"
    monkeypatch.setattr(sys, "argv", ["bench", "--seeds", "1", "2", "--output", str(output)])
    bench.main()
    written = json.loads(output.read_text(encoding="utf-8"))
    assert written["seeds"] == [1, 2]
    names = [inside.detector, "baseline", "autoencoder", *OTHERS]
    assert [found["system"] for found in written["systems"]] == names
    assert list(written["photos"]) == ["train", "spills", "test"]
    first, second = written["runs"][:5], written["runs"][5:]
    for name, before, after in zip(names, first, second, strict=True):
        assert before["system"] == after["system"] == name
        assert before["seconds"] > 0 < after["seconds"]
        assert before["threshold"] != after["threshold"]
    printed = capsys.readouterr().out
    assert sum(line.startswith("|:--") for line in printed.splitlines()) == 1
    assert printed.splitlines()[-1].startswith("Machine: ")
