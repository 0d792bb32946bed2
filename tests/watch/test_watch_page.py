"""The page of the watch in a real browser without a network: seen, used by keyboard, honest."""

import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

pytest.importorskip("playwright", reason="playwright is missing: requirements-dev.txt")
pytest.importorskip("fastapi", reason="fastapi is missing: requirements-watch.txt")

import uvicorn
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright

from stages.common import paths
from tests.watch.fake_engine import FakeEngine
from tools.watch.engine import Engine
from tools.watch.server import make_app

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="chromium is missing"),
]
# Pixels: a screen at the wall, a laptop, a phone.
SIZES = [(1920, 1080), (1280, 800), (390, 844)]
# Milliseconds until what is waited for counts as not coming; all comes in a second.
PATIENCE = 30_000


class Served:
    """A server of a fake engine, which can be stopped and started again at its address."""

    def __init__(self) -> None:
        self.engine = FakeEngine()
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            self.port = free.getsockname()[1]
        self.start()

    def start(self) -> None:
        app = make_app(cast(Engine, self.engine))
        config = uvicorn.Config(
            app, port=self.port, log_level="error", timeout_graceful_shutdown=1, ws="none"
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join()


@pytest.fixture
def served() -> Iterator[Served]:
    served = Served()
    yield served
    served.stop()


@pytest.fixture
def engine(served: Served) -> FakeEngine:
    engine = served.engine
    engine.add_well("table/10")
    engine.add_well("table/2", "spill", 4.5)
    return engine


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        nowhere = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", nowhere]
        )
        yield browser
        browser.close()


class Opened:
    """A page, what it asked for, and what it complained of."""

    def __init__(self, browser: Browser, port: int, size: tuple[int, int] = SIZES[1]) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        self.page.set_default_timeout(PATIENCE)
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        for _ in range(100):
            try:
                self.page.goto(self.address)
                break
            except Error:
                self.page.wait_for_timeout(100)
        self.complaints.clear()
        expect(self.page.locator("#summary")).not_to_have_text("Connecting …", timeout=PATIENCE)

    def close(self) -> None:
        """Leave the page; it may have asked nobody else, and complained of nothing."""
        self.page.close()
        assert [url for url in self.asked if not url.startswith(f"{self.address}/")] == []
        assert self.complaints == []


@pytest.fixture
def page(browser: Browser, served: Served, engine: FakeEngine) -> Iterator[Page]:
    opened = Opened(browser, served.port)
    yield opened.page
    opened.close()


def sees(page: Page, selector: str, text: str | list[str]) -> None:
    expect(page.locator(selector)).to_have_text(text, timeout=PATIENCE)


