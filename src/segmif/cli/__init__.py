"""The command line: one module per group of commands, heavy imports only inside the commands.

Exit codes: 0 success, 1 partial failure, 2 wrong usage or input (one line on stderr), 130 on Ctrl-C.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import typer

from segmif.checks import InputError

app = typer.Typer(
    name="segmif",
    help="Fuse and segment infrared + visible images.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def _version_callback(wanted: bool) -> None:
    if wanted:
        from segmif.cli.environment import describe

        typer.echo(describe())
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version_callback, is_eager=True, help="Show version and environment, then exit."
    ),
) -> None:
    pass


_GROUPS: tuple[str, ...] = ("fuse", "gallery", "serve", "data", "train", "evaluate", "speeding", "exporting", "rig")
"""Modules of this package, in the order of `segmif --help`; each adds its commands in `register(app)`."""

for _group in _GROUPS:
    importlib.import_module(f"{__name__}.{_group}").register(app)


_CTRL_C = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; never a traceback for a user's mistake."""
    command = typer.main.get_command(app)
    try:
        result = command.main(
            args=list(sys.argv[1:] if argv is None else argv), prog_name="segmif", standalone_mode=False
        )
    except (KeyboardInterrupt, typer.Abort):
        result = _CTRL_C
    except InputError as error:
        return _say(str(error), 2)
    except OSError as error:  # what the system refused where no command has a better word for it
        what, reason = error.filename or "the system", error.strerror or str(error) or type(error).__name__
        return _say(f"{what}: {reason}; check that it is there, its permissions and the space on its disk", 2)
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # click's usage errors
            return _say(f"{error.format_message()} Try 'segmif --help'.", 2)
        raise
    if result == _CTRL_C:  # some versions of typer turn Ctrl-C into this code, and say nothing
        return _say("stopped by Ctrl-C; what was finished is kept, --resume goes on where a command has it", _CTRL_C)
    return result if isinstance(result, int) else 0


def _say(message: str, code: int) -> int:
    print("segmif: " + " ".join(message.split()), file=sys.stderr)
    return code
