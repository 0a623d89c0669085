"""Parameter groups: which parameters train, at which rate, with or without weight decay."""

import pytest
import torch
from torch import nn

from segmif.checks import InputError
from segmif.models import SegMiF, SegMiFConfig
from segmif.models.config import EfficientNetConfig
from segmif.train.optim import layer_factors, parameter_groups, set_rate, trained
from tests.train.conftest import MakeRecipe


def test_norms_biases_and_slopes_do_not_decay_and_the_head_learns_ten_times_faster(tiny: MakeRecipe) -> None:
    network = SegMiF(tiny().model)
    groups = parameter_groups(
        network, ["*"], learning_rate=1e-4, weight_decay=0.01, factors=[("head.*", 10.0), *layer_factors(network, 0.5)]
    )
    settings = {name: (group["lr"], group["weight_decay"]) for group in groups for name in group["names"]}
    assert settings.keys() == dict(network.named_parameters()).keys()
    for name, parameter in network.named_parameters():
        assert settings[name][1] == (0.01 if parameter.ndim > 1 else 0.0), name
    assert settings["head.classify.weight"] == (pytest.approx(1e-3), 0.01)
    assert settings["head.norm.weight"] == (pytest.approx(1e-3), 0.0)
    assert settings["encoder.stages.0.embed.weight"][0] == pytest.approx(1e-4 * 0.5**4)
    assert settings["encoder.stages.3.embed.weight"][0] == pytest.approx(1e-4 * 0.5)
    assert settings["fusion.activation.weight"] == (1e-4, 0.0)


def test_only_wanted_parameters_train(tiny: MakeRecipe) -> None:
    network = SegMiF(tiny().model)
    parameter_groups(network, ["encoder.*"], learning_rate=1, weight_decay=0, freeze=["encoder.stages.0.*"])
    names = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert names
    assert all(name.startswith("encoder.stages.") and not name.startswith("encoder.stages.0.") for name in names)
    assert len(list(trained(network))) == len(names)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trainable": ["nothing.*"]}, "no parameter is named like 'nothing.\\*'"),
        ({"trainable": ["*"], "freeze": ["*"]}, "nothing is left to train"),
        ({"trainable": ["*"], "factors": [("haed.*", 2.0)]}, "'haed.\\*'"),
    ],
)
def test_patterns_that_fit_nothing_are_refused(options: dict[str, list[str]], message: str) -> None:
    with pytest.raises(InputError, match=message):
        parameter_groups(nn.Linear(2, 2), learning_rate=1, weight_decay=0, **options)  # type: ignore[arg-type]


def test_set_rate_scales_every_group_from_its_own_base() -> None:
    layer = nn.Linear(2, 2)
    groups = parameter_groups(layer, ["*"], learning_rate=0.1, weight_decay=0, factors=[("bias", 10.0)])
    for group in groups:
        del group["names"]
    optimizer = torch.optim.AdamW(groups)
    set_rate(optimizer, 0.1)
    assert set_rate(optimizer, 0.5) == pytest.approx(0.05)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.05, 0.5])


def test_layer_factors_of_other_encoders() -> None:
    network = SegMiF(SegMiFConfig(encoder=EfficientNetConfig(), num_classes=2, fusion_channels=8))
    factors = dict(layer_factors(network, 0.5))
    assert factors["encoder.stages.6.*"] == 0.5
    assert factors["encoder.*"] == 0.5**8
    assert layer_factors(network, 1.0) == ()
    del network.encoder.stages
    with pytest.raises(InputError, match="needs an encoder with `stages`"):
        layer_factors(network, 0.5)
