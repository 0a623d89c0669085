"""Draws the figures of docs/how-it-works.md into docs/images/: python docs/figures/how_it_works.py

Diagrams hold pictures a shipped model makes of an embedded scene: run this again when weights change.
"""

from __future__ import annotations

import csv
import sys
from functools import cache
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parent))

from sheet import FAINT, INK, IR, SEM, VIS, Diagram, panels

import segmif
from segmif.color import luma, rgb_to_ycrcb
from segmif.data.synthetic import example_scene
from segmif.guide import make_guide
from segmif.infer.attention_maps import attention_maps
from segmif.losses import DynamicTaskWeights
from segmif.models.blend import BASES

OUT = Path(__file__).parents[1] / "images"
RUN = Path(__file__).parent / "segmif-lite-losses.csv"
SIZE = (240, 320)
MOAM, SOAM = "#8f5aa8", "#d98324"
BASE_NAMES = ("max(A, B)", "infrared A", "luma B", "detail of A", "detail of B", "constant")


@cache
def night():
    """The embedded night scene, and what the default model makes of it with its attention maps."""
    scene = example_scene("night", size=SIZE)
    model = segmif.load(device="cpu", dtype="float32")
    result, maps = attention_maps(model, scene.infrared, scene.visible)
    return scene, model, result, maps


def grey(picture) -> np.ndarray:
    """[0, 1] to bytes."""
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def parts():
    """The pictures of both diagrams: luma, chroma, guides and what comes out."""
    scene, _, result, _ = night()
    visible = scene.visible.astype(np.float32) / 255
    y = luma(visible)
    ycrcb = rgb_to_ycrcb(torch.from_numpy(visible).permute(2, 0, 1)).numpy()
    infrared = scene.infrared.astype(np.float32) / 255
    chroma = np.stack([ycrcb[1], np.full_like(y, 0.5), ycrcb[2]], axis=2)
    return {
        "infrared": scene.infrared, "visible": scene.visible,
        "luma": grey(y), "chroma": grey((chroma - 0.5) * 2.5 + 0.5),
        "vsm_wls": grey(make_guide("vsm_wls", infrared, y)), "maximum": grey(make_guide("maximum", infrared, y)),
        "fused": result.fused, "fused_luma": grey(luma(result.fused.astype(np.float32) / 255)),
        "labels": result.colour_labels(),
    }  # fmt: skip


def cascade(out: Path) -> None:
    """The two networks of the paper and how they help each other."""
    p, d = parts(), Diagram(124, 50)
    d.picture((8, 39), 13, p["infrared"], "infrared", colour=IR)
    d.picture((8, 14), 13, p["visible"], "visible", colour=VIS)
    d.picture((28, 22), 13, p["luma"], "luma Y", colour=VIS)
    d.picture((28, 7.5), 13, p["chroma"], "", colour=VIS)
    d.note((28, 1.4), "chroma Cr, Cb", colour=VIS, size=9.5)
    d.picture((28, 43.5), 13, p["vsm_wls"], "guide", colour=SEM)
    d.box((48.5, 43.5), (16, 9), "encoder,\nstages 1, 2", colour=SEM)
    d.box((48.5, 22), (16, 14), "fusion\nnetwork\n(HIA)")
    d.picture((68, 22), 13, p["fused_luma"], "fused luma Y'")
    d.picture((86, 22), 13, p["fused"], "fused RGB")
    d.box((102.5, 22), (13, 14), "segmentation\nnetwork", colour=SEM)
    d.picture((117, 22), 11, p["labels"], "labels", colour=SEM)
    d.arrow((14.7, 14), (17.5, 14), (17.5, 22), (21.3, 22), colour=VIS)
    d.arrow((14.7, 14), (17.5, 14), (17.5, 7.5), (21.3, 7.5), colour=VIS)
    d.arrow((14.7, 39), (18, 39), (18, 43.5), (21.3, 43.5), colour=IR)
    d.arrow((14.7, 39), (18, 39), (18, 31), (37.5, 31), (37.5, 25), (40.3, 25), colour=IR)
    d.arrow((34.7, 22), (40.3, 22), colour=VIS)
    d.arrow((25, 27), (25, 38.3), colour=VIS)
    d.arrow((34.7, 43.5), (40.3, 43.5), colour=SEM)
    d.arrow((48.5, 38.8), (48.5, 29.2), colour=SEM)
    d.note((49.5, 34), "semantic features", colour=SEM, ha="left")
    d.arrow((56.7, 22), (61.3, 22))
    d.arrow((74.7, 22), (79.3, 22))
    d.arrow((34.7, 7.5), (77, 7.5), (77, 21.2), colour=VIS)
    d.arrow((92.7, 22), (95.8, 22))
    d.arrow((109.2, 22), (111.3, 22), colour=SEM)
    d.arrow((102.5, 29.2), (102.5, 43.5), (56.8, 43.5), colour=SEM, dashed=True)
    d.note((80, 45.2), "the same encoder", colour=SEM)
    d.arrow((102.5, 14.8), (102.5, 2.5), (48.5, 2.5), (48.5, 14.8), colour=SEM, dashed=True)
    d.note((80, 0.9), "in training: the labels' loss reaches the picture", colour=SEM)
    d.sheet.savefig(out / "how-cascade.png")


