"""The numbers of the page about the shared layout are those of the code."""

from __future__ import annotations

import re

from segmif.models import segmif as cascade
from segmif.models.blend import BASES, STRIDE
from segmif.models.config import PAIR_CHANNELS, SegMiFConfig
from segmif.train.recipes import recipe
from tests.docs.pages import DOCS

PAGE = (DOCS / "how-it-works.md").read_text("utf-8").split("## The shared layout")[1]


def test_factors_of_the_fusion_loss() -> None:
    loss = recipe("segmif-lite").loss
    factors = {
        "L1": loss.intensity, "(1 − VIF(": loss.vif, "(1 − Qabf": loss.qabf,
        f"max(0, {loss.scd_enough:g} − SCD) / 2": loss.scd, "(1 − (MI(": loss.mi,
        "S": loss.sharpness, "C": loss.contrast, "E": loss.entropy, "H": loss.halo, "V": loss.smooth,
        "O": loss.clipping,
    }  # fmt: skip
    for term, factor in factors.items():
        assert f"{factor:g} · {term}" in PAGE
    assert loss.joint_factor == 1 / 20  # "a twentieth of it is added"
    assert loss.target == loss.gradient == loss.source_ssim == loss.texture == 0
    assert loss.dynamic
    assert f"temperature {loss.temperature:g}" in PAGE


def test_constants_of_the_network() -> None:
    assert f"log(x + {cascade._DARKEST:g})" in PAGE
    assert f"deviation + {cascade._FLATTEST:g}" in PAGE
    assert (BASES, STRIDE, PAIR_CHANNELS) == (6, 4, 5)
    assert len(set(re.findall("c[₀-₅]", PAGE))) == BASES


def test_what_trains_what() -> None:
    chosen = recipe("segmif-lite")
    assert (chosen.rounds, chosen.interaction) == (0, True)
    assert chosen.joint.steps > 0
    assert chosen.last_fusion.steps > 0
    config = SegMiFConfig.preset("segmif-lite")
    assert (config.layout, config.guide, config.detach_semantic) == ("shared", "maximum", True)
