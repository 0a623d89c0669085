"""Ray: two workers, one killed with kill -9, and a pair that kills every worker; results equal the local ones."""

import os
import pickle
import signal
import socket
import sys
import threading
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from segmif import io
from segmif.checks import InputError
from segmif.data.shards import ShardWriter
from segmif.infer import load
from segmif.infer.cluster import (
    Cluster,
    Ledger,
    Recipe,
    Worker,
    _check_machines,
    _hushed,
    _knock,
    _places,
    _probe,
    run_jobs,
)
from segmif.infer.jobs import DIED, Options, PairsJob, PairTask, Report, ShardJob, pair_jobs
from tests.infer.conftest import scene
from tests.tiny import tiny_network

PAIRS, DEADLY, SIZE = 24, 20, 4
OUTPUTS = ("fused", "labels")


def watched(folder, infrared, visible, *, on_refusal):
    """Takes its time and leaves the number of its process; kills it at the black picture."""
    if not infrared.any():
        os.kill(os.getpid(), signal.SIGKILL)
    (folder / str(os.getpid())).touch()
    time.sleep(0.02)
    return infrared, visible


def make_jobs(root: Path, out: str) -> list[PairsJob | ShardJob]:
    """Four pairs a job, and two shards."""
    tasks = []
    for i in range(PAIRS):
        files = root / "ir" / f"{i}.png", root / "vis" / f"{i}.png"
        for path, picture in zip(files, scene(32, 40, i), strict=True):
            io.write_image(path, picture * (i != DEADLY))
        outputs = {output: root / out / f"{i}_{output}.png" for output in OUTPUTS}
        tasks.append(PairTask(name=str(i), files=files, outputs=outputs))
    for name in ("0", "1"):
        with ShardWriter(root / "shards" / f"{name}.tar") as shard:
            for i in range(SIZE):
                infrared, visible = (io.encode_image(picture) for picture in scene(32, 40, i))
                shard.add(str(i), {"infrared.png": infrared, "visible.png": visible})
    shards = [ShardJob(shard=root / "shards" / f"{n}.tar", target=root / out / f"{n}.tar") for n in ("0", "1")]
    return [*pair_jobs(tasks, size=SIZE), *shards]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::segmif.checks.InputWarning")
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kills with a signal that only POSIX has")
def test_nothing_is_lost_with_a_worker_that_is_killed(tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="needs the extra ray")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))  # `watched` must be found by the workers
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    tiny_network(attention="none").save_pretrained(tmp_path / "tiny")
    (tmp_path / "processes").mkdir()
    killed = []

    def kill_one() -> None:
        """As soon as two workers work."""
        while len(processes := list((tmp_path / "processes").iterdir())) < 2:
            time.sleep(0.005)
        killed.append(int(processes[0].name))
        os.kill(killed[0], signal.SIGKILL)

    threading.Thread(target=kill_one, daemon=True).start()
    jobs = make_jobs(tmp_path, "out")
    recipe = Recipe(model=str(tmp_path / "tiny"), device="cpu", dtype="float32")
    options = Options(outputs=OUTPUTS, align=partial(watched, tmp_path / "processes"))
    done, reports = zip(
        *run_jobs(jobs, recipe, options, Cluster(workers=2), folder=tmp_path / "out", shared=[tmp_path / "ir"]),
        strict=True,
    )
    assert len(killed) == 1
    assert sorted(map(jobs.index, done)) == list(range(len(jobs)))
    assert [failure for report in reports for failure in report.failed] == [(str(DEADLY), DIED)]
    assert sum(report.done for report in reports) == PAIRS - 1 + 2 * SIZE

    model = load(tmp_path / "tiny", device="cpu", dtype="float32")
    for job in make_jobs(tmp_path, "local"):
        job.run(model, Options(outputs=OUTPUTS))
    local = files(tmp_path / "local")
    for output in OUTPUTS:
        del local[f"{DEADLY}_{output}.png"]
    left = {name for name in files(tmp_path / "out") if name.startswith(".")}
    assert {name: data for name, data in files(tmp_path / "out").items() if name not in left} == local
    assert all(name.split(".")[-2] == "tmp" for name in left), "only what a killed process was writing"


# --- without a cluster ------------------------------------------------------------------------------------------------


def nothing(*_: object) -> Report:
    """A job that finds nothing to do."""
    return Report(done=1)


class Fixed:
    """A job with a given end."""

    name = "fixed"

    def __init__(self, run=nothing) -> None:
        self.run = run


def worker(monkeypatch: pytest.MonkeyPatch, **recipe: str) -> Worker:
    """One whose ledger is an object of this process."""
    ledger = Ledger()
    monkeypatch.setattr(Worker, "_ask", lambda self, method, *arguments: getattr(ledger, method)(*arguments))
    return Worker(Recipe(**{"device": "cpu", **recipe}), Options(outputs=OUTPUTS), 1, None)


def test_a_worker_answers_what_became_of_a_job(monkeypatch, tmp_path):
    tiny_network(attention="none").save_pretrained(tmp_path)
    busy = worker(monkeypatch, model=str(tmp_path))
    (answer,) = busy({"job": [pickle.dumps((3, Fixed()))]})["answer"]
    assert (pickle.loads(answer).job, pickle.loads(answer).report.done) == (3, 1)

    def full(*_: object) -> Report:
        raise InputError("out: cannot be written (No space left on device)")

    assert "No space left" in busy.do(4, Fixed(full)).fatal


