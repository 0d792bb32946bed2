"""A program is run as a process of its own, and what it took is that process's."""

import gc
import resource
import sys
import warnings
from pathlib import Path

import pytest

from tools.processes import Ended, run_measured


def python(text: str, *, catch_errors: bool = False) -> Ended:
    return run_measured([sys.executable, "-c", text], catch_errors=catch_errors)


def test_memory_and_time_are_those_of_the_process() -> None:
    # Linux counts what the process had that started it.
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    held = [python(f"held = b'1' * {own + more}").took for more in (0, 100_000_000)]
    assert held[1].peak_mb - held[0].peak_mb == pytest.approx(100, abs=10)
    slow = "import time\nwhile time.process_time() < 0.5: pass\ntime.sleep(0.5)\n"
    took = python(slow).took
    assert took.cpu_seconds >= 0.5
    assert took.seconds >= 1
    assert took.cpu_seconds < took.seconds


@pytest.mark.parametrize("catch_errors", [False, True])
def test_what_it_says_is_shown_or_caught_with_its_status(
    catch_errors: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    ended = python("import sys; sys.exit('told')", catch_errors=catch_errors)
    assert ended.status == 1
    caught, shown = ("told\n", "") if catch_errors else ("", "told\n")
    assert (ended.errors, capfd.readouterr().err) == (caught, shown)


def test_a_signal_that_killed_it_is_told() -> None:
    assert python("import os; os.kill(os.getpid(), 9)").status == -9


def test_it_runs_in_the_folder_and_the_environment_that_are_told(tmp_path: Path) -> None:
    text = "import os; open('here', 'w').write(os.environ['TOLD'])"
    run_measured([sys.executable, "-c", text], folder=tmp_path, environment={"TOLD": "so"})
    assert (tmp_path / "here").read_text(encoding="utf-8") == "so"


def test_nothing_of_the_process_is_left_open() -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        python("", catch_errors=True)
        gc.collect()
    assert [str(one.message) for one in seen] == []
