"""From a value per image to a table: means, ranks, and whether a difference is more than luck."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict

from segmif.bench.cache import digest
from segmif.metrics import paired_bootstrap

Column = Sequence[float | None]
Remember = Callable[[str, Callable[[], Any]], Any]
SAMPLES = 2000
"""Resamples of the bootstrap."""
LEVEL = 0.05


class Cell(TypedDict):
    """One method and metric.

    `mean`, `std` (n - 1) and `median` are over the `count` images that could be measured, None for none. `rank` is 1
    for the best mean, equal means share the better rank. `p` is the Holm-corrected p-value of the paired bootstrap
    against the best method on the images both have, None for the best itself or where there is no test; `tied` says
    that the method is the best or not significantly worse (p >= 0.05).
    """

    mean: float | None
    std: float | None
    median: float | None
    count: int
    rank: int | None
    p: float | None
    tied: bool


def compute(_: str, function: Callable[[], Any]) -> Any:
    """A `Remember` that forgets."""
    return function()


def summarise(
    columns: Mapping[str, Column], *, higher_is_better: bool, remember: Remember = compute
) -> dict[str, Cell]:
    """One metric of several methods on the same images.

    Args:
        columns: method → value per image, None where it could not be measured.
        higher_is_better: the direction.
        remember: called with a key and a function; may return an earlier result of the same key.

    >>> cells = summarise({"good": [3.0, 4.0, 5.0], "bad": [1.0, 2.0, 3.5]}, higher_is_better=True)
    >>> cells["good"]["rank"], cells["bad"]["rank"], cells["bad"]["tied"]
    (1, 2, False)
    """
    cells = {method: _cell([v for v in column if v is not None]) for method, column in columns.items()}
    ranked = [method for method, cell in cells.items() if cell["mean"] is not None]
    if not ranked:
        return cells
    score = {method: _signed(cells[method]["mean"], higher_is_better) for method in ranked}
    for method in ranked:
        cells[method]["rank"] = 1 + sum(other > score[method] for other in score.values())
    best = max(ranked, key=lambda method: score[method])
    cells[best]["tied"] = True
    tests = {m: p for m in ranked if m != best and (p := _p_value(columns[best], columns[m], remember)) is not None}
    for method, p in holm(tests).items():
        cells[method]["p"] = p
        cells[method]["tied"] = p >= LEVEL
    return cells


def _signed(mean: float | None, higher_is_better: bool) -> float:
    assert mean is not None
    return mean if higher_is_better else -mean


def _cell(values: list[float]) -> Cell:
    return Cell(
        mean=statistics.fmean(values) if values else None,
        std=statistics.stdev(values) if len(values) > 1 else None,
        median=statistics.median(values) if values else None,
        count=len(values),
        rank=None,
        p=None,
        tied=False,
    )


def _p_value(best: Column, other: Column, remember: Remember) -> float | None:
    """Of the paired bootstrap over the images both have; None for fewer than 2."""
    both = [(a, b) for a, b in zip(best, other, strict=True) if a is not None and b is not None]
    if len(both) < 2:
        return None
    first, second = [a for a, _ in both], [b for _, b in both]
    key = digest("bootstrap", str(SAMPLES), repr(both))
    return float(remember(key, lambda: paired_bootstrap(first, second, samples=SAMPLES).p_value))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's step-down correction for several tests (Holm, Scand. J. Statistics 6, 1979).

    >>> holm({"a": 0.01, "b": 0.04})
    {'a': 0.02, 'b': 0.04}
    """
    corrected: dict[str, float] = {}
    running = 0.0
    ordered = sorted(p_values, key=lambda name: p_values[name])
    for position, name in enumerate(ordered):
        running = max(running, min(1.0, (len(ordered) - position) * p_values[name]))
        corrected[name] = running
    return {name: corrected[name] for name in p_values}


def mean_ranks(table: Mapping[str, Mapping[str, Cell]]) -> dict[str, float | None]:
    """The mean of a method's ranks over metrics (method → metric → cell); None where one is missing.

    >>> mean_ranks({"a": {"EN": {"rank": 1}, "SD": {"rank": 2}}})
    {'a': 1.5}
    """
    means: dict[str, float | None] = {}
    for method, cells in table.items():
        ranks = [cell["rank"] for cell in cells.values()]
        known = [rank for rank in ranks if rank is not None]
        means[method] = statistics.fmean(known) if known and len(known) == len(ranks) else None
    return means
