"""What is wrong with a data set, as a list: every finding is collected, none stops the search for the next."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from segmif.checks import InputError

Severity = Literal["error", "warning"]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One finding.

    `kind` is a short stable word (``"no-partner"``), `where` the file or sample, `message` one line with the remedy.
    An ``error`` makes a sample unusable or a score wrong; a ``warning`` is worth knowing.
    """

    kind: str
    where: str
    message: str
    severity: Severity = "error"

    def line(self) -> str:
        """One line for a terminal."""
        return f"{self.severity}: {self.where}: {self.message}"

    def as_dict(self) -> dict[str, str]:
        """Plain values, for JSON."""
        return asdict(self)


def errors(problems: list[Problem]) -> list[Problem]:
    """Only the findings that make something unusable."""
    return [problem for problem in problems if problem.severity == "error"]


def raise_first(problems: list[Problem], *, advice: str = "") -> None:
    """Raise `InputError` with the first error, how many more there are, and `advice`; nothing if there is none."""
    found = errors(problems)
    if not found:
        return
    more = f" (and {len(found) - 1} more{advice})" if len(found) > 1 else ""
    raise InputError(f"{found[0].where}: {found[0].message}{more}")
