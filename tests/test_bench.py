"""The benchmark's baselines are those described, its split is the pipeline's, its tables add up."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from stages import calibrate, train
from stages.common.errors import InputError
from stages.common.files import read_arrays
from stages.common.params import Params, load_params
from stages.wells import networks
from stages.wells.archive import read_wells, write_canonical
from stages.wells.images import Images
from stages.wells.synthetic import draw_archive
from tests.wells_files import run_stage
from tools import bench, bench_baselines
from tools.bench import OURS, Parts, Photos, Result
from tools.bench_baselines import CONVOLUTIONAL, DENSE, Baseline

CHANGES: dict[str, Any] = {
    "seed": 3,
    "dataset.source": "synthetic:60",
    "detector.scores.autoencoder": ["appearance", "texture"],
    "split.holdout": 0.2,
    "train.epochs": 1,
    "train.batch_size": 16,
    "train.device": "cpu",
    "models.autoencoder.width": 8,
}
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
    write_canonical(readers, folder / bench.ARCHIVE, "the test")
    done = run_stage("preprocess", folder, CHANGES)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def inside(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """The prepared folder as the current one; gives its params."""
    monkeypatch.chdir(prepared)
    return load_params()


def decoded() -> Photos:
    return bench.decode_photos(read_wells(bench.ARCHIVE), 32, 48)


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
    assert CONVOLUTIONAL[2:] == (48, 48, 5, 256)
    assert bench_baselines.LEARNING_RATE == 1e-3
    assert bench.SIGMAS == 3


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
    monkeypatch.setattr(bench_baselines, "EVALUATION_BATCH", 2)
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
    """Images of 28 x 28, each of one grey; test holds one of each of 0, 100 and 200."""
    return Parts(
        *(
            np.ones((1, 1, 28, 28), np.uint8) * np.array(part, np.uint8)[:, None, None, None]
            for part in (train, holdout, spills, [0, 100, 200])
        )
    )


def without_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let baselines be networks that give black images back, so that scores are squared greys."""
    monkeypatch.setattr(bench_baselines, "train", lambda *_: None)
    monkeypatch.setattr(bench_baselines, "build", lambda *_: torch.nn.Threshold(2, 0))


def test_the_dense_threshold_is_mean_and_three_deviations_of_train_and_held_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_training(monkeypatch)
    parts = constant_parts(train=[0, 51], holdout=[51, 102], spills=[255])
    result = bench.run_dense(parts, np.array([False, False, True]), 0, CPU)
    errors = np.array([0, 0.04, 0.04, 0.16])
    assert result.threshold == pytest.approx(errors.mean() + 3 * errors.std(), rel=1e-6)
    assert (result.tpr, result.tnr, result.auroc) == (1, 1, 1)


