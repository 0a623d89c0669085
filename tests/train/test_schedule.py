"""Learning rates, seeds and the order of samples are pure functions with known values."""

import numpy as np
import pytest

from segmif.train.config import Phase, StageConfig
from segmif.train.loop import rate_factor
from segmif.train.schedule import draw_positions, fold_seed, warmup_poly


@pytest.mark.parametrize(
    ("step", "factor"),
    [(0, 1e-6), (750, 0.5), (1499, 1499 / 1500), (1500, 1 - 1500 / 160000), (80000, 0.5), (160000, 0.0), (170000, 0.0)],
)
def test_warmup_poly_has_the_values_of_segformer(step: int, factor: float) -> None:
    assert warmup_poly(step, warmup=1500, total=160000) == pytest.approx(factor, rel=1e-5, abs=1e-12)


def test_power_and_floor() -> None:
    assert warmup_poly(50, warmup=0, total=100, power=0.9) == pytest.approx(0.5**0.9)
    assert warmup_poly(99, warmup=0, total=100, floor=0.1) == 0.1


def _phase(number: int, offset: int = 0, **stage: object) -> Phase:
    return Phase(index=0, kind="fusion", round=number, stage=StageConfig(**stage), schedule_offset=offset)  # type: ignore[arg-type]


def test_rate_of_a_phase_is_divided_by_the_round_and_counts_on() -> None:
    assert rate_factor(_phase(4, steps=100, divide_rate=True), 0) == pytest.approx(1 / 4)
    assert rate_factor(_phase(2, offset=100, steps=100), 0) == pytest.approx(0.5)
    assert rate_factor(_phase(1, steps=100, decay_steps=400), 100) == pytest.approx(0.75)


def test_every_sample_comes_once_before_any_comes_again() -> None:
    order = draw_positions([5, 3], [1.0, 3.0], 800, seed=3)
    for source, size in ((0, 5), (1, 3)):
        indices = order[order[:, 0] == source, 1]
        for start in range(0, len(indices) - size + 1, size):
            assert sorted(indices[start : start + size]) == list(range(size))
    assert np.mean(order[:, 0] == 1) == pytest.approx(0.75, abs=0.04)


def test_order_depends_on_the_seed_alone_and_weight_zero_never_comes() -> None:
    first, again = (draw_positions([4, 4], [1, 0], 50, seed=1) for _ in range(2))
    assert (first == again).all()
    assert (first != draw_positions([4, 4], [1, 0], 50, seed=2)).any()
    assert (first[:, 0] == 0).all()


def test_seeds_differ_by_every_part() -> None:
    seeds = {fold_seed(a, name, b) for a in range(5) for name in ("x", "y") for b in range(5)}
    assert len(seeds) == 50
    assert fold_seed(0, "order", 1) == 2002067703672271585
