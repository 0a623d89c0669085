"""A benchmark's document as tables: CSV, Markdown, LaTeX. Best in bold, ties with the best marked.

A cell is tied with the best where the paired bootstrap finds no significant difference (see `segmif.bench.summary`).
Published rows are set apart, never ranked.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Document = Mapping[str, Any]

TIED = "≈"
_ARROWS = {True: "↑", False: "↓"}
NOTES = (
    f"**Bold**: best mean. {TIED}: not significantly worse than the best (paired bootstrap over images, "
    "Holm-corrected, p ≥ 0.05). *n*/N: measured on n of N pairs."
)


def figures(value: float | None) -> str:
    """Four significant digits.

    >>> figures(6.68412), figures(44.1), figures(0.0123456), figures(None)
    ('6.684', '44.10', '0.01235', '–')
    """
    return "–" if value is None else f"{value:#.4g}".rstrip(".")


def means_csv(document: Document) -> str:
    """One row per data set, method and metric, published ones included."""
    header = ("task", "dataset", "method", "metric", "mean", "std", "median", "images", "rank", "p", "tied", "origin")
    return write_csv([header, *_fusion_rows(document), *_segmentation_rows(document)])


def _fusion_rows(document: Document) -> Iterator[Sequence[object]]:
    for dataset, part in document["fusion"].items():
        for method, cells in part["summary"].items():
            for metric, c in cells.items():
                numbers = (c["mean"], c["std"], c["median"], c["count"], c["rank"], c["p"], int(c["tied"]))
                yield ("fusion", dataset, method, metric, *numbers, "measured")
        for row in part["published"]:
            for metric, value in row["scores"].items():
                yield ("fusion", dataset, row["method"], metric, value, *[None] * 6, f"published {row['reported']}")


def _segmentation_rows(document: Document) -> Iterator[Sequence[object]]:
    for dataset, methods in document["segmentation"].items():
        for method, groups in methods.items():
            for group, scores in groups.items():
                values = {k: scores[k] for k in ("mIoU", "mIoU_band", "accuracy")}
                values |= {f"IoU {name}": value for name, value in scores["IoU"].items()}
                for metric, value in values.items():
                    name = metric if group == "all" else f"{metric} ({group})"
                    p = scores.get("p") if metric == "mIoU" else None
                    numbers = (value, None, None, scores["images"], None, p, None)
                    yield ("segmentation", dataset, method, name, *numbers, "measured")


def images_csv(document: Document) -> str:
    """One row per data set, method and image, one column per fusion metric."""
    metrics = list(document["metrics"])
    rows: list[Sequence[object]] = [("dataset", "method", "image", *metrics)]
    for dataset, part in document["fusion"].items():
        for method, columns in part["values"].items():
            for i, image in enumerate(document["datasets"][dataset]["images"]):
                rows.append((dataset, method, image, *(columns[metric][i] for metric in metrics)))
    return write_csv(rows)


def write_csv(rows: Iterable[Sequence[object]]) -> str:
    """Rows as the text of a CSV file, None as nothing."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(["" if v is None else v for v in row] for row in rows)
    return buffer.getvalue()


def markdown(document: Document) -> str:
    """Every data set's tables under headings."""
    parts = []
    for dataset, part in document["fusion"].items():
        info = document["datasets"][dataset]
        parts += [f"## Fusion on {info['title']} ({info['pairs']} pairs)", "", fusion_markdown(document, dataset), ""]
        parts += [f"- {row['method']}: {provenance(row)}" for row in part["published"]]
        parts += [""] if part["published"] else []
    for dataset in document["segmentation"]:
        title = document["datasets"][dataset]["title"]
        parts += [f"## Segmentation on {title}", "", segmentation_markdown(document, dataset), ""]
    parts += [NOTES]
    if document["failures"]:
        parts += ["", f"{len(document['failures'])} pictures could not be measured; the JSON names them."]
    return "\n".join(parts) + "\n"


def fusion_markdown(document: Document, dataset: str) -> str:
    """One data set's table, methods by mean rank."""
    metrics = document["metrics"]
    header = ["method", *(f"{m} {_ARROWS[i['higher_is_better']]}" for m, i in metrics.items()), "mean rank ↓"]
    rows = []
    for method in ordered(document, dataset):
        cells = document["fusion"][dataset]["summary"][method]
        values = (_marked(cells[m]) for m in metrics)
        rows.append([_label(document, dataset, method), *values, _rank(document, dataset, method)])
    for row in document["fusion"][dataset]["published"]:
        printed = (row["scores"].get(m, "–") for m in metrics)
        rows.append([f"*{row['method']}, published*", *(f"*{v}*" for v in printed), ""])
    return _grid(header, rows)


def ordered(document: Document, dataset: str) -> list[str]:
    """Methods by mean rank, those without one last."""
    ranks = document["fusion"][dataset]["mean_rank"]
    return sorted(ranks, key=lambda method: (ranks[method] is None, ranks[method] or 0.0))