def shared(out: Path) -> None:
    """The layout of segmif-lite: one pass of the encoder, a blend of full-resolution pictures."""
    p, d = parts(), Diagram(124, 50)
    d.picture((8, 43), 13, p["infrared"], "infrared A", colour=IR)
    d.picture((8, 25), 13, p["luma"], "luma B", colour=VIS)
    d.picture((8, 7), 13, p["visible"], "visible", colour=VIS)
    d.box((30, 12), (17, 8), "guide in colour,\nA, B: 5 channels", colour=INK)
    d.box((52, 12), (15, 8), "encoder, once\nstages 1 … 4", colour=SEM)
    d.box((30, 34), (17, 10), "two streams\nat stride 4", colour=INK)
    d.box((52, 34), (15, 10), "attention\n(HIA), 2 levels")
    d.box((72, 34), (14.6, 10), "6 coefficients\na place")
    d.box((91, 41), (14, 7), "blend, full\nresolution")
    d.picture((113, 41), 13, p["fused"], "fused RGB")
    d.box((91, 12), (14, 8), "all-MLP\nhead", colour=SEM)
    d.picture((113, 12), 13, p["labels"], "labels", colour=SEM)
    for y, colour in ((43, IR), (25, VIS)):
        d.arrow((14.7, y), (17, y), (17, 34), (21.3, 34), colour=colour)
    d.arrow((14.7, 25), (18.5, 25), (18.5, 12), (21.3, 12), colour=VIS)
    d.arrow((14.7, 7), (18.5, 7), (18.5, 12), (21.3, 12), colour=VIS)
    d.arrow((14.7, 43), (17, 43), (17, 13.5), (21.3, 13.5), colour=IR)
    d.arrow((38.7, 12), (44.3, 12))
    d.arrow((38.7, 34), (44.3, 34))
    d.arrow((52, 16.2), (52, 28.8), colour=SEM)
    d.note((53, 22.5), "stages 1, 2:\nsemantic\nfeatures", colour=SEM, ha="left")
    d.arrow((59.7, 34), (64.5, 34))
    d.arrow((63, 34), (63, 14), (83.8, 14))
    d.note((64, 18.2), "fusion features", colour=INK, ha="left")
    d.arrow((59.7, 10.5), (83.8, 10.5), colour=SEM)
    d.arrow((79.4, 36), (81, 36), (81, 41), (83.8, 41))
    d.arrow((14.7, 46), (91, 46), (91, 44.7), colour=IR)
    d.note((50, 47.5), "A, B, max(A, B), detail of each, at full resolution", colour=INK)
    d.arrow((98.2, 41), (106.3, 41))
    d.arrow((98.2, 12), (106.3, 12), colour=SEM)
    d.note((113, 26.5), "chroma goes around,\nas in the cascade", colour=FAINT)
    d.sheet.savefig(out / "how-shared.png")


