"""`segmif rig …`: from two loose cameras to aligned pairs."""

from __future__ import annotations

from pathlib import Path

import typer

from segmif.cli import annotate, building, calibrate, record


def register(app: typer.Typer) -> None:
    """Add the group `rig`."""
    group = typer.Typer(help="Work with a rig of an infrared and a visible camera.", no_args_is_help=True)
    group.command()(calibrate.calibrate)
    group.command("register")(_register)
    group.command()(building.build)
    group.command()(building.check)
    annotate.add_to(group)
    group.command()(record.record)
    app.add_typer(group, name="rig")


def _register(
    infrared: Path = typer.Argument(metavar="INFRARED", help="Infrared picture or folder."),
    visible: Path = typer.Argument(metavar="VISIBLE", help="Visible picture or folder; names as in the other one."),
    out: Path = typer.Option(..., "-o", "--out", help="Folder for the results."),
    model: str = typer.Option("homography", help="homography, similarity or translation."),
    homography: Path | None = typer.Option(
        None, "--homography", help="Start from the one in this JSON: the registration.json of an earlier run."
    ),
    calibration: Path | None = typer.Option(
        None, "--calibration", help="Lay infrared on by this calibration.json of segmif rig calibrate, then refine."
    ),
    distance: float | None = typer.Option(
        None, "--distance", help="Metres to the things that must match, for --calibration; inf for far scenes."
    ),
    rig: str | None = typer.Option(None, "--rig", help="Refuse a calibration of a rig with another name."),
    fixed: bool = typer.Option(
        False, "--fixed", help="Use the given homography or calibration as it is, for every pair."
    ),
    preview: str = typer.Option("red-cyan", help="Before/after pictures: red-cyan, checkerboard or none."),
    recursive: bool = typer.Option(False, "--recursive", help="Look into sub-folders too."),
    resume: bool = typer.Option(False, "--resume", help="Skip pairs an earlier run has finished."),
) -> int:
    """Register infrared pictures onto visible ones, or refuse where the two have too little in common.

    Writes infrared/NAME.png on the visible picture's grid (8 or 16 bits as it came; float becomes .tif),
    preview/NAME.png (before | after, arrows three times the parallax left), and registration.json: homography, quality
    and residual parallax of each pair, and the common homography of the rig. Exit code 1: some pairs were refused.

    Example: segmif rig register ir/ vis/ -o registered/ --calibration calibration/calibration.json --distance 10
    """
    from segmif.cli.registering import Request, run

    return run(
        Request(
            infrared=infrared, visible=visible, out=out, model=model, homography=homography,
            calibration=calibration, distance=distance, rig=rig, fixed=fixed,
            preview=preview, recursive=recursive, resume=resume,
        )
    )  # fmt: skip
