"""Every golden row of the field's own tools, at the tolerance its origin allows."""

import csv
import functools
from collections import defaultdict

import numpy as np
import pytest
from PIL import Image

from segmif.metrics import SourcePair
from segmif.metrics.fusion import METRICS
from segmif.metrics.fusion.inputs import luma_levels
from tests.conftest import SHARED

FOLDER = SHARED / "golden"
TOLERANCE = defaultdict(lambda: 1e-9, matlab_txt5=5.05e-5)
"""Relative, by source tag: 5 printed digits; everything else is full doubles."""
ILL_CONDITIONED = {"Qc": 5e-4}
"""Rounding noise of flat windows decides the reference's value."""

VIFB = {
    "Entropy": "EN",
    "Cross_entropy": "CE",
    "Mutinf": "MI",
    "Rmse": "RMSE",
    "Psnr": "PSNR",
    "Avg_gradient": "AG",
    "Edge_intensity": "EI",
    "Spatial_frequency": "SF",
    "Variance": "SD",
    "Ssim": "SSIM",
    "Qabf": "Qabf",
    "Qcb": "Qcb",
    "Qcv": "Qcv",
}
TNO = {
    "SD_u8sat": ("SD", "tang"),
    "MI_sat254": ("MI", "tang"),
    "PSNR_255on01": ("PSNR", "tang"),
    "MSE_01": ("MSE", "tang"),
    "SF_01": ("SF", "tang"),
    "VIF_u8sat": ("VIF", "tang"),
    "Qabf_01": ("Qabf", "tang"),
    "Nabf_wrongorder": ("Nabf", "tang"),
    "SSIM_sum": ("SSIM", "vifb"),
    "MI_nat_minmax": ("MI", "vifb"),
}
ALSO_PRINTED_BY_TANG = {"EN", "AG", "CC", "SCD"}
DECLINED = {"TE_OEbug": "pairs the joint histogram with transposed marginals: the number has no meaning"}

Row = dict[str, str]


def rows() -> dict[tuple[str, str, str], list[Row]]:
    """Golden rows by (dataset, image, method)."""
    groups: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for dataset in ("vifb", "tno"):
        path = FOLDER / f"metrics_{dataset}.csv"
        if path.is_file():
            with path.open(newline="") as file:
                for row in csv.DictReader(file):
                    groups[dataset, row["image"], row["method"]].append(row)
    return dict(sorted(groups.items()))


GROUPS = rows()


def read(dataset: str, folder: str, image: str) -> np.ndarray:
    suffix = "jpg" if dataset == "vifb" else "png"
    levels = np.asarray(Image.open(FOLDER / "images" / dataset / folder / f"{image}.{suffix}"))
    return luma_levels(levels) if dataset == "tno" else levels


@functools.lru_cache(maxsize=1)
def sources(dataset: str, image: str) -> SourcePair:
    return SourcePair(read(dataset, "infrared", image), read(dataset, "visible", image))


def score(pair: SourcePair, fused: np.ndarray, dataset: str, metric: str) -> float:
    """The value of a golden metric by its own name."""
    if metric.endswith("_crop24"):
        top, left = (side // 2 - 12 for side in fused.shape)
        centre = (slice(top, top + 24), slice(left, left + 24))
        pair, fused = SourcePair(pair.infrared[centre], pair.visible[centre]), fused[centre]
        metric = metric.removesuffix("_crop24")
    name, convention = (VIFB[metric], "vifb") if dataset == "vifb" else TNO.get(metric, (metric, None))
    return pair.metrics(fused, [name], convention)[name]


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize(("dataset", "image", "method"), GROUPS, ids=["-".join(group) for group in GROUPS])
def test_golden(dataset: str, image: str, method: str) -> None:
    pair, fused = sources(dataset, image), read(dataset, method, image)
    wrong = []
    for row in GROUPS[dataset, image, method]:
        metric = row["metric"]
        if metric in DECLINED:
            continue
        value, truth = score(pair, fused, dataset, metric), float(row["value"])
        tolerance = ILL_CONDITIONED.get(metric, TOLERANCE[row["source"]])
        if not abs(value - truth) <= tolerance * abs(truth):
            wrong.append(f"{metric} ({row['source']}): {value!r}, golden {truth!r}, relative {value / truth - 1:.1e}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.usefixtures("shared")
def test_every_golden_metric_is_ours_or_declined() -> None:
    named = {row["metric"].removesuffix("_crop24") for group in GROUPS.values() for row in group}
    assert named
    assert named <= {*METRICS, *VIFB, *TNO, *DECLINED}
    assert not set(DECLINED) & set(METRICS)


@pytest.mark.usefixtures("shared")
def test_the_spreadsheet_agrees_where_it_has_no_quirk() -> None:
    pair, fused = sources("tno", "05"), read("tno", "IFCNN", "05")
    plain, tang = pair.metrics(fused, ALSO_PRINTED_BY_TANG), pair.metrics(fused, ALSO_PRINTED_BY_TANG, "tang")
    assert plain == tang