def is_told(page: Page, engine: FakeEngine, *told: tuple[Any, ...]) -> None:
    for _ in range(PATIENCE // 50):
        if engine.told == list(told):
            break
        page.wait_for_timeout(50)
    assert engine.told == list(told)


def test_a_tile_a_well_in_the_order_of_their_numbers(page: Page) -> None:
    sees(page, ".well h3", ["table/2", "table/10"])
    sees(page, ".well .word", ["Spill", "Clear"])
    expect(page.locator(".well .last").nth(0)).to_contain_text("4.5 spill, ")
    expect(page.locator(".well .last").nth(1)).to_contain_text("0.2 normal, ")
    sees(page, ".well .normals", ["", "normals 0.2, drift 0.1"])
    sees(page, "#summary", "1 of 2 wells not clear")
    for number in range(2):
        # As wide as the engine's pictures are: it is loaded.
        expect(page.locator(".well img").nth(number)).to_have_js_property("naturalWidth", 48)


def test_scores_are_drawn_against_the_threshold(page: Page) -> None:
    tiles = page.locator(".well svg")
    for number, above in ((0, True), (1, False)):
        points = tiles.nth(number).locator("polyline").get_attribute("points")
        limit = tiles.nth(number).locator("line").get_attribute("y1")
        assert points is not None
        assert limit is not None
        heights = [float(point.split(",")[1]) for point in points.split()]
        assert len(heights) == 60
        assert all((height < float(limit)) == above for height in heights)
        marked = tiles.nth(number).locator("path").get_attribute("d")
        assert (marked or "").count("M") == (60 if above else 0)


def test_an_alarm_is_on_top_said_aloud_and_newest_first(page: Page, engine: FakeEngine) -> None:
    engine.add_alarm("table/2")
    engine.add_alarm("table/10", "silent")
    sees(page, "#open .where", ["· table/10", "· table/2"])
    sees(page, "#open .kind", ["No photo", "Spill"])
    sees(page, "#summary", "2 alarms to acknowledge")
    sees(page, "[role=alert]#said", "Alarm: Spill, table/2")
    assert page.title() == "2 alarms to acknowledge"
    # A photo and its decision map where there is a photo, which can be judged.
    for number, shown in ((0, 0), (1, 2)):
        card = page.locator("#open article").nth(number)
        expect(card.locator("img:visible")).to_have_count(shown)
        expect(card.locator("[data-verdict]:visible")).to_have_count(3 * (shown > 0))


def test_one_key_acknowledges_the_newest_and_then_the_next(page: Page, engine: FakeEngine) -> None:
    engine.add_alarm("table/2")
    engine.add_alarm("table/10", "obstructed", ended=engine.began)
    sees(page, "#summary", "2 alarms to acknowledge")
    page.keyboard.press("a")
    sees(page, "#summary", "1 alarm to acknowledge")
    # One that is over and acknowledged is past.
    sees(page, "#past .where", "· table/10")
    page.keyboard.press("a")
    sees(page, "#summary", "1 of 2 wells not clear")
    sees(page, "#open .where", "· table/2")
    expect(page.locator("#open .acknowledge")).to_be_hidden()
    is_told(page, engine, ("table/10", "obstructed"), ("table/2", "spill"))


def test_a_new_alarm_does_not_take_the_key_from_the_chosen_one(
    page: Page, engine: FakeEngine
) -> None:
    engine.add_alarm("table/2")
    sees(page, "#summary", "1 alarm to acknowledge")
    engine.add_alarm("table/10")
    sees(page, "#summary", "2 alarms to acknowledge")
    sees(page, ".chosen .where", "· table/2")
    page.keyboard.press("a")
    is_told(page, engine, ("table/2", "spill"))


def test_verdicts_by_key_can_be_corrected_later(page: Page, engine: FakeEngine) -> None:
    engine.add_alarm("table/2")
    engine.add_alarm("table/10")
    sees(page, "#summary", "2 alarms to acknowledge")
    page.keyboard.press("n")
    sees(page, ".chosen .where", "· table/2")
    for key, said in (("s", "a spill"), ("f", "a false alarm"), ("c", "as unsure")):
        page.keyboard.press(key)
        expect(page.locator(".chosen .judged")).to_contain_text(f"Judged {said}, ")
    pressed = page.locator('.chosen [aria-pressed="true"]')
    expect(pressed).to_have_text("Can’t tell")
    is_told(page, engine, (50, "spill"), (50, "false alarm"), (50, "unsure"))

    engine.open[1] |= {"ended": engine.began, "acknowledged": engine.began}
    engine.version += 1
    page.locator("#past").get_by_role("button", name="Spill").click()
    expect(page.locator("#past .judged")).to_contain_text("Judged a spill, ")


def test_by_click_too(page: Page, engine: FakeEngine) -> None:
    engine.add_alarm("table/2")
    page.get_by_role("button", name="Acknowledge").click()
    page.get_by_role("button", name="False alarm").click()
    is_told(page, engine, ("table/2", "spill"), (50, "false alarm"))


def test_keyboard_alone_opens_a_photo_and_calls_it_a_missed_spill(
    page: Page, engine: FakeEngine
) -> None:
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className") == "look":
            break
    page.keyboard.press("Enter")
    dialog = page.locator("dialog")
    expect(dialog).to_be_visible()
    expect(dialog.locator("img:visible")).to_have_count(2)
    page.keyboard.press("s")
    expect(dialog.locator(".judged")).to_contain_text("Judged a spill, ")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    is_told(page, engine, (1, "spill"))


def test_what_could_not_be_noted_is_said(
    browser: Browser, served: Served, engine: FakeEngine
) -> None:
    engine.add_alarm("table/2")
    engine.fails = KeyError("no such photo")
    opened = Opened(browser, served.port)
    page = opened.page
    sees(page, "#summary", "1 alarm to acknowledge")
    page.keyboard.press("f")
    expect(page.locator("#failed")).to_contain_text("Not noted: ")
    expect(page.locator("#failed")).to_contain_text("no such photo")
    sees(page, "#open .judged", "")
    engine.fails = None
    page.keyboard.press("f")
    expect(page.locator("#failed")).to_be_empty()
    # The browser itself tells that the first answer was no good one.
    assert len(opened.complaints) == 1
    opened.complaints.clear()
    opened.close()


def test_focus_stays_while_photos_come(page: Page, engine: FakeEngine) -> None:
    engine.add_alarm("table/2")
    page.get_by_role("button", name="Can’t tell").focus()
    engine.add_alarm("table/10")
    engine.wells[0]["photo"] = 33
    sees(page, "#summary", "2 alarms to acknowledge")
    expect(page.locator("#open article").nth(1).get_by_text("Can’t tell")).to_be_focused()


def test_problems_are_said_before_all_clear(page: Page, engine: FakeEngine) -> None:
    engine.wells.pop()
    engine.problems = ["the disk is full", "the clock jumped"]
    engine.version += 1
    sees(page, "#problems", "the disk is full\nthe clock jumped")
    sees(page, "#summary", "2 problems with the watch")
    engine.problems = []
    engine.version += 1
    sees(page, "#summary", "1 well, all clear")


def test_names_cannot_break_out_of_the_page(page: Page, engine: FakeEngine) -> None:
    evil = "<img src=x onerror=alert(1)>"
    engine.add_well(evil)
    engine.add_alarm(evil)
    engine.problems = [evil]
    engine.version += 1
    sees(page, "#problems", evil)
    sees(page, "#open .where", f"· {evil}")
    expect(page.locator('img[src="x"]')).to_have_count(0)


def test_a_lost_connection_is_said_and_found_again(
    browser: Browser, served: Served, engine: FakeEngine
) -> None:
    opened = Opened(browser, served.port)
    served.stop()
    sees(opened.page, "#summary", "Connection lost")
    expect(opened.page.locator("#lost")).to_contain_text("No word from the watch since ")
    opened.complaints.clear()
    served.start()
    sees(opened.page, "#summary", "1 of 2 wells not clear")
    expect(opened.page.locator("#lost")).to_be_empty()
    opened.complaints.clear()
    opened.close()


def test_a_connection_that_falls_silent_is_made_anew(
    browser: Browser, served: Served, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Opened(browser, served.port)
    sees(opened.page, "#summary", "1 of 2 wells not clear")
    snapshot, silent, over = engine.snapshot, threading.Event(), threading.Event()

    def fall_silent_once() -> dict[str, Any]:
        if not silent.is_set():
            silent.set()
            over.wait()
        return snapshot()

    monkeypatch.setattr(engine, "snapshot", fall_silent_once)
    try:
        sees(opened.page, "#summary", "Connection lost")
        sees(opened.page, "#summary", "1 of 2 wells not clear")
    finally:
        over.set()
    opened.close()


@pytest.mark.parametrize("size", SIZES)
def test_it_fits_and_is_free_of_serious_findings_of_axe(
    browser: Browser, served: Served, engine: FakeEngine, size: tuple[int, int]
) -> None:
    kinds = ("spill", "obstructed", "silent")
    for number, kind in enumerate(kinds):
        engine.add_well(f"table/a long name of a well {number}", kind)
        engine.add_alarm(f"table/a long name of a well {number}", kind)
        engine.add_alarm("past", kind, ended=1.0, acknowledged=2.0, verdict="spill", judged=3.0)
    engine.add_alarm("table/2", ended=1.0)
    engine.add_alarm("table/2", acknowledged=2.0)
    engine.problems = ["the disk is full"]
    engine.version += 1
    opened = Opened(browser, served.port, size)
    sees(opened.page, "#summary", "4 alarms to acknowledge")
    width = opened.page.evaluate("document.documentElement.scrollWidth")
    assert width <= size[0]
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe is missing: requirements-dev.txt"
    )
    found = axe.Axe().run(opened.page).response["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical")]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in serious] == []
    opened.close()


