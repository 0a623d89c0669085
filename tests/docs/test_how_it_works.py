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
        "max(0, s − SCD) / 2": loss.scd, "(1 − (MI(": loss.mi,
        "S": loss.sharpness, "C": loss.contrast, "E": loss.entropy, "H": loss.halo, "V": loss.smooth,
        "O": loss.clipping, "K": loss.even,
    }  # fmt: skip
    for term, factor in factors.items():
        assert f"{factor:g} · {term}" in PAGE
    assert "s of SCD: {:g} and {:g}".format(*loss.scd_enough) in PAGE
    assert "(1 + {:g}) max(A, B) + {:g} L".format(*loss.even_blend) in PAGE
    assert f"{loss.joint_factor:.0%} of it are added".replace("%", " %") in PAGE
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
