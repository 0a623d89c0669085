import platform
import sys

import pytest
import torch

from segmif import __version__, cli


def test_version_says_what_it_runs_on(capsys):
    assert cli.main(["--version"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"segmif {__version__}\npython ")
    assert f"python {platform.python_version()} on {platform.platform()}" in out
    assert f"torch {torch.__version__}" in out
    device = out.splitlines()[-1]
    assert device.startswith("device cuda (" if torch.cuda.is_available() else "device ")
    assert "unknown" not in device


def test_version_names_the_gpu(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Some GPU")
    monkeypatch.setattr(torch.version, "cuda", "12.4")
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.endswith("device cuda (Some GPU, CUDA 12.4)\n")


def test_version_survives_a_broken_torch(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert cli.main(["--version"]) == 0
    assert "device unknown (torch cannot be imported" in capsys.readouterr().out


def test_shell_completion_can_be_installed(capsys):
    assert cli.main(["--help"]) == 0
    assert "--install-completion" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["fuze"], ["fuse"], ["fuse", "--wrong"]])
def test_wrong_usage_is_one_line_and_code_two(arguments, capsys):
    assert cli.main(arguments) == 2
    err = capsys.readouterr().err
    assert err.startswith("segmif: ")
    assert err.count("\n") == 1
    assert "Try 'segmif --help'" in err


def test_our_own_bugs_keep_their_traceback(monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("segmif.cli.showing.list_models", fail)
    with pytest.raises(ZeroDivisionError):
        cli.main(["models"])


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (PermissionError(13, "Permission denied", "a/b"), "segmif: a/b: Permission denied; check that it is there, "),
        (OSError(28, "No space left on device"), "segmif: the system: No space left on device; check"),
        (ConnectionError("gone"), "segmif: the system: gone; check"),
    ],
)
def test_what_the_system_refuses_is_one_line(error, line, monkeypatch, capsys):
    def refuse() -> None:
        raise error

    monkeypatch.setattr("segmif.cli.showing.list_models", refuse)
    assert cli.main(["models"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(line)
    assert said.count("\n") == 1
