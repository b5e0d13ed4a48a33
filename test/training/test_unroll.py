"""Training tracks a clip as tracking does, and can overfit one."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from sam2_ros.model import CONFIGS, Sam2
from sam2_ros.training.data import Sample
from sam2_ros.training.initialization import initial_model
from sam2_ros.training.prompts import PromptKind, first_prompts
from sam2_ros.training.unroll import ClipBatch, PromptSchedule, collate, unroll

SIZE = 64


def moving_square(frames: int = 4, absent: tuple[int, ...] = ()) -> Sample:
    """A red square that moves to the right over a grey picture."""
    pictures = np.full((frames, SIZE, SIZE, 3), 90, np.uint8)
    masks = np.zeros((1, frames, SIZE, SIZE), bool)
    for t in range(frames):
        if t not in absent:
            area = np.s_[20:44, 6 + 6 * t : 30 + 6 * t]
            pictures[t][area], masks[0, t][area] = (220, 30, 30), True
    return Sample(pictures, masks, np.any(masks, axis=(2, 3)))


@pytest.fixture
def model() -> Sam2:
    return initial_model(CONFIGS["nano"].resized(SIZE), seed=0)


def batch_of(*samples: Sample) -> ClipBatch:
    return collate(samples)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def schedule(kind: PromptKind, batch: ClipBatch, seed: int = 0, **kwargs: Any) -> PromptSchedule:
    return PromptSchedule(first_prompts(np.random.default_rng(seed), kind, batch.masks[0].numpy()), **kwargs)


BY_MASK = PromptSchedule(None)


def test_objects_of_a_batch_know_their_clips() -> None:
    two = replace(moving_square(), masks=np.repeat(moving_square().masks, 2, axis=0))
    batch = batch_of(moving_square(), two)
    assert batch.frames.shape == (4, 2, SIZE, SIZE, 3)
    assert batch.masks.shape == (4, 3, SIZE, SIZE)
    assert batch.owner.tolist() == [0, 1, 1]


def test_every_prediction_has_losses_but_a_given_mask_has_none(model: Sam2) -> None:
    batch = batch_of(moving_square())
    assert len(unroll(model, batch, [BY_MASK], rng())) == 3
    assert len(unroll(model, batch, [schedule(PromptKind.CLICK, batch)], rng())) == 4
    corrected = schedule(PromptKind.BOX, batch, first_clicks=2, later_frame=2, later_clicks=1)
    assert len(unroll(model, batch, [corrected], rng())) == 4 + 2 + 1


def test_schedules_share_the_encoded_images_and_nothing_else(model: Sam2) -> None:
    batch = batch_of(moving_square())
    by_box = schedule(PromptKind.BOX, batch)
    encoded: list[int] = []
    handle = model.image_encoder.trunk.register_forward_hook(lambda _, images, __: encoded.append(len(images[0])))
    together = [loss.total.item() for loss in unroll(model, batch, [BY_MASK, by_box], rng())]
    handle.remove()
    apart = [loss.total.item() for one in (BY_MASK, by_box) for loss in unroll(model, batch, [one], rng())]
    assert encoded == [batch.frames.shape[0]] and together == pytest.approx(apart)


def test_gradients_reach_back_through_the_memory(model: Sam2) -> None:
    bias = model.get_parameter("sam_mask_decoder.pred_obj_score_head.layers.2.bias")
    torch.nn.init.constant_(bias, 5.0)  # predicted visible
    losses = unroll(model, batch_of(moving_square()), [BY_MASK], rng())
    losses[-1].total.backward()
    for name in (
        "memory_encoder.out_proj.weight",
        "obj_ptr_proj.layers.0.weight",
        "image_encoder.trunk.patch_embed.proj.weight",
    ):
        gradient = model.get_parameter(name).grad
        assert gradient is not None and gradient.abs().sum() > 0, name


def test_an_absent_object_has_no_mask_loss(model: Sam2) -> None:
    losses = unroll(model, batch_of(moving_square(absent=(2,))), [BY_MASK], rng())
    assert losses[1].pixels == 0 and losses[1].dice == 0
    assert losses[1].occlusion > 0 and losses[2].dice > 0


def test_the_initial_weights_propagate_a_mask_unlike_random_ones(model: Sam2) -> None:
    torch.manual_seed(0)
    random = Sam2(model.config)
    propagated, random_loss = (
        unroll(network, batch_of(moving_square()), [BY_MASK], rng())[0].dice.item() for network in (model, random)
    )
    assert propagated < random_loss - 0.1


@pytest.mark.slow
def test_a_clip_can_be_overfitted(model: Sam2) -> None:
    batch = batch_of(moving_square())
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    for step in range(45):
        kind = (PromptKind.MASK, PromptKind.CLICK, PromptKind.BOX)[step % 3]
        optimizer.zero_grad()
        predictions = unroll(model, batch, [schedule(kind, batch, seed=step)], rng())
        loss = torch.stack([prediction.total for prediction in predictions]).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        optimizer.step()
    for kind in PromptKind:
        predictions = unroll(model, batch, [schedule(kind, batch)], rng())
        assert max(prediction.dice.item() for prediction in predictions) < 0.25, kind
