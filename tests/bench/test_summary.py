import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from segmif.bench.summary import holm, mean_ranks, summarise


def test_means_ranks_and_ties():
    rng = np.random.default_rng(0)
    base = rng.normal(5, 1, 60)
    columns = {
        "worst": list(base - 1 + rng.normal(0, 0.1, 60)),
        "best": list(base),
        "nearly": list(base - 0.001 + rng.normal(0, 0.5, 60)),
    }
    cells = summarise(columns, higher_is_better=True)
    assert [cells[m]["rank"] for m in columns] == [3, 1, 2]
    assert [cells[m]["tied"] for m in columns] == [False, True, True]
    assert cells["best"]["p"] is None
    assert cells["worst"]["p"] < 0.01 < 0.05 <= cells["nearly"]["p"]
    for method, column in columns.items():
        assert cells[method]["mean"] == pytest.approx(np.mean(column))
        assert cells[method]["std"] == pytest.approx(np.std(column, ddof=1))
        assert cells[method]["median"] == pytest.approx(np.median(column))
        assert cells[method]["count"] == 60


def test_direction():
    cells = summarise({"small": [1.0, 1.1, 1.2], "large": [2.0, 2.1, 2.2]}, higher_is_better=False)
    assert [cells["small"]["rank"], cells["large"]["rank"]] == [1, 2]


def test_missing_values():
    cells = summarise({"a": [1.0, None, 3.0], "b": [None, None, None], "c": [None, 2.0, None]}, higher_is_better=True)
    assert (cells["a"]["mean"], cells["a"]["count"]) == (2.0, 2)
    assert (cells["b"]["mean"], cells["b"]["rank"], cells["b"]["tied"]) == (None, None, False)
    assert cells["c"]["std"] is None
    assert cells["c"]["p"] is None, "no image in common with the best"
    assert summarise({"b": [None]}, higher_is_better=True)["b"]["rank"] is None


def test_equal_means_share_the_better_rank():
    cells = summarise({"a": [1.0, 2.0], "b": [2.0, 1.0], "c": [0.0, 0.0]}, higher_is_better=True)
    assert [cell["rank"] for cell in cells.values()] == [1, 1, 3]


def test_tests_are_remembered():
    known = {}

    def remember(key, function):
        known[key] = known.get(key) or function()
        return known[key]

    columns = {"a": [1.0, 2.0, 3.0], "b": [0.5, 2.5, 1.0]}
    first = summarise(columns, higher_is_better=True, remember=remember)
    assert len(known) == 1
    known[next(iter(known))] = 0.5
    assert summarise(columns, higher_is_better=True, remember=remember)["b"]["p"] == 0.5
    assert first["b"]["p"] != 0.5


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm(values):
    """Against the definition: reject while p_(k) <= alpha / (m - k + 1)."""
    corrected = list(holm({str(i): p for i, p in enumerate(values)}).values())
    for alpha in (0.01, 0.05, 0.2):
        order = np.argsort(values, kind="stable")
        rejected = set()
        for k, i in enumerate(order):
            if values[i] * (len(values) - k) > alpha:
                break
            rejected.add(int(i))
        assert {i for i, p in enumerate(corrected) if p <= alpha} == rejected


def test_mean_ranks():
    table = {
        "a": {"EN": {"rank": 1}, "SD": {"rank": 2}},
        "b": {"EN": {"rank": 2}, "SD": {"rank": None}},
        "c": {},
    }
    assert mean_ranks(table) == {"a": 1.5, "b": None, "c": None}
    ranks = stats.rankdata([-3.0, -1.0, -2.0], method="min")
    cells = summarise({"x": [3.0], "y": [1.0], "z": [2.0]}, higher_is_better=True)
    assert [cell["rank"] for cell in cells.values()] == list(ranks)
