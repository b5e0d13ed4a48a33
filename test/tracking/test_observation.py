"""What is read off the network's answer."""

import math

import pytest
import torch

from sam2_ros.model import Decoded
from sam2_ros.model.config import ABSENT_LOGIT
from sam2_ros.model.mask_decoder import MaskCandidates
from sam2_ros.tracking import Box
from sam2_ros.tracking.observation import extents, observe

SIDE = 20
Area = tuple[int, int, int, int]  # left, top, right, bottom (pixels)


def logits(*areas: Area) -> torch.Tensor:
    """(SIDE, SIDE) that is positive in these rectangles."""
    result = torch.full((SIDE, SIDE), -4.0)
    for left, top, right, bottom in areas:
        result[top:bottom, left:right] = 4.0
    return result


def decoded(chosen: torch.Tensor, *others: torch.Tensor, score: float = 3.0) -> Decoded:
    """One object, its answer and the other two of the three candidates."""
    masks = torch.stack([chosen, chosen, *others])[None]
    candidates = MaskCandidates(masks, torch.full((1, 4), 0.7), torch.zeros(1, 4, 8), torch.tensor([[score]]))
    answer = torch.where(torch.tensor(score > 0), chosen, ABSENT_LOGIT)
    return Decoded(answer[None, None], torch.tensor([0.7]), torch.tensor([[score]]), torch.zeros(1, 8), candidates)


CUP: Area = (4, 6, 10, 16)


def test_numbers_of_a_mask_are_shares_of_the_picture() -> None:
    (seen,) = observe(decoded(*[logits(CUP)] * 3), weigh_candidates=False)
    assert seen.presence == pytest.approx(1 / (1 + math.exp(-3)))
    assert seen.occlusion_score == 3.0 and seen.predicted_iou == pytest.approx(0.7)
    assert seen.area == pytest.approx(60 / SIDE**2)
    assert seen.box is not None
    assert [seen.box.x0, seen.box.y0, seen.box.x1, seen.box.y1] == pytest.approx([0.2, 0.3, 0.5, 0.8])


def test_an_absent_object_has_no_box() -> None:
    (seen,) = observe(decoded(*[logits(CUP)] * 3, score=-3.0), weigh_candidates=True)
    assert seen.box is None and seen.area == 0.0 and seen.presence < 0.05


def test_extents_reach_to_the_border() -> None:
    masks = torch.stack([logits((0, 0, SIDE, SIDE)), logits((SIDE - 1, 0, SIDE, 1)), logits()]) > 0
    assert extents(masks).tolist() == [pytest.approx(e) for e in ([0, 0, 1, 1], [0.95, 0, 1, 0.05], [0, 0, 0, 0])]


def test_candidates_diverge_where_one_takes_in_something_else() -> None:
    agreed = decoded(logits(CUP), logits(CUP), logits(CUP))
    torn = decoded(logits(CUP), logits(CUP), logits(CUP, (14, 6, 20, 16)))
    assert observe(agreed, weigh_candidates=True)[0].divergence == 0.0
    assert observe(torn, weigh_candidates=True)[0].divergence == pytest.approx(1 - 6 / 15, abs=0.05)


def test_rims_and_specks_are_no_divergence() -> None:
    wider = decoded(logits(CUP), logits((3, 5, 11, 17)), logits(CUP, (18, 2, 19, 3)))
    assert observe(wider, weigh_candidates=True)[0].divergence == 0.0


def test_objects_are_observed_together() -> None:
    one, two = decoded(*[logits(CUP)] * 3), decoded(*[logits((0, 0, 2, 2))] * 3, score=-1.0)
    both = Decoded(
        torch.cat((one.logits, two.logits)),
        torch.cat((one.predicted_iou, two.predicted_iou)),
        torch.cat((one.occlusion_score, two.occlusion_score)),
        torch.cat((one.pointer, two.pointer)),
        MaskCandidates(*(torch.cat(pair) for pair in zip(one.candidates, two.candidates))),
    )
    first, second = observe(both, weigh_candidates=True)
    assert [first] == observe(one, weigh_candidates=True) and [second] == observe(two, weigh_candidates=True)
    assert isinstance(first.box, Box)
