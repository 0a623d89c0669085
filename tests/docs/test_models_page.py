"""docs/models.md says what is shipped."""

from __future__ import annotations

import runpy

from segmif.models.weights import SHIPPED
from tests.docs.pages import DOCS, ROOT

TOOL = runpy.run_path(str(ROOT / "tools" / "update_models.py"))


def test_the_page_is_up_to_date() -> None:
    written = (DOCS / "models.md").read_text("utf-8")
    assert written == TOOL["page"](), "weights or cards have changed: run python tools/update_models.py"


def test_every_model_has_its_section_and_all_its_scores() -> None:
    page = TOOL["page"]()
    for name, record in SHIPPED.items():
        assert f"\n## {name}\n" in page
        assert record.data in page
        for score, value in record.scores.items():
            data, metric = TOOL["_split"](score)
            table = page.split(f"\n### {data}\n")[1].split("\n#")[0].strip().splitlines()
            columns = table[0].strip("| ").split(" | ")
            row = next(line for line in table if line.startswith(f"| {name} |")).strip("| ").split(" | ")
            shown = float(row[columns.index(metric)])
            assert abs(shown - value) <= max(5e-4, 5e-4 * abs(value)) + 1e-9  # four digits, or three after the point


def test_limits_are_told() -> None:
    assert TOOL["page"]().count("**Limits.**") == len(SHIPPED)
