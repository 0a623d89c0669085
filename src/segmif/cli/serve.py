"""`segmif serve`: a page in the browser, and the same over HTTP."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(serve)


def serve(
    port: int = typer.Option(7860, min=0, max=65535, help="Port; 0 takes a free one."),
    host: str = typer.Option("127.0.0.1", help="Address to listen at; 0.0.0.0 lets the whole network in."),
    model: list[str] | None = typer.Option(
        None, help="Shipped name, folder or Hub id; repeat it for a choice, the first is the default. Default: all."
    ),
    device: str = typer.Option("auto", help="auto, cpu, cuda, cuda:1, mps ..."),
    dtype: str = typer.Option("auto", help="auto, float32, bfloat16 or float16."),
    backend: str | None = typer.Option(
        None, help="eager, compile, onnxruntime, openvino, cuda-graphs, or auto: measures them once; default: eager."
    ),
    allow_host: list[str] | None = typer.Option(
        None, help="Name under which the page may be asked for, such as your proxy's; may be repeated."
    ),
    max_upload: int = typer.Option(64, min=1, help="Largest pair, in megabytes."),
    max_archive: int = typer.Option(512, min=1, help="Largest zip, or two videos, in megabytes."),
    max_megapixels: float = typer.Option(12.0, min=0.01, help="Largest picture, in megapixels."),
    queue: int = typer.Option(32, min=1, help="Requests that may wait; more are told to come again (503)."),
    timeout: float = typer.Option(180.0, min=1, help="Seconds a pair may wait and run."),
) -> int:
    """Open a page to drop pairs on: fused, labels, slider, metrics, archives, videos, cameras. Also `POST /fuse`.

    Listens on this machine only unless told otherwise, and sends nothing anywhere. Ctrl-C stops it.

    Example: segmif serve --port 7860, then open http://127.0.0.1:7860, or
    curl -F infrared=@ir.png -F visible=@vis.png "http://127.0.0.1:7860/fuse?output=overlay" -o overlay.png
    """
    from segmif.checks import require_extra

    for module in ("fastapi", "uvicorn", "python_multipart"):
        require_extra(module, "app")
    from segmif.app.security import MEGABYTE
    from segmif.app.service import Settings
    from segmif.cli.serving import run

    settings = Settings(
        models=tuple(model or ()),
        device=device,
        dtype=dtype,
        backend=backend,
        max_body=max_upload * MEGABYTE,
        max_archive=max_archive * MEGABYTE,
        max_pixels=round(max_megapixels * 1e6),
        queue=queue,
        timeout=timeout,
        allowed_hosts=tuple(allow_host or ()),
    )
    return run(settings, host=host, port=port)
