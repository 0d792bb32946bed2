"""A review as text: Markdown for a pull request, HTML for everything else."""

import base64
import html
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import vl_convert
from PIL import Image

from stages.common.types import Images
from stages.wells.detection.detector import IN_USE

HIGHER_IS_BETTER = {"accuracy", "auroc", "fidelity", "tnr", "tpr", "validation"}
LOWER_IS_BETTER = {"held_out_bits", "holdout_mse"}
# GitHub takes 65,536 characters for a comment; a page of thousands of photos is read by nobody.
MARKDOWN_ROWS, PAGE_WELLS = 80, 200
MAGNIFICATION = 4
STYLE = """
body { font: 16px/1.45 system-ui, sans-serif; max-width: 1200px; margin: 2em auto; padding: 0 1em }
table { border-collapse: collapse } td, th { padding: .2em .8em; text-align: left }
tr:nth-child(even) { background: #f3f3f3 } th { border-bottom: 1px solid #888 }
.better { color: #00664b } .worse { color: #a83f00; font-weight: bold }
.pair { display: flex; gap: 1em } .pair figure { margin: 0; flex: 1; min-width: 0 }
img { max-width: 100%; height: auto } figcaption { color: #555 }
.wells { display: flex; flex-wrap: wrap; gap: 1em } .wells figure { margin: 0; width: 200px }
"""


class Change(NamedTuple):
    """A parameter or a metric that differs: its file's name, its path, and both values."""

    file: str
    name: str
    old: Any
    new: Any

    def better(self) -> bool | None:
        """Tell whether the new value is better; None where that can't be said."""
        words = set(self.name.split("."))
        numbers = all(isinstance(value, int | float) for value in (self.old, self.new))
        if not numbers or not words & (HIGHER_IS_BETTER | LOWER_IS_BETTER):
            return None
        return bool((self.new > self.old) == bool(words & HIGHER_IS_BETTER))

    def arrow(self) -> str:
        """Return the direction and what it means."""
        if not all(isinstance(value, int | float) for value in (self.old, self.new)):
            return "new" if self.old is None else "gone" if self.new is None else ""
        direction = "▲" if self.new > self.old else "▼"
        return direction + {True: " better", False: " worse", None: ""}[self.better()]


class LabelChange(NamedTuple):
    """A test well that a detector calls otherwise than before, with its photo if it is at hand."""

    detector: str
    name: str
    actual: str
    before: str
    after: str
    image: Images | None = None

    def verdict(self) -> str:
        """Say whether the label is right now."""
        return "now right" if self.after == self.actual else "now wrong"


class Chart(NamedTuple):
    """A chart of both revisions, as a Vega-Lite specification."""

    name: str
    spec: dict[str, Any]


class Pair(NamedTuple):
    """A picture, PNG, before and after; None where there is none."""

    name: str
    before: bytes | None
    after: bytes | None


class Review(NamedTuple):
    """All that differs from the revision `base`."""

    base: str
    params: list[Change]
    metrics: list[Change]
    data: list[tuple[str, str]]
    labels: list[LabelChange]
    charts: list[Chart]
    pairs: list[Pair]

    def plots(self) -> list[str]:
        """Return the names of the plots that differ."""
        return [chart.name for chart in self.charts] + [pair.name for pair in self.pairs]

    def summary(self) -> str:
        """Return how much changed, in a line."""
        worse = sum(one.better() is False for one in self.metrics)
        return (
            f"parameters {len(self.params)}, metrics {len(self.metrics)} ({worse} worse), "
            f"files of data and models {len(self.data)}, labels {len(self.labels)}, "
            f"plots {len(self.plots())}"
        )


