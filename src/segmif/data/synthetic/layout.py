"""What stands and moves where: a list of things to draw, far to near."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from segmif.data.synthetic.buildings import Building, Style, draw_building
from segmif.data.synthetic.canvas import Canvas, Floats
from segmif.data.synthetic.furniture import (
    SIGN_KINDS,
    draw_clutter,
    draw_fence,
    draw_sign,
    draw_street_lamp,
    draw_traffic_lamp,
    draw_utility_poles,
)
from segmif.data.synthetic.people import Pose, draw_bicycle, draw_motorcycle, draw_pedestrian
from segmif.data.synthetic.plants import Kind as PlantKind
from segmif.data.synthetic.plants import Plant, draw_plant
from segmif.data.synthetic.street import Street
from segmif.data.synthetic.texture import Rng, noise_tile
from segmif.data.synthetic.vehicles import Kind as VehicleKind
from segmif.data.synthetic.vehicles import Vehicle

_TRAFFIC: tuple[VehicleKind, ...] = ("sedan", "hatch", "suv", "van", "pickup", "truck", "bus")
_TRAFFIC_SHARES = (0.29, 0.2, 0.2, 0.1, 0.06, 0.09, 0.06)
_PARKED_SHARES = (0.33, 0.24, 0.23, 0.1, 0.05, 0.04, 0.01)


@dataclass(kw_only=True)
class Stage:
    """Things waiting to be drawn, and the ground they occupy."""

    canvas: Canvas
    street: Street
    seed: int
    leaves: Floats
    jobs: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    taken: list[tuple[float, float, float]] = field(default_factory=list)

    def rng(self) -> Rng:
        """A generator of its own for the next thing, so that things do not disturb each other."""
        return np.random.Generator(np.random.PCG64([self.seed, 7, len(self.jobs)]))

    def add(self, distance: float, job: Callable[[], None]) -> None:
        """Draw at that distance ahead."""
        self.jobs.append((distance, job))

    def free(self, x: float, y: float, radius: float, *, claim: bool = True) -> bool:
        """Whether a disc of the ground is unoccupied; it is then taken."""
        if any((x - a) ** 2 + (y - b) ** 2 < (radius + r) ** 2 for a, b, r in self.taken):
            return False
        if claim:
            self.taken.append((x, y, radius))
        return True

    def draw(self) -> None:
        """Paint everything, far to near."""
        for _, job in sorted(self.jobs, key=lambda item: -item[0]):
            job()


def furnish(canvas: Canvas, street: Street, seed: int, rng: Rng) -> None:
    """Fill the street and draw it."""
    stage = Stage(canvas=canvas, street=street, seed=seed, leaves=noise_tile(0.9))
    stage.taken.append((0.0, 0.0, 2.2))
    busy = float(rng.beta(1.6, 2.0))
    for side in (-1, 1):
        _roadside(stage, side, rng)
    _furniture(stage, rng)
    _hero(stage, rng)
    _traffic(stage, busy, rng)
    _parked(stage, rng)
    _people(stage, busy, rng)
    stage.draw()


def _edge(street: Street, side: int) -> float:
    """Metres from the axis to the outer edge of the walk on that side."""
    return street.half_width + street.walks[(side + 1) // 2]


def _roadside(stage: Stage, side: int, rng: Rng) -> None:
    """Buildings, gardens or a park along one side."""
    street = stage.street
    theme = rng.choice(("city", "suburb", "park", "open"), p=(0.36, 0.28, 0.24, 0.12))
    setback = (
        _edge(street, side)
        + {"city": rng.uniform(0.2, 3), "suburb": rng.uniform(4, 9), "park": 12.0, "open": 25.0}[theme]
    )
    storeys = int(rng.integers(2, 8)) if theme == "city" else int(rng.integers(1, 3))
    style: Style = rng.choice(("plaster", "brick", "panel", "glass"), p=(0.42, 0.28, 0.2, 0.1))
    y = rng.uniform(-6, 6)
    while y < 130:
        length = rng.uniform(10, 28) if theme == "city" else rng.uniform(8, 15)
        blocked = (
            street.crossing is not None
            and y < street.crossing + street.crossing_half + 3
            and y + length > street.crossing - street.crossing_half - 3
        )
        if blocked and street.crossing is not None:
            y = street.crossing + street.crossing_half + rng.uniform(3, 5)
            continue
        if street.closed_at is not None and y + length > street.closed_at:
            break
        built = {"city": 0.92, "suburb": 0.75, "park": 0.12, "open": 0.2}[theme]
        if rng.random() < built and y + length > 3:
            height = (storeys + int(rng.integers(-1, 2))) * 3.2 + 1.0
            _building(
                stage,
                side,
                setback,
                y,
                length,
                max(height, 3.2),
                style,
                theme == "city" and rng.random() < 0.45,
                theme != "city" and rng.random() < 0.8,
                rng,
            )
        if theme in ("suburb", "park"):
            _garden(stage, side, setback, y, length, theme == "park", rng)
        y += length + (rng.uniform(0, 1.5) if theme == "city" else rng.uniform(2, 7))
    if street.closed_at is not None and side == 1:
        _closing(stage, style, rng)
    if rng.random() < (0.45 if theme != "city" else 0.3):
        _avenue(stage, side, rng)


def _building(
    stage: Stage,
    side: int,
    setback: float,
    y: float,
    length: float,
    height: float,
    style: Style,
    shops: bool,
    gable: bool,
    rng: Rng,
) -> None:
    own = stage.rng()
    start, end = stage.street.at(side * setback, y), stage.street.at(side * setback, y + length)
    building = Building(
        start=start, end=end, depth=float(rng.uniform(8, 13)), height=height, style=style, shops=shops, gable=gable
    )
    stage.add(y + length, lambda: draw_building(stage.canvas, building, own))


def _closing(stage: Stage, style: Style, rng: Rng) -> None:
    """A building across the end of a street that stops at a T-junction."""
    y = float(stage.street.closed_at or 0) + rng.uniform(1, 8)
    middle = float(stage.street.centre(y))
    x = middle - rng.uniform(25, 45)
    while x < middle + 40:
        length = rng.uniform(14, 40)
        own = stage.rng()
        building = Building(
            start=(x, y),
            end=(x + length, y),
            depth=10.0,
            height=float(rng.uniform(5, 22)),
            style=style,
            shops=bool(rng.random() < 0.3),
            gable=False,
        )
        stage.add(y + 0.5, lambda b=building, r=own: draw_building(stage.canvas, b, r))  # type: ignore[misc]
        x += length + rng.uniform(0, 6)


def _plant(stage: Stage, plant: Plant) -> None:
    own = stage.rng()
    stage.add(plant.y, lambda: draw_plant(stage.canvas, plant, stage.leaves, own))


def _garden(stage: Stage, side: int, setback: float, y: float, length: float, park: bool, rng: Rng) -> None:
    """Hedges, bushes and trees between the walk and the houses, or the trees of a park."""
    street, edge = stage.street, _edge(stage.street, side)
    if rng.random() < 0.4:
        start, end = street.at(side * (edge + 0.5), max(y, 1.5)), street.at(side * (edge + 0.5), y + length)
        if end[1] > start[1] + 1:
            _plant(
                stage,
                Plant(kind="hedge", x=start[0], y=start[1], height=float(rng.uniform(0.7, 1.9)), spread=0.5, end=end),
            )
            stage.jobs[-1] = (end[1] - 0.5, stage.jobs[-1][1])
    elif rng.random() < 0.3:
        a, b = street.at(side * (edge + 0.4), max(y, 2.0)), street.at(side * (edge + 0.4), y + length)
        own = stage.rng()
        if b[1] > a[1] + 1:
            stage.add(b[1] - 0.6, lambda: draw_fence(stage.canvas, a, b, own))
    for _ in range(int(rng.integers(1, 5 if park else 3))):
        kind: PlantKind = rng.choice(("broad", "conifer", "palm", "bare", "bush"), p=(0.45, 0.15, 0.07, 0.08, 0.25))
        s = side * rng.uniform(edge + 1.2, setback + (14 if park else -1.0))
        x, at = street.at(s, y + rng.uniform(0, length))
        height = rng.uniform(0.8, 2.0) if kind == "bush" else rng.uniform(4.5, 13)
        spread = height * rng.uniform(0.5, 0.9) if kind == "bush" else height * rng.uniform(0.25, 0.4)
        if at > 2 and stage.free(x, at, 0.6):
            _plant(stage, Plant(kind=kind, x=x, y=at, height=float(height), spread=float(spread)))


def _avenue(stage: Stage, side: int, rng: Rng) -> None:
    """A row of like trees along the kerb."""
    street = stage.street
    kind: PlantKind = rng.choice(("broad", "palm", "bare", "conifer"), p=(0.65, 0.15, 0.15, 0.05))
    height, step = rng.uniform(5, 11), rng.uniform(7, 14)
    inset = min(0.8, street.walks[(side + 1) // 2] / 2)
    for y in np.arange(rng.uniform(4, 12), 110, step):
        x, at = street.at(side * (street.half_width + max(inset, 0.6)), float(y))
        if _clear_of_crossing(street, at) and stage.free(x, at, 0.5):
            _plant(
                stage,
                Plant(
                    kind=kind,
                    x=x,
                    y=at,
                    height=float(height * rng.uniform(0.85, 1.15)),
                    spread=float(height * rng.uniform(0.25, 0.36)),
                ),
            )


def _clear_of_crossing(street: Street, y: float, margin: float = 3.0) -> bool:
    if street.closed_at is not None and y > street.closed_at:
        return False
    return street.crossing is None or abs(y - street.crossing) > street.crossing_half + margin


def _furniture(stage: Stage, rng: Rng) -> None:
    street = stage.street
    lamp_side, reach = int(rng.choice((-1, 1))), float(rng.choice((0.0, 1.6, 2.4)))
    for i, y in enumerate(np.arange(rng.uniform(6, 22), 120, rng.uniform(16, 30))):
        side = lamp_side if reach else lamp_side * (1 if i % 2 else -1)
        x, at = street.at(side * (street.half_width + 0.5), float(y))
        if _clear_of_crossing(street, at, 0.5) and stage.free(x, at, 0.4):
            own = stage.rng()
            stage.add(at, lambda x=x, at=at, r=own, side=side: draw_street_lamp(stage.canvas, x, at, -side * reach, r))  # type: ignore[misc]
    if rng.random() < 0.3:
        side = -lamp_side
        places = [
            street.at(side * (_edge(street, side) + 0.6), float(y)) for y in np.arange(rng.uniform(8, 16), 110, 26)
        ]
        own = stage.rng()
        stage.add(places[-1][1], lambda: draw_utility_poles(stage.canvas, places, own))
    _signals(stage, rng)
    for _ in range(int(rng.integers(1, 5))):
        side = int(rng.choice((-1, 1)))
        kind = SIGN_KINDS[rng.choice(len(SIGN_KINDS), p=(0.22, 0.15, 0.13, 0.14, 0.14, 0.08, 0.14))]
        offset = street.half_width + (2.4 if kind == "board" else rng.uniform(0.3, 0.9))
        x, at = street.at(side * offset, float(rng.uniform(18, 60) if kind == "board" else rng.uniform(6, 40)))
        if _clear_of_crossing(street, at, 0.3) and stage.free(x, at, 0.4):
            own = stage.rng()
            stage.add(at, lambda x=x, at=at, kind=kind, r=own: draw_sign(stage.canvas, x, at, kind, r))  # type: ignore[misc]
    for _ in range(int(rng.integers(0, 4))):
        side = int(rng.choice((-1, 1)))
        x, at = street.at(side * (street.half_width + rng.uniform(0.2, 1.0)), float(rng.uniform(5, 35)))
        if _clear_of_crossing(street, at, 0.5) and stage.free(x, at, 0.4):
            own = stage.rng()
            stage.add(at, lambda x=x, at=at, r=own: draw_clutter(stage.canvas, x, at, r))  # type: ignore[misc]


def _signals(stage: Stage, rng: Rng) -> None:
    """Traffic lamps at the crossing, or before a zebra."""
    street = stage.street
    if street.crossing is not None and rng.random() < 0.8:
        near, far = street.crossing - street.crossing_half - 1.2, street.crossing + street.crossing_half + 1.2
    elif street.zebras and rng.random() < 0.5:
        near = far = street.zebras[0] + 2.5
    else:
        return
    arm = bool(rng.random() < 0.5)
    for side, y in ((1, near), (-1, near), (1, far), (-1, far)):
        if rng.random() < 0.25 or y < 4:
            continue
        x, at = street.at(side * (street.half_width + 0.5), y)
        reach = -side * min(street.half_width, 4.5) if arm and y == far else 0.0
        own = stage.rng()
        facing = bool(rng.random() < 0.85)
        stage.add(
            at,
            lambda x=x, at=at, reach=reach, r=own, f=facing: draw_traffic_lamp(stage.canvas, x, at, reach, r, facing=f),
        )  # type: ignore[misc]


def _vehicle(stage: Stage, kind: VehicleKind, x: float, y: float, yaw: float, moving: bool) -> bool:
    """Put a vehicle on the ground if there is room for it."""
    vehicle = Vehicle(canvas=stage.canvas, kind=kind, x=x, y=y, yaw=yaw, moving=moving, rng=stage.rng())
    width, length = vehicle.size
    ahead = np.array([np.sin(yaw), np.cos(yaw)])
    spots = [
        np.array([x, y]) + ahead * t for t in np.linspace(-length / 2 + 0.8, length / 2 - 0.8, max(2, int(length / 2)))
    ]
    if any(not stage.free(float(px), float(py), width * 0.5, claim=False) for px, py in spots):
        return False
    stage.taken.extend((float(px), float(py), width * 0.5) for px, py in spots)
    stage.add(y, vehicle.draw)
    return True


def _lane(street: Street, index: int) -> tuple[float, bool]:
    """Offset of a lane's middle, and whether it runs our way (right-hand traffic)."""
    offset = (index + 0.5) * street.lane_width - street.half_width
    return offset, offset > -1e-6 if street.lanes > 1 else True


