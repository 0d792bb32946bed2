"""The archive is fetched from wherever the wells are; what fails is told and spoils nothing."""

import socket
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
import requests

from stages.common.errors import InputError
from stages.wells.data import fetch
from stages.wells.data.archive import read_wells
from stages.wells.data.fetch import fetch_archive
from tests.processes import full_disk
from tests.wells_files import LAYOUT, OLD, ROOT, message_of, run_stage, unpack, zip_of

DRIVE_ID = "1DHuQ3DBsgab6NtZIZfAKUHS2rW3-vmtb"
DRIVE_LINK = f"https://drive.google.com/file/d/{DRIVE_ID}/view"
ZIP = zip_of(LAYOUT.items())
# Longer than what gdown takes at once, so that a cut leaves something to go on from.
LARGE = LAYOUT | {"train/z.jpg": np.random.default_rng(0).bytes(1_200_000)}
LARGE_ZIP = zip_of(LARGE.items())
CUT = 700_000
HTML = {"Content-Type": "text/html; charset=utf-8"}
ATTACHMENT = {
    "Content-Type": "application/octet-stream",
    "Content-Disposition": 'attachment; filename="wells.zip"',
}
CONFIRM_PAGE = b"""<!DOCTYPE html><html><body><p>Google Drive can't scan this file for viruses.</p>
<form id="download-form" action="https://drive.usercontent.google.com/download" method="get">\
<input type="submit" value="Download anyway"/><input type="hidden" name="id" value="THE-FILE">\
<input type="hidden" name="confirm" value="t"></form></body></html>"""
QUOTA_PAGE = b"""<!DOCTYPE html><html><body><p class="uc-error-caption">Sorry</p>
<p class="uc-error-subcaption">Too many users have viewed or downloaded this file recently. Please \
try accessing the file again later.</p></body></html>"""

Answer = Callable[[BaseHTTPRequestHandler], None]


class Asked(NamedTuple):
    path: str
    query: dict[str, list[str]]
    start: int | None


def give(
    data: bytes, status: int = 200, headers: dict[str, str] | None = None, cut: int | None = None
) -> Answer:
    """Answer with data and its length; where it is cut, the rest never comes."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(data[:cut])

    return answer


def give_from_where_asked(data: bytes, headers: dict[str, str] | None = None) -> Answer:
    """Answer as a server that can go on in the middle of a file."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        start = start_of(request)
        if start is None:
            give(data, 200, headers)(request)
        else:
            span = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
            give(data[start:], 206, span | (headers or {}))(request)

    return answer


def start_of(request: BaseHTTPRequestHandler) -> int | None:
    span = request.headers.get("Range")
    return None if span is None else int(span.removeprefix("bytes=").removesuffix("-"))


