"""Work in processes: they end with the process they work for, however that ends."""

import itertools
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from segmif.data.parallel import map_samples

SCRIPT = textwrap.dedent("""
    import os, sys, time
    from pathlib import Path
    from segmif.data.parallel import map_samples

    def work(folder, index):
        (folder[0] / str(os.getpid())).touch()
        time.sleep(0.1)

    if __name__ == "__main__":
        for _ in map_samples(work, [Path(sys.argv[1])] * 10_000, workers=2):
            pass
""")


def _alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Endless:
    """As many samples as a data set can count."""

    def __len__(self) -> int:
        return sys.maxsize

    def __getitem__(self, index: int) -> int:
        return index * index


def _twice(dataset: Endless, index: int) -> int:
    return 2 * dataset[index]


@pytest.mark.parametrize("workers", [1, 2])
def test_results_of_an_endless_data_set_come_in_order(workers: int) -> None:
    results = map_samples(_twice, Endless(), workers=workers)
    assert list(itertools.islice(results, 50)) == [2 * i * i for i in range(50)]
    results.close()


@pytest.mark.parametrize("count", [0, 1, 7])
def test_every_sample_is_visited_once(count: int) -> None:
    assert list(map_samples(_twice, range(count), workers=2)) == [2 * i for i in range(count)]


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_workers_of_a_killed_process_end(tmp_path: Path) -> None:
    script, seen = tmp_path / "script.py", tmp_path / "seen"
    script.write_text(SCRIPT)
    seen.mkdir()
    process = subprocess.Popen([sys.executable, script, seen])
    deadline = time.monotonic() + 120
    while len(list(seen.iterdir())) < 2 and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    workers = [int(path.name) for path in seen.iterdir()]
    assert len(workers) == 2
    deadline = time.monotonic() + 20
    while any(map(_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    left = [worker for worker in workers if _alive(worker)]
    for worker in left:
        os.kill(worker, signal.SIGKILL)
    assert left == []
