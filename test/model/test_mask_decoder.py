"""Mask candidates, and the choice among them."""

import pytest
import torch

from sam2_ros.model import ImageFeatures, Sam2
from sam2_ros.model.mask_decoder import MaskCandidates, choose_by_iou, choose_by_stability


def candidates(first: torch.Tensor, predicted_iou: list[float]) -> MaskCandidates:
    """One object whose first mask is given."""
    logits = torch.stack([first, *(torch.full_like(first, 5.0) for _ in range(3))])
    return MaskCandidates(logits[None], torch.tensor([predicted_iou]), torch.zeros(1, 4, 8), torch.ones(1, 1))


def outline(sure: int, unsure: int) -> torch.Tensor:
    """(20, 20) logits: so many pixels well inside, so many on the threshold, the others well outside."""
    flat = torch.full((400,), -4.0)
    flat[:sure] = 4.0
    flat[sure : sure + unsure] = 0.0
    return flat.view(20, 20)


def decode(model: Sam2, features: ImageFeatures, tokens: torch.Tensor) -> MaskCandidates:
    encoder = model.sam_prompt_encoder
    image_pe = encoder.pe_layer.grid(model.config.grid)
    return model.sam_mask_decoder(features.stride16, features, tokens, encoder.encode_mask(None), image_pe)


def test_an_ambiguous_prompt_gets_the_best_predicted_iou_of_the_last_three() -> None:
    assert choose_by_iou(candidates(outline(100, 0), [0.9, 0.2, 0.5, 0.4])).tolist() == [2]


@pytest.mark.parametrize(("unsure", "chosen"), [(0, 0), (2, 0), (3, 3)])
def test_an_unambiguous_prompt_gets_the_first_mask_unless_it_is_unstable(unsure: int, chosen: int) -> None:
    # 98 of 100 pixels stay when the threshold moves: still stable. 98 of 101: no longer.
    assert choose_by_stability(candidates(outline(98, unsure), [0.9, 0.2, 0.4, 0.5])).tolist() == [chosen]


def test_an_empty_mask_is_stable() -> None:
    assert choose_by_stability(candidates(outline(0, 0), [0.1, 0.2, 0.4, 0.5])).tolist() == [0]


def test_masks_are_chosen_per_object() -> None:
    stable, unstable = (
        candidates(outline(98, 0), [0.9, 0.2, 0.4, 0.5]),
        candidates(outline(50, 50), [0.9, 0.8, 0.4, 0.5]),
    )
    both = MaskCandidates(*(torch.cat(pair) for pair in zip(stable, unstable)))
    assert choose_by_stability(both).tolist() == [0, 1]


def test_four_masks_of_a_quarter_of_the_image_with_their_scores(model: Sam2, features: ImageFeatures) -> None:
    answer = decode(model, features, model.sam_prompt_encoder.no_points(3))
    assert answer.logits.shape == (3, 4, 16, 16)
    assert answer.predicted_iou.shape == (3, 4) and ((answer.predicted_iou > 0) & (answer.predicted_iou < 1)).all()
    assert answer.tokens.shape == (3, 4, 128)
    assert answer.occlusion_score.shape == (3, 1)


def test_objects_that_share_an_image_are_independent(model: Sam2, features: ImageFeatures) -> None:
    tokens = torch.randn(2, 3, 128, generator=torch.Generator().manual_seed(0))
    together = decode(model, features, tokens)
    for i in range(2):
        alone = decode(model, features, tokens[i : i + 1])
        assert torch.allclose(together.logits[i], alone.logits[0], atol=1e-5)