def test_a_job_that_was_begun_before_is_done_pair_by_pair(monkeypatch, tmp_path):
    tiny_network(attention="none").save_pretrained(tmp_path)
    busy, seen = worker(monkeypatch, model=str(tmp_path)), []
    job = Fixed(lambda model, options, deaths: seen.append(deaths) or Report())
    for _ in range(2):
        busy.do(0, job)
    assert seen[0] is None
    assert [seen[1]("a"), seen[1]("b")] == [0, 0]
    busy.do(0, job)
    assert [seen[2]("a"), seen[2]("b")] == [0, 1]


def test_a_job_at_which_every_process_dies_is_given_up(monkeypatch):
    busy = worker(monkeypatch, model="there is no such model")
    for _ in range(50):
        assert "there is no such model" in busy.do(0, Fixed()).fatal
    answer = busy.do(0, Fixed())
    assert (answer.fatal, answer.report.failed) == (None, [("fixed", DIED)])


@pytest.mark.parametrize(
    ("have", "device", "workers", "threads", "expected"),
    [
        ({"CPU": 8.0}, "auto", None, 1, (8, 0)),
        ({"CPU": 8.0}, "cpu", None, 3, (2, 0)),
        ({"CPU": 8.0, "GPU": 2.0}, "auto", None, 1, (2, 1)),
        ({"CPU": 8.0, "GPU": 2.0}, "cpu", 5, 1, (5, 0)),
    ],
)
def test_places(have, device, workers, threads, expected):
    assert _places(have, Recipe(device=device), Cluster(workers=workers, threads=threads)) == expected


@pytest.mark.parametrize(
    ("device", "workers", "threads", "message"),
    [
        ("auto", 9, 1, "9 workers of 1 cores do not fit into the cluster's 8 cores and 0 GPUs; ask for less"),
        ("auto", None, 16, "1 workers of 16 cores do not fit"),
        ("cuda", None, 1, "1 workers of 1 cores and a GPU do not fit"),
        ("cuda:1", None, 1, "a cluster gives its GPUs out by itself; use auto, cpu or cuda"),
    ],
)
def test_places_that_are_not_there(device, workers, threads, message):
    with pytest.raises(InputError, match=message):
        _places({"CPU": 8.0}, Recipe(device=device), Cluster(workers=workers, threads=threads))


class FakeRay:
    """The little of Ray that `run_jobs` calls before any work."""

    class exceptions:
        class RayError(Exception):
            pass

    def __init__(self, answer) -> None:
        self.answer = answer

    def nodes(self):
        return [{"Alive": True, "NodeManagerHostname": "titan", "NodeID": 28 * "0f"}, {"Alive": False}]

    def remote(self, **_):
        return lambda function: SimpleNamespace(
            options=lambda **_: SimpleNamespace(remote=lambda paths: partial(self.answer, function, paths))
        )

    def get(self, task):
        return task()


def lacks_segmif(_function, _paths):
    raise FakeRay.exceptions.RayError("Traceback ...\nModuleNotFoundError: No module named 'segmif'\n")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda ask, paths: (ask([])[0], paths), "out: is not on a disk that machine titan"),
        (lambda ask, paths: ask([paths[0], *(p + "x" for p in paths[1:])]), "irx: is not on a disk that machine titan"),
        (lambda ask, paths: ("0.0.1", []), "machine titan of the cluster has segmif 0.0.1, here is"),
        (lacks_segmif, "titan of the cluster cannot run segmif .*No module named 'segmif'.*; install segmif"),
    ],
)
def test_machines_that_cannot_do_the_work(tmp_path, answer, message):
    pytest.importorskip("ray", reason="needs the extra ray")
    for folder in ("out", "ir"):
        (tmp_path / folder).mkdir()
    with _probe(tmp_path / "out") as probe:
        assert probe.is_file()
        with pytest.raises(InputError, match=message):
            _check_machines(FakeRay(answer), tmp_path / "out", probe, [tmp_path / "ir"])
        _check_machines(FakeRay(lambda ask, paths: ask(paths)), tmp_path / "out", probe, [tmp_path / "ir"])
    assert list((tmp_path / "out").iterdir()) == []


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:{port}", "does not answer .*check the address or run 'ray start --head' there"),
        ("no.such.host.invalid:6379", "does not answer"),
        ("here", "expected HOST:PORT"),
        ("ray://host:10001", "expected HOST:PORT"),
        ("127.0.0.1:999999", "does not answer"),
    ],
)
def test_addresses_nobody_answers_at(address, message):
    start = time.monotonic()
    with pytest.raises(InputError, match=message):
        _knock(address.format(port=free_port()))
    assert time.monotonic() - start < 6


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (None, r"Ray cannot be started here \(timed out\); is the machine overloaded\? Try again"),
        ("auto", r"the cluster at auto cannot be joined \(timed out\); check .* RAY_AUTH_TOKEN holds its token"),
    ],
)
def test_ray_that_does_not_start_is_told_in_one_line(monkeypatch, tmp_path, address, message):
    ray = pytest.importorskip("ray", reason="needs the extra ray")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)

    def refuse(**_: object) -> None:
        raise ConnectionError("failed") from RuntimeError("Traceback:\n  line 1\ntimed out\n")

    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(InputError, match=message):
        list(run_jobs([Fixed()], Recipe(), Options(outputs=OUTPUTS), Cluster(address=address), folder=tmp_path))


def test_standard_error_is_given_back(capfd):
    with _hushed():
        os.write(2, b"how I log\n")
    os.write(2, b"what matters\n")
    assert capfd.readouterr().err == "what matters\n"


def test_without_ray(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'segmif\[ray\]'"):
        list(run_jobs([Fixed()], Recipe(), Options(outputs=OUTPUTS), Cluster(), folder=tmp_path))
