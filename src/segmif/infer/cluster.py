"""Jobs done by the workers of a Ray cluster (extra ``ray``): nothing is lost with a worker that dies.

Ray Data hands jobs to workers, each a process with a model of its own, and the job of a worker that dies to another. A
job is whole or absent (`segmif.infer.jobs`), so doing one twice does no harm. Ray would begin a job that kills its
worker for ever; a ledger that outlives the workers counts how often each was begun. After the first time its pairs are
taken one by one and counted too, so that a pair that kills workers costs only itself.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from segmif._version import __version__
from segmif.checks import InputError, InputWarning, require_extra
from segmif.infer.jobs import DIED, Job, Options, Report, absolute
from segmif.infer.pipeline import Model, load
from segmif.io import write_bytes

_SECONDS_TO_ANSWER = 5.0
_TRIES = 50
"""Of a job, whatever the reason; two go to each pair that kills, the rest is for machines that are taken away."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The model every worker loads; arguments of `segmif.load`."""

    model: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    backend: str | None = None


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Where the work is done.

    Attributes:
        address: HOST:PORT of a cluster's head, or "auto" for one that runs on this machine; None: that of
            ``RAY_ADDRESS``, else one that runs here, else a new one of this machine's cores.
        workers: processes; None: one per GPU if they use GPUs, else as many as the cores allow.
        threads: CPU cores per worker.
    """

    address: str | None = None
    workers: int | None = None
    threads: int = 1


@dataclass(frozen=True)
class _Answer:
    """Of a worker: a report, or why the whole run must end."""

    job: int
    report: Report = field(default_factory=Report)
    fatal: str | None = None


class Ledger:
    """How often each job was begun, and at which pairs its process died; on the cluster an actor of its own."""

    def __init__(self) -> None:
        self._begun: Counter[int] = Counter()
        self._at: dict[int, str] = {}
        self._deaths: Counter[tuple[int, str]] = Counter()

    def begin(self, job: int) -> int:
        """A job begins; how often it had begun before."""
        if job in self._at:  # where it was when it ended without a word
            self._deaths[job, self._at.pop(job)] += 1
        self._begun[job] += 1
        return self._begun[job] - 1

    def deaths(self, job: int, pair: str) -> int:
        """A pair of a job begins; how often a process died at it."""
        self._at[job] = pair
        return self._deaths[job, pair]


class Worker:
    """Runs in a process of its own, perhaps on another machine; Ray Data calls it with batches of one job.

    Args:
        recipe: the model to load with the first job.
        options: how to do jobs.
        threads: CPU cores it may use.
        ledger: the actor.
    """

    def __init__(self, recipe: Recipe, options: Options, threads: int, ledger: Any) -> None:
        self._recipe, self._options, self._threads, self._ledger = recipe, options, threads, ledger
        self._model: Model | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        """Ray Data's batch of jobs to answers, both pickled."""
        return {"answer": [pickle.dumps(self.do(*pickle.loads(row))) for row in batch["job"]]}

    def do(self, number: int, job: Job) -> _Answer:
        """One job."""
        before = self._ask("begin", number)
        if before >= _TRIES:
            return _Answer(number, Report(failed=[(job.name, DIED)]))
        try:
            if self._model is None:
                self._model = self._load()
            return _Answer(
                number, job.run(self._model, self._options, partial(self._ask, "deaths", number) if before else None)
            )
        except InputError as error:
            return _Answer(number, fatal=str(error))

    def _ask(self, method: str, *arguments: Any) -> int:
        import ray

        return int(ray.get(getattr(self._ledger, method).remote(*arguments)))

    def _load(self) -> Model:
        import cv2
        import torch

        torch.set_num_threads(self._threads)
        cv2.setNumThreads(self._threads)
        warnings.simplefilter("ignore", InputWarning)  # notes travel with the reports
        r = self._recipe
        return load(r.model, device=r.device, dtype=r.dtype, backend=r.backend)


def run_jobs(
    jobs: Sequence[Job],
    recipe: Recipe,
    options: Options,
    cluster: Cluster,
    *,
    folder: Path,
    shared: Sequence[Path] = (),
) -> Iterator[tuple[Job, Report]]:
    """Do jobs with Ray Data; each with its report, in the order they are done.

    Args:
        jobs: they are small objects; what they read and write must be the same files on all machines.
        recipe: the model.
        options: how to do them.
        cluster: where.
        folder: for the results; every machine is asked, before any work, whether it sees what is written there.
        shared: other files and folders that every machine must see.

    Raises:
        InputError: the cluster cannot be reached, is too small, or breaks down; a machine of it lacks segmif or a
            shared file; the model cannot be loaded, or an output not be written.
        MissingExtraError: Ray is not installed.
    """
    ray = require_extra("ray", "ray")
    require_extra("ray.data", "ray")
    if not jobs:
        return
    with _connection(ray, cluster):
        with _probe(folder) as probe:
            _check_machines(ray, folder, probe, shared)
        workers, gpus = _places(ray.cluster_resources(), recipe, cluster)
        placed = replace(recipe, device="cuda" if gpus else "cpu")
        numbered = list(enumerate(jobs))
        try:
            for answer in _answers(ray, numbered, placed, options, cluster.threads, min(workers, len(jobs)), gpus):
                if answer.fatal is not None:
                    raise InputError(answer.fatal)
                yield jobs[answer.job], answer.report
        except ray.exceptions.RayTaskError:  # an error in our own code: it shall be seen whole
            raise
        except ray.exceptions.RayError as error:
            reason = str(error).partition("\n")[0]
            raise InputError(f"the cluster broke down ({reason}); what is done is kept, resume when it runs") from error


