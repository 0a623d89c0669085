"""Ways to run one network, behind one call."""

from segmif.infer.backends.base import BACKENDS, Backend, Outputs, check_backend, make_backend

__all__ = ["BACKENDS", "Backend", "Outputs", "check_backend", "make_backend"]
