"""A check's report as one HTML page that needs nothing else: tables, class bars, sample pictures inside the file."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segmif.data.base import PairSample
from segmif.data.catalog import open_scan, scan_dataset
from segmif.data.check import CheckReport, summary
from segmif.io import encode_image, to_unit, write_text
from segmif.labelsets import IGNORE, LabelSet

_SAMPLES = 8
_LINES_PER_KIND = 12
_THUMBNAIL = 300

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: .2rem; } h2 { margin-top: 2.2rem; border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; margin: .6rem 0; } th, td { padding: .25rem .8rem .25rem 0; text-align: left; }
th { font-weight: 600; } tr + tr { border-top: 1px solid var(--line); }
td.n { text-align: right; font-variant-numeric: tabular-nums; }
.good { color: #1a7f37; } .error { color: #cf222e; } .warning { color: #9a6700; }
.bar { display: flex; height: 1.1rem; width: 100%; border-radius: 3px; overflow: hidden; }
.key { display: inline-block; width: .8em; height: .8em; border: 1px solid #8888; margin-right: .35em; }
.legend span { margin-right: 1rem; white-space: nowrap; }
.row { display: grid; grid-template-columns: repeat(3, 1fr); gap: .4rem; margin: .2rem 0 1rem; }
.row img { width: 100%; display: block; border-radius: 3px; background: var(--soft); }
code { font-size: .9em; overflow-wrap: anywhere; } details { margin: .3rem 0; } small { opacity: .75; }
"""


def write_report(report: CheckReport, path: Path) -> None:
    """Write the page, whole or not at all.

    Raises:
        InputError: the file cannot be written.
    """
    write_text(path, html_report(report))


