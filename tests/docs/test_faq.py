"""The answers: twenty of them, whose commands and names exist."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Sequence

import pytest
import typer

from segmif.cli import app
from segmif.labelsets import FMB
from segmif.metrics.protocols import SEGMENTATION_PROTOCOLS
from tests.docs.pages import DOCS, ROOT, code_blocks, commands

PAGE = (DOCS / "faq.md").read_text("utf-8")


def test_there_are_twenty_numbered_questions() -> None:
    numbers = [int(number) for number in re.findall(r"^### (\d+)\. .+\?$", PAGE, flags=re.MULTILINE)]
    assert numbers == list(range(1, 21))


def parse(words: Sequence[str]) -> None:
    """Parse a command without running it; raises where the program would refuse."""
    if words[0] == "train" and len(words) > 1:
        pytest.importorskip("tyro", reason="needs the extra train")
        from segmif.train.options import override

        given = [word for word in words[2:] if word != "--check"]
        if "-o" in given:
            del given[given.index("-o") : given.index("-o") + 2]
        override(words[1], given)
        return
    command, rest = typer.main.get_command(app), list(words)
    while hasattr(command, "commands"):
        command = command.commands[rest.pop(0)]
    command.make_context("segmif", rest)


@pytest.mark.parametrize("words", list(commands(PAGE)), ids=" ".join)
def test_every_command_is_one_the_program_understands(words: Sequence[str]) -> None:
    parse(words)


@pytest.mark.parametrize("line", ["fuse a b -o out --gide visible", "rig registr a b", "train fast --joint.bach 3"])
def test_a_misspelt_command_is_noticed(line: str) -> None:
    with pytest.raises(Exception, match=r"(?i)no such option|registr|unknown option"):
        parse(line.split())


@pytest.mark.parametrize("block", code_blocks(PAGE, "python"))
def test_names_used_in_python_exist(block: str) -> None:
    modules = {}
    for node in ast.walk(ast.parse(block)):
        if isinstance(node, ast.ImportFrom):
            assert node.module is not None
            for alias in node.names:
                assert hasattr(importlib.import_module(node.module), alias.name)
        elif isinstance(node, ast.Import):
            modules.update({alias.name: importlib.import_module(alias.name) for alias in node.names})
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            assert hasattr(modules[node.value.id], node.attr)


def test_named_files_exist() -> None:
    files = re.findall(r"`(src/[^`]+)`", PAGE)
    assert files
    assert not [file for file in files if not (ROOT / file).is_file()]


def test_the_table_of_ids_is_the_label_set() -> None:
    cells = re.findall(r"(?<=\| )(\d+) \| ([a-z ]+) \| (\d+), (\d+), (\d+) (?=\|)", PAGE)
    table = {int(i): (name, (int(r), int(g), int(b))) for i, name, r, g, b in cells}
    assert table == dict(enumerate(zip(FMB.classes, FMB.palette, strict=True)))


def test_the_protocols_of_fmb_are_all_there() -> None:
    named = set(re.findall(r"^\| `(fmb[^`]*)` \|", PAGE, flags=re.MULTILINE))
    assert named == {name for name in SEGMENTATION_PROTOCOLS if name.startswith("fmb")}
