"""The losses on cases small enough to compute by hand."""

import math

import torch

from sam2_ros.training.losses import PixelLoss, dice_loss, focal_loss, mask_iou, pixel_loss, prediction_losses

SURE = 30.0  # a logit whose probability is 1 in float32


def mask_of(*rows: str) -> torch.Tensor:
    """(H, W) float; '#' is the object."""
    return torch.tensor([[float(c == "#") for c in row] for row in rows])


def sure_of(mask: torch.Tensor) -> torch.Tensor:
    return (mask * 2 - 1) * SURE


def test_focal_loss_of_an_undecided_pixel_weighs_the_object_a_quarter_and_the_rest_three_quarters() -> None:
    # cross-entropy ln 2, times (1 - 0.5) ** 2, times alpha
    undecided = torch.zeros(1, 1)
    assert math.isclose(focal_loss(undecided, torch.ones(1, 1)).item(), 0.25 * 0.25 * math.log(2), rel_tol=1e-6)
    assert math.isclose(focal_loss(undecided, torch.zeros(1, 1)).item(), 0.75 * 0.25 * math.log(2), rel_tol=1e-6)


def test_focal_loss_is_the_mean_over_pixels_and_vanishes_where_the_prediction_is_sure_and_right() -> None:
    target = mask_of("#.", "..")
    logits = sure_of(target)
    logits[0, 0] = 0.0
    assert math.isclose(focal_loss(logits, target).item(), 0.25 * 0.25 * math.log(2) / 4, rel_tol=1e-5)


def test_dice_loss_of_half_an_object() -> None:
    # overlap 1, sizes 1 and 2: 1 - (2 + 1) / (3 + 1)
    assert math.isclose(dice_loss(sure_of(mask_of("#.", "..")), mask_of("##", "..")).item(), 0.25, abs_tol=1e-6)


def test_dice_loss_of_two_empty_masks_is_zero() -> None:
    assert dice_loss(sure_of(mask_of("..")), mask_of("..")).item() < 1e-6


def test_iou_counts_pixels_and_two_empty_masks_agree() -> None:
    assert math.isclose(mask_iou(sure_of(mask_of("##.")), mask_of(".##")).item(), 1 / 3, rel_tol=1e-6)
    assert mask_iou(sure_of(mask_of("...")), mask_of("...")).item() == 1.0


def test_only_the_best_candidate_has_mask_losses() -> None:
    mask = mask_of("##..", "##..", "....", "....")[None]
    logits = torch.stack([sure_of(mask_of("....", "....", "....", "####")), 0.1 * sure_of(mask[0]), torch.zeros(4, 4)])[
        None
    ]
    logits.requires_grad_()
    losses = prediction_losses(logits, torch.full((1, 3), 0.5), torch.zeros(1, 1), mask)
    (losses.pixels + losses.dice).backward()
    assert logits.grad is not None
    per_candidate = logits.grad.abs().sum(dim=(2, 3))[0]
    assert per_candidate[1] > 0
    assert per_candidate[0] == 0 and per_candidate[2] == 0


def test_every_candidate_has_an_iou_loss() -> None:
    mask = mask_of("##", "##")[None]
    logits = torch.stack([sure_of(mask_of("##", "##")), sure_of(mask_of("##", "..")), sure_of(mask_of("..", ".."))])[
        None
    ]
    predicted = torch.tensor([[0.9, 0.7, 0.3]], requires_grad=True)
    losses = prediction_losses(logits, predicted, torch.zeros(1, 1), mask)
    # true IoU 1, 1/2, 0
    assert math.isclose(losses.iou.item(), (0.1 + 0.2 + 0.3) / 3, rel_tol=1e-5)
    losses.iou.backward()
    assert predicted.grad is not None and bool((predicted.grad != 0).all())


def test_an_absent_object_trains_only_the_occlusion_score() -> None:
    masks = torch.stack([mask_of("..", ".."), mask_of("##", "##")])
    logits = torch.zeros(2, 3, 2, 2, requires_grad=True)
    predicted = torch.full((2, 3), 0.5, requires_grad=True)
    score = torch.tensor([[2.0], [2.0]], requires_grad=True)
    losses = prediction_losses(logits, predicted, score, masks)
    losses.total.backward()
    assert logits.grad is not None and predicted.grad is not None and score.grad is not None
    assert not logits.grad[0].any() and logits.grad[1].any()
    assert not predicted.grad[0].any() and predicted.grad[1].any()
    assert score.grad[0] > 0 > score.grad[1]
    # -ln(1 - sigmoid(2)) and -ln(sigmoid(2))
    assert math.isclose(
        losses.occlusion.item(), (math.log(1 + math.exp(2)) + math.log(1 + math.exp(-2))) / 2, rel_tol=1e-5
    )


def test_focal_weighs_twenty_times_the_others_and_cross_entropy_as_much_as_they() -> None:
    logits, target = torch.zeros(2, 2), mask_of("#.", "..")
    assert torch.equal(pixel_loss(PixelLoss.FOCAL, logits, target), 20 * focal_loss(logits, target))
    assert math.isclose(pixel_loss(PixelLoss.CROSS_ENTROPY, logits, target).item(), math.log(2), rel_tol=1e-6)


def test_the_total_is_the_sum_of_all_terms() -> None:
    mask = mask_of("#.", "..")[None]
    for kind in PixelLoss:
        losses = prediction_losses(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1), torch.zeros(1, 1), mask, kind)
        expected = pixel_loss(kind, torch.zeros(2, 2), mask[0]) + losses.dice + losses.iou + losses.occlusion
        assert math.isclose(losses.total.item(), expected.item(), rel_tol=1e-6)
