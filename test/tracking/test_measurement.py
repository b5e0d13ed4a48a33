"""Measurements of the network's output."""

import math

import pytest
import torch

from sam2_ros.model import Decoded
from sam2_ros.model.config import ABSENT_LOGIT
from sam2_ros.model.mask_decoder import MaskCandidates
from sam2_ros.tracking import Box
from sam2_ros.tracking.measurement import measure

SIDE = 20
Area = tuple[int, int, int, int]  # left, top, right, bottom (pixels)


def logits(*areas: Area) -> torch.Tensor:
    """(SIDE, SIDE) that is positive in these rectangles."""
    result = torch.full((SIDE, SIDE), -4.0)
    for left, top, right, bottom in areas:
        result[top:bottom, left:right] = 4.0
    return result


def decoded(chosen: torch.Tensor, *others: torch.Tensor, score: float = 3.0) -> Decoded:
    """One object, its mask and the other two of the three candidates."""
    masks = torch.stack([chosen, chosen, *others])[None]
    candidates = MaskCandidates(masks, torch.full((1, 4), 0.7), torch.zeros(1, 4, 8), torch.tensor([[score]]))
    mask = torch.where(torch.tensor(score > 0), chosen, ABSENT_LOGIT)
    return Decoded(mask[None, None], torch.tensor([0.7]), torch.tensor([[score]]), torch.zeros(1, 8), candidates)


CUP: Area = (4, 6, 10, 16)


def test_areas_and_boxes_are_fractions_of_the_frame() -> None:
    (measured,) = measure(decoded(*[logits(CUP)] * 3), compare_candidates=False)
    assert measured.presence == pytest.approx(1 / (1 + math.exp(-3)))
    assert measured.occlusion_score == 3.0 and measured.predicted_iou == pytest.approx(0.7)
    assert measured.area == pytest.approx(60 / SIDE**2)
    assert measured.box is not None
    assert [measured.box.x0, measured.box.y0, measured.box.x1, measured.box.y1] == pytest.approx([0.2, 0.3, 0.5, 0.8])


def test_an_absent_object_has_no_box() -> None:
    (measured,) = measure(decoded(*[logits(CUP)] * 3, score=-3.0), compare_candidates=True)
    assert measured.box is None and measured.area == 0.0 and measured.presence < 0.05


def test_candidates_disagree_if_one_includes_another_region() -> None:
    agreed = decoded(logits(CUP), logits(CUP), logits(CUP))
    split = decoded(logits(CUP), logits(CUP), logits(CUP, (14, 6, 20, 16)))
    assert measure(agreed, compare_candidates=True)[0].mask_disagreement == 0.0
    assert measure(split, compare_candidates=True)[0].mask_disagreement == pytest.approx(1 - 6 / 15, abs=0.05)


def test_rims_and_single_pixels_are_no_disagreement() -> None:
    wider = decoded(logits(CUP), logits((3, 5, 11, 17)), logits(CUP, (18, 2, 19, 3)))
    assert measure(wider, compare_candidates=True)[0].mask_disagreement == 0.0


def test_objects_are_measured_in_one_batch() -> None:
    one, two = decoded(*[logits(CUP)] * 3), decoded(*[logits((0, 0, 2, 2))] * 3, score=-1.0)
    both = Decoded(
        torch.cat((one.logits, two.logits)),
        torch.cat((one.predicted_iou, two.predicted_iou)),
        torch.cat((one.occlusion_score, two.occlusion_score)),
        torch.cat((one.pointer, two.pointer)),
        MaskCandidates(*(torch.cat(pair) for pair in zip(one.candidates, two.candidates))),
    )
    first, second = measure(both, compare_candidates=True)
    assert [first] == measure(one, compare_candidates=True) and [second] == measure(two, compare_candidates=True)
    assert isinstance(first.box, Box)
