"""Where the sun stands: the low-precision formula of the Astronomical Almanac, good to 0.01° from 1950 to 2050."""

from __future__ import annotations

import math

_J2000 = 946728000.0
"""1 January 2000, 12:00, in seconds since 1970."""
HORIZON = -0.833
"""Elevation in degrees of the sun's centre at sunrise and sunset: 0.567° refraction and 0.267° radius."""


def sun_equatorial(utc: float) -> tuple[float, float]:
    """Right ascension and declination of the sun in degrees.

    With n days since J2000: mean longitude L = 280.460 + 0.9856474 n, mean anomaly g = 357.528 + 0.9856003 n,
    ecliptic longitude λ = L + 1.915 sin g + 0.020 sin 2g, obliquity ε = 23.439 − 0.0000004 n;
    tan α = cos ε tan λ, sin δ = sin ε sin λ.

    Args:
        utc: seconds since 1970.
    """
    n = (utc - _J2000) / 86400
    g = math.radians(357.528 + 0.9856003 * n)
    longitude = math.radians(280.460 + 0.9856474 * n + 1.915 * math.sin(g) + 0.020 * math.sin(2 * g))
    tilt = math.radians(23.439 - 0.0000004 * n)
    right_ascension = math.atan2(math.cos(tilt) * math.sin(longitude), math.cos(longitude))
    declination = math.asin(math.sin(tilt) * math.sin(longitude))
    return math.degrees(right_ascension) % 360, math.degrees(declination)


def solar_elevation(utc: float, latitude: float, longitude: float) -> float:
    """Elevation of the sun's centre above the horizon in degrees, without refraction.

    sin h = sin φ sin δ + cos φ cos δ cos H, hour angle H = GMST + longitude − α.

    Args:
        utc: seconds since 1970.
        latitude, longitude: degrees, north and east positive.

    >>> 61.5 < solar_elevation(1718971200, 51.5, 0.0) < 62.5  # London, 21 June 2024, noon: 90° − 51.5° + 23.4°
    True
    """
    right_ascension, declination = sun_equatorial(utc)
    sidereal = 280.46062 + 360.98564737 * (utc - _J2000) / 86400
    hour = math.radians(sidereal + longitude - right_ascension)
    phi, delta = math.radians(latitude), math.radians(declination)
    sine = math.sin(phi) * math.sin(delta) + math.cos(phi) * math.cos(delta) * math.cos(hour)
    return math.degrees(math.asin(max(-1.0, min(1.0, sine))))
