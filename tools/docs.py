"""Write the committed metrics into README.md and docs/: `python -m tools.docs`, or `make docs`.

What stands in a page between `<!-- metrics: NAME -->` and `<!-- end -->` is the block NAME of
docs/metrics.md.j2, a Jinja2 template that sees every file of metrics/ and metrics/reports/ by its
name, docs/peers.csv as `peers`, and the means of docs/few_avatars.csv as `few`, of
docs/small_sets.csv as `small` and of docs/memory.csv as `memory`, docs/surfaces.csv as
`surfaces`, docs/alarm_rule.csv as `alarm_rules`, docs/growth.csv as `growth`, docs/bulk.csv as
`bulk`, and params.yaml as `params`. So no sentence with a measured number is edited by hand after a
run.
docs/compared.png, docs/few_avatars.png and docs/small_sets.png are drawn of the same.
"""

import argparse
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import yaml

from stages.common import paths
from stages.common.errors import InputError, run
from stages.common.files import write_text
from tools import alarm_rule, few_avatars, growth, memory, scale, small_sets, surface
from tools.bulk.bench import TABLE as BULK
from tools.peers import PICTURE, draw_compared, read_peers

TEMPLATE = Path("docs/metrics.md.j2")
MARKED = re.compile(r"(<!-- metrics: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def main() -> None:
    """Fill every page in."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    for path, text in filled_pages(Path()).items():
        write_text(path, text)
    draw_compared(PICTURE, read_metrics(Path()), read_peers(Path()))
    few_avatars.draw_few(few_avatars.PICTURE, few_avatars.read_table(Path()))
    small_sets.draw_small(small_sets.PICTURE, small_sets.read_table(Path()))


def filled_pages(folder: Path) -> dict[Path, str]:
    """Return the pages that have marks, by path, as they should be.

    folder: the project's. Raises InputError for a mark whose block there isn't.
    """
    blocks = render_blocks(folder)
    pages = [folder / "README.md", *sorted((folder / "docs").glob("*.md"))]
    filled = {}
    for path in pages:
        text = path.read_text(encoding="utf-8")

        def fill(match: re.Match[str], path: Path = path) -> str:
            if match[2] not in blocks:
                raise InputError(f"{path}: {TEMPLATE} has no block {match[2]}")
            return f"{match[1]}{blocks[match[2]]}\n{match[3]}"

        if MARKED.search(text):
            filled[path] = MARKED.sub(fill, text)
    return filled


def render_blocks(folder: Path) -> dict[str, str]:
    """Return the text of each block of the template, by its name."""
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(percent=percent, interval=interval, rates=rates, spread=spread)
    for reckon in scale.steps, scale.fits, scale.peak_gb, scale.search_seconds:
        environment.filters[reckon.__name__] = reckon
    template = environment.from_string((folder / TEMPLATE).read_text(encoding="utf-8"))
    peers = read_peers(folder).to_dict("records")
    few = few_avatars.mean_over_seeds(few_avatars.read_table(folder)).to_dict("index")
    small = small_sets.mean_over_draws(small_sets.read_table(folder)).to_dict("records")
    spread_of = memory.spread_over_seeds(memory.read_table(folder))
    told = {"peers": peers, "few": few, "small": small, "memory": spread_of}
    told["surfaces"] = surface.read_table(folder).to_dict("records")
    told["bulk"] = pd.read_csv(folder / BULK).to_dict("records")
    told["alarm_rules"] = pd.read_csv(folder / alarm_rule.TABLE).to_dict("records")
    told["growth"] = growth.read_table(folder).to_dict("records")
    told["params"] = yaml.safe_load((folder / paths.PARAMS).read_text(encoding="utf-8"))
    context = template.new_context({**read_metrics(folder), **told})
    return {name: "".join(block(context)).strip() for name, block in template.blocks.items()}


def read_metrics(folder: Path) -> dict[str, Any]:
    """Return every file of metrics/ by its name, the reports in `reports`."""
    files = {path.stem: _read(path) for path in sorted((folder / paths.METRICS).glob("*.json"))}
    reports = (folder / paths.METRICS / "reports").glob("*.json")
    return {**files, "reports": {path.stem: _read(path) for path in sorted(reports)}}


def percent(share: float, digits: int = 1) -> str:
    """Return a share as `98.8 %`."""
    return f"{100 * share:.{digits}f} %"


def interval(measured: Mapping[str, Any], rate: str, digits: int = 3) -> str:
    """Return a rate with its 95 % interval, as `0.992 (0.957 to 0.999)`."""
    low, high = (measured[f"{rate}_interval"][end] for end in ("low", "high"))
    return f"{measured[rate]:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def rates(over_seeds: Mapping[str, Mapping[str, float]]) -> str:
    """Return a detector's mean rates over seeds as `0.997 / 0.988`: TPR and TNR."""
    return " / ".join(f"{over_seeds[rate]['mean']:.3f}" for rate in ("tpr", "tnr"))


def spread(over_seeds: Mapping[str, float], digits: int = 3) -> str:
    """Return a rate over seeds as `0.988 ± 0.001 (0.987)`: mean, deviation and least."""
    mean, std, least = (over_seeds[name] for name in ("mean", "std", "min"))
    return f"{mean:.{digits}f} ± {std:.{digits}f} ({least:.{digits}f})"


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    run(main)
