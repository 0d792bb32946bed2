"""Cameras that show drawn wells: in each minute two spills, a hand, and a camera that stops."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import numpy as np

from stages.common.types import FloatArray
from stages.wells.synthetic import scenes
from stages.wells.synthetic.archive import shoot
from stages.wells.synthetic.canvas import Rng, X, Y, blend, inside, noise
from tools.watch.rule import RULE

# So quick that a minute shows all.
QUICK = RULE._replace(off_delay=5.0, obstructed_after=5.0, silent_after=6.0)
WELLS = 6
# What happens, to which well, in which seconds of a minute.
HAPPENS = [
    ("spill", 2, range(8, 22)),
    ("hand", 4, range(14, 30)),
    ("stop", 6, range(20, 38)),
    ("spill", 5, range(34, 46)),
]
# Photos of a well until its files are written over.
KEPT = 200
STRENGTH, SKIN = 1.4, np.array([140, 107, 87]) / 255


@contextmanager
def playing() -> Iterator[Path]:
    """Yield a folder into which cameras write a photo a second of each well, until left."""
    stop = Event()
    with tempfile.TemporaryDirectory(prefix="watch-demo-", ignore_cleanup_errors=True) as name:
        folder = Path(name, "photos")
        for well in range(WELLS):
            (folder / f"table/{well + 1}").mkdir(parents=True)
        player = Thread(target=_play, args=(folder, stop), daemon=True)
        player.start()
        try:
            yield folder
        finally:
            stop.set()
            player.join()


def _play(folder: Path, stop: Event) -> None:
    rng, number = np.random.default_rng(0), 0
    calm = [scenes.draw_normal_well(rng) for _ in range(WELLS)]
    spilt = [scenes.draw_streak_well(rng, STRENGTH) for _ in range(WELLS)]
    while not stop.wait(1 / WELLS):
        second, well = divmod(number, WELLS)
        number += 1
        what = [what for what, one, when in HAPPENS if one == well + 1 and second % 60 in when]
        scene = spilt[well] if "spill" in what else calm[well]
        photo = shoot(_lay_hand(scene, rng) if "hand" in what else scene, rng)
        if "stop" not in what:
            (folder / f"table/{well + 1}/{second % KEPT:03d}.jpg").write_bytes(photo)


def _lay_hand(scene: FloatArray, rng: Rng) -> FloatArray:
    """Return a scene with a hand that comes in from the right."""
    distance = np.hypot((X - rng.normal(50, 1)) / 22, (Y - rng.normal(20, 1)) / 14) - 1
    return blend(scene, SKIN, inside(10 * distance + noise(rng, 1, 1), 2))
