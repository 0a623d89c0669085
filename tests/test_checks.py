import pytest
import torch

from segmif import checks


def test_require_extra_gives_the_module_or_names_the_extra():
    assert checks.require_extra("json", "any").dumps([1]) == "[1]"
    with pytest.raises(checks.MissingExtraError, match=r"package 'no_such_package': pip install 'segmif\[video\]'"):
        checks.require_extra("no_such_package.part", "video")


def test_missing_extra_is_both_a_mistake_and_an_import_error():
    assert issubclass(checks.MissingExtraError, checks.InputError)
    assert issubclass(checks.MissingExtraError, ImportError)
    assert issubclass(checks.InputError, ValueError)


def test_unknown_lists_all_and_suggests_only_what_is_close():
    assert "did you mean 'bus'" in str(checks.unknown("class", "buss", ["car", "bus"]))
    assert "did you mean" not in str(checks.unknown("class", "zzz", ["car", "bus"]))
    assert "(known: bus, car)" in str(checks.unknown("class", "zzz", ["car", "bus"]))


def test_sizes():
    checks.check_same_size("a", (3, 4), "b", (3, 4))
    with pytest.raises(checks.InputError, match="a is 4x3 but b is 3x4"):
        checks.check_same_size("a", (3, 4), "b", (4, 3))
    checks.check_min_size("a", (32, 40))
    with pytest.raises(checks.InputError, match="a is 40x31: both sides must be at least 32"):
        checks.check_min_size("a", (31, 40))


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.zeros(1, 40, 40), r"shape \(B, 1, H, W\), got \(1, 40, 40\)"),
        (torch.zeros(1, 3, 40, 40), r"shape \(B, 1, H, W\)"),
        (torch.zeros(1, 1, 40, 40, dtype=torch.uint8), r"float in \[0, 1\], got torch.uint8"),
        (torch.zeros(1, 1, 31, 40), "40x31"),
    ],
)
def test_a_batch_that_does_not_fit(tensor, message):
    with pytest.raises(checks.InputError, match=message):
        checks.check_batch("infrared", tensor, 1)


def test_a_batch_that_fits():
    checks.check_batch("infrared", torch.zeros(2, 1, 32, 33, dtype=torch.bfloat16), 1)
