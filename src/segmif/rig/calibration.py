"""What a calibrated rig is: two cameras, how they stand to each other, and the one file that keeps it.

Frames: x right, y down, z forward, in metres. A point X in the infrared camera's frame is R X + t in the visible
camera's. Pixel coordinates: (0, 0) is the centre of the first pixel. Lenses follow Brown's model as OpenCV computes it:
with (x, y) the undistorted direction and r² = x² + y²,

    x' = x (1 + k1 r² + k2 r⁴ + k3 r⁶) + 2 p1 x y + p2 (r² + 2 x²),    u = fx x' + cx, and y' likewise.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segmif import io
from segmif.checks import InputError
from segmif.rig.homography import Matrix, Size

FORMAT, VERSION = "segmif-calibration", 1
"""Of the file; a file of another version is refused."""

DISTORTION = ("k1", "k2", "p1", "p2", "k3")
"""Names of the lens coefficients, in OpenCV's order."""
INTRINSICS = ("fx", "fy", "cx", "cy", *DISTORTION)
"""Names of all numbers of a camera."""

_CAMERA_KEYS = ("width", "height", *INTRINSICS)
_KEYS = ("format", "version", "rig", "created", "infrared", "visible", "stereo", "uncertainty", "quality", "board")
_ORTHONORMAL = 1e-6
_ITERATE = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 40, 1e-10)


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A camera with its lens.

    Attributes:
        size: (height, width) of its pictures in pixels.
        focal: fx, fy in pixels.
        centre: cx, cy in pixels, where the optical axis meets the picture.
        distortion: k1, k2, p1, p2, k3.
    """

    size: Size
    focal: tuple[float, float]
    centre: tuple[float, float]
    distortion: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 0.0)

    @property
    def matrix(self) -> Matrix:
        """K, 3 × 3."""
        return np.array([[self.focal[0], 0, self.centre[0]], [0, self.focal[1], self.centre[1]], [0, 0, 1]])

    @property
    def coefficients(self) -> npt.NDArray[np.float64]:
        """The distortion as OpenCV takes it, (5,)."""
        return np.array(self.distortion)

    @property
    def field_of_view(self) -> tuple[float, float]:
        """Horizontal and vertical angle in degrees, distortion left aside."""
        height, width = self.size
        return (
            math.degrees(2 * math.atan(width / 2 / self.focal[0])),
            math.degrees(2 * math.atan(height / 2 / self.focal[1])),
        )

    @classmethod
    def from_matrix(cls, size: Size, matrix: npt.ArrayLike, distortion: npt.ArrayLike) -> Camera:
        """From K (3, 3) and k1, k2, p1, p2, k3 as OpenCV returns them."""
        k, d = np.asarray(matrix, np.float64), np.asarray(distortion, np.float64).reshape(-1)
        return cls(
            size=size,
            focal=(float(k[0, 0]), float(k[1, 1])),
            centre=(float(k[0, 2]), float(k[1, 2])),
            distortion=tuple(float(value) for value in np.pad(d, (0, 5))[:5]),
        )

    def undistort(self, points: npt.ArrayLike) -> Matrix:
        """Directions (N, 2), x/z and y/z in the camera's frame, of pixels (N, 2)."""
        pixels = np.asarray(points, np.float64).reshape(-1, 1, 2)
        if not len(pixels):
            return np.empty((0, 2))
        # OpenCV 4 stops after five rounds unless it is asked by another name.
        exact = getattr(cv2, "undistortPointsIter", cv2.undistortPoints)
        found = exact(pixels, self.matrix, self.coefficients, R=np.eye(3), P=np.eye(3), criteria=_ITERATE)
        return np.asarray(found.reshape(-1, 2), np.float64)

    def project(self, points: npt.ArrayLike) -> Matrix:
        """Pixels (N, 2) of points (N, 3) in the camera's frame that lie before it."""
        world = np.asarray(points, np.float64).reshape(-1, 1, 3)
        if not len(world):
            return np.empty((0, 2))
        found, _ = cv2.projectPoints(world, np.zeros(3), np.zeros(3), self.matrix, self.coefficients)
        return np.asarray(found.reshape(-1, 2), np.float64)

    def as_dict(self) -> dict[str, float]:
        """For JSON."""
        values = (*self.focal, *self.centre, *self.distortion)
        return {"width": self.size[1], "height": self.size[0], **dict(zip(INTRINSICS, values, strict=True))}


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Everything about a rig that other commands need.

    Attributes:
        infrared, visible: the cameras.
        rotation: rows of R, 3 × 3.
        translation: t in metres.
        rig: the name the user gave it.
        created: date and time, ISO 8601.
        uncertainty: standard deviations by name: ``infrared.fx`` and so on in the parameter's unit, ``baseline_m``.
        quality: how well it fits: ``infrared.rms_px``, ``visible.rms_px``, ``stereo.rms_px``, ``epipolar_px``, views.
        board: what it was made with.
    """

    infrared: Camera
    visible: Camera
    rotation: tuple[tuple[float, ...], ...]
    translation: tuple[float, ...]
    rig: str = "rig"
    created: str = ""
    uncertainty: Mapping[str, float] = field(default_factory=dict, hash=False)
    quality: Mapping[str, float] = field(default_factory=dict, hash=False)
    board: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def matrix(self) -> Matrix:
        """R, 3 × 3."""
        return np.array(self.rotation)

    @property
    def shift(self) -> npt.NDArray[np.float64]:
        """t in metres, (3,)."""
        return np.array(self.translation)

    @property
    def baseline(self) -> float:
        """Distance between the cameras in metres."""
        return float(np.linalg.norm(self.shift))

    @property
    def side(self) -> str:
        """Where the infrared camera sits seen from the visible one, looking ahead: left, right, above or below."""
        x, y, _ = self.shift  # the infrared camera's origin in the visible frame is t
        if abs(x) >= abs(y):
            return "right" if x > 0 else "left"
        return "below" if y > 0 else "above"

    @property
    def place(self) -> str:
        """`side` in a sentence: left of, right of, above or below."""
        return f"{self.side} of" if self.side in ("left", "right") else self.side

    def check_sizes(self, infrared: Size, visible: Size, *, where: str = "the pictures") -> None:
        """Raise `InputError` unless pictures of these (height, width) are what was calibrated."""
        for band, size, camera in (("infrared", infrared, self.infrared), ("visible", visible, self.visible)):
            if tuple(size) != tuple(camera.size):
                raise InputError(
                    f"{where}: {band} is {size[1]}x{size[0]}, but rig {self.rig!r} was calibrated at "
                    f"{camera.size[1]}x{camera.size[0]}; use the calibration of this rig and resolution"
                )

    def check_rig(self, rig: str) -> None:
        """Raise `InputError` unless the calibration is of the rig of this name."""
        if rig != self.rig:
            raise InputError(f"the calibration is of rig {self.rig!r}, not of {rig!r}; give the file of that rig")

    def as_dict(self) -> dict[str, Any]:
        """For JSON; the layout of the file."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "rig": self.rig,
            "created": self.created,
            "infrared": self.infrared.as_dict(),
            "visible": self.visible.as_dict(),
            "stereo": {"rotation": [list(row) for row in self.rotation], "translation_m": list(self.translation)},
            "uncertainty": dict(self.uncertainty),
            "quality": dict(self.quality),
            "board": dict(self.board),
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the JSON file, whole or not at all.

        Raises:
            InputError: it cannot be written.
        """
        io.write_json(path, self.as_dict())

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, rig: str | None = None) -> Calibration:
        """Read a file that `save` wrote.

        Args:
            rig: the name it must have, if that matters.

        Raises:
            InputError: not such a file, of another version or rig, or with numbers that cannot be.
        """
        path = Path(path)
        try:
            content = json.loads(io.read_bytes(path))
        except ValueError as error:
            raise InputError(
                f"{path}: is not JSON ({error}); give the calibration.json that segmif rig calibrate wrote"
            ) from error
        try:
            calibration = cls.from_dict(content)
            if rig is not None:
                calibration.check_rig(rig)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        return calibration

    @classmethod
    def from_dict(cls, content: object) -> Calibration:
        """The opposite of `as_dict`, strict.

        Raises:
            InputError: something is missing, unknown or impossible.
        """
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise InputError("is no calibration of a rig; give the calibration.json that segmif rig calibrate wrote")
        if content.get("version") != VERSION:
            raise InputError(
                f"is a calibration of version {content.get('version')!r}, this program reads {VERSION}; calibrate anew"
            )
        _exactly(content, _KEYS, "the calibration")
        stereo = _section(content, "stereo")
        _exactly(stereo, ("rotation", "translation_m"), "stereo")
        rotation, translation = _array(stereo, "rotation", (3, 3)), _array(stereo, "translation_m", (3,))
        off = np.abs(rotation @ rotation.T - np.eye(3)).max()
        if off > _ORTHONORMAL or np.linalg.det(rotation) < 0:
            raise InputError(f"stereo.rotation is no rotation (off by {off:.2g}); the file was damaged or edited")
        if not 1e-6 < float(np.linalg.norm(translation)) < 100:
            raise InputError("stereo.translation_m is not a baseline between 1 µm and 100 m; calibrate anew")
        return cls(
            infrared=_camera(_section(content, "infrared"), "infrared"),
            visible=_camera(_section(content, "visible"), "visible"),
            rotation=tuple(tuple(float(v) for v in row) for row in rotation),
            translation=tuple(float(v) for v in translation),
            rig=_text(content, "rig"),
            created=_text(content, "created"),
            uncertainty=_numbers(content, "uncertainty"),
            quality=_numbers(content, "quality"),
            board=_section(content, "board"),
        )


def _exactly(section: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
    missing, unknown = [k for k in keys if k not in section], [k for k in section if k not in keys]
    if missing or unknown:
        what = f"lacks {', '.join(missing)}" if missing else f"has the unknown {', '.join(map(str, unknown))}"
        raise InputError(f"{where} {what}; the file was damaged or edited, calibrate anew")


def _section(content: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = content[key]
    if not isinstance(value, dict):
        raise InputError(f"{key} is not a group of values; the file was damaged or edited, calibrate anew")
    return value


def _text(content: Mapping[str, Any], key: str) -> str:
    value = content[key]
    if not isinstance(value, str):
        raise InputError(f"{key} is not a text; the file was damaged or edited, calibrate anew")
    return value


def _numbers(content: Mapping[str, Any], key: str) -> dict[str, float]:
    section = _section(content, key)
    return {name: _number(section, name, f"{key}.{name}") for name in section}


def _number(section: Mapping[str, Any], key: str, where: str) -> float:
    value = section[key]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f"{where} is {value!r}, expected a finite number; the file was damaged or edited")
    return float(value)


def _array(section: Mapping[str, Any], key: str, shape: tuple[int, ...]) -> Matrix:
    try:
        array = np.asarray(section[key], np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"stereo.{key} holds no numbers ({error}); the file was damaged or edited") from error
    if array.shape != shape or not np.isfinite(array).all():
        raise InputError(f"stereo.{key} has shape {array.shape}, expected {shape} finite numbers; calibrate anew")
    return array


def _camera(section: Mapping[str, Any], band: str) -> Camera:
    _exactly(section, _CAMERA_KEYS, band)
    values = {key: _number(section, key, f"{band}.{key}") for key in _CAMERA_KEYS}
    if not (values["width"] >= 1 and values["height"] >= 1 and values["fx"] > 0 and values["fy"] > 0):
        raise InputError(f"{band}: width, height, fx and fy must be positive; the file was damaged or edited")
    return Camera(
        size=(int(values["height"]), int(values["width"])),
        focal=(values["fx"], values["fy"]),
        centre=(values["cx"], values["cy"]),
        distortion=tuple(values[key] for key in DISTORTION),
    )
