"""A pinhole camera above a flat ground: metres to pixels and back.

World axes: x to the right, y ahead along the street, z up, origin on the ground below the camera.
Pixel (u, v) has its centre at integer coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]

NEAR = 0.4
"""Metres in front of the camera below which nothing is drawn."""


@dataclass(frozen=True, kw_only=True)
class Camera:
    """Position and optics. `size` is (height, width) in pixels, `focal` in pixels, angles in radians."""

    size: tuple[int, int]
    focal: float
    height: float
    pitch: float = 0.0
    yaw: float = 0.0
    roll: float = 0.0

    @property
    def centre(self) -> tuple[float, float]:
        """The principal point (u, v)."""
        return (self.size[1] - 1) / 2, (self.size[0] - 1) / 2

    @cached_property
    def rotation(self) -> Points:
        """(3, 3) world to camera; rows are the camera's right, down and forward axes."""
        forward = np.array(
            [np.sin(self.yaw) * np.cos(self.pitch), np.cos(self.yaw) * np.cos(self.pitch), -np.sin(self.pitch)]
        )
        right = np.array([np.cos(self.yaw), -np.sin(self.yaw), 0.0])
        down = np.cross(forward, right)
        cos, sin = np.cos(self.roll), np.sin(self.roll)
        return np.stack([cos * right + sin * down, cos * down - sin * right, forward])

    def to_camera(self, points: Points) -> Points:
        """World points (N, 3) in camera axes; the last column is the depth in metres."""
        return (points - (0.0, 0.0, self.height)) @ self.rotation.T

    def project(self, points: Points) -> tuple[Points, Points]:
        """World points (N, 3) to pixels (N, 2) and depths (N,); the points must lie in front of the camera."""
        return self.to_pixels(self.to_camera(points))

    def to_pixels(self, points: Points) -> tuple[Points, Points]:
        """Points (N, 3) in camera axes to pixels (N, 2) and depths (N,)."""
        depth = np.maximum(points[:, 2], 1e-3)
        return points[:, :2] * (self.focal / depth)[:, None] + self.centre, depth

    def project_face(self, points: Points) -> tuple[Points, float] | None:
        """A world polygon (N, 3) to pixels (M, 2) and its mean depth, cut at the near plane; None if behind it."""
        local = self.to_camera(points)
        if local[:, 2].min() < NEAR:
            local = _cut_near(local)
            if len(local) < 3:
                return None
        pixels, depth = self.to_pixels(local)
        return pixels, float(depth.mean())

    @cached_property
    def rays(self) -> Floats:
        """(3, H, W) world direction of every pixel, scaled so that its component along the optical axis is 1."""
        v, u = np.mgrid[: self.size[0], : self.size[1]].astype(np.float32)
        local = np.stack([(u - self.centre[0]) / self.focal, (v - self.centre[1]) / self.focal, np.ones_like(u)])
        return np.asarray(np.tensordot(self.rotation.T.astype(np.float32), local, 1))


def _cut_near(points: Points) -> Points:
    """The part of a polygon (N, 3), in camera axes, beyond the near plane (Sutherland–Hodgman)."""
    kept: list[Points] = []
    for start, end in zip(points, np.roll(points, -1, axis=0), strict=True):
        inside = start[2] >= NEAR
        if inside:
            kept.append(start)
        if inside != (end[2] >= NEAR):
            kept.append(start + (end - start) * ((NEAR - start[2]) / (end[2] - start[2])))
    return np.array(kept).reshape(-1, 3)
