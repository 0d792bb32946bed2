"""What a million photos take is reckoned from what was measured, and from nothing else."""

from typing import Any

import pytest

from tests.clones import ROOT
from tools import scale
from tools.growth import read_table


def row(stage: str, size: int, photos: int, **more: float) -> dict[str, Any]:
    return {"stage": stage, "size": size, "photos": photos, "kb_more": 10.0, **more}


def grown(photos: int = 70_000) -> list[dict[str, Any]]:
    """Rows of all stages: those not run on a million took 36 seconds and 1 GB for a tenth."""
    run = {"preprocess": 360.0, "train autoencoder": 720.0, "evaluate": 36.0}
    return [
        row(stage, scale.MILLION, 10 * photos, cpu_seconds=run[stage], peak_mb=5000.0)
        if stage in run
        else row(stage, scale.TENTH, photos, cpu_seconds=36.0, peak_mb=1000.0)
        for stage in scale.STAGES
    ]


def test_what_was_run_is_told_as_it_was_and_training_for_all_epochs() -> None:
    preprocess, autoencoder, *_, evaluate = scale.steps(grown(), 3)
    assert (preprocess.hours, autoencoder.hours, evaluate.hours) == pytest.approx((0.1, 0.6, 0.01))
    assert preprocess.peak_gb == autoencoder.peak_gb == 5
    assert preprocess.measured
    assert preprocess.known == "measured"
    assert autoencoder.known == "one epoch measured, times 3"


def test_what_was_not_run_is_reckoned_from_a_tenth() -> None:
    _, _, mnad, calibrate, *_ = scale.steps(grown(), 3)
    assert (mnad.hours, calibrate.hours) == pytest.approx((0.3, 0.1))
    # 630,000 photos more, 10 kB each.
    assert mnad.peak_gb == calibrate.peak_gb == pytest.approx(7.3)
    assert not calibrate.measured
    assert mnad.known == "calculated: 100,000 photos measured, times 10 and 3"


def test_the_search_of_validate_grows_with_the_square() -> None:
    photos = scale.SEARCH_PHOTOS
    validate = scale.steps(grown(photos), 3)[4]
    linear = 36 - scale.SEARCH_SECONDS
    assert validate.hours * 3600 == pytest.approx(10 * linear + 100 * scale.SEARCH_SECONDS)


def test_memory_says_how_many_photos_fit_and_photos_how_much_memory() -> None:
    one = row("calibrate", scale.TENTH, 70_000, peak_mb=1000.0)
    assert scale.fits(one, 1) == 70_000
    assert scale.fits(one, 2) == pytest.approx(170_000)
    assert scale.peak_gb(one, 170_000) == pytest.approx(2)


def test_the_committed_table_has_what_the_page_needs() -> None:
    found = scale.steps(read_table(ROOT).to_dict("records"), 8)
    assert [step.measured for step in found] == [True, True, False, False, False, True]
    assert max(found, key=lambda step: step.peak_gb).name == "`calibrate`"