@contextmanager
def _connection(ray: ModuleType, cluster: Cluster) -> Iterator[None]:
    """Be part of the cluster, unless the caller's process already is part of one."""
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # what users should know, they are told by us
    address = cluster.address or os.environ.get("RAY_ADDRESS")
    if address is None:
        os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's 15 would starve workers beside anything else
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # pictures are nobody's business, nor is their number
        cores = max(os.cpu_count() or 1, (cluster.workers or 1) * cluster.threads)
        wanted = {"address": "local", "num_cpus": cores, "include_dashboard": False}
    else:
        _knock(address)
        wanted = {"address": address}
    try:
        with _hushed():
            ray.init(**wanted, log_to_driver=False, logging_level="ERROR")
    except Exception as error:  # Ray raises plain ones, too
        reason = str(error.__cause__ or error).strip().splitlines()[-1]
        if address is None:
            raise InputError(f"Ray cannot be started here ({reason}); is the machine overloaded? Try again") from error
        raise InputError(
            f"the cluster at {address} cannot be joined ({reason}); check that it runs and has this Ray, "
            f"{ray.__version__}, and that RAY_AUTH_TOKEN holds its token if it wants one"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _hushed() -> Iterator[None]:
    """Standard error closed to what is not Python: Ray writes there how it logs."""
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nothing:  # noqa: PTH123
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _knock(address: str) -> None:
    """Fail at once where Ray would try for a minute.

    Raises:
        InputError: nobody answers there, or it is no address.
    """
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        raise InputError(f"cluster address {address!r}: expected HOST:PORT (of 'ray start --head') or auto")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_SECONDS_TO_ANSWER).close()
    except (OSError, OverflowError) as error:
        raise InputError(
            f"the cluster at {address} does not answer ({error}); check the address or run 'ray start --head' there"
        ) from error


@contextmanager
def _probe(folder: Path) -> Iterator[Path]:
    """A new file in the folder: another machine's folder of the same name does not hold it."""
    path = absolute(folder) / f".segmif.{socket.gethostname()}.{os.getpid()}.probe"
    write_bytes(path, b"segmif asks the machines of a cluster whether they see this file\n")
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _check_machines(ray: ModuleType, folder: Path, probe: Path, shared: Sequence[Path]) -> None:
    """Ask every machine of the cluster whether it can do the work.

    Raises:
        InputError: the first one that cannot, and why.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    examine = ray.remote(num_cpus=0, max_retries=0)(_examine)
    nodes = [node for node in ray.nodes() if node["Alive"]]
    paths = [str(absolute(path)) for path in (probe, *shared)]
    asked = [
        (node["NodeManagerHostname"], examine.options(scheduling_strategy=strategy).remote(paths))
        for node in nodes
        for strategy in [NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)]
    ]
    for host, answer in asked:
        try:
            version, missing = ray.get(answer)
        except ray.exceptions.RayError as error:
            reason = str(error).strip().splitlines()[-1]
            raise InputError(
                f"machine {host} of the cluster cannot run segmif ({reason}); install segmif {__version__} there"
            ) from error
        if version != __version__:
            raise InputError(
                f"machine {host} of the cluster has segmif {version}, here is {__version__}; install the same on all"
            )
        if missing:
            lost = folder if missing[0] == str(probe) else missing[0]
            raise InputError(
                f"{lost}: is not on a disk that machine {host} of the cluster shares; use one all its machines share"
            )


def _examine(paths: Sequence[str]) -> tuple[str, list[str]]:
    """Runs on a machine of the cluster: its version, and which of the files it does not see."""
    return __version__, [path for path in paths if not os.path.exists(path)]  # noqa: PTH110


def _places(resources: dict[str, float], recipe: Recipe, cluster: Cluster) -> tuple[int, int]:
    """Number of workers, and of GPUs for each.

    Raises:
        InputError: more than the cluster has.
    """
    if recipe.device not in ("auto", "cpu", "cuda"):
        raise InputError(f"device {recipe.device}: a cluster gives its GPUs out by itself; use auto, cpu or cuda")
    cores, cards = int(resources.get("CPU", 0)), int(resources.get("GPU", 0))
    gpus = int(recipe.device == "cuda" or (recipe.device == "auto" and cards > 0))
    most = cores // cluster.threads
    if gpus:
        most = min(most, cards)
    if max(1, cluster.workers or 1) > most:
        raise InputError(
            f"{cluster.workers or 1} workers of {cluster.threads} cores{' and a GPU' * gpus} do not fit into the "
            f"cluster's {cores} cores and {cards} GPUs; ask for less with --workers and --threads"
        )
    return cluster.workers or most, gpus


def _answers(
    ray: ModuleType,
    jobs: Sequence[tuple[int, Job]],
    recipe: Recipe,
    options: Options,
    threads: int,
    workers: int,
    gpus: int,
) -> Iterator[_Answer]:
    """Ray Data at work: every worker that dies is replaced, and what it had begun is begun again."""
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    data = ray.data
    data.DataContext.get_current().enable_progress_bars = False
    ledger = ray.remote(num_cpus=0)(Ledger).remote()
    results = data.from_items([{"job": pickle.dumps(job)} for job in jobs], override_num_blocks=len(jobs)).map_batches(
        Worker,
        fn_constructor_args=(recipe, options, threads, ledger),
        batch_size=1,
        # One job in flight, so that none waits with a busy worker while another is idle.
        compute=data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=1),
        num_cpus=threads,
        num_gpus=gpus or None,
    )
    for row in results.iter_rows():
        yield pickle.loads(row["answer"])
