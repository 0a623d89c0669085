"""The page docs/metrics.md, made from the tables of metrics: ``python -m segmif.bench.definitions docs/metrics.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from segmif.checks import InputError
from segmif.io import write_text
from segmif.metrics import DETECTION_PROTOCOLS, SEGMENTATION_PROTOCOLS, MetricInfo, detection, saliency
from segmif.metrics.fusion import CONVENTIONS, METRICS, PANEL, conventions, inputs

_HEAD = """# Metrics

This page is generated from the tables in `segmif.metrics` by `python -m segmif.bench.definitions docs/metrics.md`.

Letters: A infrared, B visible, F fused; N pixels; H × W rows × columns. Grey levels are 0..255 unless said otherwise.
"""

_SEGMENTATION = """## Segmentation

Counts are pooled over all images of a data set into one confusion matrix C (rows: truth, columns: prediction), then
divided: IoU = C_cc / (row_c + column_c − C_cc), recall = C_cc / row_c, accuracy = trace / sum. `mIoU_all` divides by
the number of evaluated classes, `mIoU_present` by those that occur in the truth; `boundary_F`: Csurka et al. 2013.
An ignore band leaves out pixels near a label boundary. Two methods are compared by a paired bootstrap over images.

Papers that print "mIoU" may count differently; a protocol says how:

| protocol | labels | evaluated classes | absent class | who counts like this |
|---|---|---|---|---|
"""


def metrics_page() -> str:
    """The page as Markdown."""
    named = sorted(METRICS.values(), key=lambda info: info.name.lower())
    parts = [_HEAD, "## Fusion: what a picture may be", "", _text(inputs.__doc__), "", "## Fusion metrics", ""]
    parts += [f"The usual ten (`panel`): {', '.join(PANEL)}.", "", *_table(named), ""]
    for info in named:
        parts += [f"### {info.name} {_arrow(info)}", "", _text(info.equation), "", f"*Source: {info.source}*", ""]
    parts += ["## Conventions", "", _text(conventions.__doc__), ""]
    for name, table in CONVENTIONS.items():
        parts += [f"### `{name}`", "", *(_differences(info) for info in table.values()), ""]
    parts += [_SEGMENTATION + "\n".join(_segmentation_rows()), ""]
    parts += ["## Detection", "", _text(detection.__doc__), ""]
    parts += [f"- `{p.name}`: {', '.join(p.class_names)}. {p.note}" for p in DETECTION_PROTOCOLS.values()]
    parts += ["", "## Saliency", "", _text(saliency.__doc__)]
    return "\n".join(parts).rstrip() + "\n"


def _table(infos: Iterable[MetricInfo]) -> list[str]:
    rows = ["| metric | better | range | looks at | smallest side |", "|---|---|---|---|---:|"]
    for info in infos:
        low, high = (_bound(value) for value in info.range)
        better = "higher" if info.higher_is_better else "lower"
        rows.append(
            f"| [{info.name}](#{info.name.lower()}) | {better} | {low} … {high} | {_needs(info)} | {info.min_side} |"
        )
    return rows


def _bound(value: float) -> str:
    return {float("inf"): "∞", float("-inf"): "−∞"}.get(value, f"{value:.4g}")


def _needs(info: MetricInfo) -> str:
    return "F alone" if info.needs == ("fused",) else "F, A, B"


def _arrow(info: MetricInfo) -> str:
    return "↑" if info.higher_is_better else "↓"


def _differences(info: MetricInfo) -> str:
    """One line on a metric of a convention."""
    plain = METRICS.get(info.name)
    if plain is not None and plain.compute is info.compute:
        same = "the plain definition" if plain.view == info.view else f"the plain definition on {info.view}"
        return f"- **{info.name}**: {same}."
    return f"- **{info.name}**: {' '.join(info.equation.split())}"


def _segmentation_rows() -> list[str]:
    return [
        f"| `{p.name}` | {p.label_set.name} | {len(p.evaluated)} of {len(p.label_set)} | {p.absent} | {p.note} |"
        for p in SEGMENTATION_PROTOCOLS.values()
    ]


def _text(text: str | None) -> str:
    return (text or "").strip()


def main(argv: list[str]) -> None:
    """Write the page to the path given."""
    if len(argv) != 1:
        raise InputError("give the path of the page: python -m segmif.bench.definitions docs/metrics.md")
    write_text(Path(argv[0]), metrics_page())


if __name__ == "__main__":
    main(sys.argv[1:])