def _hero(stage: Stage, rng: Rng) -> None:
    """One thing close by, often of a rare class, so that every class is also seen large."""
    street = stage.street
    what = rng.choice(
        ("none", "car", "truck", "bus", "motorcycle", "bicycle", "person", "turning"),
        p=(0.1, 0.16, 0.13, 0.13, 0.14, 0.14, 0.12, 0.08),
    )
    offset, ours = _lane(street, int(rng.integers(street.lanes)))
    y = float(rng.uniform(7, 20) if what in ("truck", "bus") else rng.uniform(5, 14))
    turn = float(rng.choice((0.0, rng.uniform(-0.6, 0.6), rng.choice((-1, 1)) * np.pi / 2), p=(0.5, 0.3, 0.2)))
    yaw = street.heading(y) + (0 if ours else np.pi) + turn
    s = offset + rng.uniform(-0.5, 0.5)
    x, y = street.at(s, y)
    if what in ("car", "turning"):
        kind: VehicleKind = rng.choice(_TRAFFIC[:5])
        extra = rng.uniform(-np.pi, np.pi) if what == "turning" else 0.0
        _vehicle(stage, kind, x, y + 2, yaw + extra, True)
    elif what in ("truck", "bus"):
        _vehicle(stage, what, x, y + 5, yaw, True)
    elif what != "none":
        own = stage.rng()
        pose = Pose(
            x=x,
            y=y,
            yaw=float(rng.uniform(-np.pi, np.pi)) if what == "person" else yaw,
            height=float(rng.uniform(1.55, 1.9)),
        )
        if stage.free(x, y, 0.7):
            draw = {"motorcycle": draw_motorcycle, "bicycle": draw_bicycle}
            if what == "person":
                stage.add(y, lambda: draw_pedestrian(stage.canvas, pose, own))
            else:
                ridden = bool(rng.random() < 0.75)
                stage.add(y, lambda: draw[what](stage.canvas, pose, own, ridden=ridden))


