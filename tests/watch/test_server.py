"""The watch over HTTP gives its page and data to its own people, and to nobody else."""

import asyncio
import csv
import json
from typing import Any, cast

import pytest

pytest.importorskip("fastapi", reason="fastapi is missing: requirements-watch.txt")
pytest.importorskip("httpx", reason="httpx is missing: requirements-dev.txt")

from fastapi.testclient import TestClient

from tests.watch.fake_engine import FakeEngine
from tools.watch import server
from tools.watch.engine import Engine
from tools.watch.server import make_app

TOKEN = "sixteen letters!"
SAID = {"photo": 7, "verdict": "false alarm"}
SEEN = {"well": "table/1", "kind": "spill"}


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


def client_of(engine: FakeEngine, host: str = "127.0.0.1:8765", **options: Any) -> TestClient:
    return TestClient(make_app(cast(Engine, engine), **options), base_url=f"http://{host}")


@pytest.fixture
def client(engine: FakeEngine) -> TestClient:
    return client_of(engine)


@pytest.mark.parametrize(
    ("path", "kind", "content"),
    [
        ("/", "text/html; charset=utf-8", "<!doctype html>"),
        ("/page/app.js", "text/javascript; charset=utf-8", "EventSource"),
        ("/page/style.css", "text/css; charset=utf-8", "--spill: #d55e00"),
        ("/page/icon.svg", "image/svg+xml", "<svg"),
        ("/api/photo/7.png", "image/png", "PNG"),
        ("/api/heat/7.png", "image/png", "PNG"),
    ],
)
def test_the_page_and_its_pictures_are_given(
    client: TestClient, path: str, kind: str, content: str
) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == kind
    assert content in answer.text


def test_the_page_names_nothing_from_elsewhere_and_holds_no_script_or_style() -> None:
    files = {name: (server.PAGE / name).read_text(encoding="utf-8") for name in
             ("index.html", "app.js", "style.css")}  # fmt: skip
    for text in files.values():
        assert "://" not in text
        assert " style=" not in text
        assert "innerHTML" not in text
    assert "<style" not in files["index.html"]
    assert files["index.html"].count("<script") == files["index.html"].count("<script type=") == 1


