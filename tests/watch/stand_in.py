"""What stands for a detector and for cameras: no network, but a photo's grey is its score."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import onnxruntime
from PIL import Image

from stages.common.types import Images
from stages.wells.inference.exported import Exported
from stages.wells.inference.metadata import Metadata
from tools.watch.alarms import Rule
from tools.watch.engine import Engine
from tools.watch.intake import Clock
from tools.watch.store import Store

HEIGHT, WIDTH, THRESHOLD = 8, 12, 10.0
NORMAL, SPILL = 50, 150
RULE = Rule(k=2, n=3, lower=-0.5, off_delay=3, obstructed_after=5, silent_after=60)
# A photo that red is obstructed.
HAND = (250, 0, 0)


class Session:
    """Scores a photo by a tenth of its green, and calls one without any obstructed."""

    def run(self, outputs: object, given: dict[str, Images]) -> list[Any]:
        """Return what an exported detector does."""
        (photos,) = given.values()
        score = photos[:, 1].mean(axis=(1, 2)) / 10
        view = (photos[:, 0].mean(axis=(1, 2)) > 200).astype(np.uint8)
        blocks = np.ones((len(photos), HEIGHT // 4, WIDTH // 4))
        return [score, score - THRESHOLD, score >= THRESHOLD, view, score[:, None], blocks]


class Time:
    """Clocks that go only when told."""

    def __init__(self) -> None:
        self.wall, self.steady = 1_000_000.0, 100.0

    def go(self, seconds: float) -> None:
        """Let so many seconds pass."""
        self.wall += seconds
        self.steady += seconds

    def clock(self) -> Clock:
        """Return the clocks."""
        return Clock(lambda: self.wall, lambda: self.steady)


def exported() -> Exported:
    """Return what stands for an exported detector."""
    counted = [[1] * (WIDTH // 4)] * (HEIGHT // 4)
    labels, views = ["normal", "spill"], ["clear", "obstructed"]
    metadata = Metadata(
        "stand-in", THRESHOLD, HEIGHT, WIDTH, labels, views, ["grey"], counted, {}, {}
    )
    return Exported(cast(onnxruntime.InferenceSession, Session()), metadata)


def photo(grey: int | tuple[int, int, int] = NORMAL, size: tuple[int, int] = (24, 16)) -> bytes:
    """Return a plain photo as PNG, of a grey or a colour."""
    colour = grey if isinstance(grey, tuple) else (grey, grey, grey)
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


class Watch:
    """An engine on a folder, with time that goes only when told."""

    def __init__(self, folder: Path, rule: Rule = RULE) -> None:
        self.folder, self.state, self.rule, self.time = (
            folder / "photos",
            folder / "state",
            rule,
            Time(),
        )
        self.folder.mkdir(exist_ok=True)
        self.start()

    def start(self) -> None:
        """Start, again where it was stopped."""
        self.store = Store.open(self.state)
        self.engine = Engine(self.folder, self.store, exported(), self.rule, self.time.clock())

    def again(self) -> None:
        """Stop and start."""
        self.store.close()
        self.start()

    def put(self, name: str, content: bytes | None = None) -> Path:
        """Write a photo."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(photo() if content is None else content)
        return path

    def turns(self, seconds: float = 3.0, step: float = 0.25) -> None:
        """Let time pass, with turns of the engine; three seconds are enough for a whole sweep."""
        for _ in range(round(seconds / step)):
            self.time.go(step)
            self.engine.turn()

    def shown(self, well: str) -> dict[str, Any]:
        """Return what the page shows of a well."""
        (found,) = [one for one in self.engine.snapshot()["wells"] if one["well"] == well]
        return cast(dict[str, Any], found)

    def problems(self) -> str:
        """Return the problems that the page tells."""
        return "; ".join(self.engine.snapshot()["health"]["problems"])

    def logged(self) -> list[str]:
        """Return the paths in the log."""
        return [row[0] for row in self.store.db.execute("SELECT path FROM photos ORDER BY id")]


def until(true: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something is true, at most so many seconds; fail where it isn't then."""
    import time

    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)
