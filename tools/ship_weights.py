"""From a finished training run to shipped weights: half precision, measured scores, record and model card.

    python tools/ship_weights.py RUN NAME --data DATA --commit HASH

RUN is the folder `segmif train` wrote, DATA the folder of data sets. Everything lands in src/segmif/weights/NAME.
The scores are measured here, with the stored half-precision weights, on pairs no recipe of ours trains on:
segmentation on the hand-labelled MSRS validation pairs, fusion on the test pairs of MSRS, RoadScene and TNO.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from card_pictures import draw

import segmif
from segmif.data import open_dataset
from segmif.io import write_json, write_text
from segmif.labelsets import label_set
from segmif.metrics import SegmentationScore, fusion_metrics
from segmif.models import SegMiF

PANEL = ("EN", "SD", "SF", "AG", "MI", "SCD", "VIF", "Qabf", "SSIM", "CC")
SCORED = ("road", "building", "vegetation", "person", "car")
ROADS = (("MSRS test", "msrs", "test"), ("RoadScene test", "roadscene", "test"), ("TNO", "tno", "test"))
FIELDS = (("CWFID test", "cwfid", "test"),)
HOW = {
    False: "Segmentation: IoU over "
    + ", ".join(SCORED)
    + ", pixels pooled over the 30 hand-labelled MSRS validation pairs (one annotator; checkpoints may be chosen on "
    "them).",
    True: "Segmentation: IoU of soil, crop and weed, pixels pooled over the official test split.",
}


def main() -> None:
    """Convert, measure, write."""
    options = _options()
    folder = Path("src/segmif/weights") / options.name
    network = SegMiF.from_pretrained(options.run / "model")
    network.save_pretrained(folder, dtype=torch.float16)
    model = segmif.load(folder)
    scores = {}
    fields = "crop" in (model.classes or ())
    if model.classes:
        scores |= (field_scores if fields else segmentation_scores)(model, options.data)
    for title, dataset, split in FIELDS if fields else ROADS:
        scores |= fusion_scores(model, options.data, title, dataset, split, every=options.every)
    recipe = json.loads((options.run / "recipe.json").read_text("utf-8"))
    record = {
        "name": options.name,
        "data": options.trained_on,
        "licence": options.licence,
        "sha256": hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest(),
        "scores": {key: round(value, 4) for key, value in scores.items()},
    }
    write_json(folder / "record.json", record)
    draw(options.name, options.data)
    write_text(folder / "README.md", card(record, recipe, options))
    print(json.dumps(record, indent=2))


def segmentation_scores(model: segmif.Model, data: Path) -> dict[str, float]:
    """Pooled mean IoU over the classes that have enough pixels, by day, by night and together; person and car."""
    pairs = open_dataset("msrs", data / "msrs", split="val")
    scores = {time: SegmentationScore("fmb", classes=SCORED) for time in ("all", "day", "night")}
    for pair in pairs:
        found = model.predict(pair.infrared, pair.visible).labels
        assert found is not None
        assert pair.labels is not None
        for time in ("all", pair.meta["time"]):
            scores[time].update(found, pair.labels)
    rows: dict[str, float] = {}
    for time, score in scores.items():
        result = score.compute()
        rows[f"MSRS val mIoU {time}"] = result["mIoU"]
        rows |= {f"MSRS val {name} {time}": result["IoU"][name] for name in ("person", "car")}
    return rows


def field_scores(model: segmif.Model, data: Path) -> dict[str, float]:
    """Pooled IoU of the three classes of CWFID on its test split."""
    score = SegmentationScore(label_set("cwfid"))
    for pair in open_dataset("cwfid", data / "cwfid", split="test"):
        found = model.predict(pair.infrared, pair.visible).labels
        assert found is not None
        assert pair.labels is not None
        score.update(found, pair.labels)
    result = score.compute()
    return {"CWFID test mIoU": result["mIoU"]} | {f"CWFID test {name}": v for name, v in result["IoU"].items()}


def fusion_scores(
    model: segmif.Model, data: Path, title: str, dataset: str, split: str, *, every: int
) -> dict[str, float]:
    """Mean of the fusion panel over every n-th pair, grey, plain definitions, and how many pairs these were."""
    pairs = open_dataset(dataset, data / dataset, split=split)
    rows = []
    for index in range(0, len(pairs), every):
        pair = pairs[index]
        result = model.predict(pair.infrared, pair.visible)
        rows.append(fusion_metrics(result.fused, result.infrared, result.visible, which=list(PANEL)))
    return {f"{title} {name}": float(np.mean([row[name] for row in rows])) for name in PANEL} | {
        f"{title} pairs": float(len(rows))
    }


def card(record: dict[str, object], recipe: dict[str, object], options: argparse.Namespace) -> str:
    """The model card."""
    scores: dict[str, float] = record["scores"]  # type: ignore[assignment]
    how = HOW[any(name.startswith("CWFID") for name in scores)]
    return "\n".join(
        [
            f"# {record['name']}",
            "",
            options.summary,
            "",
            *pictures(record["name"], fields=any(name.startswith("CWFID") for name in scores)),
            f"- **Trained on**: {record['data']}",
            f"- **Licence of the weights**: {record['licence']}",
            f"- **Recipe**: `{recipe['name']}`, seed {recipe['seed']}, commit `{options.commit}`",
            f"- **Never seen in training**: {options.never}",
            "",
            "## How it was trained",
            "",
            options.history,
            "",
            "## Scores",
            "",
            f"Measured with the shipped half-precision weights by `tools/ship_weights.py`. {how} Fusion: mean over the "
            "pairs, grey, plain definitions of `segmif.metrics`.",
            "",
            *_table(scores),
            "",
            "## Limits",
            "",
            options.limits,
            "",
        ]
    )


def pictures(name: object, *, fields: bool) -> list[str]:
    """The lines of the card that show what `card_pictures.draw` drew."""
    pairs = "the test pairs of CWFID" if fields else "the MSRS validation pairs"
    scenes = f"![scenes of `segmif demo`: infrared, visible, fused and labels by {name}](example.jpg)"
    return [*([] if fields else [scenes, ""]), f"![what is labelled as what, on {pairs}](confusion.png)", ""]


def _table(scores: dict[str, float]) -> Iterable[str]:
    yield "| score | value |"
    yield "|---|---|"
    for name, value in scores.items():
        yield f"| {name} | {value:g} |"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("name")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--commit", required=True)
    parser.add_argument("--every", type=int, default=1, help="measure fusion on every n-th pair")
    parser.add_argument("--trained-on", required=True)
    parser.add_argument("--never", default="MSRS, TNO and the RoadScene test split.", help="what it has not seen")
    parser.add_argument("--licence", default="research only (CC BY-NC 4.0)")
    parser.add_argument("--summary", required=True, help="what it is, in a sentence or two")
    parser.add_argument("--history", required=True, help="how these very weights came about")
    parser.add_argument("--limits", required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main()