def _traffic(stage: Stage, busy: float, rng: Rng) -> None:
    street = stage.street
    for index in range(street.lanes):
        offset, ours = _lane(street, index)
        y = rng.uniform(7, 30)
        while y < 110:
            if rng.random() < busy and _open(street, y):
                x, at = street.at(offset + rng.uniform(-0.3, 0.3), float(y))
                yaw = street.heading(at) + (0.0 if ours else np.pi) + rng.normal(0, 0.03)
                if rng.random() < 0.14:
                    own = stage.rng()
                    pose = Pose(x=x, y=at, yaw=yaw, height=float(rng.uniform(1.6, 1.85)))
                    if stage.free(x, at, 0.8):
                        ride = draw_motorcycle if rng.random() < 0.6 else draw_bicycle
                        stage.add(at, lambda ride=ride, pose=pose, r=own: ride(stage.canvas, pose, r, ridden=True))  # type: ignore[misc]
                else:
                    _vehicle(stage, rng.choice(_TRAFFIC, p=_TRAFFIC_SHARES), x, at, yaw, True)
            y += rng.uniform(8, 24)
    if street.crossing is not None and rng.random() < 0.6:
        for x in np.arange(-30, 30, 9.0):
            if rng.random() < 0.4 * busy + 0.1:
                right = rng.random() < 0.5
                y = street.crossing + (-1 if right else 1) * street.crossing_half * 0.45
                _vehicle(
                    stage,
                    rng.choice(_TRAFFIC, p=_TRAFFIC_SHARES),
                    float(street.centre(y) + x + rng.uniform(-3, 3)),
                    y,
                    (1 if right else -1) * np.pi / 2 + rng.normal(0, 0.06),
                    True,
                )


