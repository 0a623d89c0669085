"""The ablation table of docs/ablation.md: every ablation recipe, several seeds, mean ± deviation.

    python tools/ablation_table.py --data ROOT --runs runs/ablation

ROOT is the folder of data sets, with synthetic scenes in ROOT/synthetic (see the recipe `segmif-lite`). Runs that are
finished are kept, one that was interrupted goes on, so the command may be stopped and given again.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from segmif.io import write_text
from segmif.train.loop import train
from segmif.train.recipes import ABLATIONS, recipe

COLUMNS = {
    "miou": "mIoU",
    "miou/day": "day",
    "miou/night": "night",
    "iou/night/person": "person, night",
    "fusion/SCD": "SCD",
    "fusion/VIF": "VIF",
    "fusion/Qabf": "Qabf",
}
HEAD = """# Ablations

Made by `python tools/ablation_table.py --data ROOT`: each recipe with {seeds}, mean ± standard deviation.
A run is short ({steps} steps of {batch} crops of {crop}, two minutes on one core), so these numbers compare the rows
with each other and with nothing else. mIoU: road, building, vegetation, person and car on the 30 hand-labelled MSRS
validation pairs (day and night). Fusion: RoadScene training pairs kept aside. Runs of one seed see the same views, so
"against hia" is the mean ± deviation of the differences of mIoU seed by seed. Differences below about two deviations
mean nothing.

"""


def main() -> None:
    """Train what is missing, write the table."""
    options = _options()
    rows: dict[str, dict[str, list[float]]] = {}
    for seed in range(options.seeds):
        for name in options.names or ABLATIONS:
            row = rows.setdefault(name, {key: [] for key in COLUMNS})
            for key, value in _scores(name, seed, options).items():
                if key in row:
                    row[key].append(value)
            write_text(options.out, _page(rows, options))


def _scores(name: str, seed: int, options: argparse.Namespace) -> dict[str, float]:
    folder: Path = options.runs / f"{name}-{seed}"
    if not (folder / "model" / "scores.json").is_file():
        base = recipe(name)
        data = replace(base.data, root=str(options.data))
        train(replace(base, data=data, seed=seed), folder, resume=any(folder.glob("checkpoint*")))
    scores: dict[str, float] = json.loads((folder / "model" / "scores.json").read_text("utf-8"))
    return scores


def _page(rows: dict[str, dict[str, list[float]]], options: argparse.Namespace) -> str:
    stage = recipe("ablation-hia").joint
    seeds = f"{options.seeds} seeds" if options.seeds > 1 else "one seed"
    lines = [
        HEAD.format(seeds=seeds, steps=stage.steps, batch=stage.batch, crop=stage.augment.crop).rstrip(),
        "",
        "| recipe | " + " | ".join((*COLUMNS.values(), "against hia")) + " |",
        "|---" * (len(COLUMNS) + 2) + "|",
    ]
    whole = rows.get("ablation-hia", {}).get("miou", [])
    for name, scores in rows.items():
        against = [] if name == "ablation-hia" else [b - a for a, b in zip(whole, scores["miou"], strict=False)]
        cells = map(_cell, (*scores.values(), against))
        lines.append(f"| {name.removeprefix('ablation-')} | " + " | ".join(cells) + " |")
    lines += ["", *(f"- **{name.removeprefix('ablation-')}**: {ABLATIONS[name][0]}" for name in rows), ""]
    return "\n".join(lines)


def _cell(values: list[float]) -> str:
    if not values:
        return "–"
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else f"{values[0]:.3f}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--out", type=Path, default=Path("docs/ablation.md"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--names", nargs="*", help="only these recipes")
    return parser.parse_args()


if __name__ == "__main__":
    main()