def hia(out: Path) -> None:
    """One level of the attention: what asks, what answers, and the shapes."""
    d = Diagram(112, 60)
    lanes = {"ir": (48, IR, "infrared"), "s": (30, SEM, "semantics"), "vi": (12, VIS, "visible")}
    for lane, (y, colour, name) in lanes.items():
        d.note((7, y + 5.3), name, colour=colour, size=10)
        d.box((7, y), (10, 6), f"$x_{{{lane}}}$\nN × C", colour=colour)
        d.box((23, y), (12, 6), "Linear\nC → 2C, ReLU", colour=colour)
        d.arrow((12.2, y), (16.8, y), colour=colour)
    halves = {("ir", "y"): 52, ("ir", "u"): 44, ("s", "y"): 34, ("s", "u"): 26, ("vi", "u"): 16, ("vi", "y"): 8}
    for (lane, half), y in halves.items():
        d.box((39, y), (8, 4.4), f"${half}_{{{lane}}}$", colour=lanes[lane][1])
        d.arrow((29.2, lanes[lane][0]), (32, lanes[lane][0]), (32, y), (34.8, y), colour=lanes[lane][1])
    for name, y, colour in (("ir", 52, SOAM), ("s", 26, MOAM), ("vi", 8, SOAM)):
        d.box((57, y), (14, 5), f"$G_{{{name}}}$: d × d\nper head", colour=colour)
        d.arrow((43.2, y), (49.8, y), colour=colour)
        d.note((46.4, y + 1.5), "K, V", colour=colour)
    answers = {("z", "ir"): (52, SOAM), ("v", "ir"): (44, MOAM), ("v", "vi"): (16, MOAM), ("z", "vi"): (8, SOAM)}
    for (name, lane), (y, colour) in answers.items():
        asks = f"y_s\\,G_{{{lane}}}" if name == "z" else f"u_{{{lane}}}\\,G_s"
        d.box((80, y), (15, 4.4), f"${name}_{{{lane}}} = {asks}$", colour=colour)
    d.arrow((64.2, 52), (72.3, 52), colour=SOAM)
    d.arrow((64.2, 8), (72.3, 8), colour=SOAM)
    d.arrow((43.2, 44), (72.3, 44), colour=MOAM)
    d.arrow((43.2, 16), (72.3, 16), colour=MOAM)
    d.note((46.4, 45.5), "Q", colour=MOAM)
    d.note((46.4, 17.5), "Q", colour=MOAM)
    d.arrow((64.2, 26.6), (68.5, 26.6), (68.5, 42.6), (72.3, 42.6), colour=MOAM)
    d.arrow((64.2, 25.4), (68.5, 25.4), (68.5, 17.4), (72.3, 17.4), colour=MOAM)
    d.arrow((43.2, 34.6), (66.4, 34.6), (66.4, 50.6), (72.3, 50.6), colour=SOAM)
    d.arrow((43.2, 33.4), (66.4, 33.4), (66.4, 9.4), (72.3, 9.4), colour=SOAM)
    d.note((46.4, 35.8), "Q", colour=SOAM)
    for lane, y in (("ir", 48), ("vi", 12)):
        colour = lanes[lane][1]
        d.box((100.5, y), (15.4, 8), "Linear 2C → C\n$+\\ x$, LayerNorm", colour=colour)
        for row in (y + 4, y - 4):
            d.arrow((87.7, row), (90, row), (90, y), (92.6, y), colour=colour)
        d.arrow((100.5, y + (4.2 if y > 30 else -4.2)), (100.5, y + (8.4 if y > 30 else -8.4)), colour=colour)
        d.note((102, y + (7 if y > 30 else -7)), f"$x'_{{{lane}}}$", colour=colour, ha="left", size=11)
    d.note((92, 33.6), "SoAM: semantics ask, modalities answer", colour=SOAM, size=9.5)
    d.note((92, 29.8), "MoAM: modalities ask, semantics answer", colour=MOAM, size=9.5)
    d.note((92, 26), "$G = \\mathrm{softmax}(K^\\top V / \\sqrt{d})$: linear in N", colour=INK, size=9.5)
    d.sheet.savefig(out / "how-hia.png")


def losses() -> np.ndarray:
    """(steps, 2): fusion and segmentation loss of a real run of the recipe segmif-lite."""
    with RUN.open(newline="", encoding="utf-8") as file:
        return np.array([[float(row["fusion"]), float(row["segmentation"])] for row in csv.DictReader(file)])


def task_weights(curves: np.ndarray, temperature: float) -> np.ndarray:
    """(steps,) the weight of the fusion task at each step, as training computes it."""
    weigh, found = DynamicTaskWeights(temperature), []
    for fusion, segmentation in curves:
        found.append(weigh.weights[0])
        weigh.update(fusion=float(fusion), segmentation=float(segmentation))
    return np.array(found)


def smooth(values: np.ndarray, width: int = 41) -> np.ndarray:
    """A running mean; at the ends over what is there."""
    kernel = np.ones(width)
    return np.convolve(values, kernel, "same") / np.convolve(np.ones_like(values), kernel, "same")