class Server:
    """A server on this machine that gives each path its answers in turn, the last one for ever."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Answer]] = {}
        self.asked: list[Asked] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                server.asked.append(Asked(url.path, parse_qs(url.query), start_of(self)))
                answers = server.answers.get(url.path, [give(b"no such file", 404)])
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
                answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class QuietServer(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                pass

        self.http = QuietServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.http.shutdown()
    thread.join()
    server.http.server_close()


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No stand-in, no proxy, no cookies from home, and no waiting between tries."""
    monkeypatch.delenv(fetch.STAND_IN, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    # The package's attribute of this name is the function.
    module = sys.modules["gdown.download"]
    monkeypatch.setattr(module, "DEFAULT_COOKIES_FILE", str(tmp_path / "cookies.txt"))
    monkeypatch.setattr(module, "_wait_or_cancel", lambda *, seconds, cancel: None)


@pytest.fixture
def once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One try a call, as where the network stays away for long."""
    monkeypatch.setattr(fetch, "RETRIES", 0)


@pytest.fixture
def drive(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The server in place of Google's two hosts, which become the first part of the path."""
    get = requests.Session.get

    def get_here(self: requests.Session, url: str, **options: Any) -> requests.Response:
        parts = urlsplit(url)
        assert parts.scheme == "https"
        assert parts.hostname in {"drive.google.com", "drive.usercontent.google.com"}
        return get(self, f"{server.url}/{parts.hostname}{parts.path}?{parts.query}", **options)

    monkeypatch.setattr(requests.Session, "get", get_here)
    return server


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "out" / "wells.zip"
    path.parent.mkdir()
    path.write_bytes(OLD)
    return path


def fetched(target: Path, files: dict[str, bytes] = LAYOUT) -> bool:
    """Whether the target holds these wells, and nothing lies beside it."""
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    wells = read_wells(target)
    given = {f"train/{name}": data for name, data in wells.train.items()}
    given |= {f"proliv/{name}": data for name, data in wells.spills.items()}
    given |= {f"test/imgs/{name}": data for name, data in wells.test.items()}
    return given == {path: data for path, data in files.items() if path.endswith(".jpg")}


def refusal(source: str, target: Path) -> str:
    """The message that a source is refused with; what stood at the target stays."""
    with pytest.raises(InputError) as error:
        fetch_archive(source, target)
    assert target.read_bytes() == OLD
    return str(error.value)


def left_overs(target: Path) -> list[int]:
    """Sizes of what broken-off downloads left."""
    return [path.stat().st_size for path in target.parent.glob("*.part")]


def test_a_plain_address_is_downloaded(server: Server, target: Path) -> None:
    server.answers["/wells.zip"] = [give(ZIP)]
    fetch_archive(f"{server.url}/wells.zip", target)
    assert fetched(target)


def test_the_folder_of_the_target_is_made(server: Server, tmp_path: Path) -> None:
    server.answers["/wells.zip"] = [give(ZIP)]
    fetch_archive(f"{server.url}/wells.zip", tmp_path / "new" / "raw" / "wells.zip")
    assert fetched(tmp_path / "new" / "raw" / "wells.zip")


def test_an_earlier_download_is_not_taken_for_this_one(server: Server, target: Path) -> None:
    server.answers["/wells.zip"] = [give(b"<html>first a page</html>"), give(ZIP)]
    assert "web page" in refusal(f"{server.url}/wells.zip", target)
    fetch_archive(f"{server.url}/wells.zip", target)
    assert fetched(target)


def test_an_address_without_a_file_is_refused(server: Server, target: Path) -> None:
    message = refusal(f"{server.url}/nothing.zip", target)
    assert f"{server.url}/nothing.zip can't be downloaded" in message
    assert "404" in message


def test_a_web_page_in_place_of_the_file_is_refused(server: Server, target: Path) -> None:
    server.answers["/wells.zip"] = [give(b"<!DOCTYPE html><title>Sign in</title>", headers=HTML)]
    message = refusal(f"{server.url}/wells.zip", target)
    assert "is a web page, not a zip" in message
    assert "WELLS_ARCHIVE" in message


def test_a_server_that_does_not_answer_is_refused_after_the_retries(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    module = sys.modules["gdown.download"]
    monkeypatch.setattr(module, "_wait_or_cancel", lambda *, seconds, cancel: waits.append(seconds))
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        message = refusal(f"http://127.0.0.1:{silent.getsockname()[1]}/wells.zip", target)
    assert "can't be downloaded" in message
    assert "Check the network" in message
    assert len(waits) == fetch.RETRIES > 0


@pytest.mark.parametrize("url", ["http://[::1/wells.zip", "ftp://127.0.0.1/wells.zip", "http://"])
def test_an_address_that_makes_no_sense_is_refused(url: str, target: Path) -> None:
    assert refusal(url, target).startswith(f"{url} can't be downloaded")


def test_a_transfer_that_breaks_off_goes_on_from_there(server: Server, target: Path) -> None:
    server.answers["/wells.zip"] = [give(LARGE_ZIP, cut=CUT), give_from_where_asked(LARGE_ZIP)]
    fetch_archive(f"{server.url}/wells.zip", target)
    assert fetched(target, LARGE)
    first, second = server.asked
    assert first.start is None
    assert second.start is not None
    assert 0 < second.start <= CUT


@pytest.mark.usefixtures("once")
def test_the_next_call_goes_on_where_one_broke_off(server: Server, target: Path) -> None:
    server.answers["/wells.zip"] = [give(LARGE_ZIP, cut=CUT), give_from_where_asked(LARGE_ZIP)]
    assert "what has arrived is kept" in refusal(f"{server.url}/wells.zip", target)
    (kept,) = left_overs(target)
    fetch_archive(f"{server.url}/wells.zip", target)
    assert fetched(target, LARGE)
    assert [asked.start for asked in server.asked] == [None, None, kept]
    assert kept > 0


def test_what_a_server_cannot_go_on_from_is_dropped_and_the_next_call_begins_anew(
    server: Server, target: Path
) -> None:
    server.answers["/wells.zip"] = [give(LARGE_ZIP, cut=CUT), give(LARGE_ZIP)]
    message = refusal(f"{server.url}/wells.zip", target)
    assert "try again (the next try begins anew)" in message
    assert left_overs(target) == []
    fetch_archive(f"{server.url}/wells.zip", target)
    assert fetched(target, LARGE)


def test_a_full_disk_is_not_taken_for_the_networks_fault(server: Server, target: Path) -> None:
    server.answers["/wells.zip"] = [give(LARGE_ZIP)]
    with full_disk(CUT):
        message = refusal(f"{server.url}/wells.zip", target)
    assert "can't be written: File too large" in message
    assert "network" not in message


def test_a_place_that_is_no_folder_is_told(server: Server, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"a file")
    with pytest.raises(InputError, match=r"data/download\.zip can't be written: File exists"):
        fetch_archive(f"{server.url}/wells.zip", tmp_path / "data" / "wells.zip")


def test_a_drive_link_is_downloaded_past_the_confirm_page(drive: Server, target: Path) -> None:
    drive.answers["/drive.google.com/uc"] = [give(CONFIRM_PAGE, headers=HTML)]
    drive.answers["/drive.usercontent.google.com/download"] = [give(ZIP, headers=ATTACHMENT)]
    fetch_archive(DRIVE_LINK, target)
    assert fetched(target)
    page, file = drive.asked
    assert page.query["id"] == [DRIVE_ID]
    assert file.query == {"id": ["THE-FILE"], "confirm": ["t"]}


def test_a_used_up_quota_of_drive_is_told_with_what_to_do(drive: Server, target: Path) -> None:
    drive.answers["/drive.google.com/uc"] = [give(QUOTA_PAGE, headers=HTML)]
    message = refusal(DRIVE_LINK, target)
    assert "Too many users have viewed or downloaded this file recently" in message
    assert "by a browser and set WELLS_ARCHIVE to its path" in message


@pytest.mark.usefixtures("once")
def test_a_used_up_quota_leaves_what_an_earlier_call_brought(drive: Server, target: Path) -> None:
    drive.answers["/drive.google.com/uc"] = [
        give(LARGE_ZIP, headers=ATTACHMENT, cut=CUT),
        give(QUOTA_PAGE, headers=HTML),
        give_from_where_asked(LARGE_ZIP, ATTACHMENT),
    ]
    refusal(DRIVE_LINK, target)
    (kept,) = left_overs(target)
    assert "what has arrived is kept" in refusal(DRIVE_LINK, target)
    assert left_overs(target) == [kept]
    fetch_archive(DRIVE_LINK, target)
    assert fetched(target, LARGE)
    assert drive.asked[-1].start == kept


@pytest.mark.parametrize("packed", [True, False])
def test_a_stand_in_is_read_in_place_of_an_address(
    packed: bool, server: Server, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = tmp_path / "stand-in"
    if packed:
        stand_in.write_bytes(ZIP)
    else:
        unpack(LAYOUT.items(), stand_in)
    monkeypatch.setenv("WELLS_ARCHIVE", str(stand_in))
    fetch_archive(f"{server.url}/wells.zip", target)
    assert fetched(target)
    assert server.asked == []


def test_a_stand_in_that_is_missing_is_refused_by_its_name(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WELLS_ARCHIVE", "/no/such/wells.zip")
    message = refusal(DRIVE_LINK, target)
    assert message.startswith("/no/such/wells.zip is neither a file nor a folder")
    assert "WELLS_ARCHIVE" in message


@pytest.mark.parametrize("packed", [True, False])
def test_a_local_path_is_read_whatever_the_stand_in(
    packed: bool, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WELLS_ARCHIVE", "/no/such/wells.zip")
    monkeypatch.setenv("HOME", str(tmp_path))
    if packed:
        (tmp_path / "mine").write_bytes(ZIP)
    else:
        unpack(LAYOUT.items(), tmp_path / "mine")
    fetch_archive("~/mine", target)
    assert fetched(target)


def test_a_local_path_that_is_missing_is_refused_by_its_name(target: Path) -> None:
    message = refusal("/no/such/wells.zip", target)
    assert message.startswith("/no/such/wells.zip is neither a file nor a folder")
    assert "dataset.source" in message


def test_a_local_file_that_is_no_zip_is_refused(target: Path) -> None:
    assert "no whole zip" in refusal(str(ROOT / "params.yaml"), target)


def test_drawn_wells_come_in_the_number_asked_for(target: Path) -> None:
    fetch_archive("synthetic:30", target)
    wells = read_wells(target)
    assert len(wells.train) == 30
    assert set(wells.labels.values()) == {True, False}
    assert all(data.startswith(b"\xff\xd8") for data in wells.train.values()), "JPEG"


def test_without_a_number_two_thousand_wells_are_drawn_to_learn_from(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def draw(count: int) -> dict[str, bytes]:
        asked.append(count)
        return LAYOUT

    monkeypatch.setattr(fetch, "draw_archive", draw)
    fetch_archive("synthetic", target)
    assert asked == [2000]
    assert fetched(target)


@pytest.mark.parametrize("source", ["synthetic:x", "synthetic:5", "synthetic:", "synthetic:-30"])
def test_a_wrong_number_of_drawn_wells_is_refused(source: str, target: Path) -> None:
    message = refusal(source, target)
    assert f"dataset.source is {source!r}" in message
    assert "at least 20" in message


def test_the_stage_ends_with_one_message_where_the_archive_is_missing(tmp_path: Path) -> None:
    message = message_of(run_stage("download", tmp_path, {"dataset.source": "missing/wells.zip"}))
    assert message.startswith("missing/wells.zip is neither a file nor a folder")
    assert not (tmp_path / "data/raw/wells.zip").exists()


def test_the_stage_writes_the_archive(tmp_path: Path) -> None:
    unpack(LAYOUT.items(), tmp_path / "mine")
    done = run_stage("download", tmp_path, {"dataset.source": "mine"})
    assert done.returncode == 0, done.stderr
    assert fetched(tmp_path / "data/raw/wells.zip")


def test_the_stage_warns_of_other_wells_unless_they_are_drawn(tmp_path: Path) -> None:
    unpack(LAYOUT.items(), tmp_path / "mine")
    (line,) = run_stage("download", tmp_path, {"dataset.source": "mine"}).stderr.splitlines()
    assert "not that of the known copy" in line
    drawn = run_stage("download", tmp_path, {"dataset.source": "synthetic:20"})
    assert (drawn.returncode, drawn.stderr) == (0, "")


def test_the_stage_warns_in_a_line_where_no_spill_is_known(tmp_path: Path) -> None:
    files = {path: data for path, data in LAYOUT.items() if not path.startswith("proliv/")}
    unpack(files.items(), tmp_path / "mine")
    done = run_stage("download", tmp_path, {"dataset.source": "mine"})
    assert done.returncode == 0, done.stderr
    *_, line = done.stderr.splitlines()
    assert line.startswith("warning: data/raw/wells.zip holds no known spill")
    assert "only the rule `sigma`" in line
    assert fetched(tmp_path / "data/raw/wells.zip", files)
