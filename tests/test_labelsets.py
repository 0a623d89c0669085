import pytest

from segmif import labelsets
from segmif.checks import InputError


def test_the_label_sets_of_the_field():
    assert {name: len(s) for name, s in labelsets.LABEL_SETS.items()} == {
        "fmb": 15, "mfnet": 9, "pst900": 5, "cwfid": 3, "saliency": 2,
    }  # fmt: skip
    assert labelsets.FMB.classes.index("car") == 9
    assert labelsets.FMB.classes[4] == "traffic lamp"
    assert labelsets.label_set("mfnet") is labelsets.MFNET


@pytest.mark.parametrize("label_set", [*labelsets.LABEL_SETS.values(), labelsets.numbered(20)], ids=lambda s: s.name)
def test_every_class_has_a_colour_of_its_own(label_set):
    assert len(set(label_set.palette)) == len(label_set.classes)
    table = label_set.colours()
    assert tuple(table[1]) == label_set.palette[1]
    assert tuple(table[255]) == (255, 255, 255)
    assert tuple(table[254]) == (128, 128, 128)


def test_an_unknown_label_set_is_named():
    with pytest.raises(InputError, match="did you mean 'mfnet'"):
        labelsets.label_set("mfnt")
