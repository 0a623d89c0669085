"""The data card: what a stranger should know before using a data set, as Markdown and as one HTML page.

Both are made from the same sections, see `segmif.rig.building.pages`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from segmif.io import make_output_folder, write_json, write_text
from segmif.rig.building.figures import bar_chart, chord_diagram
from segmif.rig.building.inspect import MISALIGNED, Alignment, Inspection, as_dict
from segmif.rig.building.pages import Block, Figure, Section, Table, html, markdown
from segmif.rig.building.statistics import PRESENT, Statistics

_LINES = 10


@dataclass(frozen=True, kw_only=True)
class About:
    """What only people know: `title`, `licence` and a `text` of one paragraph; empty where unsaid."""

    title: str = ""
    licence: str = ""
    text: str = ""


def write_card(inspection: Inspection, folder: Path, about: About = About()) -> list[Path]:
    """Write card.md, card.html, card.json and the figures into a folder.

    Raises:
        InputError: the folder cannot be written.
    """
    make_output_folder(folder)
    title = about.title or inspection.report.info.title
    parts = sections(inspection, about)
    figures = [block for _, blocks in parts for block in blocks if isinstance(block, Figure)]
    texts = {"card.md": markdown(title, parts), "card.html": html(title, parts)}
    texts |= {figure.file: figure.svg for figure in figures}
    for name, text in texts.items():
        write_text(folder / name, text)
    write_json(folder / "card.json", {"title": title, "licence": about.licence, **as_dict(inspection)})
    return [folder / name for name in (*texts, "card.json")]


def sections(inspection: Inspection, about: About) -> list[Section]:
    """The card's content."""
    return [
        ("Summary", list(_summary(inspection, about))),
        ("Splits", list(_splits(inspection))),
        ("Day and night", list(_day_and_night(inspection))),
        ("Classes", list(_classes(inspection))),
        ("Which classes occur together", list(_together(inspection.statistics))),
        ("Alignment", list(_alignment(inspection))),
        ("Leaks between splits", list(_leaks(inspection))),
        ("How it was built", list(_how(inspection.built))),
        ("Problems", list(_problems(inspection))),
    ]


def _summary(inspection: Inspection, about: About) -> Iterator[Block]:
    if about.text:
        yield about.text
    facts = inspection.report.facts
    labelled = sum(fact.pixels is not None for fact in facts)
    boxes = sum(fact.has_boxes for fact in facts)
    sizes = Counter(f"{fact.size[1]}x{fact.size[0]}" for fact in facts if fact.size)
    common = ", ".join(f"{size} ({count})" for size, count in sizes.most_common(3))
    label_set = inspection.report.label_set
    yield Table(
        header=("", ""),
        rows=[
            ("pairs", len(facts)),
            ("with labels", labelled),
            ("with boxes", boxes),
            ("classes", f"{len(label_set)} ({label_set.name})" if label_set and labelled else "–"),
            ("sizes", common + (f" and {len(sizes) - 3} more" if len(sizes) > 3 else "")),
            ("drives", len(set(inspection.drives.values())) or "not known"),
            ("licence", about.licence or inspection.report.info.licence or "not said"),
            ("verdict", "sound" if inspection.sound else "not sound, see Problems"),
        ],
    )


def _splits(inspection: Inspection) -> Iterator[Block]:
    report = inspection.report
    drives = {
        split: len({inspection.drives[n] for n in names if n in inspection.drives})
        for split, names in report.splits.items()
    }
    seen = {fact.name: fact for fact in report.facts}
    rows = []
    for split, names in report.splits.items():
        facts = [seen[name] for name in names if name in seen]
        unreadable = sum(fact.size is None for fact in facts)
        labelled = sum(fact.pixels is not None for fact in facts)
        rows.append((split, len(names), labelled, drives[split] or "–", unreadable))
    header = ("split", "pairs", "labelled", "drives", "unreadable")
    shown = len(header) if any(row[-1] for row in rows) else len(header) - 1
    yield Table(header=header[:shown], rows=[row[:shown] for row in rows])


def _day_and_night(inspection: Inspection) -> Iterator[Block]:
    sun = inspection.sun
    rows = [
        (
            split,
            *(tally[light] for light in ("day", "night")),
            *((sun[split][light] for light in ("day", "dusk", "night")) if sun else ()),
        )
        for split, tally in inspection.brightness.items()
    ]
    header = ("split", "day", "night", *(("day by the sun", "dusk", "night by the sun") if sun else ()))
    yield Table(header=header, rows=rows)
    yield (
        "Day and night are told by the data set where it says so, else by the brightness of the visible picture's "
        f"upper third: night where the median is below {inspection.report.info.night_sky:g} of white."
    )
    told, agree = inspection.agree
    if told:
        yield (
            f"Where time and place are on record, the height of the sun says the same for {agree} of {told} pairs "
            "(dusk, within 6° of the horizon, fits both)."
        )
    else:
        yield "No pair has both a time and a place on record, so the sun could not be asked."