def provenance(row: Mapping[str, Any]) -> str:
    """One line on where a published row comes from."""
    convention = f"computed as our convention {row['convention']!r}" if row["convention"] else "convention not stated"
    return f"published {row['reported']}; {row['pairs']}; {convention}; {row['citation']}"


def _label(document: Document, dataset: str, method: str) -> str:
    """The method's name, with how many pairs where some are missing."""
    count, total = measured_pairs(document, dataset, method)
    return method if count == total else f"{method} (*{count}*/{total})"


def measured_pairs(document: Document, dataset: str, method: str) -> tuple[int, int]:
    """On how many pairs of how many a method was measured."""
    cells = document["fusion"][dataset]["summary"][method].values()
    return min((cell["count"] for cell in cells), default=0), document["datasets"][dataset]["pairs"]


def _marked(cell: Mapping[str, Any]) -> str:
    text = figures(cell["mean"])
    if cell["rank"] == 1:
        return f"**{text}**"
    return f"{text} {TIED}" if cell["tied"] else text


def _rank(document: Document, dataset: str, method: str) -> str:
    rank = document["fusion"][dataset]["mean_rank"][method]
    return "–" if rank is None else f"{rank:.2f}"


def segmentation_markdown(document: Document, dataset: str) -> str:
    """One data set's mIoU by group, and the IoU of every class."""
    table = document["segmentation"][dataset]
    groups = list(dict.fromkeys(g for rows in table.values() for g in rows))
    classes = list(next(iter(table.values()))["all"]["IoU"])
    header = ["method", *(f"mIoU {g} ↑" for g in groups), "mIoU all, 5 px band ↑", "accuracy ↑", *classes]
    rows = []
    for method, parts in sorted(table.items(), key=lambda item: -(item[1]["all"]["mIoU"] or 0.0)):
        everything = parts["all"]
        rows.append(
            [
                f"{method} ({everything['images']} pairs)",
                *(_group_cell(parts.get(g)) for g in groups),
                _share(everything["mIoU_band"]),
                _share(everything["accuracy"]),
                *(_share(everything["IoU"].get(name)) for name in classes),
            ]
        )
    return _grid(header, rows)


def _group_cell(scores: Mapping[str, Any] | None) -> str:
    if scores is None:
        return "–"
    text = _share(scores["mIoU"])
    if scores.get("best"):
        return f"**{text}**"
    return f"{text} {TIED}" if scores.get("p") is not None and scores["p"] >= 0.05 else text


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _grid(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    line = "| " + " | ".join(header) + " |"
    rule = "|" + "|".join(["---", *["---:"] * (len(header) - 1)]) + "|"
    return "\n".join([line, rule, *("| " + " | ".join(row) + " |" for row in rows)])


def latex(document: Document) -> str:
    """One booktabs table per data set; best bold, ties with the best underlined, published rows in italics."""
    return "\n\n".join(_latex_table(document, dataset) for dataset in document["fusion"]) + "\n"


def _latex_table(document: Document, dataset: str) -> str:
    metrics = document["metrics"]
    part, info = document["fusion"][dataset], document["datasets"][dataset]
    arrows = {True: r"$\uparrow$", False: r"$\downarrow$"}
    head = " & ".join(["Method", *(f"{escape(m)} {arrows[i['higher_is_better']]}" for m, i in metrics.items()), "Rank"])
    lines = []
    for method in ordered(document, dataset):
        cells = part["summary"][method]
        values = [_latex_cell(cells[m]) for m in metrics]
        lines.append(
            " & ".join([escape(method), *values, _rank(document, dataset, method).replace("–", "--")]) + r" \\"
        )
    if part["published"]:
        lines.append(r"\midrule")
    for row in part["published"]:
        values = [row["scores"].get(m, "--") for m in metrics]
        cells_text = [rf"\textit{{{v}}}" for v in (f"{escape(row['method'])} (published)", *values)]
        lines.append(" & ".join([*cells_text, ""]) + r" \\")
    caption = (
        f"Fusion on {escape(info['title'])} ({info['pairs']} pairs). Best in bold; underlined: not significantly worse "
        "(paired bootstrap, Holm-corrected, $p \\geq 0.05$)."
    )
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{caption}}}",
            rf"\begin{{tabular}}{{l{'r' * (len(metrics) + 1)}}}",
            r"\toprule",
            head + r" \\",
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )


def _latex_cell(cell: Mapping[str, Any]) -> str:
    text = figures(cell["mean"]).replace("–", "--")
    if cell["rank"] == 1:
        return rf"\textbf{{{text}}}"
    return rf"\underline{{{text}}}" if cell["tied"] else text


_LATEX = {c: "\\" + c for c in "&%$#_{}"} | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\^{}"}


def escape(text: str) -> str:
    r"""Text safe in LaTeX.

    >>> escape("vsm_wls & co")
    'vsm\\_wls \\& co'
    """
    return "".join(_LATEX.get(c, c) for c in text)
