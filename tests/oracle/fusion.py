"""Fusion metrics written down as literally as possible: loops, 2-D kernels, patches. Slow; for small pictures."""

import math

import numpy as np
from scipy.signal import convolve2d, correlate2d

Picture = np.ndarray


def window(taps: int, sigma: float) -> np.ndarray:
    y, x = np.mgrid[:taps, :taps] - (taps - 1) / 2
    kernel = np.exp(-(x * x + y * y) / (2 * sigma * sigma))
    return kernel / kernel.sum()


def entropy(*pictures: Picture) -> float:
    points = list(zip(*(p.ravel().tolist() for p in pictures), strict=True))
    counts = {point: points.count(point) for point in set(points)}
    return -sum(c / len(points) * math.log2(c / len(points)) for c in counts.values())


def mutual_information(x: Picture, y: Picture) -> float:
    return entropy(x) + entropy(y) - entropy(x, y)


def average_gradient(f: Picture) -> float:
    height, width = f.shape
    total = 0.0
    for i in range(height):
        for j in range(width):
            left, right = max(j - 1, 0), min(j + 1, width - 1)
            up, down = max(i - 1, 0), min(i + 1, height - 1)
            gx = (float(f[i, right]) - float(f[i, left])) / (right - left)
            gy = (float(f[down, j]) - float(f[up, j])) / (down - up)
            total += math.sqrt((gx * gx + gy * gy) / 2)
    return total / ((height - 1) * (width - 1))


def qabf(f: Picture, a: Picture, b: Picture) -> float:
    def edges(x: Picture) -> tuple[np.ndarray, np.ndarray]:
        gx = convolve2d(x.astype(float), [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]], "same")
        gy = convolve2d(x.astype(float), [[1, 2, 1], [0, 0, 0], [-1, -2, -1]], "same")
        angle = np.array([math.pi / 2 if p == 0 else math.atan(q / p) for p, q in zip(gx.flat, gy.flat, strict=True)])
        return np.hypot(gx, gy).ravel(), angle

    gf, af = edges(f)
    top = bottom = 0.0
    for source in (a, b):
        for g, angle, h, other in zip(*edges(source), gf, af, strict=True):
            ratio = h if g == h else min(g, h) / max(g, h)
            agreement = 1 - abs(angle - other) / (math.pi / 2)
            strength = 0.9994 / (1 + math.exp(-15 * (ratio - 0.5)))
            top += g * strength * 0.9879 / (1 + math.exp(-22 * (agreement - 0.8)))
            bottom += g
    return top / bottom


def vif(f: Picture, x: Picture) -> float:
    """Pixel-domain VIF with 2-D kernels."""
    f, x = f.astype(float), x.astype(float)
    top = bottom = 0.0
    for scale in range(4):
        taps = 2 ** (4 - scale) + 1
        kernel = window(taps, taps / 5)

        def smooth(p: Picture, kernel: np.ndarray = kernel) -> np.ndarray:
            return correlate2d(p, kernel, "valid")

        if scale:
            f, x = smooth(f)[::2, ::2], smooth(x)[::2, ::2]
        mf, mx = smooth(f), smooth(x)
        vf, vx = np.maximum(smooth(f * f) - mf * mf, 0), np.maximum(smooth(x * x) - mx * mx, 0)
        cov = smooth(f * x) - mf * mx
        gain = np.where((vx < 1e-10) | (vf < 1e-10) | (cov < 0), 0, cov / (vx + 1e-10))
        top += np.log10(1 + gain**2 * vx / (np.maximum(vf - gain * cov, 1e-10) + 2)).sum()
        bottom += np.log10(1 + np.where(vx < 1e-10, 0, vx) / 2).sum()
    return top / bottom


