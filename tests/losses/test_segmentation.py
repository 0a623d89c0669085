import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from segmif.checks import InputError
from segmif.losses import distillation_loss, segmentation_loss
from tests.tolerances import ABSOLUTE, GOLDEN_LOSS


def scene(classes: int, size: tuple[int, int], seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits at label resolution and labels, a fifth of them ignored."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, classes, *size, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (2, *size), generator=generator)
    labels[torch.rand(labels.shape, generator=generator) < 0.2] = 255
    return logits, labels


def test_golden_value(golden):
    value = segmentation_loss(golden["logits"], golden["labels"])
    assert value.item() == pytest.approx(golden["loss_segmentation"].item(), abs=GOLDEN_LOSS)


@settings(max_examples=25, deadline=None)
@given(classes=st.integers(2, 6), height=st.integers(1, 9), width=st.integers(1, 9), seed=st.integers(0, 99))
def test_is_the_mean_negative_log_probability_of_labelled_pixels(classes, height, width, seed):
    logits, labels = scene(classes, (height, width), seed)
    weights = torch.arange(1, classes + 1, dtype=torch.float64)
    total = counted = weighted = weight_sum = 0.0
    for b, y, x in (labels != 255).nonzero().tolist():
        label = labels[b, y, x]
        surprise = -(logits[b, label, y, x].exp() / logits[b, :, y, x].exp().sum()).log().item()
        total, counted = total + surprise, counted + 1
        weighted, weight_sum = weighted + weights[label].item() * surprise, weight_sum + weights[label].item()
    tolerance = ABSOLUTE[torch.float64]
    assert segmentation_loss(logits, labels).item() == pytest.approx(total / max(counted, 1), abs=tolerance)
    value = segmentation_loss(logits, labels, class_weights=weights).item()
    assert value == pytest.approx(weighted / max(weight_sum, 1), abs=tolerance)


@pytest.mark.parametrize("class_weights", [None, torch.tensor([1.0, 2, 3])])
def test_nothing_but_ignored_is_zero_with_zero_gradient(class_weights):
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    loss = segmentation_loss(logits, torch.full((2, 9, 7), 255), class_weights=class_weights)
    loss.backward()
    assert loss.item() == 0
    assert logits.grad.abs().max() == 0


def test_logits_are_upsampled_to_odd_label_sizes():
    labels = torch.zeros(1, 9, 7, dtype=torch.uint8)
    flat = torch.tensor([2.0, 0.0]).view(1, 2, 1, 1).expand(1, 2, 3, 2)
    assert segmentation_loss(flat, labels).item() == pytest.approx(torch.tensor(-2.0).exp().log1p().item(), abs=1e-6)


def test_gradcheck():
    logits, labels = scene(3, (3, 4))
    labels = labels.repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert torch.autograd.gradcheck(lambda x: segmentation_loss(x, labels), (logits.requires_grad_(),))


def test_ignored_pixels_change_nothing():
    logits, labels = scene(4, (6, 5))
    changed = torch.where((labels == 255)[:, None], 9 * logits, logits)
    assert not torch.equal(changed, logits)
    assert segmentation_loss(changed, labels) == segmentation_loss(logits, labels)
    other = torch.where(labels == 255, -1, labels)
    assert segmentation_loss(logits, other, ignore_index=-1) == segmentation_loss(logits, labels)


def test_half_precision_sums_do_not_overflow():
    loss = segmentation_loss(torch.zeros(1, 9, 400, 400, dtype=torch.float16), torch.zeros(1, 400, 400))
    assert loss.item() == pytest.approx(torch.tensor(9.0).log().item(), abs=ABSOLUTE[torch.float32])


def test_bad_input():
    logits, labels = scene(3, (4, 4))
    with pytest.raises(InputError, match="no channel dimension"):
        segmentation_loss(logits, labels[:, None])
    with pytest.raises(InputError, match="no channel dimension"):
        segmentation_loss(logits[:1], labels)
    with pytest.raises(InputError, match=r"neither below 3 .* nor 255"):
        segmentation_loss(logits, torch.full_like(labels, 3))


@settings(max_examples=25, deadline=None)
@given(classes=st.integers(2, 6), height=st.integers(1, 9), width=st.integers(1, 9), seed=st.integers(0, 99))
def test_distillation_is_the_divergence_of_softened_answers(classes, height, width, seed):
    student, teacher = (scene(classes, (height, width), seed + k)[0] for k in (0, 1))
    total = 0.0
    for b in range(2):
        for y in range(height):
            for x in range(width):
                q, p = ((one[b, :, y, x] / 2).softmax(0) for one in (student, teacher))
                total += (p * (p / q).log()).sum().item()
    value = distillation_loss(student, teacher).item()
    assert value == pytest.approx(4 * total / (2 * height * width), rel=1e-4, abs=ABSOLUTE[torch.float32])
    assert distillation_loss(teacher, teacher).item() == pytest.approx(0, abs=1e-6)


def test_a_teacher_of_another_resolution_is_resampled_and_never_learns():
    student, _ = scene(3, (6, 8))
    teacher = scene(3, (12, 16), 1)[0].requires_grad_()
    student.requires_grad_()
    small = torch.nn.functional.interpolate(teacher.detach(), size=(6, 8), mode="bilinear", align_corners=False)
    loss = distillation_loss(student, teacher, temperature=1)
    assert loss.item() == pytest.approx(distillation_loss(student, small, temperature=1).item(), rel=1e-6)
    loss.backward()
    assert teacher.grad is None
    assert student.grad.abs().sum() > 0


def test_where_the_label_contradicts_the_teacher_it_is_heard_less():
    student, labels = scene(3, (6, 8))
    teacher = scene(3, (6, 8), 1)[0]
    labels[0, 0, :4] = 255
    trust = torch.tensor([0.7, 3.0])
    total = 0.0
    for b, weight in enumerate((0.7, 1.0)):
        for y in range(6):
            for x in range(8):
                q, p = ((one[b, :, y, x] / 2).softmax(0) for one in (student, teacher))
                label = int(labels[b, y, x])
                wrong = label != 255 and label != int(teacher[b, :, y, x].argmax())
                total += (1 - weight * wrong) * (p * (p / q).log()).sum().item()
    value = distillation_loss(student, teacher, labels=labels, label_weight=trust).item()
    assert value == pytest.approx(4 * total / (2 * 6 * 8), rel=1e-4)
    large = labels.repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert distillation_loss(student, teacher, labels=large, label_weight=trust).item() == pytest.approx(value)
    agreed = distillation_loss(student, teacher, labels=teacher.argmax(1)).item()
    assert agreed == pytest.approx(distillation_loss(student, teacher).item())
    other = (teacher.argmax(1) + 1) % 3
    assert distillation_loss(student, teacher, labels=other).item() == 0
    with pytest.raises(InputError, match="labels"):
        distillation_loss(student, teacher, labels=labels[:1])


@pytest.mark.parametrize(("other", "temperature"), [((2, 4, 6, 8), 2), ((1, 3, 6, 8), 2), ((2, 3, 6, 8), 0)])
def test_distillation_refuses_other_classes_other_pictures_and_no_temperature(other, temperature):
    with pytest.raises(InputError, match=r"student and teacher|temperature"):
        distillation_loss(torch.zeros(2, 3, 6, 8), torch.zeros(other), temperature=temperature)
