"""What stands for an engine: it shows what a test sets, and keeps what it is told."""

import io
import time
from typing import Any, Self

from PIL import Image

THRESHOLD = 2.4


class FakeEngine:
    """Wells, alarms and problems as a test sets them; `fails` is raised at whoever says something.

    It has pictures of photos below 100.
    """

    def __init__(self) -> None:
        self.version, self.began = 1, time.time()
        self.wells: list[dict[str, Any]] = []
        self.open: list[dict[str, Any]] = []
        self.problems: list[str] = []
        self.told: list[tuple[Any, ...]] = []
        self.fails: Exception | None = None

    def add_well(self, well: str, state: str = "clear", score: float = 0.2) -> None:
        """Show a well whose last photo has the number of wells before it."""
        history = [[self.began - 60 + second, score] for second in range(60)]
        self.wells.append(
            {
                "well": well,
                "photo": len(self.wells),
                "wall": self.began,
                "score": score,
                "spill": score >= THRESHOLD,
                "obstructed": state == "obstructed",
                "state": state,
                "history": history,
                "normal_mean": None if score >= THRESHOLD else score,
                "drift": 0.1,
            }
        )
        self.version += 1

    def add_alarm(self, well: str, kind: str = "spill", **changes: Any) -> dict[str, Any]:
        """Show an alarm more, the newest, which is active and waits to be acknowledged."""
        silent = kind == "silent"
        alarm = {
            "id": len(self.open) + 1,
            "well": well,
            "kind": kind,
            "began": self.began,
            "ended": None,
            "acknowledged": None,
            "photo": None if silent else 50 + len(self.open),
            "score": None if silent else 4.5,
            "verdict": None,
            "judged": None,
        } | changes
        self.open.insert(0, alarm)
        self.version += 1
        return alarm

    def snapshot(self) -> dict[str, Any]:
        """Return all that is shown."""
        health = {"photos": 1234, "rate": 5.0, "p95": None, "waiting": 0, "problems": self.problems}
        return {
            "version": self.version,
            "wall": time.time(),
            "threshold": THRESHOLD,
            "rule": {},
            "wells": self.wells,
            "alarms": self.open,
            "health": health,
        }

    def alarms(self) -> list[dict[str, Any]]:
        """Return all alarms, newest first."""
        return self.open

    def acknowledge(self, well: str, kind: str) -> None:
        """Note it, and show it."""
        self._keep(well, kind)
        for alarm in self.open:
            if (alarm["well"], alarm["kind"]) == (well, kind):
                alarm["acknowledged"] = time.time()

    def judge(self, photo: int, verdict: str) -> None:
        """Note it, and show it."""
        self._keep(photo, verdict)
        for alarm in self.open:
            if alarm["photo"] == photo:
                alarm |= {"verdict": verdict, "judged": time.time()}

    def find(self, photo: int) -> bytes | None:
        """Return a picture whose colour is the photo's number."""
        if photo >= 100:
            return None
        file = io.BytesIO()
        Image.new("RGB", (48, 28), (photo, 120, 110)).save(file, "PNG")
        return file.getvalue()

    find_heat = find

    @property
    def pictures(self) -> Self:
        """Return what has pictures: itself."""
        return self

    def _keep(self, *said: Any) -> None:
        self.told.append(said)
        if self.fails:
            raise self.fails
        self.version += 1
