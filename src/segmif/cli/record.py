"""`segmif rig record`: pairs from two cameras."""

from __future__ import annotations

from pathlib import Path

import typer

_SOURCE = (
    "0 or /dev/video2?format=Y16 (USB), rtsp://… (network), genicam:SERIAL (industrial), a video, or a folder of "
    "pictures with times (timestamps.csv, names that are times, or ?rate=25)."
)


def record(
    visible: str | None = typer.Option(None, "--visible", metavar="SOURCE", help=f"The visible camera: {_SOURCE}"),
    infrared: str | None = typer.Option(None, "--infrared", metavar="SOURCE", help="The infrared camera, likewise."),
    out: Path = typer.Option(..., "-o", "--out", help="Folder for the recording."),
    simulate: bool = typer.Option(False, "--simulate", help="Record a simulated rig in motion: needs no camera."),
    rate: float | None = typer.Option(None, "--rate", help="Pairs per second; default: every pair there is."),
    tolerance_ms: float = typer.Option(20.0, "--tolerance-ms", help="Largest distance in time within a pair."),
    duration: str | None = typer.Option(None, "--duration", help="Stop after so long, such as 90s, 10min or 8h."),
    pairs: int | None = typer.Option(None, "--pairs", min=1, help="Stop at so many pairs, earlier runs included."),
    schedule: str | None = typer.Option(
        None, "--schedule", help="Windows: 'day every 30s max 500, dusk every 5s, rush 07:00-09:00 every 10s'."
    ),
    place: str | None = typer.Option(None, "--place", help="LATITUDE,LONGITUDE: for day, dusk and night by the sun."),
    max_disk: str | None = typer.Option(None, "--max-disk", help="Disk for the whole recording, such as 20GB."),
    keep_free: str = typer.Option("500MB", "--keep-free", help="Disk that always stays free."),
    clock: str = typer.Option(
        "auto", "--clock", help="auto: correct the time stamps by motion where it tells; stamps; or motion or nothing."
    ),
    sync: str = typer.Option("10s", "--sync", help="Watch motion so long before the first pair; 0 for not at all."),
    offset: float | None = typer.Option(None, "--offset", help="Seconds the infrared clock is known to be ahead."),
    max_offset: float = typer.Option(5.0, "--max-offset", help="Largest offset in seconds that motion looks for."),
    visible_format: str = typer.Option("png", "--visible-format", help="png or jpg (smaller, quality 95)."),
    infrared_format: str = typer.Option("png", "--infrared-format", help="png or tif; raw 8 or 16 bits, no loss."),
    stretch: str = typer.Option("percentile", "--stretch", help="Of the 8-bit copy: percentile, clahe or none."),
    prefix: str = typer.Option("", "--prefix", help="Begins all file names, to tell recordings apart."),
    gps: str | None = typer.Option(
        None, "--gps", help="Positions: NMEA or gpsd log, serial line /dev/ttyUSB0@9600, or gpsd://host:2947."
    ),
    resume: bool = typer.Option(False, "--resume", help="Go on with the recording in OUT, also after a power cut."),
    reconnect: bool = typer.Option(False, "--reconnect", help="Open a lost camera again (1, 2, 4 … 30 s) and go on."),
    preview: int | None = typer.Option(
        None, "--preview", metavar="PORT", help="Show both pictures at http://127.0.0.1:PORT/; 0 takes a free port."
    ),
    parquet: bool = typer.Option(False, "--parquet", help="At the end also write manifest.parquet."),
) -> int:
    """Record pairs from an infrared and a visible camera, paired by the time they were taken.

    Example: `segmif rig record --visible 0 --infrared "/dev/video2?format=Y16" -o lab --rate 1 --preview 8000`.
    Without cameras: `segmif rig record --simulate -o test --pairs 20`.

    Writes Infrared/ (raw), Display/ (8-bit), Visible/ with equal names, manifest.jsonl (one line per pair: times,
    exposure, position, checksums) and recording.json (clocks, losses). Exit code 1: a camera died or the disk is full;
    all pairs before that are complete.
    """
    from segmif.cli.recording import Request, run

    return run(
        Request(
            infrared=infrared, visible=visible, out=out, simulate=simulate, rate=rate, tolerance_ms=tolerance_ms,
            duration=duration, pairs=pairs, schedule=schedule, place=place, max_disk=max_disk, keep_free=keep_free,
            clock=clock, sync=sync, offset=offset, max_offset=max_offset, visible_format=visible_format,
            infrared_format=infrared_format, stretch=stretch, prefix=prefix, gps=gps, resume=resume,
            reconnect=reconnect, preview=preview, parquet=parquet,
        )
    )  # fmt: skip
