"""Write the table of models in README.md from the records of the shipped weights: python tools/update_readme.py"""

from __future__ import annotations

from pathlib import Path

from segmif.io import write_text
from segmif.models.weights import SHIPPED, SHIPPED_FOLDER

BEGIN, END = "<!-- models: begin -->", "<!-- models: end -->"
COLUMNS = {
    "labels, all": "MSRS val mIoU all",
    "day": "MSRS val mIoU day",
    "night": "MSRS val mIoU night",
    "person, night": "MSRS val person night",
    "EN": "MSRS test EN",
    "SD": "MSRS test SD",
    "SF": "MSRS test SF",
    "VIF": "MSRS test VIF",
    "Qabf": "MSRS test Qabf",
    "pairs": "MSRS test pairs",
}


def table() -> str:
    """Markdown, the default model first."""
    lines = ["| model | size | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 2) + "|"]
    for name, record in SHIPPED.items():
        size = f"{(SHIPPED_FOLDER / record.file).stat().st_size / 1e6:.1f} MB"
        values = [_short(record.scores[key]) if key in record.scores else "–" for key in COLUMNS.values()]
        lines.append(f"| [{name}](src/segmif/weights/{name}/README.md) | {size} | " + " | ".join(values) + " |")
    lines += [
        "",
        "Labels: mean IoU over road, building, vegetation, person and car on the 30 hand-labelled MSRS validation "
        "pairs. Fusion: mean over so many MSRS test pairs, grey, plain definitions. MSRS and TNO are never "
        "trained on; the cards hold all scores, the data and the limits. The first row is the default.",
    ]
    if "segmif-cwfid" in SHIPPED:
        fields = SHIPPED["segmif-cwfid"].scores
        lines += [
            "",
            "segmif-cwfid is for crop and weed in a red and a near infrared band: mean IoU of soil, crop and weed "
            f"{fields['CWFID test mIoU']:.3g} on the official test split.",
        ]
    return "\n".join(lines)


def _short(score: float) -> str:
    """Three digits, zeros at the end too; counts as they are."""
    return f"{score:.0f}" if score >= 2 and score == int(score) else f"{score:#.3g}".rstrip(".")


def main() -> None:
    """Replace what stands between the markers."""
    readme = Path("README.md")
    before, rest = readme.read_text("utf-8").split(BEGIN)
    write_text(readme, f"{before}{BEGIN}\n{table()}\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
