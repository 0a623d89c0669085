"""Make saliency.json: what pysodmetrics says about seeded maps.

pysodmetrics pins old versions of numpy and OpenCV but works with new ones:

    pip install --no-deps pysodmetrics && pip install scikit-learn && python -m tests.golden.make_saliency
"""

import json
import warnings
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).with_name("saliency.json")


def cases():
    """Name -> (saliency map, truth), uint8 both; blobs of several sizes, odd shapes and the degenerate truths."""
    rng = np.random.default_rng(20)
    made = {}
    for number, (height, width, block) in enumerate(
        [(48, 64, 16), (37, 53, 8), (61, 20, 5), (5, 7, 2), (90, 33, 30), (64, 64, 1)]
    ):
        coarse = rng.integers(0, 2, (height // block + 1, width // block + 1))
        truth = np.kron(coarse, np.ones((block, block), int))[:height, :width] * 255
        noise = rng.integers(0, 256, (height, width))
        weight = int(rng.integers(1, 8))
        saliency = (truth * weight + noise * (8 - weight)) // 8
        made[f"blobs{number}"] = saliency.astype(np.uint8), truth.astype(np.uint8)
    noise = rng.integers(30, 200, (21, 30)).astype(np.uint8)
    zeros, ones = np.zeros_like(noise), np.full_like(noise, 255)
    corner = zeros.copy()
    corner[18:, 27:] = 255
    made |= {
        "empty truth": (noise, zeros),
        "full truth": (noise, ones),
        "all empty": (zeros, zeros),
        "all full": (ones, ones),
        "nothing found": (zeros, corner),
        "everything found": (ones, corner),
        "perfect": (corner, corner),
        "inverted": (255 - corner, corner),
        "constant": (zeros + 7, corner),
        "corner": (noise, corner),
        "soft truth": (noise, np.where(corner > 0, 129, 128).astype(np.uint8)),
    }
    return made


def oracle(pairs):
    """Scores of pysodmetrics over (saliency map, truth) pairs, by the names of `SaliencyResult`."""
    import py_sod_metrics

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        measures = [
            getattr(py_sod_metrics, name)() for name in ("Smeasure", "MAE", "WeightedFmeasure", "Fmeasure", "Emeasure")
        ]
        for saliency, truth in pairs:
            for measure in measures:
                measure.step(saliency, truth)
    s, mae, weighted, f, e = (measure.get_results() for measure in measures)
    values = {"S": s["sm"], "MAE": mae["mae"], "wF": weighted["wfm"], "adpF": f["fm"]["adp"], "adpE": e["em"]["adp"]}
    for name, curve in (("F", f["fm"]["curve"]), ("E", e["em"]["curve"])):
        values |= {f"max{name}": curve.max(), f"mean{name}": curve.mean()}
    return {name: float(value) for name, value in values.items()}


def main():
    """Write the file."""
    pairs = cases()
    scores = {name: oracle([pair]) for name, pair in pairs.items()}
    scores["data set"] = oracle(pairs.values())
    GOLDEN.write_text(json.dumps(scores, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
