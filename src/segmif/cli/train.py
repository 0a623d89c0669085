"""`segmif train RECIPE`: run, resume or try a training recipe; every field of it is an option."""

from __future__ import annotations

from pathlib import Path

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        name="train",
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
    )(train_command)


def train_command(
    context: typer.Context,
    recipe: str = typer.Argument("", help="reference, joint, fast, smoke or an ablation; leave out to list them."),
    output: Path | None = typer.Option(None, "-o", "--output", help="Folder of the run [runs/RECIPE]."),
    resume: bool = typer.Option(False, "--resume", help="Go on from the last checkpoint, to the last bit."),
    check: bool = typer.Option(
        False,
        "--check",
        help="Dry run: two steps of every stage, a validation, a checkpoint; estimates time and memory.",
    ),
    wants_help: bool = typer.Option(False, "--help", "-h", help="Show every option of the recipe."),
) -> None:
    """Train with a RECIPE. Every field of it is an option: `--data.root DIR --fusion.steps 500 --joint.batch 4`."""
    from segmif.train.options import describe_options, describe_recipes, override

    if not recipe:
        typer.echo(context.get_help() if wants_help else describe_recipes())
        return
    if wants_help:
        typer.echo(describe_options(recipe))
        return
    chosen = override(recipe, context.args)
    folder = output or Path("runs") / recipe
    if check:
        from segmif.train.check import dry_run

        typer.echo(dry_run(chosen, folder))
        return
    from segmif.train.loop import train

    train(chosen, folder, resume=resume)
