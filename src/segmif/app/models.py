"""The models visitors may choose from: fixed when the server starts, loaded when first wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from segmif.checks import InputError, unknown
from segmif.infer import Model, load
from segmif.models import SegMiFConfig, store, weights


class Models:
    """Named models; visitors can name these and nothing else, so that no path or Hub id of theirs is ever opened.

    Args:
        names: shipped names, folders or Hub ids; the first is the default. Empty: all shipped ones.
        device: as for `segmif.load`.
        dtype: likewise.
        backend: likewise.

    Raises:
        InputError: two of one name, none at all, or one given by name that cannot be loaded.
    """

    def __init__(
        self, names: Sequence[str] = (), *, device: str = "auto", dtype: str = "auto", backend: str | None = None
    ) -> None:
        self._options: dict[str, Any] = {"device": device, "dtype": dtype, "backend": backend}
        self._sources: dict[str, str] = {}
        for source in names or weights.SHIPPED:
            name = Path(source).name
            if name in self._sources:
                raise InputError(f"two models are called {name!r}: rename one of the folders")
            self._sources[name] = source
        if not self._sources:
            raise InputError("this version ships no models: give the folder or Hub id of one")
        self.default = next(iter(self._sources))
        self._loaded: dict[str, Model] = {}
        for name, source in self._sources.items():
            if source not in weights.SHIPPED or name == self.default:
                self.get(name)

    def check(self, name: str | None) -> str:
        """The name itself, the default for None.

        Raises:
            InputError: not one of ours.
        """
        if name is None:
            return self.default
        if name not in self._sources:
            raise unknown("model", name[:80], self._sources)
        return name

    def get(self, name: str | None) -> Model:
        """The model, loaded if need be; call it in the thread that computes."""
        name = self.check(name)
        if name not in self._loaded:
            self._loaded[name] = load(self._sources[name], **self._options)
        return self._loaded[name]

    def describe(self) -> list[dict[str, Any]]:
        """Name, classes with colours, guide and, for shipped ones, origin and scores."""
        return [self._describe(name, source) for name, source in self._sources.items()]

    def _describe(self, name: str, source: str) -> dict[str, Any]:
        record = weights.SHIPPED.get(source)
        if name in self._loaded:
            model = self._loaded[name]
            label_set, guide = model.label_set, model.guide_kind
        else:
            assert record is not None, "only shipped models are left unloaded"
            config = SegMiFConfig.from_dict(store.read_config(weights.SHIPPED_FOLDER / record.config))
            label_set, guide = config.label_set, config.guide
        return {
            "name": name,
            "default": name == self.default,
            "guide": guide,
            "classes": [
                {"id": i, "name": label_set.classes[i], "colour": hex_colour(label_set.palette[i])}
                for i in range(len(label_set))
            ]
            if label_set is not None
            else [],
            "record": {k: v for k, v in asdict(record).items() if k not in ("file", "config", "name")}
            if record is not None
            else None,
        }


def hex_colour(colour: tuple[int, int, int]) -> str:
    """
    >>> hex_colour((66, 121, 253))
    '#4279fd'
    """
    return "#{:02x}{:02x}{:02x}".format(*colour)
