"""From what people said of photos to a folder that `dataset.additions` takes."""

import re
import sqlite3
import sys
from collections import Counter
from pathlib import Path

from stages.common.errors import InputError
from tools.watch.store import FILE

# What is called a spill is a known spill, what is called a false alarm a normal.
PARTS = {"spill": "proliv", "false alarm": "train"}
JUDGED = """
SELECT photo, verdict, well, png FROM verdicts JOIN photos ON photos.id = photo
    LEFT JOIN pictures USING (photo)
WHERE verdicts.id IN (SELECT max(id) FROM verdicts GROUP BY photo)
    AND verdict IN (?, ?) ORDER BY photo
"""


def export(state: Path, out: Path) -> Counter[str]:
    """Write judged photos below `out`, and return how many, by verdict or as `not kept`.

    A watch may go on meanwhile. Raises InputError where there is no log in `state`, or something
    in `out`: what was corrected since would stay.
    """
    if out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out} isn't empty: name a new folder")
    counts: Counter[str] = Counter()
    try:
        db = sqlite3.connect(f"{(state / FILE).resolve().as_uri()}?mode=ro", uri=True)
        for photo, verdict, well, png in db.execute(JUDGED, tuple(PARTS)):
            counts[verdict if png else "not kept"] += 1
            if png:
                path = out / PARTS[verdict] / f"{re.sub('[^0-9A-Za-z]+', '-', well)}-{photo}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(png)
        db.close()
    except (OSError, sqlite3.Error) as error:
        raise InputError(f"{state} can't be exported to {out} ({error}): name others") from None
    if not counts:
        raise InputError(f"{state}: nobody has called a photo a spill or a false alarm yet")
    print(", ".join(f"{count} {what}" for what, count in sorted(counts.items())), file=sys.stderr)
    return counts
