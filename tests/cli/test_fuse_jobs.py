"""`segmif fuse` on tar shards and with --engine ray: what comes out, and what is said about bad input."""

import sys
from pathlib import Path

import pytest

from segmif import io
from segmif.cli import clustering, main
from segmif.data.shards import ShardWriter, stream_parts
from segmif.infer.jobs import Report
from tests.infer.conftest import scene
from tests.tiny import tiny_network


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny_network(attention="none").save_pretrained(folder)
    return folder


@pytest.fixture
def fuse(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run `segmif fuse` in a folder of its own; gives exit code, stdout and the lines of stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, list[str]]:
        options = ["-o", "out", "--model", str(tiny), "--device", "cpu", "--dtype", "float32"]
        code = main(["fuse", *options, *map(str, arguments)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err.splitlines()

    return run


def make_pairs(root: Path, count: int = 3) -> None:
    for i in range(count):
        for band, picture in zip(("ir", "vis"), scene(32, 40, i), strict=True):
            io.write_image(root / band / f"{i}.png", picture)


def make_shards(root: Path, shards: int = 2, spoil: bool = False) -> None:
    for number in range(shards):
        with ShardWriter(root / f"{number}.tar") as shard:
            for key in "ab":
                infrared, visible = (io.encode_image(picture) for picture in scene(32, 40, number))
                if spoil and key == "b":
                    visible = b"this is text"
                shard.add(key, {"infrared.png": infrared, "visible.png": visible})


@pytest.fixture
def ray_here(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """The cluster's place taken by this process, which remembers what it was asked for."""
    asked = []

    def run_jobs(jobs, recipe, options, cluster, *, folder, shared):
        asked.append((jobs, recipe, options, cluster, folder, shared))
        model = clustering.load(recipe.model, device=recipe.device, dtype=recipe.dtype)
        return ((job, job.run(model, options)) for job in reversed(jobs))

    monkeypatch.setattr(clustering, "run_jobs", run_jobs)
    return asked


def test_shards(fuse, tmp_path):
    make_shards(tmp_path / "in")
    code, out, err = fuse("in", "--overlay")
    assert (code, err) == (0, [])
    assert "4 pairs fused" in out
    for name in ("0", "1"):
        parts = dict(stream_parts(tmp_path / "out" / f"{name}.tar"))
        assert {key: sorted(each) for key, each in parts.items()} == {
            key: ["fused.png", "labels.png", "overlay.png"] for key in "ab"
        }
    (tmp_path / "out" / "1.tar").unlink()
    code, out, _ = fuse("in", "--overlay", "--resume")
    assert code == 0
    assert "2 pairs fused" in out
    assert "2 finished before" in out


def test_a_single_shard_with_damaged_pairs(fuse, tmp_path):
    make_shards(tmp_path / "in", 1, spoil=True)
    code, out, err = fuse("in/0.tar")
    assert code == 1
    assert "1 pair fused" in out
    assert "1 failed" in out
    assert len(err) == 1
    assert err[0].startswith("segmif: left out 0.tar:b: ")


def test_folders_with_ray_give_what_they_give_without(fuse, tmp_path, ray_here):
    make_pairs(tmp_path)
    (tmp_path / "ir" / "lonely.png").write_bytes(b"never read")
    assert fuse("ir", "vis")[0] == 0
    local = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    for path in (tmp_path / "out").iterdir():
        path.unlink()
    code, out, err = fuse("ir", "vis", "--engine", "ray", "--workers", 3, "--threads", 2, "--address", "host:1")
    assert code == 0
    assert "3 pairs fused" in out
    assert err == ["segmif: warning: 3 pairs; 1 infrared without a partner (first: lonely.png)"]
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == local
    jobs, recipe, options, cluster, folder, shared = ray_here[0]
    assert [len(job.tasks) for job in jobs] == [1, 1, 1]
    assert all(path.is_absolute() for job in jobs for task in job.tasks for path in task.files)
    assert (recipe.device, recipe.dtype, Path(recipe.model).is_absolute()) == ("cpu", "float32", True)
    assert (options.outputs, options.readers) == (("fused", "labels"), 1)
    assert (cluster.address, cluster.workers, cluster.threads) == ("host:1", 3, 2)
    assert (folder, {Path("ir"), Path("vis")} <= set(shared)) == (Path("out"), True)


def test_resume_and_limit_with_ray(fuse, tmp_path, ray_here):
    make_pairs(tmp_path, 4)
    assert "2 pairs fused" in fuse("ir", "vis", "--engine", "ray", "--limit", 2)[1]
    assert "1 pair fused" in fuse("ir", "vis", "--engine", "ray", "--limit", 1, "--resume")[1]
    assert [job.name for job in ray_here[1][0]] == ["2"]
    code, out, _ = fuse("ir", "vis", "--engine", "ray", "--resume")
    assert code == 0
    assert "1 pair fused" in out
    assert "3 finished before" in out


def test_notes_and_failures_of_jobs_are_said_once(fuse, tmp_path, monkeypatch):
    make_pairs(tmp_path, 3)
    reports = [Report(done=40, notes={"is black": ("7", 40)}), Report(failed=[("9", "is damaged")], notes={})]
    reports.append(Report(done=2, notes={"is black": ("50", 2)}))
    monkeypatch.setattr(clustering, "run_jobs", lambda *_, **__: ((None, report) for report in reports))
    code, out, err = fuse("ir", "vis", "--engine", "ray")
    assert (code, "42 pairs fused" in out) == (1, True)
    assert err == [
        "segmif: warning: 7: is black",
        "segmif: left out 9: is damaged",
        "segmif: warning: and 41 more: is black",
    ]


def test_sub_folders_and_a_named_file(fuse, tmp_path, ray_here):
    for night in "ab":
        for band, picture in zip(("ir", "vis"), scene(32, 40), strict=True):
            io.write_image(tmp_path / band / night / "1.png", picture)
    assert fuse("ir", "vis", "--recursive", "--engine", "ray")[0] == 0
    assert sorted(p.relative_to("out").as_posix() for p in Path("out").rglob("*.png")) == [
        f"{night}/1_{output}.png" for night in "ab" for output in ("fused", "labels")
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ir", "vis", "--engine", "rey"), "unknown engine 'rey': did you mean 'ray'?"),
        (("ir", "vis", "--workers", 2), "--address, --workers and --threads are for --engine ray"),
        (("in/0.tar", "vis"), "tar shards hold both bands; give them alone"),
        (("ir",), "ir: holds no tar shards; give the infrared and the visible folder, or shards of pairs"),
        (("ir/0.png",), "ir/0.png: is no tar shard; give the infrared and the visible file"),
        (("none",), "none: no such file or folder"),
        (("in", "-o", "out.tar"), "out.tar: give a folder for the results"),
        (("in", "--limit", 1), "--limit and --recursive are for folders of pictures"),
        (("in", "--stabilise"), "--max-latency, --stabilise and --flicker are for videos and cameras"),
        (("ir", "vis", "--engine", "ray", "--flicker"), "are for videos and cameras: leave them out"),
        (("film.mp4", "film2.mp4", "--engine", "ray"), "--engine ray is for folders of pictures and tar shards"),
        (("ir", "vis", "--engine", "ray", "--model", "segmif-none"), "unknown model"),
        (("ir", "vis", "--engine", "ray", "--address", "127.0.0.1:1"), "the cluster at 127.0.0.1:1 does not answer"),
        (("ir", "vis", "--engine", "ray", "--address", "there"), "expected HOST:PORT"),
    ],
)
def test_bad_input(fuse, tmp_path, arguments, message):
    pytest.importorskip("ray", reason="needs the extra ray")
    pytest.importorskip("av", reason="needs the extra video")
    make_pairs(tmp_path, 1)
    make_shards(tmp_path / "in", 1)
    from tests.test_video import write_video

    for name in ("film.mp4", "film2.mp4"):
        write_video(tmp_path / name, [20, 80])
    code, out, err = fuse(*arguments)
    assert (code, out, len(err)) == (2, "", 1)
    assert message in err[0]


def test_without_ray(fuse, tmp_path, monkeypatch):
    make_pairs(tmp_path, 1)
    monkeypatch.setitem(sys.modules, "ray", None)
    code, out, err = fuse("ir", "vis", "--engine", "ray")
    assert (code, out, len(err)) == (2, "", 1)
    assert "pip install 'segmif[ray]'" in err[0]


def test_shards_are_not_overwritten(fuse, tmp_path):
    make_shards(tmp_path / "out", 1)
    before = (tmp_path / "out" / "0.tar").read_bytes()
    code, _, err = fuse("out")
    assert (code, len(err)) == (2, 1)
    assert "holds the shards themselves, which would be lost" in err[0]
    assert (tmp_path / "out" / "0.tar").read_bytes() == before