def _classes(inspection: Inspection) -> Iterator[Block]:
    statistics, by_time = inspection.statistics, inspection.by_time
    if statistics is None or by_time is None:
        yield "No pair has labels."
        return
    names = [*statistics.label_set.classes, "ignored"]
    splits = list(dict.fromkeys(statistics.groups))
    pictures = [*(int(n) for n in statistics.images), len(statistics.groups)]
    shares = [statistics.shares(), *(statistics.of(split).shares() for split in splits)]
    rows = [
        (name, count, *(f"{share[i]:.2%}" for share in shares))
        for i, (name, count) in enumerate(zip(names, pictures, strict=True))
    ]
    yield Table(header=("class", "pictures", "pixels", *(f"pixels, {split}" for split in splits)), rows=rows)
    times = [time for time in ("day", "night") if time in by_time.groups] or sorted(set(by_time.groups))
    bars = [(time or "all", list(by_time.of(time).shares()[:-1])) for time in times]
    figure = bar_chart(statistics.label_set.classes, statistics.label_set.palette, bars)
    caption = f"Share of pixels of each class{', by day and by night' if len(bars) > 1 else ''}."
    yield Figure(file="classes.svg", svg=figure, caption=caption)
    yield f"A class counts as present in a picture from {PRESENT} pixels."


def _together(statistics: Statistics | None) -> Iterator[Block]:
    if statistics is None or len(np.flatnonzero(statistics.images)) < 2:
        yield "Not enough labelled classes."
        return
    label_set, together = statistics.label_set, statistics.together()
    yield Figure(
        file="together.svg",
        svg=chord_diagram(label_set.classes, label_set.palette, together),
        caption="Chord diagram of co-occurrence: a ribbon is as wide as the number of pictures that show both classes, "
        "in the colour of the rarer one; beside each name the number of pictures that show it.",
    )
    rare = [i for i in np.argsort(statistics.images, kind="stable") if statistics.images[i]][:5]
    rows = []
    for i in rare:
        others = [j for j in np.argsort(-together[i], kind="stable") if j != i and together[i, j]][:3]
        company = ", ".join(f"{label_set.classes[j]} {together[i, j]}" for j in others)
        rows.append((label_set.classes[i], int(together[i, i]), company))
    yield "The rarest classes and their most frequent company:"
    yield Table(header=("class", "pictures", "together with"), rows=rows)


def _alignment(inspection: Inspection) -> Iterator[Block]:
    sure: list[Alignment] = inspection.sure
    if not inspection.alignments:
        yield "Not measured."
        return
    yield (
        f"{len(inspection.alignments)} pairs were registered to see by how much they are off; in {len(sure)} the two "
        "bands had enough in common to tell."
    )
    if not sure:
        return
    pixels = [alignment.pixels for alignment in sure]
    parallax = [alignment.parallax for alignment in sure if alignment.parallax is not None]
    off = sum(value > MISALIGNED for value in pixels)
    rows: list[tuple[object, ...]] = [("misalignment, mean of the corners, px", *_quantiles(pixels))]
    if parallax:
        rows.append(("left in single blocks after registration (95 %), px", *_quantiles(parallax)))
    rows.append(("quality (0.5 is just believed)", *_quantiles([alignment.quality for alignment in sure])))
    yield Table(header=("", "median", "90 %", "largest"), rows=rows)
    yield f"{off} of {len(sure)} pairs are more than {MISALIGNED:g} px off."


def _quantiles(values: Sequence[float]) -> tuple[str, str, str]:
    return f"{np.median(values):.2f}", f"{np.percentile(values, 90):.2f}", f"{max(values):.2f}"


def _leaks(inspection: Inspection) -> Iterator[Block]:
    leaks = [problem for problem in inspection.problems if problem.kind == "leak"]
    groups = inspection.report.duplicates
    yield (
        f"Groups of near-duplicates (perceptual hash of both bands): {len(groups)}, with "
        f"{sum(map(len, groups))} pairs. Leaks between splits: {len(leaks) or 'none found'}."
    )
    if inspection.drives:
        yield f"{len(set(inspection.drives.values()))} drives are on record; a drive in two splits would be an error."
    else:
        yield "Drives are not on record; neighbours by name in two splits would be warnings."


def _how(built: Mapping[str, Any]) -> Iterator[Block]:
    if not built:
        yield "Not built by `segmif rig build`."
        return
    config = built.get("config", {})
    yield (
        f"By `segmif rig build` from infrared pictures in `{built.get('infrared')}` and labels in "
        f"`{built.get('labels')}`: "
        + ("registered while building; " if config.get("register") else "")
        + ("infrared stored in 8 bits; " if config.get("eight_bits") else "")
        + f"divided by {config.get('by')} (gap {config.get('gap'):g}, seed {config.get('seed')}) into "
        + ", ".join(f"{split} {part:g}" for split, part in config.get("parts", {}).items())
        + "; day and night each for themselves where there were drives enough of both."
    )
    left = built.get("left_out", [])
    if left:
        yield f"Left out: {len(left)}{f', the first {_LINES}' if len(left) > _LINES else ''}."
        yield Table(header=("what", "why"), rows=[(p["where"], p["message"]) for p in left[:_LINES]])


def _problems(inspection: Inspection) -> Iterator[Block]:
    if not inspection.problems:
        yield "None found."
        return
    kinds = Counter((problem.severity, problem.kind) for problem in inspection.problems)
    for (severity, kind), count in sorted(kinds.items()):
        found = [p for p in inspection.problems if (p.severity, p.kind) == (severity, kind)][:_LINES]
        more = f", the first {_LINES}" if count > _LINES else ""
        yield f"{severity}: {kind} ({count}{more})"
        yield Table(header=("where", "what"), rows=[(p.where, p.message) for p in found])
