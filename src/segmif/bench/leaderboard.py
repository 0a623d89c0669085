"""The page docs/leaderboard.md, in one command: ``python -m segmif.bench.leaderboard --root DATA``.

DATA is a folder with msrs, roadscene, tno and cwfid (msrs:val are the hand-labelled pairs of its test split). All
classic methods and all shipped models are compared; scores and fused pictures are kept, so a second run computes what
changed. Only numbers enter the page, no picture.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from segmif.bench.measure import default_workers
from segmif.bench.report import ReportFiles, write_report
from segmif.bench.run import Advance, Progress, Settings, run_benchmark, silent
from segmif.bench.tables import Document, markdown
from segmif.io import write_text
from segmif.models import weights

DATASETS = ("msrs:test", "msrs:val", "roadscene:test", "tno:test", "cwfid:test")
CLASSES = ("road", "building", "vegetation", "person", "car")
"""Classes of the segmentation mIoU on road scenes; on data without them all classes count."""
_DOUBLE = {"fusion": ("msrs:val", "msrs:test"), "segmentation": ("msrs:test", "msrs:val")}
"""Tables the page leaves out where it has the second. The labelled pairs of msrs:test are msrs:val, on which weights
are chosen: they are called what they are, and fusion is compared on the test pairs."""

_HEAD = """# Leaderboard

Measured by segmif {version} on {date} with `python -m segmif.bench.leaderboard --root DATA`;
{machine}.

- **Fusion**: textbook definitions on grey ([metrics](metrics.md)), mean over pairs of the 8-bit pictures as saved.
  Each classic method fuses the luma and keeps the chroma of the visible picture. No single number is quality: the mean
  rank only sorts the table, and metrics of F alone (EN, SD, SF, AG) also reward noise.
- **Segmentation**: labels drawn by people; pooled IoU. Road scenes: mean over road, building, vegetation, person, car
  (FMB ids), on the hand-labelled pairs of MSRS, which are the validation pairs: checkpoints of our models were chosen
  on them; crop and weed: all classes. The band leaves out 5 px about label boundaries, where the two cameras of
  MSRS disagree.
- **Published** rows are copied from papers: other code, other grey conversion, sometimes other pairs. They are not
  ranked.
"""


def default_methods() -> list[str]:
    """Shipped models and classic methods; models of roads and the model of crop and weed only where they belong."""
    roads = "msrs,roadscene,tno"
    models = [f"{name}@{'cwfid' if name.endswith('cwfid') else roads}" for name in weights.SHIPPED]
    return [*models, "classic"]


def leaderboard(document: Document) -> str:
    """The page as Markdown, from a benchmark's document."""
    hardware = document["machine"]
    described = f"{hardware['processor']}, {hardware['accelerator'] or 'no accelerator'}"
    head = _HEAD.format(version=document["versions"]["segmif"], date=document["made"][:10], machine=described)
    data = [
        f"| {info['title']} | {info['pairs']} | {info['citation']} | {info['licence']} | `{info['hash'][:12]}` |"
        for info in document["datasets"].values()
    ]
    table = "\n".join(["| data set | pairs | cite | licence | hash |", "|---|---:|---|---|---|", *data])
    failures = [f"- {f['dataset']}, {f['method']}, {f['image']}: {f['error']}" for f in document["failures"]]
    lost = "\n".join(["## What could not be measured", "", *failures, ""]) if failures else ""
    return "\n".join([head, markdown(_of_page(document)), "## Data", "", table, "", lost]).rstrip() + "\n"


def _of_page(document: Document) -> Document:
    """The document without the tables that would show the same pairs twice."""
    kept = {
        part: {key: table for key, table in document[part].items() if key != left_out or instead not in document[part]}
        for part, (left_out, instead) in _DOUBLE.items()
    }
    return {**document, **kept}


def make_leaderboard(settings: Settings, out: Path, report: Path, *, progress: Progress = silent) -> Document:
    """Run the benchmark, write its report (with pictures) to the folder `report` and the page to `out`."""
    files = ReportFiles.of(report)
    result = run_benchmark(settings, files.cache, progress=progress)
    write_report(result, files)
    write_text(out, leaderboard(result.document).replace(f"{settings.root}/", ""))  # nobody needs our paths
    return result.document


def _plain(what: str, total: int | None) -> AbstractContextManager[Advance]:
    """A line when a piece of work begins."""
    print(f"{what}: {total}", flush=True)
    return nullcontext(_Quiet())


class _Quiet:
    def advance(self) -> None:
        pass


def main(argv: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="Make docs/leaderboard.md.")
    parser.add_argument("--root", type=Path, required=True, help="folder with the data sets")
    parser.add_argument("--out", type=Path, default=Path("docs/leaderboard.md"))
    parser.add_argument("--report", type=Path, default=Path("out/leaderboard"), help="folder for report and cache")
    parser.add_argument("--datasets", nargs="+", default=list(DATASETS))
    parser.add_argument("--methods", nargs="+", default=default_methods())
    parser.add_argument("--limit", type=int, help="so many pairs of each data set at most")
    parser.add_argument("--workers", type=int, default=default_workers())
    parser.add_argument("--device", default="auto")
    given = parser.parse_args(argv)
    settings = Settings(
        datasets=given.datasets,
        methods=given.methods,
        root=given.root,
        classes=CLASSES,
        limit=given.limit,
        workers=given.workers,
        device=given.device,
    )
    make_leaderboard(settings, given.out, given.report, progress=_plain)
    print(f"wrote {given.out}; report with pictures: {ReportFiles.of(given.report).html}")


if __name__ == "__main__":
    main()
