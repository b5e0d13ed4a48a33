"""Simulated prompts lie where they should."""

import numpy as np
import pytest
import torch

from sam2_ros.model import PointLabel, PromptTensors
from sam2_ros.training.prompts import PromptKind, boxes, corrected, first_clicks, random_kind


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def square(size: int, left: int, upper: int, side: int) -> np.ndarray:
    mask = np.zeros((size, size), bool)
    mask[upper : upper + side, left : left + side] = True
    return mask


def test_half_of_the_first_prompts_are_masks_and_a_quarter_each_clicks_and_boxes(rng: np.random.Generator) -> None:
    drawn = [random_kind(rng) for _ in range(4000)]
    assert abs(drawn.count(PromptKind.MASK) / 4000 - 0.5) < 0.03
    assert abs(drawn.count(PromptKind.CLICK) / 4000 - 0.25) < 0.03
    assert abs(drawn.count(PromptKind.BOX) / 4000 - 0.25) < 0.03


def test_first_clicks_lie_in_their_masks_and_are_positive(rng: np.random.Generator) -> None:
    masks = np.stack([square(32, 3, 5, 4), square(32, 20, 9, 8)])
    for _ in range(50):
        prompts = first_clicks(rng, masks)
        assert prompts.points.shape == (2, 1, 2)
        assert (prompts.labels == PointLabel.POSITIVE).all()
        for mask, (x, y) in zip(masks, prompts.points[:, 0].long().tolist()):
            assert mask[y, x]


def test_a_box_without_jitter_touches_the_outermost_pixels(rng: np.random.Generator) -> None:
    prompts = boxes(rng, square(32, 3, 5, 4)[None], jitter=0.0)
    assert prompts.points.tolist() == [[[3, 5], [6, 8]]]
    assert prompts.labels.tolist() == [[PointLabel.BOX_TOP_LEFT, PointLabel.BOX_BOTTOM_RIGHT]]


def test_the_edges_of_a_box_are_moved_by_a_tenth_of_its_side(rng: np.random.Generator) -> None:
    mask = square(200, 80, 80, 40)
    left = [boxes(rng, mask[None]).points[0, 0, 0].item() for _ in range(2000)]
    assert abs(np.mean(left) - 80) < 0.5
    assert abs(np.std(left) - 4.0) < 0.3


def test_a_box_stays_in_the_picture(rng: np.random.Generator) -> None:
    for _ in range(50):
        points = boxes(rng, np.ones((1, 16, 16), bool), jitter=0.5).points
        assert points.min() >= 0 and points.max() <= 15


def test_a_correction_clicks_on_false_negatives_and_false_positives(rng: np.random.Generator) -> None:
    mask, prediction = square(32, 4, 4, 8), square(32, 8, 4, 8)
    labels = []
    for _ in range(200):
        prompts = corrected(rng, None, torch.zeros(1, 1, 8, 8), mask[None], prediction[None])
        x, y = prompts.points[0, 0].long().tolist()
        label = prompts.labels[0, 0].item()
        assert label == (PointLabel.POSITIVE if mask[y, x] else PointLabel.NEGATIVE)
        labels.append((label, bool(mask[y, x] != prediction[y, x])))
    assert {label for label, _ in labels} == {PointLabel.POSITIVE, PointLabel.NEGATIVE}
    # One click in ten is drawn from the whole true mask, half of which was found.
    assert np.mean([wrong for _, wrong in labels]) > 0.88


def test_a_perfect_prediction_gets_a_positive_click(rng: np.random.Generator) -> None:
    mask = square(32, 4, 4, 8)
    prompts = corrected(rng, None, torch.zeros(1, 1, 8, 8), mask[None], mask[None])
    assert prompts.labels.item() == PointLabel.POSITIVE


def test_an_absent_object_without_error_gets_padding(rng: np.random.Generator) -> None:
    nothing = np.zeros((1, 32, 32), bool)
    prompts = corrected(rng, None, torch.zeros(1, 1, 8, 8), nothing, nothing)
    assert prompts.labels.item() == PointLabel.PADDING


def test_a_correction_repeats_the_earlier_prompt_with_the_clamped_logits(rng: np.random.Generator) -> None:
    mask = square(32, 4, 4, 8)[None]
    earlier = boxes(rng, mask)
    logits = torch.tensor([-1024.0, 5.0]).view(1, 1, 1, 2)
    prompts = corrected(rng, earlier, logits, mask, np.zeros_like(mask))
    assert torch.equal(prompts.points[:, :2], earlier.points)
    assert prompts.labels.shape == (1, 3)
    assert prompts.mask_logits is not None and prompts.mask_logits.flatten().tolist() == [-32.0, 5.0]
    assert isinstance(prompts, PromptTensors)
