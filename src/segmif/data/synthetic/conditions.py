"""Time of day and weather: the light, and the temperatures it leaves behind.

Light is linear with a sunlit white wall near 1. Heat is grey-body exitance in W/m²: emissivity · σT⁴ plus the part
of the surroundings' radiation that the surface reflects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from segmif.checks import unknown
from segmif.data.synthetic.texture import Rng

Time = Literal["day", "dusk", "night"]
Weather = Literal["clear", "fog", "rain"]
TIMES: tuple[Time, ...] = get_args(Time)
WEATHERS: tuple[Weather, ...] = get_args(Weather)

RGB = tuple[float, float, float]
Vector = tuple[float, float, float]

_STEFAN_BOLTZMANN = 5.670374e-8


def exitance(celsius: float) -> float:
    """Black-body exitance in W/m², σT⁴.

    >>> round(exitance(20.0))
    419
    """
    return float(_STEFAN_BOLTZMANN * (celsius + 273.15) ** 4)


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What the whole scene shares. Temperatures in °C, distances in metres, light linear RGB.

    `sun` points towards the sun; `solar` (0..1) is how strongly it heats, `stored` (0..1) how much of the day's
    heat masonry and asphalt still hold; `visibility` is the meteorological range (5 % contrast left).
    """

    time: Time
    weather: Weather
    air: float
    sky: float
    sun: Vector
    sun_light: RGB
    sky_light: RGB
    solar: float
    stored: float
    clouds: float
    visibility: float
    wet: float

    @property
    def lamps_on(self) -> bool:
        """Whether street lamps, headlights and windows are lit."""
        return self.time != "day"

    def warmed(self, gain: float) -> float:
        """Temperature of an outdoor surface that full sun heats by `gain` kelvin above the air."""
        return self.air + gain * (self.solar + 0.3 * self.stored) * (1 - 0.6 * self.wet)

    def heat(self, celsius: float, emissivity: float = 0.95, up: float = 0.0) -> float:
        """Exitance of a surface whose normal has the vertical component `up` (1 faces the sky)."""
        share = 0.5 + 0.5 * up
        around = share * exitance(self.sky + 0.45 * (self.air - self.sky) * (1 - up)) + (1 - share) * exitance(self.air)
        return emissivity * exitance(celsius) + (1 - emissivity) * around


def draw_conditions(rng: Rng, time: Time | None = None, weather: Weather | None = None) -> Conditions:
    """Draw the conditions of a scene; `time` and `weather` fix those two without changing the other draws.

    Raises:
        InputError: an unknown time or weather.
    """
    if time is not None and time not in TIMES:
        raise unknown("time", time, TIMES)
    if weather is not None and weather not in WEATHERS:
        raise unknown("weather", weather, WEATHERS)
    drawn_time = TIMES[rng.choice(3, p=(0.5, 0.12, 0.38))]
    drawn_weather = WEATHERS[rng.choice(3, p=(0.72, 0.14, 0.14))]
    time = time or drawn_time
    weather = weather or drawn_weather
    u = rng.uniform(size=10)
    clouds = float(u[0]) if weather == "clear" else 1.0
    overcast = float(np.clip((clouds - 0.55) / 0.25, 0, 1))
    elevation = {"day": 0.35 + 0.7 * u[1], "dusk": 0.05 + 0.1 * u[1], "night": -0.3}[time]
    azimuth = 2 * np.pi * u[2]
    sun = (
        float(np.cos(elevation) * np.sin(azimuth)),
        float(np.cos(elevation) * np.cos(azimuth)),
        float(np.sin(elevation)),
    )
    bright = {"day": 1.0, "dusk": 0.12, "night": 0.0}[time] * (1 - overcast)
    tint: RGB = (1.0, 0.93, 0.82) if time == "day" else (1.0, 0.55, 0.28)
    level = {"day": 0.34 + 0.5 * overcast, "dusk": 0.09, "night": 0.0025 + 0.012 * u[3] ** 2}[time]
    hue: RGB = (0.80 + 0.2 * overcast, 0.93 + 0.07 * overcast, 1.18 - 0.16 * overcast)
    if time == "night":
        hue = (1.0, 1.0, 0.95) if u[4] < 0.5 else (0.75, 0.95, 1.2)
    air = {"day": 4 + 24 * u[5], "dusk": 2 + 20 * u[5], "night": -3 + 22 * u[5]}[time]
    cloud_warmth = 0.75 * overcast + (0.1 if weather == "clear" else 0.2)
    sky = air - (38 + 14 * u[6]) * (1 - cloud_warmth)
    return Conditions(
        time=time,
        weather=weather,
        air=float(air),
        sky=float(sky),
        sun=sun,
        sun_light=(bright * tint[0], bright * tint[1], bright * tint[2]),
        sky_light=(level * hue[0], level * hue[1], level * hue[2]),
        solar=float({"day": 1.0, "dusk": 0.25, "night": 0.0}[time] * (1 - 0.75 * overcast)),
        stored=float({"day": 0.3, "dusk": 1.0, "night": 0.4 + 0.5 * u[7]}[time]),
        clouds=clouds,
        visibility=float(35 + 110 * u[8] if weather == "fog" else 250 + 400 * u[8] if weather == "rain" else 2500),
        wet=float(0.6 + 0.4 * u[9]) if weather == "rain" else 0.0,
    )
