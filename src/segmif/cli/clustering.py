"""`segmif fuse` in jobs: tar shards, here or on a Ray cluster, and folders of pictures on a cluster."""

from __future__ import annotations

import itertools
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from segmif.checks import InputError, InputWarning, unknown
from segmif.claims import claim
from segmif.cli.fusing import Account, Places, Request, close, find_align
from segmif.cli.progress import Progress, progress
from segmif.data.shards import is_shard, list_shards
from segmif.infer import load
from segmif.infer.cluster import Cluster, Recipe, run_jobs
from segmif.infer.jobs import Job, Options, PairTask, Report, absolute, pair_jobs, shard_jobs
from segmif.streams import PairStream, open_pairs

ENGINES = ("local", "ray")
_MOST_PAIRS = 16
"""Of a job: little is lost with a worker, and handing jobs out costs nothing beside them."""
_JOBS = 64
"""Of a small folder, so that all workers end at about the same time."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """Where the work is done; all but `name` are for "ray"."""

    name: str = "local"
    address: str | None = None
    workers: int | None = None
    threads: int | None = None


def in_jobs(request: Request, engine: Engine) -> bool:
    """Whether the request is for `run` here; everything else is a stream.

    Raises:
        InputError: no such engine, or options of another one.
    """
    if engine.name not in ENGINES:
        raise unknown("engine", engine.name, ENGINES)
    if engine.name == "local" and (engine.address or engine.workers or engine.threads):
        raise InputError("--address, --workers and --threads are for --engine ray: add it, or leave them out")
    if request.visible is not None and is_shard(Path(request.infrared)):
        raise InputError(f"{request.infrared}: tar shards hold both bands; give them alone, without a visible one")
    return request.visible is None or engine.name == "ray"


def run(request: Request, engine: Engine) -> int:
    """Fuse in jobs; the exit code.

    Raises:
        InputError: options that do not go together, or what `open_pairs`, `list_shards` and `run_jobs` say.
    """
    if request.max_latency is not None or request.stabilise or request.flicker:
        raise InputError("--max-latency, --stabilise and --flicker are for videos and cameras: leave them out")
    shards = _shards(request) if request.visible is None else []
    pairs = None if request.visible is None else _pairs(request, request.visible)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InputWarning)  # said once each by `Account.note`
        warnings.filterwarnings("ignore", module="PIL")
        work = _Work(request, engine)
        return work.do_shards(shards) if pairs is None else work.do_pairs(pairs)


def _shards(request: Request) -> list[Path]:
    if request.limit is not None or request.recursive:
        raise InputError("--limit and --recursive are for folders of pictures; with tar shards leave them out")
    if is_shard(request.out) and not request.out.is_dir():
        raise InputError(f"{request.out}: give a folder for the results; their shards are named like the ones given")
    path = Path(request.infrared)
    if path.is_dir() and not any(map(is_shard, path.iterdir())):
        raise InputError(f"{path}: holds no tar shards; give the infrared and the visible folder, or shards of pairs")
    if path.is_file() and not is_shard(path):
        raise InputError(f"{path}: is no tar shard; give the infrared and the visible file, or shards of pairs")
    return list_shards(path)


def _pairs(request: Request, visible: str) -> PairStream:
    pairs = open_pairs(request.infrared, visible, recursive=request.recursive)
    if pairs.rate is not None:
        raise InputError("--engine ray is for folders of pictures and tar shards; fuse videos and cameras without it")
    return pairs


class _Work:
    """A request with its model."""

    def __init__(self, request: Request, engine: Engine) -> None:
        self.request, self.engine = request, engine
        here = engine.name == "local"
        # The workers of a cluster load it themselves: here it tells what it gives, and that it can be had.
        device, dtype = (request.device, request.dtype) if here else ("cpu", "float32")
        self.model = load(request.model, device=device, dtype=dtype, backend=request.backend if here else None)
        self.options = Options(
            outputs=tuple(o for o in request.outputs if self.model.classes or o not in ("labels", "overlay")),
            guide=_same_anywhere(request.guide),
            align=find_align() if request.align else None,
            resume=request.resume,
            batch_size=request.batch_size,
            readers=2 if here else 1,
        )

    def do_pairs(self, pairs: PairStream) -> int:
        """Folders of pictures; the exit code."""
        places = Places(self.request, pairs)
        with claim(places.folder, shared=True, below=self.request.recursive):
            return self._do_pairs(pairs, places)

    def _do_pairs(self, pairs: PairStream, places: Places) -> int:
        tasks = list(self._limited(self._tasks(pairs, places), places))
        jobs = pair_jobs(tasks, size=max(1, min(_MOST_PAIRS, len(tasks) // _JOBS)))
        with progress("fusing", len(tasks)) as bar:
            for note in pairs.notes:
                bar.say(f"segmif: warning: {note}")
            return self._account(jobs, places.folder, bar, pieces=Report.count)

    def _tasks(self, pairs: PairStream, places: Places) -> Iterator[PairTask]:
        for pair in pairs:
            infrared, visible = pair.files
            outputs = {output: absolute(places.path(pair.name, output)) for output in self.options.outputs}
            yield PairTask(name=pair.name, files=(absolute(infrared), absolute(visible)), outputs=outputs)

    def _limited(self, tasks: Iterator[PairTask], places: Places) -> Iterator[PairTask]:
        """Without a limit the workers find out what is finished, which takes long for many."""
        if self.request.limit is None:
            return tasks
        wanted = self.options.outputs
        todo = (t for t in tasks if not (self.request.resume and places.finished(t.name, wanted, t.files)))
        return itertools.islice(todo, self.request.limit)

    def do_shards(self, shards: Sequence[Path]) -> int:
        """Tar shards; the exit code."""
        jobs = shard_jobs(shards, self.request.out)
        with claim(self.request.out, shared=True) as folder, progress("fusing shards", len(jobs)) as bar:
            return self._account(jobs, folder, bar, pieces=lambda _: 1)

    def _account(self, jobs: Sequence[Job], folder: Path, bar: Progress, *, pieces: Callable[[Report], int]) -> int:
        account, start = Account(), time.monotonic()
        with closing(self._reports(jobs, folder)) as reports:
            for report in reports:
                account.done += report.done
                account.skipped += report.skipped
                for note, (name, count) in report.notes.items():
                    account.note(name, note, bar, count=count)
                for name, why in report.failed:
                    account.fail(name, InputError(why), bar)
                for _ in range(pieces(report)):
                    bar.advance()
        return close(account, folder, time.monotonic() - start)

    def _reports(self, jobs: Sequence[Job], folder: Path) -> Generator[Report]:
        if self.engine.name == "local":
            yield from (job.run(self.model, self.options) for job in jobs)
            return
        request, engine = self.request, self.engine
        recipe = Recipe(
            model=_same_anywhere(request.model), device=request.device, dtype=request.dtype, backend=request.backend
        )
        cluster = Cluster(address=engine.address, workers=engine.workers, threads=engine.threads or 1)
        given = (request.infrared, request.visible, recipe.model, self.options.guide)
        shared = [Path(each) for each in given if each is not None and Path(each).exists()]
        for _, report in run_jobs(jobs, recipe, self.options, cluster, folder=folder, shared=shared):
            yield report


def _same_anywhere(given: str | None) -> str | None:
    """A path that is there means the same file in every process; anything else is a name."""
    return str(absolute(Path(given))) if given is not None and Path(given).exists() else given