def test_the_convolutional_threshold_is_between_held_out_and_known_spills(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_training(monkeypatch)
    parts = constant_parts(train=[255], holdout=[0, 51], spills=[102, 153])
    result = bench.run_convolutional(parts, np.array([True, False, True]), 0, CPU)
    assert result.threshold == pytest.approx((0.04 + 0.16) / 2, rel=1e-6)
    assert (result.tpr, result.tnr, result.auroc) == (0.5, 0, 0.5)


def test_parts_are_those_that_preprocess_wrote(inside: Params) -> None:
    parts = bench.parts_of(decoded(), inside.split.holdout, inside.seed)
    for name in Parts._fields:
        (written,) = read_arrays(Path(f"data/wells/{name}.npz"), "images")
        np.testing.assert_array_equal(getattr(parts, name), written)


def test_parts_of_another_size_are_of_the_same_photos(inside: Params) -> None:
    wells, marked = read_wells(bench.ARCHIVE), []
    for height, width in ((32, 48), (28, 28)):
        photos = bench.decode_photos(wells, height, width)
        # An image that says which photo it is: its digest stands in its pixels.
        numbers = np.array([int(digest[:2], 16) for digest in photos.train.digests], np.uint8)
        shown = photos.train._replace(
            images=np.broadcast_to(numbers[:, None, None, None], photos.train.images.shape)
        )
        parts = bench.parts_of(photos._replace(train=shown), 0.2, 5)
        marked.append((parts.train[:, 0, 0, 0].tolist(), parts.holdout[:, 0, 0, 0].tolist()))
    assert marked[0] == marked[1]


def test_ours_is_what_the_pipeline_trains_and_calibrates(
    inside: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["stage", "autoencoder"])
    train.main()
    calibrate.main()
    parts = bench.parts_of(decoded(), inside.split.holdout, inside.seed)
    labels = np.arange(len(parts.test)) % 2 == 0
    network, detector, ours, detected = bench.run_ours(parts, labels, inside, inside.seed, CPU)
    expected = networks.load(Path("models/autoencoder/network.safetensors")).state_dict()
    for name, weights in network.state_dict().items():
        assert torch.equal(weights, expected[name]), name
    written = Path("models/autoencoder/detector.json").read_text(encoding="utf-8")
    assert detector.model_dump_json(indent=1) + "\n" == written
    assert ours.threshold == detector.scores["coarse_mse"].threshold
    assert detected.threshold == detector.threshold
    assert ours.weights > 0 == detected.weights
    assert detected.seconds < ours.seconds
    other = bench.run_ours(parts, labels, inside, inside.seed + 1, CPU)[0].state_dict()
    assert not all(torch.equal(weights, expected[name]) for name, weights in other.items())


def test_arrays_of_another_split_are_refused(inside: Params) -> None:
    wells, photos = read_wells(bench.ARCHIVE), decoded()
    labels = np.array([wells.labels[name] for name in photos.test.names])
    bench.check_prepared(bench.parts_of(photos, 0.2, inside.seed), labels)
    with pytest.raises(InputError, match=r"train, holdout.*run `dvc repro` first"):
        bench.check_prepared(bench.parts_of(photos, 0.2, inside.seed + 1), labels)
    with pytest.raises(InputError, match=r"labels.*run `dvc repro` first"):
        bench.check_prepared(bench.parts_of(photos, 0.2, inside.seed), ~labels)


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


def result(seconds: float, tpr: float) -> Result:
    return Result(1234, seconds, 0.1, tpr, 0.75, 0.5)


def test_times_ours_is_the_ratio_of_mean_seconds() -> None:
    found = bench.summary(
        {
            OURS: [result(10, 1), result(30, 0.9)],
            "dense": [result(4, 0.5), result(6, 0.25)],
        }
    )
    assert found[OURS]["times_ours"] == 1
    assert found["dense"]["times_ours"] == pytest.approx(0.25)
    assert found["dense"]["seconds"] == {"mean": 5, "min": 4}
    assert found["dense"]["tpr"] == {"mean": 0.375, "min": 0.25}
    assert [one["tpr"] for one in found["dense"]["runs"]] == [0.5, 0.25]


def figures(seeds: list[int]) -> dict[str, Any]:
    results = {OURS: [result(10, 1), result(30, 0.9)], "dense": [result(5, 0.5)] * 2}
    return {
        "machine": {"cores": 2, "processor": "P", "torch": "9", "threads": 1, "device": "cpu"},
        "seeds": seeds,
        "photos": {"train": 7000, "holdout": 800, "spills": 100, "test": 3000},
        "detector": ["appearance", "texture"],
        "systems": bench.summary({name: found[: len(seeds)] for name, found in results.items()}),
        "throughput": {"photos": 6000, "per_second": {"decoding": 1234.5}},
    }


def test_the_tables_tell_one_seeds_figures() -> None:
    lines = bench.markdown(figures([3])).splitlines()
    assert lines[0] == "| system | weights | seconds | times ours | TPR | TNR | AUROC |"
    assert lines[1] == "|---|---|---|---|---|---|---|"
    assert lines[2].endswith(" | 1,234 | 10.0 | 1.00 | 1.000 | 0.750 | 0.500 |")
    assert lines[3].endswith(" | 1,234 | 5.0 | 0.50 | 0.500 | 0.750 | 0.500 |")
    assert "Seed 3; 7,000 training" in lines[5]
    assert "The detector is `appearance` + `texture`." in lines[5]
    assert lines[7:10] == ["| part, 6,000 photos | photos/s |", "|---|---|", "| decoding | 1,234 |"]
    assert lines[-1] == "Machine: 2 cores, P; torch 9, 1 threads, trained on cpu."


def test_the_tables_tell_several_seeds_mean_and_least() -> None:
    lines = bench.markdown(figures([3, 4])).splitlines()
    row = " | 1,234 | 20.0 (10.0) | 1.00 | 0.950 (0.900) | 0.750 (0.750) | 0.500 (0.500) |"
    assert lines[2].endswith(row)
    assert "Mean (least) of seeds 3, 4;" in lines[5]


def test_the_processor_is_what_linux_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: Fast: 9000\nmodel name\t: other\n")
    monkeypatch.setattr(bench, "CPU_INFO", info)
    assert bench.processor() == "Fast: 9000"


@pytest.mark.parametrize("content", [None, "Features\t: fp\n"])
def test_the_processor_is_pythons_where_linux_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    info = tmp_path / "cpuinfo"
    if content:
        info.write_text(content)
    monkeypatch.setattr(bench, "CPU_INFO", info)
    monkeypatch.setattr("platform.processor", lambda: "M9")
    assert bench.processor() == "M9"


def test_a_whole_run_prints_tables_and_writes_figures(
    inside: Params,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name in ("DENSE", "CONVOLUTIONAL"):
        monkeypatch.setattr(bench, name, getattr(bench, name)._replace(epochs=1))
    monkeypatch.setattr(bench, "LEAST_PHOTOS", 50)
    output = tmp_path / "bench.json"
    monkeypatch.setattr(sys, "argv", ["bench", "--seeds", "1", "2", "--output", str(output)])
    bench.main()
    written = json.loads(output.read_text(encoding="utf-8"))
    assert written["seeds"] == [1, 2]
    assert list(written["systems"]) == [OURS, "detector", "dense", "convolutional"]
    assert written["photos"].keys() == set(Parts._fields)
    assert written["detector"] == ["appearance", "texture"]
    for found in written["systems"].values():
        assert [run["seconds"] > 0 for run in found["runs"]] == [True, True]
        assert found["runs"][0]["threshold"] != found["runs"][1]["threshold"]
    test_photos = written["photos"]["test"]
    assert written["throughput"]["photos"] % test_photos == 0
    assert 50 <= written["throughput"]["photos"] < 50 + test_photos
    assert all(speed > 0 for speed in written["throughput"]["per_second"].values())
    assert len(written["throughput"]["per_second"]) == 3
    printed = capsys.readouterr().out
    assert sum(line.startswith("|---|") for line in printed.splitlines()) == 2
    assert printed.splitlines()[-1].startswith("Machine: ")
