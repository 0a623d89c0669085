from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from segmif.export import cached_onnx, to_onnx
from segmif.export.openvino import convert
from segmif.models import SegMiF
from segmif.usercache import VARIABLE
from tests.mini import mini_network, quick_exports

Pair = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


@pytest.fixture(scope="session")
def mini() -> SegMiF:
    return mini_network()


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Graphs and choices are kept for these tests alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(tmp_path_factory.mktemp("cache")))
        quick_exports(patch)
        yield


@pytest.fixture(scope="session")
def onnx_file(mini: SegMiF, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnxscript")
    path = tmp_path_factory.mktemp("export") / "mini.onnx"
    to_onnx(mini, path, name="mini")
    return path


@pytest.fixture(scope="session")
def xml_file(mini: SegMiF, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OpenVINO file without labels that takes the guide as an input."""
    pytest.importorskip("onnxscript")
    pytest.importorskip("openvino")
    path = tmp_path_factory.mktemp("export") / "mini.xml"
    graph = cached_onnx(mini)
    assert isinstance(graph, Path)
    convert(graph, path)
    return path


def pair(batch: int, height: int, width: int) -> Pair:
    """Smooth random infrared, visible and guide, in [0, 1]."""
    generator = torch.Generator().manual_seed(batch * height * width)
    coarse = torch.rand(batch, 5, 5, 7, generator=generator)
    fine = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    return fine[:, :1], fine[:, 1:4], fine[:, 4:]