@pytest.mark.parametrize("path", ["/", "/api/state", "/page/none", "/docs", "/api/photo/100.png"])
def test_every_answer_forbids_what_is_not_of_the_page(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["content-security-policy"].startswith("default-src 'self';")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize(
    "path",
    [
        "/page/../server.py",
        "/page/..%2Fserver.py",
        "/page/%2e%2e/server.py",
        "/page/..%5cserver.py",
        "/page//etc/passwd",
        "/page/index.html%00",
        "/page/.",
        "/api/photo/../../server.py",
        "/api/photo/-1.png",
        "/api/photo/7.5.png",
        "/api/photo/99999999999999999999.png",
        "/api/other/7.png",
        "/api/photo/100.png",
        "/api/heat/100.png",
        "/openapi.json",
    ],
)
def test_no_path_leads_elsewhere(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in (404, 422)
    assert "import" not in answer.text


def test_the_state_is_the_snapshot(client: TestClient, engine: FakeEngine) -> None:
    engine.add_well("table/1")
    engine.add_alarm("table/1")
    told, now = client.get("/api/state").json(), engine.snapshot()
    assert told.pop("wall") <= now.pop("wall")
    assert told == now


class Time:
    """A clock that goes on by what is slept, and an engine that changes at some times."""

    def __init__(self, engine: FakeEngine, changes: list[float]) -> None:
        self.now, self.engine, self.changes = 100.0, engine, changes

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        assert self.now < 200, "nothing was told for long"
        self.engine.version = 1 + sum(change <= self.now - 100 for change in self.changes)


async def told_at(
    engine: FakeEngine, changes: list[float], count: int, monkeypatch: pytest.MonkeyPatch
) -> list[float]:
    """When a listener is told of the state, so many times, in seconds since it asked."""
    time = Time(engine, changes)
    monkeypatch.setattr(server, "time", time)
    monkeypatch.setattr(server, "asyncio", time)
    told = []
    async for event in server._events(cast(Engine, engine), lambda: time.now >= 150):
        assert event.endswith("\n\n")
        assert json.loads(event.removeprefix("data: "))["version"] == engine.version
        told.append(round(time.now - 100, 1))
        if len(told) == count:
            break
    return told


def test_each_change_is_told_but_at_most_five_a_second(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = [0.5 + i / 100 for i in range(100)]
    told = asyncio.run(told_at(engine, changes, 7, monkeypatch))
    assert told == [0.0, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6]


def test_nothing_new_is_told_too_so_that_a_page_knows_that_it_is_told(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asyncio.run(told_at(engine, [], 3, monkeypatch)) == [0.0, 2.0, 4.0]


def test_a_page_is_told_no_more_when_the_watch_ends(
    engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 45 < asyncio.run(told_at(engine, [], 1000, monkeypatch))[-1] <= 50


def test_what_people_say_is_handed_on(client: TestClient, engine: FakeEngine) -> None:
    assert client.post("/api/acknowledge", json=SEEN).status_code == 204
    assert client.post("/api/judge", json=SAID).status_code == 204
    assert engine.told == [("table/1", "spill"), (7, "false alarm")]


@pytest.mark.parametrize(
    ("error", "status"),
    [(KeyError("no such well"), 404), (OSError("the disk is full"), 507)],
)
def test_what_could_not_be_noted_is_said(
    client: TestClient, engine: FakeEngine, error: Exception, status: int
) -> None:
    engine.fails = error
    for path, body in (("/api/acknowledge", SEEN), ("/api/judge", SAID)):
        answer = client.post(path, json=body)
        assert answer.status_code == status
        assert answer.json() == {"detail": error.args[0]}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/judge", b""),
        ("/api/judge", b"{"),
        ("/api/judge", b"[]"),
        ("/api/judge", b"\xff\xfe"),
        ("/api/judge", b'{"photo": 7}'),
        ("/api/judge", b'{"photo": "7", "verdict": "spill"}'),
        ("/api/judge", b'{"photo": true, "verdict": "spill"}'),
        ("/api/judge", b'{"photo": 1e99, "verdict": "spill"}'),
        ("/api/judge", b'{"photo": -1, "verdict": "spill"}'),
        ("/api/judge", b'{"photo": 7, "verdict": "maybe"}'),
        ("/api/acknowledge", b'{"well": "a"}'),
        ("/api/acknowledge", b'{"well": 1, "kind": "spill"}'),
        ("/api/acknowledge", b'{"well": "a", "kind": "other"}'),
        ("/api/acknowledge", b"[" * 4000),
    ],
)
def test_a_bad_body_is_refused_and_handed_to_nobody(
    client: TestClient, engine: FakeEngine, path: str, body: bytes
) -> None:
    answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert engine.told == []


def test_a_body_is_short_and_its_length_told(client: TestClient, engine: FakeEngine) -> None:
    long = {"well": "a" * server.LONGEST_BODY, "kind": "spill"}
    assert client.post("/api/acknowledge", json=long).status_code == 413
    pieces = iter([b'{"photo": 7, ', b'"verdict": "spill"}'])
    assert client.post("/api/judge", content=pieces).status_code == 413
    assert engine.told == []


def test_a_form_of_another_page_is_no_body(client: TestClient, engine: FakeEngine) -> None:
    body = json.dumps(SAID)
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = client.post("/api/judge", content=body, headers={"Content-Type": kind})
        assert answer.status_code == 422
    assert engine.told == []


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8765", 200),
        ("localhost", 200),
        ("LOCALHOST:1", 200),
        ("evil.example", 400),
        ("evil.example:8765", 400),
        ("127.0.0.1.evil.example", 400),
        ("10.0.0.5:8765", 400),
        ("[::1]:8765", 400),
        ("127.0.0.1@evil.example", 400),
        ("", 400),
    ],
)
@pytest.mark.parametrize("path", ["/", "/api/state", "/page/app.js", "/api/photo/7.png"])
def test_only_its_own_names_are_answered(
    client: TestClient, path: str, host: str, status: int
) -> None:
    assert client.get(path, headers={"Host": host}).status_code == status


def test_another_name_can_be_given(engine: FakeEngine) -> None:
    client = client_of(engine, "foundry:8765", hosts=["foundry"])
    assert client.get("/").status_code == 200
    assert client.get("/", headers={"Host": "localhost"}).status_code == 400


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:8765", 204),
        ("http://127.0.0.1:9000", 403),
        ("http://localhost:8765", 403),
        ("http://evil.example", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_only_the_own_page_may_post(
    client: TestClient, engine: FakeEngine, origin: str, status: int
) -> None:
    answer = client.post("/api/judge", json=SAID, headers={"Origin": origin})
    assert answer.status_code == status
    assert len(engine.told) == (status == 204)


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/", "GET"),
        ("/page/app.js", "GET"),
        ("/api/state", "GET"),
        ("/api/events", "GET"),
        ("/api/photo/7.png", "GET"),
        ("/api/alarms.csv", "GET"),
        ("/api/judge", "POST"),
        ("/api/acknowledge", "POST"),
        ("/no/such/path", "GET"),
    ],
)
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer \xe9"},
        {"Cookie": "watch=wrong"},
        {"Cookie": f"watch={TOKEN}"},
        {"Cookie": 'watch="\\303\\251"'},
    ],
)
def test_without_the_token_nothing_is_answered(
    engine: FakeEngine, path: str, method: str, given: dict[str, str]
) -> None:
    client = client_of(engine, token=TOKEN)
    headers = {name: value.encode("latin-1") for name, value in given.items()}
    answer = client.request(method, path, json=SAID, headers=headers)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert engine.told == []


def test_a_token_is_a_header_or_once_in_the_address(engine: FakeEngine) -> None:
    client = client_of(engine, token=TOKEN)
    assert client.get("/", params={"token": "wrong"}).status_code == 401
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert client.get("/api/state", headers=bearer).status_code == 200
    assert client.get("/api/state").status_code == 401

    answer = client.get("/", params={"token": TOKEN})
    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert TOKEN not in cookie
    assert client.get("/api/state").status_code == 200
    assert client.post("/api/judge", json=SAID).status_code == 204


def test_alarms_come_as_csv_whose_cells_are_no_formulas(
    client: TestClient, engine: FakeEngine
) -> None:
    alarm = engine.add_alarm("=table/1", began=0.5, acknowledged=60, score=-4.5)
    answer = client.get("/api/alarms.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    names, row = csv.reader(answer.text.splitlines())
    told = dict(zip(names, row, strict=True))
    assert names == list(alarm)
    assert told["well"] == "'=table/1"
    assert told["score"] == "-4.5"
    assert told["began"] == "1970-01-01T00:00:00.500+00:00"
    assert told["acknowledged"] == "1970-01-01T00:01:00.000+00:00"
    assert told["ended"] == ""
