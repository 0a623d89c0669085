"""segmif: fuse and segment infrared + visible images.

```python
import segmif

model = segmif.load()
result = model.predict("infrared.png", "visible.png")
result.save("out/", stem="scene")
```

Names are imported on first use, so that `import segmif` takes no time.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from segmif._version import __version__
from segmif.waiting import wait_briefly

if TYPE_CHECKING:
    from segmif.checks import InputError, InputWarning
    from segmif.infer import Model, Result, load
    from segmif.models import SegMiF, SegMiFConfig, SegMiFOutput, convert_reference, load_segformer
    from segmif.streams import open_pairs

wait_briefly()  # before anything imports PyTorch

_HOMES = {
    "InputError": "segmif.checks",
    "InputWarning": "segmif.checks",
    "Model": "segmif.infer",
    "Result": "segmif.infer",
    "SegMiF": "segmif.models",
    "SegMiFConfig": "segmif.models",
    "SegMiFOutput": "segmif.models",
    "convert_reference": "segmif.models",
    "load": "segmif.infer",
    "load_segformer": "segmif.models",
    "open_pairs": "segmif.streams",
}

__all__ = [
    "InputError",
    "InputWarning",
    "Model",
    "Result",
    "SegMiF",
    "SegMiFConfig",
    "SegMiFOutput",
    "__version__",
    "convert_reference",
    "load",
    "load_segformer",
    "open_pairs",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'segmif' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
