"""Tables of short runs, several seeds each, mean ± deviation: the ablations, and what a second camera is worth.

    python tools/ablation_table.py --data ROOT --runs runs/ablation               # docs/ablation.md
    python tools/ablation_table.py --data ROOT --runs runs/cameras --study cameras  # docs/cameras.md

ROOT is the folder of data sets, with synthetic scenes in ROOT/synthetic (see the recipe `segmif-lite`). Runs that are
finished are kept, one that was interrupted goes on, so the command may be stopped and given again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from segmif.io import write_text
from segmif.train.config import plan
from segmif.train.loop import train
from segmif.train.recipes import ABLATIONS, CAMERAS, recipe

LABELS = {"miou": "mIoU", "miou/day": "day", "miou/night": "night", "iou/night/person": "person, night"}
HOW = """mIoU: road, building, vegetation, person and car on the 30 hand-labelled MSRS validation pairs
(day and night). Runs of one seed see the same views, so "against {first}" is the mean ± deviation of the differences of
mIoU seed by seed. Differences below about two deviations mean nothing.
"""


@dataclass(frozen=True)
class Study:
    """Recipes to compare: the first, named without `prefix`, is what "against" compares with."""

    title: str
    prefix: str
    recipes: Mapping[str, str]
    columns: Mapping[str, str]
    about: str
    page: Path
    command: str = "python tools/ablation_table.py --data ROOT"


STUDIES = {
    "ablation": Study(
        title="Ablations",
        prefix="ablation-",
        recipes={name: entry[0] for name, entry in ABLATIONS.items()},
        columns={**LABELS, "fusion/SCD": "SCD", "fusion/VIF": "VIF", "fusion/Qabf": "Qabf"},
        about="Each is `segmif-lite` with a tenth of its steps, two minutes on one core. "
        "Fusion: RoadScene training pairs kept aside.",
        page=Path("docs/ablation.md"),
    ),
    "cameras": Study(
        title="Both cameras or one?",
        prefix="camera-",
        recipes={name: entry[0] for name, entry in CAMERAS.items()},
        columns={
            **LABELS,
            "iou/night/car": "car, night",
            "iou/night/vegetation": "vegetation, night",
            "iou/day/building": "building, day",
        },
        about="The network of `segmif-lite` learns labels alone, without the fusion losses, from what each row names; "
        "twenty minutes on one core.",
        page=Path("docs/cameras.md"),
        command="python tools/ablation_table.py --data ROOT --study cameras",
    ),
}


def main() -> None:
    """Train what is missing, write the table."""
    options = _options()
    study = STUDIES[options.study]
    rows: dict[str, dict[str, list[float]]] = {}
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for name in options.names or study.recipes:
            row = rows.setdefault(name, {key: [] for key in study.columns})
            for key, value in _scores(name, seed, options).items():
                if key in row:
                    row[key].append(value)
            write_text(options.out or study.page, _page(rows, study))


def _scores(name: str, seed: int, options: argparse.Namespace) -> dict[str, float]:
    folder: Path = options.runs / f"{name}-{seed}"
    if not (folder / "model" / "scores.json").is_file():
        base = recipe(name)
        data = replace(base.data, root=str(options.data))
        train(replace(base, data=data, seed=seed), folder, resume=any(folder.glob("checkpoint*")))
    scores: dict[str, float] = json.loads((folder / "model" / "scores.json").read_text("utf-8"))
    return scores


def _page(rows: dict[str, dict[str, list[float]]], study: Study) -> str:
    compared = next(iter(study.recipes))
    stage = plan(recipe(compared))[0].stage
    first = compared.removeprefix(study.prefix)
    whole = rows.get(compared, {}).get("miou", [])
    lines = [
        f"# {study.title}",
        "",
        f"Made by `{study.command}`; mean ± standard deviation over the seeds. {study.about}",
        f"A run is short ({stage.steps} steps of {stage.batch} crops of {stage.augment.crop}), so these numbers "
        "compare the rows with each other and with nothing else.",
        HOW.format(first=first).rstrip(),
        "",
        "| recipe | seeds | " + " | ".join((*study.columns.values(), f"against {first}")) + " |",
        "|---" * (len(study.columns) + 3) + "|",
    ]
    for name, scores in rows.items():
        against = [] if name == compared else [b - a for a, b in zip(whole, scores["miou"], strict=False)]
        cells = map(_cell, (*scores.values(), against))
        lines.append(f"| {name.removeprefix(study.prefix)} | {len(scores['miou'])} | " + " | ".join(cells) + " |")
    lines += ["", *(f"- **{name.removeprefix(study.prefix)}**: {study.recipes[name]}" for name in rows), ""]
    return "\n".join(lines)


def _cell(values: list[float]) -> str:
    if not values:
        return "–"
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else f"{values[0]:.3f}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--study", choices=STUDIES, default="ablation")
    parser.add_argument("--runs", type=Path, default=Path("runs/study"))
    parser.add_argument("--out", type=Path, help="the page; otherwise that of the study in docs/")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--names", nargs="*", help="only these recipes")
    return parser.parse_args()


if __name__ == "__main__":
    main()
