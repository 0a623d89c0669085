"""Runs the code of a page as a reader would: block after block, in one folder, and compares what it prints.

- ``sh`` blocks hold `segmif` commands, run in this process; `pip install` lines are passed over, others refused.
- ``python`` blocks share their names.
- A ``text`` block is what the block before it prints. Numbers with a decimal point may be others (machines and weights
  differ), and so may widths of tables; "…" stands for anything; all else must be there, in that order.
- A comment ``<!-- CI: `old` -> `new` -->`` before a block replaces a text in it, to make it small enough for CI.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from segmif import cli

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!-- CI: (.*?) -->", flags=re.DOTALL)
_CHANGE = re.compile(r"`([^`]+)` -> `([^`]+)`")
_RULES = re.compile(r"[\s\u2500-\u257f]+")
"""White space and the lines of tables."""


@dataclass
class Block:
    """A piece of code, what CI changes in it, and what it promises to print (None: nothing is said)."""

    language: str
    code: str
    changes: list[tuple[str, str]] = field(default_factory=list)
    promised: str | None = None

    @property
    def small(self) -> str:
        """The code as CI runs it."""
        code = self.code
        for old, new in self.changes:
            assert old in code, f"the comment for CI changes {old!r}, which is not in:\n{code}"
            code = code.replace(old, new)
        return code


def blocks(page: str) -> list[Block]:
    """The code of a page, in order."""
    found: list[Block] = []
    end = 0
    for match in _FENCE.finditer(page):
        language, code = match.groups()
        if language == "text":
            assert found, "a text block promises what the block before it prints"
            found[-1].promised = code
        elif language in ("sh", "python"):
            comments = _COMMENT.findall(page[end : match.start()])
            found.append(Block(language, code, [c for text in comments for c in _CHANGE.findall(text)]))
        end = match.end()
    return found


def run(block: Block, names: dict[str, Any]) -> str:
    """Run a block in the current folder; what it printed, to either stream."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        if block.language == "python":
            exec(compile(block.small, "<page>", "exec"), names)
        else:
            for words in _commands(block.small):
                assert cli.main(words) == 0, f"segmif {shlex.join(words)}\n{printed.getvalue()}"
    return printed.getvalue()


def _commands(code: str) -> Iterator[list[str]]:
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["segmif"]:
            yield words[1:]
        else:
            assert not words or words[:2] == ["pip", "install"], f"only segmif commands are run: {line}"


def check(printed: str, promised: str) -> None:
    """Fail if something else was promised; see the top of this file."""
    assert _pattern(promised).search(_RULES.sub(" ", printed)), f"promised:\n{promised}\nprinted:\n{printed}"


def _pattern(promised: str) -> re.Pattern[str]:
    text = re.escape(_RULES.sub(" ", promised).strip())
    text = text.replace("\\ ", " ").replace("…", ".*?")
    return re.compile(re.sub(r"\d+\\\.\d+", r"\\d+\\.\\d+", text))


def run_page(path: Path) -> None:
    """Run every block of a page in the current folder and hold it to its promises."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(path.read_text("utf-8")):
        printed = run(block, names)
        if block.promised is not None:
            check(printed, block.promised)
