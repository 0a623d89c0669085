"""Fixtures every test may use."""

import os
import signal
from pathlib import Path

import pytest
import torch

os.environ.setdefault("HF_HUB_OFFLINE", "1")
# A script that starts tests in the background makes them, and what they start, ignore Ctrl-C; users' shells do not.
signal.signal(signal.SIGINT, signal.default_int_handler)
torch.set_num_threads(1)  # pytest-xdist gives each core a worker of its own

SHARED = Path(os.environ.get("SEGMIF_SHARED", Path(__file__).parents[2] / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The project's folder of real pairs and golden numbers; tests that need it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the real pairs and golden numbers in {SHARED}, which are not part of a clone")
    return SHARED