def _open(street: Street, y: float) -> bool:
    return street.closed_at is None or y < street.closed_at - 4


def _parked(stage: Stage, rng: Rng) -> None:
    """Vehicles along the kerb, and bicycles or motorcycles left on the walk."""
    street = stage.street
    for side in (-1, 1):
        dense = float(rng.choice((0.0, 0.35, 0.85), p=(0.45, 0.3, 0.25)))
        nose_in = rng.random() < 0.15
        for y in np.arange(rng.uniform(4, 9), 90, 3.1 if nose_in else 6.3):
            if rng.random() > dense or not _clear_of_crossing(street, float(y)):
                continue
            s = side * (street.half_width + (1.2 if nose_in else -1.05))
            x, at = street.at(s, float(y) + rng.uniform(-0.4, 0.4))
            yaw = (
                street.heading(at)
                + (side * np.pi / 2 if nose_in else (0.0 if side > 0 else np.pi))
                + rng.normal(0, 0.03)
            )
            _vehicle(stage, rng.choice(_TRAFFIC, p=_PARKED_SHARES), x, at, yaw, False)
        if rng.random() < 0.35:
            start, count = rng.uniform(5, 28), int(rng.integers(1, 6))
            draw = draw_bicycle if rng.random() < 0.6 else draw_motorcycle
            lean = rng.uniform(-np.pi, np.pi)
            for i in range(count):
                x, at = street.at(side * (street.half_width + rng.uniform(0.7, 1.1)), float(start + 0.9 * i))
                own = stage.rng()
                pose = Pose(x=x, y=at, yaw=float(lean + rng.normal(0, 0.1)))
                if _clear_of_crossing(street, at, 1.0) and stage.free(x, at, 0.4):
                    stage.add(at, lambda pose=pose, r=own, draw=draw: draw(stage.canvas, pose, r, ridden=False))  # type: ignore[misc]


