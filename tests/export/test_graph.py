import pytest
import torch

from segmif.checks import InputError
from segmif.export.graph import Graph, OpenSizeConv2d, exportable
from segmif.export.metadata import Description, describe, read_description
from segmif.export.onnx import choose_guide
from segmif.models.efficientnet import SameConv2d
from tests.tiny import tiny_network
from tests.tolerances import ABSOLUTE


@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (5, 1), (3, 2), (5, 2)])
def test_padding_for_open_sizes_is_the_same_padding(kernel, stride):
    torch.manual_seed(0)
    conv = SameConv2d(3, 4, kernel, stride)
    other = OpenSizeConv2d(3, 4, kernel, stride)
    other.load_state_dict(conv.state_dict())
    for size in ((8, 8), (9, 8), (8, 11), (7, 13)):
        x = torch.rand(1, 3, *size)
        torch.testing.assert_close(other(x), conv(x))


def test_the_graph_gives_what_the_network_gives():
    network = tiny_network(guide="average")
    infrared, visible = torch.rand(2, 1, 33, 47), torch.rand(2, 3, 33, 47)
    graph = Graph(network, guide="average").eval()
    with torch.inference_mode():
        expected = network(infrared, visible)
        fused, labels, confidence, logits = graph(infrared, visible)
    full = expected.full_logits()
    limit = ABSOLUTE[torch.float32]
    torch.testing.assert_close(fused, expected.fused_rgb.clamp(0, 1), atol=limit, rtol=0)
    torch.testing.assert_close(logits, expected.logits, atol=limit, rtol=limit)
    assert (labels == full.argmax(dim=1)).float().mean() > 0.999
    torch.testing.assert_close(confidence, full.softmax(dim=1).amax(dim=1), atol=limit, rtol=0)
    assert labels.dtype == torch.uint8


def test_normalisations_are_folded_and_the_network_is_left_alone():
    network = tiny_network()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    exportable(network)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_where_the_guide_comes_from():
    assert choose_guide(tiny_network(guide="average"), None) == "average"
    assert choose_guide(tiny_network(guide="vsm_wls"), None) == "input"
    assert choose_guide(tiny_network(attention="none"), None) is None
    with pytest.raises(InputError, match="cannot be made inside the file"):
        choose_guide(tiny_network(), "vsm_wls")
    with pytest.raises(InputError, match="did you mean 'average'"):
        choose_guide(tiny_network(), "averag")


def test_a_description_survives_as_text():
    description = describe(tiny_network(guide="visible"), name="tiny", guide="visible")
    assert Description.from_strings(description.to_strings(), where="here") == description
    assert description.label_set is not None
    assert description.label_set.classes[8] == "person"
    with pytest.raises(InputError, match="here: was not written by 'segmif export'"):
        Description.from_strings({"classes": "[]"}, where="here")


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_description(tmp_path / "absent.onnx")
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(InputError, match=r"text\.onnx: is not a readable ONNX file"):
        read_description(tmp_path / "text.onnx")
