"""The one tolerance table of the test-suite: how close two ways to the same number must be."""

import torch

ABSOLUTE = {torch.float64: 1e-9, torch.float32: 1e-4, torch.bfloat16: 5e-2, torch.float16: 1e-2}
"""Largest absolute difference on values of order 1, per dtype."""

GOLDEN = 1e-4
"""Outputs of the golden network run, float32."""
GOLDEN_LOSS = 1e-5
GOLDEN_GRADIENT = 1e-3
"""Relative, on gradient norms."""
