"""What other programs print under the usual names, quirks included, so that published tables can be reproduced.

- ``vifb``: xingchenzhang/VIFB. Every metric per channel, then the mean over R, G, B.
- ``tang``: Linfeng-Tang/Evaluation-for-Image-Fusion, the spreadsheet of May 2022: uint8 arithmetic that saturates.
  Nabf and MS_SSIM are what its later revision reports.
- ``cddfuse``: Zhaozixiang1228/MMIF-CDDFuse, `Evaluator`: grey as OpenCV makes it, natural logarithms, and SSIM of
  scikit-image 0.19 on floats, which takes their values to lie in [−1, 1] though they are 0..255.

F fused, A infrared, B visible, N pixels.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from segmif.metrics.fusion.catalog import CONVENTIONS, INFINITY, METRICS, MetricFunction, View, metric
from segmif.metrics.fusion.edges import Edges, edges_of, edges_transferred, nabf, qabf
from segmif.metrics.fusion.exposure import ms_ssim_mef
from segmif.metrics.fusion.fidelity import vif, vif_with_product
from segmif.metrics.fusion.gradients import average_gradient, edge_intensity, spatial_frequency, squared_differences
from segmif.metrics.fusion.information import (
    cross_entropy,
    entropy,
    fused_entropy,
    fused_mutual_information,
    mutual_information,
    stretched_joint,
)
from segmif.metrics.fusion.moments import (
    LEVELS,
    PSNR_CAP,
    correlation_coefficient,
    histogram,
    joint_histogram,
    mean_squared_error,
    peak_signal_to_noise_ratio,
    squared_error,
    standard_deviation,
    sum_of_correlations_of_differences,
    total,
)
from segmif.metrics.fusion.perception import qcb, qcv
from segmif.metrics.fusion.plane import Float, Plane, kept
from segmif.metrics.fusion.similarity import ssim
from segmif.metrics.fusion.windows import Image, box, multiply, valid

_VIFB = "VIFB, Zhang, Ye & Xiao, CVPRW 2020"
_TANG = "Tang, Evaluation-for-Image-Fusion, Metric_TNO.xlsx"
_TANG_LATER = "Tang, Evaluation-for-Image-Fusion, later revision"
_CDDFUSE = "CDDFuse, Zhao et al., CVPR 2023, Evaluator"


def _borrow(convention: str, source: str, view: View, *functions: MetricFunction) -> None:
    """Enter plain metrics into a convention that only treats colour differently."""
    for function in functions:
        info = next(info for info in METRICS.values() if info.compute is function)
        CONVENTIONS[convention][info.name] = dataclasses.replace(info, source=source, view=view)


_borrow("vifb", _VIFB, "channels", fused_entropy, cross_entropy, average_gradient, edge_intensity, standard_deviation)
_borrow("vifb", _VIFB, "channels", qabf, qcb, qcv)
_borrow("tang", _TANG, "grey", fused_entropy, mean_squared_error, average_gradient)
_borrow("tang", _TANG, "grey", correlation_coefficient, sum_of_correlations_of_differences)
_borrow("cddfuse", _CDDFUSE, "opencv grey", fused_entropy, standard_deviation, spatial_frequency)
_borrow("cddfuse", _CDDFUSE, "opencv grey", correlation_coefficient, sum_of_correlations_of_differences, vif, qabf)


@metric("MI", source=_VIFB, bounds=(0.0, 2 * math.log(256)), view="channels", convention="vifb")
def vifb_mutual_information(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """MI(A, F) + MI(B, F) in nats, each picture first stretched to 0..255. Constant: 0."""
    bits = sum(mutual_information(stretched_joint(fused, source)) for source in (infrared, visible))
    return bits * math.log(2)


@metric("RMSE", source=_VIFB, bounds=(0.0, 255.0), better="lower", view="channels", convention="vifb")
def vifb_rmse(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """(e(A) + e(B)) / 2, e(X) = sqrt(Σ (X − F)²) / N on 0..255: the root is taken before the division."""
    roots = [math.sqrt(squared_error(fused, source)) for source in (infrared, visible)]
    return sum(roots) / (2 * fused.size)


@metric("PSNR", source=_VIFB, bounds=(0.0, PSNR_CAP), view="channels", convention="vifb")
def vifb_psnr(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """20 log10(255 / sqrt(RMSE)) with this convention's RMSE in the place of the MSE; at most 100."""
    error = vifb_rmse(fused, infrared, visible)
    return min(20 * math.log10(255 / math.sqrt(error)), PSNR_CAP) if error > 0 else PSNR_CAP