def as_markdown(review: Review) -> str:
    """Return the report without pictures."""
    parts = [
        f"## What changed since `{review.base}`",
        f"Changed: {review.summary()}.",
        _section("Parameters", ["parameter", "before", "now"], map(_params_row, review.params)),
        _section(
            "Metrics",
            ["metric", "before", "now", ""],
            _metrics_rows(review.metrics),
        ),
        _section("Data and models", ["file", ""], ([path, kind] for kind, path in review.data)),
        _section(
            "Test wells with another label",
            ["well", "detector", "is", "before", "now", ""],
            map(_label_row, review.labels),
        ),
        _section("Plots", ["plot"], ([name] for name in review.plots())),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def as_html(review: Review) -> str:
    """Return the report with charts and pictures, in one page that loads nothing."""
    metrics_head = ["metric", "before", "now", ""]
    parts = [
        f"<h1>What changed since {html.escape(review.base)}</h1>",
        f"<p>Changed: {html.escape(review.summary())}.</p>",
        _html_section(
            "Parameters",
            _html_table(["parameter", "before", "now"], map(_params_row, review.params)),
        ),
        _html_section("Metrics", _html_table(metrics_head, _metrics_rows(review.metrics))),
        _html_section(
            "Data and models",
            _html_table(["file", ""], ([path, kind] for kind, path in review.data)),
        ),
        _html_section("Test wells with another label", _wells(review.labels)),
        _html_section("Charts", "".join(map(_chart, review.charts))),
        _html_section("Pictures", "".join(map(_pair, review.pairs))),
    ]
    body = "\n".join(part for part in parts if part)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<link rel="icon" href="data:,">'
        f"<title>What changed since {html.escape(review.base)}</title>"
        f"<style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _metrics_rows(metrics: Sequence[Change]) -> list[list[str]]:
    """Return a row a metric, those of the detector in use first."""
    ordered = sorted(metrics, key=lambda one: not one.name.startswith(f"{IN_USE}."))
    return [_metrics_row(one) for one in ordered]


def _params_row(change: Change) -> list[str]:
    return [change.name, _value(change.old), _value(change.new)]


def _metrics_row(change: Change) -> list[str]:
    return [
        f"{change.file}: {change.name}",
        _value(change.old),
        _value(change.new),
        change.arrow(),
    ]


def _label_row(change: LabelChange) -> list[str]:
    return [
        change.name,
        change.detector,
        change.actual,
        change.before,
        change.after,
        change.verdict(),
    ]


def _value(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _section(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    table = _markdown_table(head, rows)
    return f"### {title}\n\n{table}" if table else ""


def _markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

    found = [line(row) for row in rows]
    shown = "\n".join([line(head), line(["---"] * len(head)), *found[:MARKDOWN_ROWS]])
    return shown + _left_out(len(found) - MARKDOWN_ROWS) if found else ""


def _left_out(count: int) -> str:
    return f"\n\nand {count} more" if count > 0 else ""


def _html_section(title: str, content: str) -> str:
    return f"<h2>{title}</h2>\n{content}" if content else ""


def _html_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    found = [
        "<tr>" + "".join(f"<td{_class(cell)}>{html.escape(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    ]
    headings = "".join(f"<th>{html.escape(cell)}</th>" for cell in head)
    return f"<table><tr>{headings}</tr>{''.join(found)}</table>" if found else ""


def _class(cell: str) -> str:
    for name, endings in (("better", ("better", "now right")), ("worse", ("worse", "now wrong"))):
        if cell.endswith(endings):
            return f' class="{name}"'
    return ""


def _wells(labels: Sequence[LabelChange]) -> str:
    figures = []
    for one in labels[:PAGE_WELLS]:
        verdict = one.verdict()
        figures.append(
            f"<figure>{_thumbnail(one.image)}<figcaption>{html.escape(one.detector)}: "
            f"{html.escape(one.name)}<br>is {html.escape(one.actual)}, was called "
            f"{html.escape(one.before)}, <span{_class(verdict)}>{verdict}</span>"
            "</figcaption></figure>"
        )
    left_out = _left_out(len(labels) - PAGE_WELLS)
    return f'<div class="wells">{"".join(figures)}</div>{left_out}' if figures else ""


def _thumbnail(image: Images | None) -> str:
    if image is None:
        return ""
    picture = Image.fromarray(image.transpose(1, 2, 0))
    size = (picture.width * MAGNIFICATION, picture.height * MAGNIFICATION)
    buffer = io.BytesIO()
    picture.resize(size, Image.Resampling.BICUBIC).save(buffer, format="PNG")
    return _img(buffer.getvalue(), "the well")


def _chart(chart: Chart) -> str:
    svg = vl_convert.vegalite_to_svg(json.dumps(chart.spec), allowed_base_urls=[])
    return _figure(chart.name, _img(svg.encode(), chart.name, "svg+xml"))


def _pair(pair: Pair) -> str:
    sides = [
        f"<figure><figcaption>{title}</figcaption>{_img(png, pair.name)}</figure>"
        for title, png in (("before", pair.before), ("now", pair.after))
        if png
    ]
    return _figure(pair.name, f'<div class="pair">{"".join(sides)}</div>')


def _figure(name: str, content: str) -> str:
    return f"<h3>{html.escape(name)}</h3>\n{content}\n"


def _img(content: bytes, alt: str, kind: str = "png") -> str:
    encoded = base64.b64encode(content).decode()
    return f'<img alt="{html.escape(alt)}" src="data:image/{kind};base64,{encoded}">'
