import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from segmif.checks import InputError
from segmif.losses import DynamicTaskWeights, fusion_factor

losses = st.floats(0, 1e6) | st.sampled_from([0.0, 5e-324, math.nan, math.inf, 1e300])


def test_follows_the_formula():
    weigh = DynamicTaskWeights(temperature=2)
    assert weigh.weights == (1, 1)
    assert weigh.update(fusion=2.0, segmentation=4.0) == (1, 1)
    fusion, segmentation = weigh.update(fusion=torch.tensor(1.0), segmentation=torch.tensor(3.0))
    shares = torch.tensor([1 / 2 / 2, 3 / 4 / 2], dtype=torch.float64).softmax(0)
    assert (fusion, segmentation) == pytest.approx((2 * shares[0].item(), 2 * shares[1].item()), abs=1e-12)
    fusion, segmentation = weigh.update(fusion=5.0, segmentation=3.0)
    shares = torch.tensor([5 / 1 / 2, 3 / 3 / 2], dtype=torch.float64).softmax(0)
    assert (fusion, segmentation) == pytest.approx((2 * shares[0].item(), 2 * shares[1].item()), abs=1e-12)


def test_the_slower_task_counts_more_and_a_high_temperature_evens_out():
    def weights(temperature):
        weigh = DynamicTaskWeights(temperature)
        weigh.update(fusion=1, segmentation=1)
        return weigh.update(fusion=0.5, segmentation=0.9)

    assert weights(1)[0] < weights(10)[0] < weights(1000)[0] < 1
    assert weights(1000) == pytest.approx((1, 1), abs=1e-3)


@given(steps=st.lists(st.tuples(losses, losses), max_size=8), temperature=st.sampled_from([1e-3, 1.0, 1000.0]))
def test_weights_stay_sound_and_survive_a_restart_at_any_step(steps, temperature):
    running, restarted = DynamicTaskWeights(temperature), DynamicTaskWeights(temperature)
    for fusion, segmentation in steps:
        weights = running.update(fusion=fusion, segmentation=segmentation)
        assert sum(weights) == pytest.approx(2)
        assert min(weights) >= 0
        assert weights == running.weights == restarted.update(fusion=fusion, segmentation=segmentation)
        saved = json.loads(json.dumps(restarted.state_dict()))
        restarted = DynamicTaskWeights()
        restarted.load_state_dict(saved)


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_broken_step_is_left_out(broken):
    weigh, without = DynamicTaskWeights(1), DynamicTaskWeights(1)
    for fusion, segmentation in [(1, 2), (broken, 1), (2, 3), (1, broken)]:
        weigh.update(fusion=fusion, segmentation=segmentation)
    for fusion, segmentation in [(1, 2), (2, 3)]:
        without.update(fusion=fusion, segmentation=segmentation)
    assert weigh.weights == without.weights != (1, 1)


def test_a_loss_of_zero_means_no_change():
    weigh = DynamicTaskWeights(1)
    weigh.update(fusion=0, segmentation=2)
    assert weigh.update(fusion=3, segmentation=2) == (1, 1)


@pytest.mark.parametrize("temperature", [0, -1, math.nan, math.inf])
def test_temperature_must_be_positive(temperature):
    with pytest.raises(InputError, match="temperature"):
        DynamicTaskWeights(temperature)


def test_fusion_factor():
    assert [fusion_factor(k) for k in (1, 2, 4)] == [0.4, 0.2, 0.1]
    with pytest.raises(InputError, match="from 1"):
        fusion_factor(0)
