"""Memories of the streaming tracker under each policy."""

import pytest
import torch

from sam2_ros.model import seeded_model
from sam2_ros.model.config import named_config
from sam2_ros.model.sam2 import Sam2
from sam2_ros.tracking import (
    StreamingTracker,
    TrackerConfig,
)
from sam2_ros.tracking.memory_policy import POLICIES

from .noise_stream import OTHER, PERIOD, SQUARE, logits_of, run


def make_blind(model: Sam2) -> None:
    """The network sees no object anywhere from now on."""
    model.sam_mask_decoder.pred_obj_score_head.layers[-1].get_parameter("bias").data -= 100.0


def memories(policy: str, absent: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The spatial memories that are read of an object after twelve frames in view, and after `absent` frames more."""
    model = seeded_model(named_config("nano", 64), seed=4)
    tracker = StreamingTracker(model, TrackerConfig(memory_policy=policy))
    run(tracker, 1)
    tracker.add(SQUARE)
    run(tracker, 12, start=1)
    bank = tracker._propagation._bank
    before = bank.read([0], 13).spatial
    make_blind(model)
    run(tracker, absent, start=13)
    return before, bank.read([0], 13 + absent).spatial


@pytest.mark.parametrize("policy", ["guarded", "distractor_aware", "motion_aware"])
def test_memories_of_visible_frames_survive_a_long_absence(policy: str) -> None:
    before, after = memories(policy, absent=30)
    assert before.shape[1] == 7 and torch.equal(before, after)


def test_the_reference_policy_keeps_the_prompted_memory_only() -> None:
    before, after = memories("reference", absent=30)
    assert torch.equal(before[:, 0], after[:, 0])
    assert not any(torch.equal(before[:, i], after[:, j]) for i in range(1, 7) for j in range(1, 7))


@pytest.mark.parametrize("policy", POLICIES)
def test_a_late_correction_has_the_same_result_as_one_in_time_with_every_policy(model: Sam2, policy: str) -> None:
    def follow(late: bool) -> torch.Tensor:
        tracker = StreamingTracker(model, TrackerConfig(memory_policy=policy))
        run(tracker, 1)
        track_id = tracker.add(SQUARE)
        run(tracker, 12, start=1)
        if not late:
            tracker.refine(track_id, OTHER)
        run(tracker, 6, start=13)
        if late:
            tracker.refine(track_id, OTHER, stamp=12 * PERIOD)
        return logits_of(tracker, track_id)

    torch.testing.assert_close(follow(late=True), follow(late=False), rtol=1e-4, atol=1e-4)
