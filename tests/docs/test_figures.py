"""The figures of the documentation are drawn by the code that is there, from data that are there."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from tests.docs.pages import DOCS, ROOT

pytest.importorskip("matplotlib", reason="figures need the extra bench")

PAGE = (DOCS / "how-it-works.md").read_text("utf-8")
SAME = {"how-hia.png", "how-weights.png"}
"""Those that no weights have a part in: they come out as they lie in the repository."""


@pytest.fixture(scope="module")
def figures() -> Iterator[ModuleType]:
    sys.path.insert(0, str(DOCS / "figures"))
    yield importlib.import_module("how_it_works")
    sys.path.remove(str(DOCS / "figures"))


@pytest.fixture(scope="module")
def drawn(figures: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("figures")
    for draw in figures.FIGURES:
        draw(out)
    return out


def test_the_page_shows_all_that_is_drawn(drawn: Path) -> None:
    shown = set(re.findall(r"images/(how-[\w.-]+)", PAGE))
    assert shown == {path.name for path in drawn.iterdir()}


def test_figures_come_out_as_they_lie_here(drawn: Path) -> None:
    for path in drawn.iterdir():
        new, old = (np.asarray(Image.open(p).convert("RGB")).astype(int) for p in (path, DOCS / "images" / path.name))
        assert new.std() > 10
        assert new.shape == old.shape, f"{path.name}: run python docs/figures/how_it_works.py"
        if path.name in SAME:
            assert np.abs(new - old).mean() < 2, f"{path.name}: run python docs/figures/how_it_works.py"


def test_weights_are_those_training_uses(figures: ModuleType) -> None:
    curves = figures.losses()
    assert curves.shape == (1000, 2)
    weights = figures.task_weights(curves, 2)
    ratios = curves[1] / curves[0]
    expected = 2 * np.exp(ratios / 2) / np.exp(ratios / 2).sum()
    assert weights[:2] == pytest.approx(1)
    assert weights[2] == pytest.approx(expected[0])
    assert np.abs(figures.task_weights(curves, 1000) - 1).max() < 0.01  # "nothing moves that could be seen"
    assert np.abs(figures.smooth(weights) - 1).max() < 0.05  # "within a few hundredths of 1"


def test_pictures_exist_and_ours_are_shown() -> None:
    pages = [*DOCS.glob("**/*.md"), ROOT / "README.md", *DOCS.glob("*.ipynb")]
    shown = set()
    for page in pages:
        for target in re.findall(r"\]\((?!https?:)([^)\s]+\.(?:png|jpg|svg))\)", page.read_text("utf-8")):
            path = (page.parent / target).resolve()
            assert path.is_file(), f"{page.relative_to(ROOT)}: {target}"
            shown.add(path)
    ours = [path for pattern in ("how-*", "serve-*", "gallery/*") for path in (DOCS / "images").glob(pattern)]
    unused = {path.resolve() for path in ours} - shown
    assert not unused, f"pictures no page shows: {sorted(path.name for path in unused)}"
