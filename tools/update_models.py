"""Write docs/models.md from the records and cards of the shipped weights: python tools/update_models.py"""

from __future__ import annotations

import re
from pathlib import Path

from safetensors import safe_open

from segmif.io import write_text
from segmif.models.config import EfficientNetConfig, MiTConfig, SegMiFConfig
from segmif.models.store import read_config
from segmif.models.weights import SHIPPED, SHIPPED_FOLDER, ModelRecord

PAGE = Path(__file__).parents[1] / "docs" / "models.md"

_HEAD = """# Models

<!-- Written by tools/update_models.py from the shipped records and cards; edit those. -->

What this version ships. `segmif models` prints the same list; `segmif.load()` and `segmif fuse` take the first one
unless told otherwise:

```sh
segmif fuse ir/ vis/ -o out/ --model NAME
```

`NAME` is one of these, the folder of a model you trained ([Training](training.md)), or a Hugging Face Hub id.
Weights are half-precision safetensors, checked against their SHA-256 when loaded. Each model lies beside its card in
`src/segmif/weights/NAME`, with pictures of what it makes of the scenes of `segmif demo` and of what it takes for what;
more pictures: [Gallery](gallery.md)."""

_SCORES = """## Scores side by side

Measured by `tools/ship_weights.py` with the shipped weights, by the plain definitions of [Metrics](metrics.md).
`pairs` is how many pairs a mean is over: where it differs, compare with care. A dash: not measured."""

_LAYOUTS = {
    "cascade": "the paper's: semantic features of a guide, fusion at full resolution, labels of the fused picture",
    "shared": "one pass of the encoder over the pair guides the fusion and gives the labels",
}
"""What `SegMiFConfig.layout` means, in a line."""
_GROUP = re.compile(r"(.+ (?:train|val|test)|\S+) (.+)")
"""Data set, with its split if it says so, and metric."""


def page() -> str:
    """The whole page; models in the order of `SHIPPED`, the default first."""
    parts = [_HEAD, _overview(), _SCORES, *_comparisons(), *map(_section, SHIPPED.values())]
    return "\n\n".join(parts) + "\n"


def _overview() -> str:
    rows = [["model", "size", "parameters", "layout", "encoder", "classes", "guide"]]
    for name, record in SHIPPED.items():
        config = _config(record)
        classes = (
            f"{config.num_classes} ({config.label_set.name})" if config.label_set else f"{config.num_classes or '–'}"
        )
        size = f"{(SHIPPED_FOLDER / record.file).stat().st_size / 1e6:.1f} MB"
        rows.append(
            [f"[{name}](#{name})", size, _parameters(record), config.layout, _encoder(config), classes, config.guide]
        )
    return _table(rows)


def _comparisons() -> list[str]:
    """A table for every data set that any model was measured on."""
    groups: dict[str, dict[str, None]] = {}
    for record in SHIPPED.values():
        for score in record.scores:
            data, metric = _split(score)
            groups.setdefault(data, {})[metric] = None
    tables = []
    for data, metrics in groups.items():
        rows = [["model", *metrics]]
        for name, record in SHIPPED.items():
            scores = [record.scores.get(f"{data} {metric}") for metric in metrics]
            if any(score is not None for score in scores):
                rows.append([name, *map(_number, scores)])
        tables.append(f"### {data}\n\n{_table(rows)}")
    return tables


def _section(record: ModelRecord) -> str:
    """What the card says apart from its scores and pictures, and what the configuration adds."""
    card = (SHIPPED_FOLDER / record.name / "README.md").read_text("utf-8")
    about, *sections = re.split(r"^## ", card, flags=re.MULTILINE)
    about = re.sub(r"^!\[.*\n\n", "", about.split("\n", 1)[1].strip(), flags=re.MULTILINE)
    layout = _config(record).layout
    details = [f"- **Layout**: {layout}, {_LAYOUTS[layout]}", f"- **SHA-256**: `{record.sha256}`"]
    rest = [_demoted(section) for section in sections if not section.startswith("Scores")]
    return "\n\n".join([f"## {record.name}", f"{about}\n" + "\n".join(details), *rest])


def _demoted(section: str) -> str:
    title, _, text = section.strip().partition("\n")
    return f"**{title}.** {text.strip()}"


def _config(record: ModelRecord) -> SegMiFConfig:
    return SegMiFConfig.from_dict(read_config(SHIPPED_FOLDER / record.config))


def _encoder(config: SegMiFConfig) -> str:
    if isinstance(config.encoder, EfficientNetConfig):
        return f"EfficientNet-{config.encoder.variant.capitalize()}"
    if isinstance(config.encoder, MiTConfig):
        return f"Mix Transformer, depths {'-'.join(map(str, config.encoder.depths))}"
    return "–"


def _parameters(record: ModelRecord) -> str:
    """Numbers that were learnt: statistics of batch normalisation are not counted."""
    count = 0
    with safe_open(SHIPPED_FOLDER / record.file, framework="np") as tensors:
        for key in tensors.keys():  # noqa: SIM118 - a file, no mapping
            if key.endswith(("running_mean", "running_var", "num_batches_tracked")):
                continue
            size = 1
            for side in tensors.get_slice(key).get_shape():
                size *= side
            count += size
    return f"{count / 1e6:.2f} M"


def _split(score: str) -> tuple[str, str]:
    found = _GROUP.fullmatch(score)
    assert found is not None, f"the score {score!r} names no data set"
    return found.group(1), found.group(2)


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if value == int(value) else f"{value:.4g}" if abs(value) >= 1 else f"{value:.3f}"


def _table(rows: list[list[str]]) -> str:
    head, *body = (f"| {' | '.join(row)} |" for row in rows)
    return "\n".join([head, "|---" * len(rows[0]) + "|", *body])


if __name__ == "__main__":
    write_text(PAGE, page())
