import pytest

from segmif import __version__, cli


def test_version_says_what_it_runs_on(capsys):
    assert cli.main(["--version"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"segmif {__version__}\npython ")
    assert "torch " in out


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
