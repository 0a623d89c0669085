"""On the road and the walks: moving and parked vehicles, two-wheelers and people. Traffic keeps to the right."""

from __future__ import annotations

import numpy as np

from segmif.data.synthetic.cycles import draw_bicycle, draw_motorcycle
from segmif.data.synthetic.figure import Pose
from segmif.data.synthetic.people import draw_pedestrian
from segmif.data.synthetic.stage import Stage
from segmif.data.synthetic.street import Street
from segmif.data.synthetic.texture import Rng
from segmif.data.synthetic.vehicle_shapes import KINDS, Kind
from segmif.data.synthetic.vehicles import Vehicle

_MOVING_SHARES = (0.29, 0.20, 0.20, 0.10, 0.06, 0.09, 0.06)
_PARKED_SHARES = (0.33, 0.24, 0.23, 0.10, 0.05, 0.04, 0.01)
_HERO_SHARES = {
    "nothing": 0.10, "car": 0.13, "truck": 0.14, "bus": 0.09, "motorcycle": 0.17, "bicycle": 0.15, "person": 0.15,
    "turning car": 0.07,
}  # fmt: skip


def _place_vehicle(stage: Stage, kind: Kind, x: float, y: float, yaw: float, *, moving: bool) -> None:
    """Put a vehicle on the ground if there is room for it."""
    vehicle = Vehicle(canvas=stage.canvas, kind=kind, x=x, y=y, yaw=yaw, moving=moving, rng=stage.rng())
    width, length = vehicle.size
    reach = np.linspace(-length / 2 + 0.8, length / 2 - 0.8, max(2, int(length / 2)))
    spots = [(float(x + np.sin(yaw) * t), float(y + np.cos(yaw) * t), width / 2) for t in reach]
    if all(stage.free(*spot) for spot in spots):
        stage.taken.extend(spots)
        stage.push(y, vehicle.draw)


def _lane(street: Street, index: int) -> tuple[float, float]:
    """Metres from the axis to a lane's middle, and its direction: 0 ahead, π towards us."""
    offset = (index + 0.5) * street.lane_width - street.half_width
    return offset, 0.0 if street.lanes == 1 or offset > -1e-6 else np.pi


def place_hero(stage: Stage, rng: Rng) -> None:
    """One thing close by, often of a rare class, so that every class is also seen large."""
    street = stage.street
    what = list(_HERO_SHARES)[rng.choice(len(_HERO_SHARES), p=list(_HERO_SHARES.values()))]
    offset, direction = _lane(street, int(rng.integers(street.lanes)))
    turn = rng.choice((0.0, rng.uniform(-0.6, 0.6), rng.choice((-1, 1)) * np.pi / 2), p=(0.5, 0.3, 0.2))
    y = rng.uniform(5, 14)
    if what in ("truck", "bus"):  # long ones stand across, close enough to fill the picture, or farther off
        across = rng.random() < 0.5
        turn = rng.choice((-1, 1)) * np.pi / 2 + rng.normal(0, 0.3) if across else turn
        y = rng.uniform(4, 14) if across else rng.uniform(9, 25)
    x, y = street.at(offset + float(rng.uniform(-0.5, 0.5)), float(y))
    yaw = street.heading(y) + direction + float(turn)
    any_yaw, height = float(rng.uniform(-np.pi, np.pi)), float(rng.uniform(1.55, 1.9))
    kind = KINDS[rng.integers(5)]
    ridden = bool(rng.random() < 0.75)
    if what in ("car", "turning car"):
        _place_vehicle(stage, kind, x, y + 2, any_yaw if what == "turning car" else yaw, moving=True)
    elif what in ("truck", "bus"):
        _place_vehicle(stage, "truck" if what == "truck" else "bus", x, y, yaw, moving=True)
    elif what == "person" and stage.take(x, y, 0.7):
        stage.add(y, draw_pedestrian, Pose(x=x, y=y, yaw=any_yaw, height=height))
    elif what in ("motorcycle", "bicycle") and stage.take(x, y, 0.7):
        draw = draw_motorcycle if what == "motorcycle" else draw_bicycle
        stage.add(y, draw, Pose(x=x, y=y, yaw=yaw, height=height), ridden=ridden)


def place_traffic(stage: Stage, busy: float, rng: Rng) -> None:
    """Vehicles and riders in the lanes and on the crossing street; `busy` in 0..1."""
    street = stage.street
    for index in range(street.lanes):
        offset, direction = _lane(street, index)
        y = float(rng.uniform(7, 30))
        while y < min(110.0, (street.closed_at or 200.0) - 4):
            x, at = street.at(offset + float(rng.uniform(-0.3, 0.3)), y)
            yaw = street.heading(at) + direction + float(rng.normal(0, 0.03))
            if rng.random() < busy:
                if rng.random() < 0.2:
                    _place_rider(stage, x, at, yaw, rng)
                else:
                    _place_vehicle(stage, KINDS[rng.choice(7, p=_MOVING_SHARES)], x, at, yaw, moving=True)
            y += float(rng.uniform(8, 24))
    if street.crossing is None or rng.random() < 0.4:
        return
    for x in np.arange(-30, 30, 9.0):
        if rng.random() < 0.4 * busy + 0.1:
            sign = float(rng.choice((-1, 1)))
            at = street.crossing - sign * street.crossing_half * 0.45
            place = street.at(float(x + rng.uniform(-3, 3)), at)
            kind = KINDS[rng.choice(7, p=_MOVING_SHARES)]
            _place_vehicle(stage, kind, *place, sign * np.pi / 2 + float(rng.normal(0, 0.06)), moving=True)


