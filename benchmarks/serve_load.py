"""How `segmif serve` bears many visitors: ``python benchmarks/serve_load.py [--small] [--requests 200]``.

Starts a server in a process of its own, sends `--requests` pairs with `--at-once` under way, counts the answers that
are pictures of the right size, and reads the server's resident memory (Linux) after every answer. Memory is called flat
if the largest value in the second half is no more than 10 % above the largest in the first half. Prints JSON; exit
code 1 if a request is lost.
"""

from __future__ import annotations

import argparse
import io as streams
import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import torch
from PIL import Image

from segmif.data.synthetic import synthetic_scene
from segmif.io import encode_image
from segmif.models import SegMiF, SegMiFConfig


def small_model(folder: Path) -> Path:
    """A network with narrow layers and random weights."""
    torch.manual_seed(0)
    config = SegMiFConfig.preset("mit_b0", label_set="fmb", fusion_channels=8, growth=4, attention_heads=2)
    SegMiF(config).save_pretrained(folder)
    return folder


def resident(pid: int) -> float:
    """Megabytes of memory a process holds."""
    line = next(x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def measure(address: str, pid: int, options: argparse.Namespace) -> dict[str, object]:
    """Send the requests and tell what came back."""
    width, height = options.size
    scene = synthetic_scene(1, size=(height, width), time="day")
    files = {"infrared": encode_image(scene.infrared), "visible": encode_image(scene.visible)}
    memory: list[float] = []
    seconds: list[float] = []

    def one(_: int) -> bool:
        start = time.perf_counter()
        answer = client.post(f"{address}/fuse", params={"output": options.output}, files=files)
        good = answer.status_code == 200
        if good and options.output == "fused":
            good = Image.open(streams.BytesIO(answer.content)).size == (width, height)
        seconds.append(time.perf_counter() - start)
        memory.append(resident(pid))
        return good

    with httpx.Client(timeout=600) as client, ThreadPoolExecutor(options.at_once) as pool:
        one(0)
        memory.clear()
        seconds.clear()
        start = time.perf_counter()
        good = sum(pool.map(one, range(options.requests)))
        wall = time.perf_counter() - start
    half = len(memory) // 2
    first, second = max(memory[:half]), max(memory[half:])
    return {
        "requests": options.requests, "at_once": options.at_once, "size": f"{width}x{height}", "output": options.output,
        "lost": options.requests - good, "seconds": round(wall, 2), "per_second": round(options.requests / wall, 2),
        "median_latency": round(float(np.median(seconds)), 3), "largest_latency": round(max(seconds), 3),
        "memory_mb": {"first_half": round(first, 1), "second_half": round(second, 1)}, "flat": second <= 1.1 * first,
    }  # fmt: skip


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="name or folder; default: the best one shipped")
    parser.add_argument("--small", action="store_true", help="a narrow network with random weights")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=16)
    parser.add_argument("--size", type=lambda text: tuple(map(int, text.split("x"))), default=(640, 480))
    parser.add_argument("--output", choices=("fused", "all"), default="fused")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = str(small_model(Path(folder) / "small")) if options.small else options.model
        command = [sys.executable, "-m", "segmif", "serve", "--port", "0", "--timeout", "600"]
        server = subprocess.Popen([*command, *(["--model", model] if model else [])], stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            address = next(word for word in server.stdout.readline().split() if word.startswith("http"))
            result = measure(address, server.pid, options)
        finally:
            server.terminate()
            server.wait()
    print(json.dumps({"model": "small" if options.small else model or "default", **result}, indent=2))
    return 1 if result["lost"] else 0


if __name__ == "__main__":
    sys.exit(main())
