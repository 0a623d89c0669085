"""Run many fuzz cases and write the table of them into docs/reliability.md: `python tools/fuzz.py --cases 10000`.

The cases are those of tests/test_fuzz.py, which runs the first few; see tests/fuzzing.py for what they are.
A hang in compiled code ends the run with a traceback after two minutes.
"""

from __future__ import annotations

import argparse
import faulthandler
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.fuzzing import Outcome, Target, run_case, targets  # noqa: E402

from segmif.io import write_text  # noqa: E402

PAGE = ROOT / "docs" / "reliability.md"
HANG = 120.0


def run(cases: int, kinds: Sequence[Target], limit: float) -> dict[str, list[Outcome]]:
    """At least `cases` cases, spread evenly; fewer if `limit` seconds pass first."""
    outcomes: dict[str, list[Outcome]] = {target.name: [] for target in kinds}
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="segmif-fuzz-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for case in range(-(-cases // len(kinds))):
            for target in kinds:
                faulthandler.dump_traceback_later(HANG, exit=True)
                outcomes[target.name].append(run_case(target, case, Path(folder)))
            if time.monotonic() - began > limit:
                break
    faulthandler.cancel_dump_traceback_later()
    return outcomes


def table(outcomes: dict[str, list[Outcome]]) -> str:
    """Markdown: what was damaged, and what became of it."""
    lines = [
        "| file | cases | refused in one line | read | tracebacks, hangs, files elsewhere | slowest |",
        "|---|---|---|---|---|---|",
    ]
    total = [outcome for kind in outcomes.values() for outcome in kind]
    for name, kind in [*outcomes.items(), ("**all**", total)]:
        faults, refused = sum(o.fault is not None for o in kind), sum(o.refused for o in kind)
        slowest = max(o.seconds for o in kind)
        read = sum(not o.refused and o.fault is None for o in kind)
        lines.append(f"| {name} | {len(kind)} | {refused} | {read} | {faults} | {slowest * 1000:.0f} ms |")
    return "\n".join(lines)


def fill(name: str, content: str) -> None:
    """Put a table in its place in the page."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    head, there, rest = PAGE.read_text("utf-8").partition(begin)
    _, closed, tail = rest.partition(end)
    assert there, begin
    assert closed, end
    write_text(PAGE, f"{head}{begin}\n\n{content}\n\n{end}{tail}")


def main() -> int:
    """Exit code 1 if a case failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--only", default="", help="part of a kind's name; the page is then left alone")
    parser.add_argument("--limit", type=float, default=3600.0, help="seconds after which no further round begins")
    options = parser.parse_args()
    kinds = [target for target in targets() if options.only in target.name]
    outcomes = run(options.cases, kinds, options.limit)
    print(table(outcomes))
    faults = [o for kind in outcomes.values() for o in kind if o.fault]
    for outcome in faults:
        print(f"{outcome.target}, case {outcome.case}: {outcome.fault}", file=sys.stderr)
    if not options.only:
        fill("fuzz", table(outcomes))
    return 1 if faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