def _people(stage: Stage, busy: float, rng: Rng) -> None:
    """Walkers on both walks, on zebras and now and then on the road, some in groups; cyclists at the edge."""
    street = stage.street
    for _ in range(int(rng.poisson(1.5 + 5 * busy))):
        where = rng.choice(("walk", "zebra", "road"), p=(0.66, 0.24, 0.10))
        if where == "zebra" and street.zebras:
            y = street.zebras[rng.integers(len(street.zebras))] + rng.uniform(-1.2, 1.2)
            s, yaw = rng.uniform(-1, 1) * street.half_width, float(rng.choice((-1, 1))) * np.pi / 2
        elif where == "road":
            y, s, yaw = rng.uniform(8, 40), rng.uniform(-0.8, 0.8) * street.half_width, rng.uniform(-np.pi, np.pi)
        else:
            side = int(rng.choice((-1, 1)))
            y = rng.uniform(4, 12) if rng.random() < 0.3 else rng.uniform(10, 60)
            s = side * (street.half_width + 0.4 + rng.uniform(0, max(street.walks[(side + 1) // 2] - 0.6, 1.0)))
            yaw = float(rng.choice((0.0, np.pi))) + rng.normal(0, 0.2)
        for _ in range(int(rng.choice((1, 2, 3, 5), p=(0.6, 0.25, 0.1, 0.05)))):
            x, at = street.at(s, float(y))
            child = rng.random() < 0.08
            pose = Pose(
                x=x,
                y=at,
                yaw=yaw + street.heading(at) + rng.normal(0, 0.15),
                height=float(rng.uniform(1.0, 1.4) if child else np.clip(rng.normal(1.7, 0.08), 1.5, 1.95)),
            )
            if at > 2.5 and stage.free(x, at, 0.28):
                own = stage.rng()
                walking = bool(rng.random() < 0.8)
                stage.add(at, lambda pose=pose, r=own, w=walking: draw_pedestrian(stage.canvas, pose, r, walking=w))  # type: ignore[misc]
            s, y = s + rng.choice((-1, 1)) * rng.uniform(0.5, 0.8), y + rng.uniform(-0.6, 0.6)
    for _ in range(int(rng.poisson(0.5))):
        side = int(rng.choice((-1, 1)))
        x, at = street.at(side * (street.half_width - 0.6), float(rng.uniform(6, 35)))
        pose = Pose(
            x=x, y=at, yaw=street.heading(at) + (0.0 if side > 0 else np.pi), height=float(rng.uniform(1.55, 1.85))
        )
        if stage.free(x, at, 0.8):
            own = stage.rng()
            stage.add(at, lambda pose=pose, r=own: draw_bicycle(stage.canvas, pose, r, ridden=True))  # type: ignore[misc]
