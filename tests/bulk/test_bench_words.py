"""What the bench of bulk classification refuses, and how a case is told.

Neither needs Ray nor a server.
"""

import os
import sys
import time
from pathlib import Path

import pytest

from stages.common.errors import InputError
from tests.clones import ROOT
from tools.bulk import bench
from tools.processes import Ended, Took


@pytest.mark.parametrize("words", [("--turns", "0"), ("--photos", "0"), ("--turns", "-1")])
def test_fewer_than_one_is_refused(
    words: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench", *words])
    with pytest.raises(SystemExit) as refused:
        bench.main()
    assert refused.value.code == 2
    assert "--photos and --turns must be 1 or more" in capsys.readouterr().err


def test_a_case_that_fails_is_told_with_what_the_command_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    case = bench.Case("local", "disk", 1)
    with pytest.raises(InputError, match=r"engine='local'.* failed: error: .*detector\.onnx"):
        bench._run(case, "shards", tmp_path / "out", os.getpid())


def test_what_the_server_used_of_the_processor_is_told_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*_: object, **__: object) -> Ended:
        until = time.process_time() + 0.2
        while time.process_time() < until:
            pass
        return Ended(0, "", Took(9.0, 8.0, 100.0))

    monkeypatch.setattr(bench, "run_measured", work)
    # This process stands in for the server, too.
    told = bench._run(bench.Case("local", "S3", 1), "shards", tmp_path, os.getpid())
    assert (told.seconds, told.processor) == (9.0, 8.0)
    assert told.server == pytest.approx(0.2, abs=0.05)
