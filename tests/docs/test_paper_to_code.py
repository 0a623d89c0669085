"""The map from the paper to the code: every named file and symbol exists, and nothing of the paper is missing."""

from __future__ import annotations

import ast
import re

import pytest

from tests.docs.pages import DOCS, ROOT

PAGE = (DOCS / "paper-to-code.md").read_text("utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.endswith("| File | Name |")]
PLACE = re.compile(r"\| `(src/segmif/[^`]+\.py)` \| `([A-Za-z_][\w.]*)` \|$")
DEFINITIONS = (ast.FunctionDef, ast.ClassDef)


def defined(body: list[ast.stmt], name: str) -> ast.stmt | None:
    """The statement that defines a function, class, constant or field of that name."""
    for statement in body:
        if isinstance(statement, DEFINITIONS) and statement.name == name:
            return statement
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return statement
    return None


def exists(file: str, name: str) -> bool:
    """Whether `file` itself, not something it imports, defines the dotted `name`."""
    path = ROOT / file
    if not path.is_file():
        return False
    body = ast.parse(path.read_text("utf-8")).body
    for part in name.split("."):
        found = defined(body, part)
        if found is None:
            return False
        body = found.body if isinstance(found, DEFINITIONS) else []
    return True


def test_every_row_names_a_file_and_a_symbol() -> None:
    assert len(ROWS) > 50
    assert not [row for row in ROWS if PLACE.search(row) is None]


@pytest.mark.parametrize("row", ROWS)
def test_the_symbol_is_defined_in_the_file(row: str) -> None:
    place = PLACE.search(row)
    assert place is not None
    file, name = place.groups()
    assert exists(file, name), f"{file} defines no {name}: mend docs/paper-to-code.md"


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("src/segmif/models/nowhere.py", "SegMiF"),
        ("src/segmif/models/segmif.py", "SegMiF.fly"),
        ("src/segmif/models/segmif.py", "BlendNetwork"),  # imported there, defined elsewhere
    ],
)
def test_what_is_not_there_is_noticed(file: str, name: str) -> None:
    assert not exists(file, name)


def test_figures_losses_and_training_of_the_paper_are_there() -> None:
    for topic in ("Figure 2", "Figure 3", "MoAM", "SoAM", "DRDB", "SSIM", "Sobel", "softmax", "7 rounds", "FMB"):
        assert topic in PAGE