def ms_ssim(x: Picture, y: Picture) -> float:
    """Wang's five scales with 2-D kernels; the last row and column are repeated where a side is odd."""
    x, y, kernel = x.astype(float), y.astype(float), window(11, 1.5)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    result = 1.0
    for scale, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        mx, my, xx, yy, xy = (correlate2d(p, kernel, "valid") for p in (x, y, x * x, y * y, x * y))
        contrast = (2 * (xy - mx * my) + c2) / (xx - mx * mx + yy - my * my + c2)
        luminance = (2 * mx * my + c1) / (mx * mx + my * my + c1)
        result *= float((contrast * luminance if scale == 4 else contrast).mean()) ** weight
        x, y = (
            correlate2d(np.pad(p, ((0, 1), (0, 1)), "edge"), np.ones((2, 2)) / 4, "valid")[::2, ::2] for p in (x, y)
        )
    return result


def mef_ssim_one_scale(f: Picture, a: Picture, b: Picture) -> float:
    """MEF-SSIM of a single scale, forming every desired patch."""
    gauss, c, eps = window(11, 1.5), (0.03 * 255) ** 2, np.finfo(float).eps
    values = []
    for i in range(f.shape[0] - 10):
        for j in range(f.shape[1] - 10):
            patch_f, *patches = (p[i : i + 11, j : j + 11].astype(float) for p in (f, a, b))
            free = [p - p.mean() for p in patches]
            norms = [np.linalg.norm(p) for p in free]
            consistency = min((np.linalg.norm(free[0] + free[1]) + eps) / (sum(norms) + eps), 1 - eps)
            power = min(math.tan(math.pi / 2 * consistency), 10)
            strengths = [n + 0.001 for n in norms]
            weights = [(e / 11) ** power + eps for e in strengths]
            desired = sum(w / sum(weights) * p / e for w, p, e in zip(weights, free, strengths, strict=True))
            norm = np.linalg.norm(desired)
            desired = desired / norm * max(strengths) if norm > 0 else desired
            mean_r, mean_f = (gauss * desired).sum(), (gauss * patch_f).sum()
            var_r = (gauss * (desired - mean_r) ** 2).sum()
            var_f = (gauss * (patch_f - mean_f) ** 2).sum()
            cov = (gauss * (desired - mean_r) * (patch_f - mean_f)).sum()
            values.append((2 * cov + c) / (var_r + var_f + c))
    return float(np.mean(values))


def fmi_raw(f: Picture, a: Picture, b: Picture) -> float:
    """Feature mutual information of grey levels, window by window."""
    scores = []
    for source in (a, b):
        for i in range(f.shape[0] - 2):
            for j in range(f.shape[1] - 2):
                patches = (p[i : i + 3, j : j + 3].astype(float).T.ravel() for p in (source, f))
                scores.append(_window_information(*patches))
    return float(np.mean(scores))


def _window_information(x: np.ndarray, y: np.ndarray) -> float:
    if (x == y).all():
        return 1.0
    p, q = (np.ones(9) if np.ptp(v) == 0 else (v - v.min()) / np.ptp(v) for v in (x, y))
    p, q = p / p.sum(), q / q.sum()
    places = np.arange(1, 10)
    sd_p, sd_q = (math.sqrt(max((places**2 * d).sum() - (places * d).sum() ** 2, 0)) for d in (p, q))
    constant = np.ptp(p) == 0 or np.ptp(q) == 0
    c = 0.0 if constant else float(np.corrcoef(p, q)[0, 1])
    big_p, big_q = p.cumsum(), q.cumsum()
    bound = np.minimum.outer(big_p, big_q) if c >= 0 else np.maximum(np.add.outer(big_p, big_q) - 1, 0)
    extreme = (bound - np.outer(big_p, big_q)).sum()
    phi = c * sd_p * sd_q / extreme if c and sd_p and sd_q and extreme else 0.0
    padded = np.zeros((10, 10))
    padded[1:, 1:] = bound
    steps = padded[1:, 1:] - padded[:-1, 1:] - padded[1:, :-1] + padded[:-1, :-1]
    joint = phi * steps + (1 - phi) * np.outer(p, q)

    def bits(d: np.ndarray) -> float:
        return -sum(v * math.log2(abs(v)) for v in d.flat if v != 0)

    return 2 * (bits(p) + bits(q) - bits(joint)) / (bits(p) + bits(q))
