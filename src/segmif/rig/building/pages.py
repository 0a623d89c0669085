"""Sections of paragraphs, tables and figures, as Markdown and as one HTML page.

The page holds its figures; the Markdown refers to SVG files beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.55 system-ui, sans-serif; color: #24292f; max-width: 860px; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: .2rem; } h2 { margin-top: 2.4rem; border-bottom: 1px solid #d0d7de; padding-bottom: .2rem; }
table { border-collapse: collapse; margin: .8rem 0; font-size: .93rem; }
th, td { padding: .25rem .9rem .25rem 0; text-align: left; vertical-align: top; }
tr + tr { border-top: 1px solid #d0d7de; } th.n, td.n { text-align: right; font-variant-numeric: tabular-nums; }
figure { margin: 1rem 0; } svg { max-width: 100%; height: auto; }
figcaption { color: #57606a; font-size: .9rem; } code { font-size: .9em; }
"""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table; numbers are set to the right."""

    header: Sequence[str]
    rows: Sequence[Sequence[object]]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """An SVG with the name of its file and a caption."""

    file: str
    svg: str
    caption: str


Block = str | Table | Figure
"""A paragraph, a table or a figure."""
Section = tuple[str, list[Block]]


def markdown(title: str, parts: Sequence[Section]) -> str:
    """The card as Markdown; figures are links to files beside it."""
    lines = [f"# {title}", ""]
    for heading, blocks in parts:
        lines += [f"## {heading}", ""]
        for block in blocks:
            if isinstance(block, Figure):
                lines += [f"![{block.caption}]({block.file})", ""]
            elif isinstance(block, Table):
                lines += [*markdown_table(block), ""]
            else:
                lines += [block, ""]
    return "\n".join(lines).rstrip() + "\n"


def markdown_table(table: Table) -> list[str]:
    """The lines of a table; columns of numbers are set to the right."""
    rule = "|".join("---:" if number else "---" for number in _numeric(table))
    return [_line(table.header), f"|{rule}|", *(_line(row) for row in table.rows)]


def _numeric(table: Table) -> list[bool]:
    """Which columns hold nothing but numbers."""
    return [all(_is_number(row[i]) for row in table.rows) for i in range(len(table.header))]


def _line(cells: Sequence[object]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _is_number(cell: object) -> bool:
    return str(cell).removesuffix("%").replace(".", "", 1).replace("–", "0").isdecimal()


def html(title: str, parts: Sequence[Section]) -> str:
    """The card as one page that needs nothing else."""
    body = []
    for heading, blocks in parts:
        body.append(f"<h2>{escape(heading)}</h2>")
        for block in blocks:
            if isinstance(block, Figure):
                body.append(f"<figure>{block.svg}<figcaption>{escape(block.caption)}</figcaption></figure>")
            elif isinstance(block, Table):
                body.append(_html_table(block))
            else:
                body.append(f"<p>{_html_text(block)}</p>")
    return "\n".join(
        (
            "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>",
            f"<title>{escape(title)}: data card</title><style>{_STYLE}</style><h1>{escape(title)}</h1>",
            *body,
            "</html>\n",
        )
    )


def _html_table(table: Table) -> str:
    kinds = [" class=n" if number else "" for number in _numeric(table)]
    head = "".join(f"<th{kind}>{escape(cell)}</th>" for kind, cell in zip(kinds, table.header, strict=True))
    rows = "".join(
        "<tr>" + "".join(f"<td{k}>{escape(str(c))}</td>" for k, c in zip(kinds, row, strict=True)) + "</tr>"
        for row in table.rows
    )
    return f"<table>{f'<tr>{head}</tr>' if any(table.header) else ''}{rows}</table>"


def _html_text(text: str) -> str:
    """Text with `code` in back quotes."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))
