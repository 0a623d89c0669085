"""Refinement by blocks: every part of the picture says where it would like to go, a small model decides.

The visible orientation field is cut into overlapping windows, and each is correlated with the infrared field over small
shifts. A correction is good when it climbs all these surfaces at once, so weak blocks add their little evidence instead
of voting with a wrong peak; what a block still wants after the decision is parallax.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft

from segmif.rig.homography import Matrix, Model, Size, displacement_basis
from segmif.rig.orientation import Field

Floats = npt.NDArray[np.float64]

_SMOOTHING = 0.8
"""Standard deviation in pixels by which the surfaces are smoothed: slopes must lead to the peak."""
_PRIOR = (0.0, 0.0, 0.0, 0.0, 4.0, 4.0, 6.0, 6.0)
"""How much each parameter of `displacement_basis` is doubted: a rig rotates and zooms, it hardly shears."""
_PRIOR_WEIGHT = 0.003
"""Weak: 0.2 leaves a true perspective of 2 pixels unseen; 0.001 lets depth bend the picture at night."""
_STEPS = 30
_ENOUGH = 0.01


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """What each block wants.

    Attributes:
        size: of the pictures, (height, width).
        centres: (N, 2) in pixels (x, y).
        surfaces: (N, 2R+1, 2R+1); entry [R + dy, R + dx] is high where the infrared lies (dx, dy) off the visible.
        energy: (N,), what a block's surface would reach if both pictures had the very same edges there.
    """

    size: Size
    centres: Matrix
    surfaces: npt.NDArray[np.float32]
    energy: Floats

    @property
    def radius(self) -> int:
        """R, the largest shift looked at."""
        return int(self.surfaces.shape[1]) // 2

    def subset(self, chosen: npt.NDArray[np.bool_]) -> Blocks:
        """Only some of the blocks."""
        return Blocks(
            size=self.size,
            centres=self.centres[chosen],
            surfaces=self.surfaces[chosen],
            energy=self.energy[chosen],
        )

    def at(self, shifts: Floats) -> tuple[Floats, Floats, Floats]:
        """Each block's surface at its own shift (N, 2): value (N,), slope (N, 2), curvature (N, 2, 2).

        Cubic B-splines without prefilter: smooth to the second derivative, and no pull towards whole pixels. Beyond the
        radius a surface goes on as at its edge.
        """
        place = np.clip(shifts + self.radius, 1, 2 * self.radius - 1 - 1e-6)
        whole = place.astype(int)
        taps = whole[:, :, None] + np.arange(-1, 3)
        patch = self.surfaces[np.arange(len(shifts))[:, None, None], taps[:, 1, :, None], taps[:, 0, None, :]]
        spline = _spline(place - whole)

        def along(dx: int, dy: int) -> Floats:
            return np.asarray(np.einsum("nyx,nx,ny->n", patch, spline[dx][:, 0], spline[dy][:, 1]), np.float64)

        cross = along(1, 1)
        curvature = np.stack([along(2, 0), cross, cross, along(0, 2)], axis=1).reshape(-1, 2, 2)
        return along(0, 0), np.stack([along(1, 0), along(0, 1)], axis=1), curvature

    def peaks(self) -> tuple[Floats, Floats]:
        """The best whole-pixel shift of each block (N, 2), and its height."""
        flat = self.surfaces.reshape(len(self.surfaces), -1)
        rows, columns = np.divmod(flat.argmax(axis=1), self.surfaces.shape[2])
        return np.column_stack([columns, rows]).astype(np.float64) - self.radius, flat.max(axis=1).astype(np.float64)

    def prominence(self) -> Floats:
        """Standard deviations by which the peak of each surface stands out; 0 where there is nothing to see."""
        deviation = self.surfaces.std(axis=(1, 2))
        above = self.surfaces.max(axis=(1, 2)) - self.surfaces.mean(axis=(1, 2))
        return np.where(deviation > 1e-6, above / np.maximum(deviation, 1e-6), 0).astype(np.float64)

    def evidence(self, shifts: Floats) -> float:
        """Standard deviations by which all blocks together stand higher at `shifts` than at shifts by chance."""
        above = self.at(shifts)[0] - self.surfaces.mean(axis=(1, 2))
        chance = float(np.sqrt(self.surfaces.var(axis=(1, 2)).sum()))
        return max(0.0, float(above.sum()) / chance) if chance > 1e-6 else 0.0


def correlate_blocks(infrared: Field, visible: Field, *, across: int, radius: int) -> Blocks:
    """Correlate windows of `visible` with `infrared` of the same size over shifts up to `radius`.

    Args:
        across: windows side by side along the larger side; as many again lie between them.
    """
    size: Size = (visible.shape[0], visible.shape[1])
    side = min(min(size), max(8, round(max(size) / across)))
    tops, lefts = _starts(size[0], side), _starts(size[1], side)
    hann = np.hanning(side + 2)[1:-1].astype(np.float32)
    window = np.outer(hann, hann)
    fixed = _cut(visible, tops, lefts, side) * window
    moving = _cut(np.pad(infrared, radius), tops, lefts, side + 2 * radius)
    padded = scipy.fft.next_fast_len(side + 2 * radius)
    spectrum = scipy.fft.fft2(moving, (padded, padded))
    spectrum *= np.conj(scipy.fft.fft2(fixed, (padded, padded)))
    spectrum *= _gaussian(padded)
    surfaces = scipy.fft.ifft2(spectrum, overwrite_x=True).real[:, : 2 * radius + 1, : 2 * radius + 1]
    inner = moving[:, radius : radius + side, radius : radius + side] * window
    energy = np.linalg.norm(fixed, axis=(1, 2)) * np.linalg.norm(inner, axis=(1, 2))
    ys, xs = np.meshgrid(tops + (side - 1) / 2, lefts + (side - 1) / 2, indexing="ij")
    return Blocks(
        size=size,
        centres=np.column_stack([xs.ravel(), ys.ravel()]),
        surfaces=np.ascontiguousarray(surfaces),
        energy=energy.astype(np.float64),
    )


def _starts(length: int, side: int) -> npt.NDArray[np.int_]:
    return np.linspace(0, length - side, max(1, round(2 * length / side) - 1)).astype(int)


def _cut(field: Field, tops: npt.NDArray[np.int_], lefts: npt.NDArray[np.int_], side: int) -> Field:
    """(N, side, side) windows, row by row."""
    windows = np.lib.stride_tricks.sliding_window_view(field, (side, side))
    return np.asarray(windows[np.ix_(tops, lefts)].reshape(-1, side, side), np.complex64)


def _gaussian(length: int) -> npt.NDArray[np.float32]:
    frequency = np.fft.fftfreq(length)
    line = np.exp(-2 * (np.pi * _SMOOTHING * frequency) ** 2)
    return np.outer(line, line).astype(np.float32)


def _spline(f: Floats) -> tuple[Floats, Floats, Floats]:
    """The four weights of the uniform cubic B-spline at f in [0, 1), and their first and second derivatives."""
    g = 1 - f
    value = [g**3 / 6, (3 * f**3 - 6 * f**2 + 4) / 6, (3 * g**3 - 6 * g**2 + 4) / 6, f**3 / 6]
    slope = [-(g**2) / 2, (3 * f**2 - 4 * f) / 2, -(3 * g**2 - 4 * g) / 2, f**2 / 2]
    curvature = [g, 3 * f - 2, 3 * g - 2, f]
    return np.stack(value, axis=-1), np.stack(slope, axis=-1), np.stack(curvature, axis=-1)


def fit(blocks: Blocks, model: Model) -> Floats:
    """The parameters of `displacement_basis` whose shifts climb the surfaces highest, shear and perspective held down.

    Starts from the best common whole-pixel shift; Newton steps, damped as Levenberg and Marquardt do.
    """
    basis = displacement_basis(blocks.centres, blocks.size, model)
    doubt = 2 * _PRIOR_WEIGHT * np.array(_PRIOR[: basis.shape[2]])
    doubt *= float(blocks.surfaces.std()) * len(blocks.surfaces) ** 0.5

    def climb_to(parameters: Floats) -> tuple[float, Floats, Floats]:
        value, slope, curvature = blocks.at(basis @ parameters)
        gradient = np.einsum("nd,ndp->p", slope, basis) - doubt * parameters
        hessian = np.diag(doubt) - np.einsum("ndp,nde,neq->pq", basis, curvature, basis)
        return float(value.sum() - 0.5 * (doubt * parameters**2).sum()), gradient, hessian

    total = blocks.surfaces.sum(axis=0)
    row, column = np.unravel_index(int(total.argmax()), total.shape)
    parameters = np.zeros(basis.shape[2])
    parameters[:2] = column - blocks.radius, row - blocks.radius
    (height, gradient, hessian), damping = climb_to(parameters), 0.01
    for _ in range(_STEPS):
        step = _uphill(gradient, hessian, damping)
        reached, new_gradient, new_hessian = climb_to(parameters + step)
        if reached >= height:
            parameters = parameters + step
            height, gradient, hessian, damping = reached, new_gradient, new_hessian, damping / 4
        else:
            damping = max(4 * damping, 0.5)
        if np.abs(step).max() < _ENOUGH:
            break
    return parameters


def _uphill(gradient: Floats, hessian: Floats, damping: float) -> Floats:
    """A damped Newton step that climbs even where the curvature has the wrong sign."""
    widths, axes = np.linalg.eigh(hessian)
    widths = np.abs(widths)
    widths = np.maximum(widths, 1e-3 * widths.max() + 1e-12)
    return np.asarray(axes @ ((axes.T @ gradient) / (widths * (1 + damping))), np.float64)
