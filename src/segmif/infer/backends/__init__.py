"""Ways to run one network, behind one call."""

from segmif.infer.backends.base import (
    BACKENDS,
    GRAPH_BACKENDS,
    Backend,
    Outputs,
    check_backend,
    check_device,
    make_backend,
    precisions,
)

__all__ = [
    "BACKENDS",
    "GRAPH_BACKENDS",
    "Backend",
    "Outputs",
    "check_backend",
    "check_device",
    "make_backend",
    "precisions",
]
