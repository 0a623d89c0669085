"""`segmif --version`: the version and what it runs on, ready to paste into a bug report."""

from __future__ import annotations

import platform
from importlib import metadata

from segmif._version import __version__

_PACKAGES = ("torch", "numpy", "opencv-python-headless", "pillow", "onnxruntime", "openvino", "transformers")


def describe() -> str:
    """Several lines: segmif, Python, system and the versions of the packages that matter."""
    lines = [f"segmif {__version__}", f"python {platform.python_version()} on {platform.platform()}"]
    for package in _PACKAGES:
        try:
            lines.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            lines.append(f"{package} not installed")
    return "\n".join([*lines, f"device {_device()}"])


def _device() -> str:
    """What torch computes on where no device is asked for, or why it cannot be told."""
    try:
        import torch
    except (ImportError, OSError) as error:  # a broken installation is what such a report is often about
        return f"unknown (torch cannot be imported: {' '.join(str(error).split())})"
    if torch.cuda.is_available():
        return f"cuda ({torch.cuda.get_device_name()}, CUDA {torch.version.cuda})"
    if torch.backends.mps.is_available():  # pragma: no cover (macOS)
        return "mps"
    return f"cpu ({torch.get_num_threads()} threads)"