@pytest.mark.parametrize(("size", "least"), [(SIZES[0], 32), (SIZES[1], 24), (SIZES[2], 19)])
def test_letters_are_as_large_as_the_distance_asks(
    browser: Browser, served: Served, engine: FakeEngine, size: tuple[int, int], least: int
) -> None:
    for number in range(6):
        engine.add_well(f"table/{20 + number}")
    engine.add_alarm("table/2")
    opened = Opened(browser, served.port, size)
    sees(opened.page, "#summary", "1 alarm to acknowledge")
    letters = "node => parseFloat(getComputedStyle(node).fontSize)"
    for selector in ("#summary", "#open h3", ".well .state"):
        assert opened.page.locator(selector).first.evaluate(letters) >= least, selector
    opened.close()


@pytest.mark.skipif(not paths.EXPORTED.is_file(), reason=f"{paths.EXPORTED} is missing")
def test_the_demo_shows_all_that_happens_and_gives_judged_photos_back(
    browser: Browser, tmp_path: Path
) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    watch = [sys.executable, "-m", "tools.watch"]
    demo = [*watch, "demo", "--state", str(tmp_path / "state"), "--port", str(port)]
    with subprocess.Popen(demo, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert "watching" in process.stdout.readline()
            opened = Opened(browser, port)
            page = opened.page
            for well, kind in ((2, "Spill"), (4, "Blocked"), (6, "No photo"), (5, "Spill")):
                alarm = page.locator("#open article", has_text=f"{kind} · table/{well}")
                expect(alarm).to_be_visible(timeout=90_000)
            first = page.locator("article.alarm", has_text="table/2")
            first.get_by_role("button", name="Acknowledge").click()
            expect(first.locator(".acknowledge")).to_be_hidden()
            first.get_by_role("button", name="False alarm").click()
            expect(first.locator(".judged")).to_contain_text("Judged a false alarm, ")
            first.get_by_role("button", name="Spill").click()
            expect(first.locator(".judged")).to_contain_text("Judged a spill, ")
            opened.close()
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(60) == 128 + signal.SIGINT
    export = [*watch, "export", str(tmp_path / "state"), str(tmp_path / "out")]
    subprocess.run(export, check=True)
    (photo,) = (tmp_path / "out").rglob("*.*")
    assert photo.parent.name == "proliv"
    assert photo.name.startswith("table-2-")