def dynamic_weights(out: Path) -> None:
    """Both losses of a run, and the weights that follow from them."""
    curves = losses()
    steps = np.arange(1, len(curves) + 1)
    sheet, ((left, right),) = panels(2, 1, (4.2, 2.9))
    for column, (name, colour) in enumerate((("fusion", INK), ("segmentation", SEM))):
        left.plot(steps, curves[:, column], color=colour, alpha=0.18, linewidth=0.7)
        left.plot(steps, smooth(curves[:, column]), color=colour, linewidth=2, label=name)
    left.set(xlabel="step", ylabel="loss", yscale="log", xlim=(0, len(steps)), ylim=(0.15, 3))
    left.set_yticks([0.2, 0.5, 1, 2], ["0.2", "0.5", "1", "2"])
    left.minorticks_off()
    left.set_title("Losses", loc="left", fontsize=11)
    left.legend(frameon=False)
    weights = task_weights(curves, 2)
    for values, colour, name in ((weights, INK, "fusion"), (2 - weights, SEM, "segmentation")):
        right.plot(steps, values, ".", color=colour, alpha=0.16, markersize=3)
        right.plot(steps, smooth(values), color=colour, linewidth=2, label=f"{name}, T = 2")
    right.plot(steps, task_weights(curves, 1000), color=IR, linewidth=1.2, linestyle="--", label="both, T = 1000")
    right.set(xlabel="step", ylabel="weight", xlim=(0, len(steps)), ylim=(0.6, 1.4))
    right.set_title("Weights of the next step", loc="left", fontsize=11)
    right.legend(frameon=False, ncols=1, loc="upper right", fontsize=9)
    sheet.savefig(out / "how-weights.png")


def attention(out: Path) -> None:
    """What each modality and the semantics put into the fused picture, on the night scene."""
    scene, _, result, maps = night()
    sheet, axes = panels(4, 4, (2.15, 1.9))
    pictures = [("infrared", scene.infrared), ("visible", scene.visible), ("fused", result.fused)]
    for axis, (title, picture) in zip(axes[0], pictures, strict=False):
        axis.imshow(picture, cmap="gray")
        axis.set_title(title, fontsize=10)
    whole = maps.infrared if maps.picture is None else maps.picture
    shown = axes[0, 3].imshow(whole, cmap="coolwarm", vmin=0, vmax=1)
    axes[0, 3].set_title("infrared's share of it", fontsize=10)
    sheet.colorbar(shown, ax=axes[0, 3], ticks=[0, 0.5, 1], shrink=0.8)
    columns = [(number, modality) for number in (1, 2) for modality in ("infrared", "visible")]
    for column, (number, modality) in enumerate(columns):
        level = getattr(maps.levels[number - 1], modality)
        for row, source in enumerate(("own", "soam", "moam"), 1):
            share = getattr(level, source)
            low, high = np.percentile(share, (1, 99))
            axes[row, column].imshow(share, cmap="inferno", vmin=low, vmax=high)
            name = {"own": "own", "soam": "SoAM", "moam": "MoAM"}[source]
            axes[row, column].set_title(f"{name}: {low:.0%} to {high:.0%}", fontsize=10)
        axes[3, column].set_xlabel(
            f"{modality}, level {number}", color=IR if modality == "infrared" else VIS, fontsize=11
        )
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_visible(False)
    sheet.savefig(out / "how-attention.png")


def blend(out: Path) -> None:
    """The six coefficients segmif-lite chooses for the night scene."""
    scene, model, _, _ = night()
    tensors = [torch.from_numpy(x.astype(np.float32) / 255) for x in (scene.infrared, scene.visible)]
    infrared, visible = tensors[0][None, None], tensors[1].permute(2, 0, 1)[None]
    guide = torch.maximum(infrared, rgb_to_ycrcb(visible)[:, :1])
    with torch.inference_mode():
        coefficients = model.network.decide(infrared, visible, guide)[0][0].numpy()
    assert len(coefficients) == BASES
    sheet, axes = panels(3, 2, (2.8, 2.05))
    for axis, name, values, number in zip(axes.flat, BASE_NAMES, coefficients, "₀₁₂₃₄₅", strict=True):
        reach = float(np.abs(np.percentile(values, (1, 99))).max())
        shown = axis.imshow(values, cmap="RdBu_r", vmin=-reach, vmax=reach)
        axis.set_title(f"c{number}: {name}", fontsize=10)
        sheet.colorbar(shown, ax=axis, shrink=0.85)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_visible(False)
    sheet.savefig(out / "how-blend.png")


FIGURES = (cascade, shared, hia, dynamic_weights, attention, blend)

if __name__ == "__main__":
    for draw in FIGURES:
        draw(OUT)
