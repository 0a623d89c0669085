"""A rigid thing on the ground, given by faces in its own axes: x to its right, y to its front, z up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from segmif.data.synthetic.camera import Points
from segmif.data.synthetic.canvas import Canvas, Surface, facing


@dataclass(kw_only=True)
class Solid:
    """Stands at (x, y) with its front turned `yaw` clockwise from straight ahead."""

    canvas: Canvas
    x: float
    y: float
    yaw: float

    def world(self, points: Points) -> Points:
        """Own axes (N, 3) to the world."""
        cos, sin = np.cos(self.yaw), np.sin(self.yaw)
        turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
        return np.asarray(points @ turn + np.array([self.x, self.y, 0.0]))

    def visible(self, face: Points) -> bool:
        """Whether the outer side of a world face faces the camera; outward is away from the thing's middle."""
        normal = np.array(facing(face, self.canvas.camera.height))
        return bool(normal @ (face.mean(axis=0) - np.array([self.x, self.y, 0.75])) > -1e-6)

    def face(self, points: Points, surface: Surface, *, cull: bool = True) -> bool:
        """Paint a face (N, 3) and say whether it can be seen; without `cull` it is painted from both sides."""
        world = self.world(points)
        if cull and not self.visible(world):
            return False
        self.canvas.face(world, surface)
        return True

    def patch(self, quad: Points, u: tuple[float, float], v: tuple[float, float], surface: Surface) -> None:
        """Paint the part (u, v) of a quad (4, 3) with corners bottom left, bottom right, top right, top left."""
        corners = []
        for across, along in ((u[0], v[0]), (u[1], v[0]), (u[1], v[1]), (u[0], v[1])):
            bottom, top = quad[0] + (quad[1] - quad[0]) * across, quad[3] + (quad[2] - quad[3]) * across
            corners.append(bottom + (top - bottom) * along)
        self.face(np.array(corners), surface, cull=False)


def upright(start: tuple[float, float], end: tuple[float, float], low: float, high: float) -> Points:
    """A standing rectangle (4, 3) over the line from start to end (x, y), from height low to high."""
    return np.array([(*start, low), (*end, low), (*end, high), (*start, high)])