def html_report(report: CheckReport) -> str:
    """The page as text."""
    facts = summary(report)
    verdict = (
        "<strong class=good>sound</strong>"
        if report.sound
        else f"<strong class=error>{sum(p.severity == 'error' for p in report.problems)} errors</strong>"
    )
    info = report.info
    origin = (info.licence, info.citation, info.home)
    return "\n".join(
        (
            "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
            f"<title>{escape(info.name)}: data check</title><style>{_STYLE}</style>",
            f"<h1>{escape(info.title)}</h1>",
            f"<p><code>{escape(str(report.root))}</code> · layout “{escape(report.layout)}” · {verdict}<br>",
            f"<small>{' · '.join(escape(part) for part in origin if part)}</small></p>",
            "<h2>Splits</h2>",
            _split_table(facts),
            _alignment(facts["alignment"]),
            _classes(report, facts),
            "<h2>Problems</h2>",
            _problems(report),
            _duplicates(facts["near_duplicate_groups"]),
            "<h2>Samples</h2>",
            "<p>Visible, infrared, labels. Where labels are missing, the third picture is empty.</p>",
            *(_sample(sample, report.label_set) for sample in _chosen(report)),
            "<h2>Good to know</h2><ul>",
            *(f"<li>{escape(note)}</li>" for note in info.notes),
            "</ul></html>",
        )
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in header)
    body = "".join(
        "<tr>" + "".join(f"<td{' class=n' if isinstance(v, int) else ''}>{escape(str(v))}</td>" for v in row) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _split_table(facts: dict[str, Any]) -> str:
    rows = []
    for split, count in facts["splits"].items():
        seen = facts["samples"].get(split, {})
        rows.append(
            (
                split,
                count,
                facts["published"].get(split, "–"),
                seen.get("read", 0),
                seen.get("unreadable", 0),
                _counts(seen.get("time", {})),
                _counts(seen.get("labelled", {})),
                seen.get("with_boxes", 0),
                _counts(seen.get("sizes", {})),
            )
        )
    header = ("split", "pairs", "published", "read", "unreadable", "time", "labels", "with boxes", "sizes")
    return _table(header, rows) + "<p><small>A pair that stands in several splits is read in the first.</small></p>"


def _counts(values: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in values.items()) or "–"


def _alignment(values: dict[str, Any]) -> str:
    if not values["pairs"]:
        return ""
    return (
        "<h2>Alignment</h2><p>Estimated from the edges of both pictures in "
        f"{values['pairs']} pairs that had enough in common: the infrared lies at the median "
        f"({values['median_dx']:+.1f}, {values['median_dy']:+.1f}) pixels (right, down) off the visible picture; "
        f"{values['beyond_5_pixels']:.0%} of the pairs are more than 5 pixels apart. One shift per pair: parallax of "
        "near objects is not in it.</p>"
    )


def _classes(report: CheckReport, facts: dict[str, Any]) -> str:
    shares = {split: seen["class_share"] for split, seen in facts["samples"].items() if seen["class_share"]}
    if not shares or report.label_set is None:
        return ""
    colours = [*report.label_set.palette, (255, 255, 255)]
    names = [*report.label_set.classes, "ignore"]
    parts = ["<h2>Classes</h2>"]
    for split, share in shares.items():
        pieces = "".join(
            f"<span title='{escape(n)} {share[n]:.2%}' style='width:{100 * share[n]:.3f}%;background:{_css(c)}'></span>"
            for n, c in zip(names, colours, strict=True)
        )
        parts.append(f"<p>{escape(split)}</p><div class=bar>{pieces}</div>")
    legend = "".join(
        f"<span><span class=key style='background:{_css(c)}'></span>{escape(n)}</span> "
        for n, c in zip(names, colours, strict=True)
    )
    parts.append(f"<p class=legend>{legend}</p>")
    rows = [
        (name, *(f"{share[name]:.3%}" for share in shares.values()), *_boxes_of(name, facts, shares)) for name in names
    ]
    parts.append(_table(("class", *shares, *(f"boxes, {split}" for split in shares)), rows))
    return "\n".join(parts)


def _boxes_of(name: str, facts: dict[str, Any], splits: dict[str, Any]) -> list[int]:
    return [facts["samples"][split]["boxes"].get(name, 0) for split in splits]


def _css(colour: tuple[int, int, int]) -> str:
    return "rgb({},{},{})".format(*colour)


def _problems(report: CheckReport) -> str:
    if not report.problems:
        return "<p>None found.</p>"
    kinds = Counter((problem.severity, problem.kind) for problem in report.problems)
    parts = []
    for (severity, kind), count in sorted(kinds.items(), key=lambda item: (item[0][0], -item[1])):
        lines = [p for p in report.problems if (p.severity, p.kind) == (severity, kind)]
        items = "".join(f"<li><code>{escape(p.where)}</code> {escape(p.message)}</li>" for p in lines[:_LINES_PER_KIND])
        more = f"<li>… and {count - _LINES_PER_KIND} more (all are in the JSON)</li>" if count > _LINES_PER_KIND else ""
        opened = " open" if severity == "error" else ""
        parts.append(
            f"<details{opened}><summary class={severity}>{severity}: {escape(kind)} ({count})</summary>"
            f"<ul>{items}{more}</ul></details>"
        )
    return "\n".join(parts)


def _duplicates(groups: list[list[str]]) -> str:
    if not groups:
        return ""
    lines = "".join(f"<li>{escape(', '.join(group[:12]))}{' …' if len(group) > 12 else ''}</li>" for group in groups)
    return f"<details><summary>{len(groups)} groups of near-duplicates</summary><ul>{lines}</ul></details>"


def _chosen(report: CheckReport) -> list[PairSample]:
    """A few readable samples, evenly spaced, labelled ones first."""
    readable = [fact for fact in report.facts if fact.size is not None]
    labelled = [fact for fact in readable if fact.pixels is not None] or readable
    step = max(1, len(labelled) // _SAMPLES)
    names = {fact.name for fact in labelled[::step][:_SAMPLES]}
    if not names:
        return []
    dataset = open_scan(report.info, scan_dataset(report.info, report.root), strict=False)
    samples = []
    for index, name in enumerate(dataset.names):
        if name in names:
            sample, _ = dataset.load(index)
            samples += [sample] if sample is not None else []
    return samples


def _sample(sample: PairSample, label_set: LabelSet | None) -> str:
    infrared = (to_unit(sample.infrared, "infrared") * 255).astype(np.uint8)
    visible = (to_unit(sample.visible, "visible") * 255).astype(np.uint8)
    pictures = [visible, np.repeat(infrared[..., None], 3, axis=2)]
    if sample.labels is not None and label_set is not None:
        pictures.append(_overlay(visible, sample.labels, label_set))
    for picture in pictures[:2]:
        _draw_boxes(picture, sample)
    images = "".join(f"<img alt='' src='{_thumbnail(picture)}'>" for picture in pictures)
    known = ", ".join(f"{key} {value}" for key, value in sample.meta.items() if key not in ("dataset", "time_from"))
    return f"<p><code>{escape(sample.name)}</code> <small>{escape(known)}</small></p><div class=row>{images}</div>"


def _overlay(visible: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8], label_set: LabelSet) -> Any:
    mixed = (0.3 * visible + 0.7 * label_set.colours()[labels]).astype(np.uint8)
    mixed[labels == IGNORE] = visible[labels == IGNORE] // 2
    return mixed


def _draw_boxes(picture: npt.NDArray[np.uint8], sample: PairSample) -> None:
    if sample.boxes is None:
        return
    for (x0, y0, x1, y1), ignore in zip(sample.boxes.xyxy, sample.boxes.ignore, strict=True):
        colour = (150, 150, 150) if ignore else (255, 60, 60)
        cv2.rectangle(picture, (int(x0), int(y0)), (int(x1) - 1, int(y1) - 1), colour, 2)


def _thumbnail(picture: npt.NDArray[np.uint8]) -> str:
    factor = _THUMBNAIL / picture.shape[1]
    size = (_THUMBNAIL, max(1, round(picture.shape[0] * factor)))
    data = encode_image(cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8), ".jpg")
    return "data:image/jpeg;base64," + base64.b64encode(data).decode()
