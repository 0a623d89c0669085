"""VSM-WLS fusion written out term by term, float64 and slow: sums over windows, least squares as a linear system.

Shares no code and no OpenCV routine with `segmif.guide`.
"""

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse.linalg import spsolve


def window_mean(image: np.ndarray, radius: int) -> np.ndarray:
    """The mean over the part of each square window that lies inside the picture."""
    height, width = image.shape
    means = np.empty_like(image)
    for y, x in np.ndindex(height, width):
        rows = slice(max(y - radius, 0), y + radius + 1)
        means[y, x] = image[rows, max(x - radius, 0) : x + radius + 1].mean()
    return means


def guided_filter(guide: np.ndarray, image: np.ndarray, radius: int, eps: float) -> np.ndarray:
    """Per window the line image ≈ slope · guide + offset; per pixel the mean of the lines of all windows over it."""
    height, width = image.shape
    slopes, offsets = np.empty_like(image), np.empty_like(image)
    for y, x in np.ndindex(height, width):
        window = slice(max(y - radius, 0), y + radius + 1), slice(max(x - radius, 0), x + radius + 1)
        g, p = guide[window].ravel(), image[window].ravel()
        slopes[y, x] = np.cov(g, p, bias=True)[0, 1] / (g.var() + eps)
        offsets[y, x] = p.mean() - slopes[y, x] * g.mean()
    return window_mean(slopes, radius) * guide + window_mean(offsets, radius)


def gaussian(image: np.ndarray, sigma: float, mode: str) -> np.ndarray:
    reach = int(3 * sigma)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    weights = np.exp(-(x**2 + y**2) / (2 * sigma**2))
    return ndimage.correlate(image, weights / weights.sum(), mode=mode)


def decompose(image: np.ndarray) -> list[np.ndarray]:
    """Four detail layers and the base."""
    layers = []
    for sigma in (2, 4, 8):
        smooth = gaussian(image, sigma, "nearest")
        for _ in range(4):
            smooth = guided_filter(smooth, image, sigma, 0.05**2)
        layers.append(image - smooth)
        image = smooth
    base = gaussian(image, 2, "nearest")
    return [*layers, image - base, base]


def saliency(image: np.ndarray) -> np.ndarray:
    levels = np.floor(image * 255 + 0.5)
    contrast = np.array([np.abs(level - levels).sum() for level in levels.ravel()]).reshape(image.shape)
    span = contrast.max() - contrast.min()
    return (contrast - contrast.min()) / span if span else np.zeros_like(image)


def least_squares(target: np.ndarray, anchor: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The D that minimises ‖D − target‖² + (D − anchor)ᵀ diag(weights) (D − anchor), by its normal equations."""
    penalty = sparse.diags(weights.ravel())
    system = sparse.identity(target.size) + penalty
    solution = spsolve(system.tocsc(), target.ravel() + penalty @ anchor.ravel())
    return solution.reshape(target.shape)


def vsm_wls(anchor: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Fuse two float (H, W) pictures in [0, 1]; details follow `anchor` where `other` has none."""
    *details_a, base_a = decompose(anchor)
    *details_b, base_b = decompose(other)
    weight_a, weight_b = saliency(anchor), saliency(other)
    fused = (0.5 + 0.5 * (weight_a - weight_b)) * base_a + (0.5 + 0.5 * (weight_b - weight_a)) * base_b
    fused += np.where(np.abs(details_a[0]) >= np.abs(details_b[0]), details_a[0], details_b[0])
    for a, b in zip(details_a[1:], details_b[1:], strict=True):
        choice = gaussian((np.abs(a) < np.abs(b)).astype(float), 2, "reflect")
        local = ndimage.correlate(b, np.full((7, 7), 1 / 49), mode="nearest")
        fused += least_squares(choice * b + (1 - choice) * a, a, 0.01 / (np.abs(local) + 1e-6))
    return np.clip(fused, 0, 1)