@metric("SF", source=_VIFB, bounds=(0.0, 361.0), fused_only=True, view="side by side", convention="vifb")
def vifb_spatial_frequency(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """sqrt((Σ dx² + Σ dy²) / (3 N)) of R, G and B laid side by side, seams included. Grey pictures: / N."""
    return math.sqrt(sum(squared_differences(fused)) / fused.size)


@metric("SSIM", source=_VIFB, bounds=(-2.0, 2.0), min_side=11, view="channels", convention="vifb")
def vifb_ssim(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """s(A, F) + s(B, F): the sum, not the mean, of the two SSIM."""
    return 2 * ssim(fused, infrared, visible)


@metric("SD", source=_TANG, bounds=(0.0, math.sqrt(255)), fused_only=True, convention="tang")
def tang_standard_deviation(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """sqrt(mean of min(d², 255)), d = round(F − mean F) or 0 if negative: uint8 arithmetic that saturates."""
    d = np.clip(np.floor(LEVELS - total(fused) / fused.size + 0.5), 0, 255)
    return math.sqrt(float(np.minimum(d * d, 255) @ histogram(fused)) / fused.size)


@metric("SF", source=_TANG, bounds=(0.0, math.sqrt(2)), fused_only=True, convention="tang")
def tang_spatial_frequency(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """SF of F / 255."""
    return spatial_frequency(fused, infrared, visible) / 255


@metric("PSNR", source=_TANG, bounds=(0.0, PSNR_CAP + 20 * math.log10(255)), convention="tang")
def tang_psnr(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """20 log10(255 / sqrt(MSE)) with MSE on 0..1: 48.13 dB above the PSNR; at most that above 100."""
    return peak_signal_to_noise_ratio(fused, infrared, visible) + 20 * math.log10(255)


@metric("MI", source=_TANG, bounds=(0.0, 16.0), convention="tang")
def tang_mutual_information(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """MI in bits where the joint histogram merges levels 254 and 255 (uint8 + 1 saturates) but the marginals do not."""
    result = 0.0
    for source in (infrared, visible):
        joint = joint_histogram(fused, source).copy()
        for table in (joint, joint.T):
            table[254] += table[255]
            table[255] = 0
        result += entropy(histogram(source)) + entropy(histogram(fused)) - entropy(joint.ravel())
    return result


@metric("VIF", source=_TANG, bounds=(0.0, INFINITY), min_side=17, convention="tang")
def tang_vif(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """VIF where at the first scale the products X², F² and X F are clipped at 255: uint8 arithmetic that saturates."""
    return vif_with_product(fused, infrared, visible, _saturated_product)


def _saturated_product(x: Image, y: Image) -> Float:
    return np.minimum(multiply(x, y), 255)


@kept
def _unit_edges(plane: Plane) -> Edges:
    """Sobel edges of the picture / 255, the 9 products added in column-major order of the flipped kernel.

    Where nothing changes to the right, rounding noise rather than 0 decides the angle; only this order reproduces it.
    """
    padded = np.pad(plane.values / 255, 1)
    height, width = plane.levels.shape
    gx, gy = np.zeros((height, width)), np.zeros((height, width))
    for column, step_x in enumerate((1.0, 0.0, -1.0)):
        for row, step_y in enumerate((-1.0, 0.0, 1.0)):
            pixels = padded[2 - row : 2 - row + height, 2 - column : 2 - column + width]
            gx += step_x * (2 - abs(step_y)) * pixels
            gy += -step_y * (2 - abs(step_x)) * pixels
    return edges_of(gx, gy)


@metric("Qabf", source=_TANG, bounds=(0.0, 1.0), convention="tang")
def tang_qabf(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """Qabf on pictures / 255, where rounding noise decides the angle of vertical edges; off by 1e-4..3e-2."""
    references = _unit_edges(infrared), _unit_edges(visible)
    strength = sum(float(edges.strength.sum()) for edges in references)
    transferred = sum(edges_transferred(edges, _unit_edges(fused)) for edges in references)
    return transferred / strength if strength > 0 else 0.0


@metric("Nabf", source=_TANG_LATER, bounds=(0.0, 1.0), better="lower", min_side=2, convention="tang")
def tang_nabf(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """Nabf called with its arguments in the wrong order: of "fused" A with "sources" B and F."""
    return nabf(infrared, visible, fused)


@metric("MS_SSIM", source=_TANG_LATER, bounds=(0.0, 1.0), min_side=11, convention="tang")
def tang_ms_ssim(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """MS_SSIM_MEF under another name."""
    return ms_ssim_mef(fused, infrared, visible)


@metric(
    "AG", source=_CDDFUSE, bounds=(0.0, INFINITY), fused_only=True, min_side=2, view="opencv grey", convention="cddfuse"
)
def cddfuse_average_gradient(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """mean sqrt((gx² + gy²) / 2): divided by H·W, not by (H − 1)(W − 1)."""
    height, width = fused.levels.shape
    share: float = (height - 1) * (width - 1) / (height * width)
    return average_gradient(fused, infrared, visible) * share


@metric("MI", source=_CDDFUSE, bounds=(0.0, 2 * math.log(256)), view="opencv grey", convention="cddfuse")
def cddfuse_mutual_information(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """MI in nats."""
    return fused_mutual_information(fused, infrared, visible) * math.log(2)


@metric("MSE", source=_CDDFUSE, bounds=(0.0, 255.0**2), better="lower", view="opencv grey", convention="cddfuse")
def cddfuse_mean_squared_error(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """MSE on 0..255."""
    return mean_squared_error(fused, infrared, visible) * 255**2


@metric("PSNR", source=_CDDFUSE, bounds=(-INFINITY, PSNR_CAP), view="opencv grey", convention="cddfuse")
def cddfuse_psnr(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """10 log10(max(F)² / MSE) on 0..255; the peak is the brightest fused pixel. At most 100; a black F counts as 1."""
    peak = max(int(np.flatnonzero(histogram(fused))[-1]), 1)
    error = cddfuse_mean_squared_error(fused, infrared, visible)
    return min(10 * math.log10(peak**2 / error), PSNR_CAP) if error > 0 else PSNR_CAP


def _scikit_ssim(x: Float, y: Float, value_range: float) -> float:
    """Mean SSIM of 7 × 7 box windows with sample covariance, where they fit."""
    window = box(7)
    unbiased = 49 / 48
    mean_x, mean_y = valid(x, window), valid(y, window)
    var_x, var_y = valid(x * x, window) - mean_x**2, valid(y * y, window) - mean_y**2
    covariance = valid(x * y, window) - mean_x * mean_y
    c1, c2 = (0.01 * value_range) ** 2, (0.03 * value_range) ** 2
    luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    structure = (2 * unbiased * covariance + c2) / (unbiased * (var_x + var_y) + c2)
    return float((luminance * structure).mean())


@metric("SSIM", source=_CDDFUSE, bounds=(-2.0, 2.0), min_side=7, view="opencv grey", convention="cddfuse")
def cddfuse_ssim(fused: Plane, infrared: Plane, visible: Plane) -> float:
    """s(A, F) + s(B, F), s of scikit-image 0.19: 7 × 7 box window, sample covariance, constants for a range of 2."""
    return sum(_scikit_ssim(source.values, fused.values, 2.0) for source in (infrared, visible))
