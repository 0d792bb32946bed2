"""The command that starts a watch refuses what can't be, and keeps to this machine."""

import argparse
import socket
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="fastapi is missing: requirements-watch.txt")

import uvicorn
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from stages.common.errors import InputError
from tests.clones import ROOT
from tests.watch import stand_in
from tools.watch import __main__ as command
from tools.watch.rule import RULE
from tools.watch.store import Store

TOKEN = "sixteen letters!"


@pytest.fixture(autouse=True)
def configs(monkeypatch: pytest.MonkeyPatch) -> list[uvicorn.Config]:
    """What servers would be run with, none of which is run; the detector is a stand-in."""
    configs: list[uvicorn.Config] = []

    class Server:
        def __init__(self, config: uvicorn.Config) -> None:
            configs.append(config)

        def run(self, sockets: list[socket.socket]) -> None:
            (listener,) = sockets
            assert listener.getsockname()[0] == "127.0.0.1"
            listener.close()

    monkeypatch.setattr(uvicorn, "Server", Server)
    monkeypatch.setattr(command, "load_exported", lambda path: stand_in.exported())
    return configs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


def watch(folder: Path, **changes: Any) -> None:
    given = {"state": None, "model": None, "host": "127.0.0.1", "port": 0, "token": None}
    command.watch(folder, RULE, argparse.Namespace(**given | changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"host": "10.0.0.5"}, "--host 10.0.0.5 needs a --token of 16 letters or more"),
        ({"host": "10.0.0.5", "token": ""}, "needs a --token"),
        ({"host": "10.0.0.5", "token": "short"}, "needs a --token"),
        ({"token": "short"}, "needs a --token"),
        ({"host": "0.0.0.0", "token": TOKEN}, "all addresses: name the one that others open"),
        ({"host": "::", "token": TOKEN}, "all addresses"),
        ({"host": "no.such.name.invalid", "token": TOKEN}, "can't be listened on"),
        ({"port": 99999}, "can't be listened on"),
    ],
)
def test_an_address_that_is_not_safe_or_not_there_is_refused(
    folder: Path, configs: list[uvicorn.Config], changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        watch(folder, **changes)
    assert configs == []


def test_a_port_in_use_is_told(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=rf"127.0.0.1:{port} can't be listened on .*: --port"):
            watch(folder, port=port)


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none is no folder"):
        watch(tmp_path / "none")


def test_the_log_lies_beside_the_folder_and_is_free_afterwards(folder: Path) -> None:
    for _ in range(2):
        watch(folder)
    state = folder.with_name("photos.watch")
    assert state.is_dir()
    store = Store.open(state)
    with pytest.raises(InputError, match="in use by another watch"):
        watch(folder)
    store.close()
    assert list(folder.iterdir()) == []


def test_the_address_is_told_without_the_token(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    watch(folder, port=0, token=TOKEN)
    out = capsys.readouterr().out
    assert out == f"watching {folder}: open http://127.0.0.1:0/\n"


def test_requests_which_hold_tokens_are_not_logged(
    folder: Path, configs: list[uvicorn.Config]
) -> None:
    watch(folder)
    assert not configs[0].access_log


def test_the_command_line_says_which(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    called: list[tuple[Any, ...]] = []
    monkeypatch.setattr(command, "watch", lambda *given: called.append(given[:2]))
    monkeypatch.setattr(command, "export", lambda *given: called.append(given))
    for words in ([str(folder)], ["demo"], ["export", "state", "out"]):
        monkeypatch.setattr(sys, "argv", ["watch", *words])
        command.main()
    (first, rule), (played, quick), exported = called
    assert (first, rule) == (folder, RULE)
    assert (rule.k, rule.n, rule.lower) == (quick.k, quick.n, quick.lower)
    assert quick.silent_after < rule.silent_after
    # The demo's photos are gone with it.
    assert not played.exists()
    assert exported == (Path("state"), Path("out"))


def test_its_libraries_are_pinned_and_no_pin_contradicts_another() -> None:
    def pins(name: str) -> dict[str, str]:
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        return dict(line.lower().split("==") for line in lines if "==" in line)

    watch = pins("requirements-watch.txt")
    assert {"fastapi", "uvicorn", "watchfiles", "pydantic", "pyyaml"} <= set(watch)
    assert not set(watch) & set(pins("requirements-classify.txt"))
    everything = pins("requirements.txt")
    assert {name: everything.get(name, pin) for name, pin in watch.items()} == watch
    for name, pin in watch.items():
        assert metadata.version(name) == pin
    # What pip would fetch beside them is pinned too.
    needed = {
        canonicalize_name(one.name)
        for name in watch
        for one in map(Requirement, metadata.requires(name) or [])
        if one.marker is None or one.marker.evaluate({"extra": ""})
    }
    assert needed <= {canonicalize_name(name) for name in watch}