def _place_rider(stage: Stage, x: float, y: float, yaw: float, rng: Rng) -> None:
    pose = Pose(x=x, y=y, yaw=yaw, height=float(rng.uniform(1.6, 1.85)))
    draw = draw_motorcycle if rng.random() < 0.6 else draw_bicycle
    if stage.take(x, y, 0.8):
        stage.add(y, draw, pose, ridden=True)


def place_parked(stage: Stage, rng: Rng) -> None:
    """Vehicles along the kerb, and bicycles or motorcycles left on the walk."""
    street = stage.street
    for side in (-1, 1):
        dense = float(rng.choice((0.0, 0.35, 0.85), p=(0.45, 0.3, 0.25)))
        nose_in = bool(rng.random() < 0.15)
        along = side * np.pi / 2 if nose_in else 0.0 if side > 0 else np.pi
        for y in np.arange(rng.uniform(4, 9), 90, 3.1 if nose_in else 6.3):
            s = side * (street.half_width + (1.2 if nose_in else -1.05))
            x, at = street.at(s, float(y + rng.uniform(-0.4, 0.4)))
            yaw = street.heading(at) + along + float(rng.normal(0, 0.03))
            kind = KINDS[rng.choice(7, p=_PARKED_SHARES)]
            if rng.random() < dense and street.clear_of_crossing(at, 3.0):
                _place_vehicle(stage, kind, x, at, yaw, moving=False)
        if rng.random() < 0.35:
            _park_two_wheelers(stage, side, rng)


def _park_two_wheelers(stage: Stage, side: int, rng: Rng) -> None:
    street = stage.street
    draw = draw_bicycle if rng.random() < 0.6 else draw_motorcycle
    lean, start = rng.uniform(-np.pi, np.pi), rng.uniform(5, 28)
    for i in range(int(rng.integers(1, 6))):
        x, at = street.at(side * (street.half_width + float(rng.uniform(0.7, 1.1))), float(start + 0.9 * i))
        pose = Pose(x=x, y=at, yaw=float(lean + rng.normal(0, 0.1)))
        if street.clear_of_crossing(at, 1.0) and stage.take(x, at, 0.4):
            stage.add(at, draw, pose, ridden=False)


def place_people(stage: Stage, busy: float, rng: Rng) -> None:
    """Walkers on both walks, on zebras and now and then on the road, some in groups; cyclists at the edge."""
    street = stage.street
    for _ in range(int(rng.poisson(2 + 5 * busy))):
        where = rng.choice(("walk", "zebra", "road"), p=(0.66, 0.24, 0.10))
        if where == "zebra" and street.zebras:
            y = street.zebras[rng.integers(len(street.zebras))] + rng.uniform(-1.2, 1.2)
            s, yaw = rng.uniform(-1, 1) * street.half_width, rng.choice((-1, 1)) * np.pi / 2
        elif where == "road":
            y, s, yaw = rng.uniform(8, 40), rng.uniform(-0.8, 0.8) * street.half_width, rng.uniform(-np.pi, np.pi)
        else:
            side = int(rng.choice((-1, 1)))
            y = rng.uniform(4, 12) if rng.random() < 0.4 else rng.uniform(10, 60)
            walk = max(street.walks[(side + 1) // 2] - 0.6, 1.0)
            s = side * (street.half_width + 0.4 + rng.uniform(0, walk))
            yaw = rng.choice((0.0, np.pi)) + rng.normal(0, 0.2)
        _place_group(stage, float(s), float(y), float(yaw), rng)
    for _ in range(int(rng.poisson(0.5))):
        side = int(rng.choice((-1, 1)))
        x, at = street.at(side * (street.half_width - 0.6), float(rng.uniform(6, 35)))
        yaw = street.heading(at) + (0.0 if side > 0 else np.pi)
        if stage.take(x, at, 0.8):
            stage.add(at, draw_bicycle, Pose(x=x, y=at, yaw=yaw, height=float(rng.uniform(1.55, 1.85))), ridden=True)


def _place_group(stage: Stage, s: float, y: float, yaw: float, rng: Rng) -> None:
    """One to five people who walk together."""
    for _ in range(int(rng.choice((1, 2, 3, 5), p=(0.6, 0.25, 0.1, 0.05)))):
        x, at = stage.street.at(s, y)
        child = rng.random() < 0.08
        height = rng.uniform(1.0, 1.4) if child else np.clip(rng.normal(1.7, 0.08), 1.5, 1.95)
        heading = yaw + stage.street.heading(at) + float(rng.normal(0, 0.15))
        walking = bool(rng.random() < 0.8)
        if at > 2.5 and stage.take(x, at, 0.28):
            pose = Pose(x=x, y=at, yaw=heading, height=float(height))
            stage.add(at, draw_pedestrian, pose, walking=walking)
        s += float(rng.choice((-1, 1)) * rng.uniform(0.5, 0.8))
        y += float(rng.uniform(-0.6, 0.6))
