"""The training loop: one optimizer step after another, resumable at any of them, on one device or several.

All randomness of a step is drawn from (seed, step, rank), so that a resumed training equals an uninterrupted one.
Start it under torchrun to use several devices, or several processes on one: their gradients are averaged.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from sam2_ros.tracking.device import autocast, choose_precision
from sam2_ros.training.batches import TrainingBatch, training_batches
from sam2_ros.training.data import Clips
from sam2_ros.training.disk import describe_disk_space
from sam2_ros.training.distributed import any_rank, average_gradients, join_ranks, local_ranks
from sam2_ros.training.errors import TrainingError, TrainingStopped
from sam2_ros.training.losses import Losses
from sam2_ros.training.metric_logger import MetricLogger
from sam2_ros.training.recipe import Recipe
from sam2_ros.training.state import TrainingState, enter_stage, save_state, start_or_resume, state_file
from sam2_ros.training.stop import StopRequest
from sam2_ros.training.unroll import unroll

SAVE_EVERY = 100
_LARGE = 256  # pixels


def train(
    recipe: Recipe,
    clips: Clips,
    folder: Path,
    device: torch.device,
    checkpoint: Path | None = None,
    first_stage: int = 0,
) -> Path:
    """Run a recipe to its end, from the state in `folder` if there is one; returns the file of the averaged weights.

    A new training starts at `first_stage` from the weights of `checkpoint`, or else from random ones. Writes
    `state.pt`, TensorBoard curves, `curve.csv` and `<model>.safetensors` to `folder`. Raises TrainingError for the
    state of another training, a loss that is not finite and a full disk, CheckpointError for weights that do not fit,
    and TrainingStopped after Ctrl-C or SIGTERM, once the state is saved.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rank, ranks = join_ranks()
    state = start_or_resume(recipe, folder, device, checkpoint, first_stage)
    if rank == 0 and state.step < recipe.steps:
        print(describe_disk_space(folder, clips, state), file=sys.stderr)
    batches = training_batches(recipe, clips, state.step, rank, _num_workers(device))
    with contextlib.ExitStack() as stack:
        stop = stack.enter_context(StopRequest())
        logger = stack.enter_context(MetricLogger(folder)) if rank == 0 else None
        bar = stack.enter_context(
            tqdm(total=recipe.steps, initial=state.step, unit="step", disable=rank != 0, mininterval=5)
        )
        while state.step < recipe.steps:
            losses, gradient_norm = _step(recipe, batches, state, device, ranks)
            state.step += 1
            bar.update()
            if logger is not None:
                logger.log(state.step, losses, gradient_norm)
            stops = any_rank(stop.signal is not None, ranks)
            if rank == 0 and (stops or state.step % SAVE_EVERY == 0 or state.step == recipe.steps):
                save_state(recipe, state, folder)
            if stops and state.step < recipe.steps:
                raise TrainingStopped(state.step, state_file(folder), stop.signal or signal.SIGTERM)
            if state.step < recipe.steps:
                enter_stage(recipe, state, device)
    return folder / f"{recipe.model}.safetensors"


def learning_rate(recipe: Recipe, step: int, first_step: int = 0) -> float:
    """Linear warm-up, a constant, then a half cosine to a hundredth over the last `decay_fraction` of the steps.

    A training that starts with a later stage, at `first_step`, warms up to the schedule's value there.
    """
    decay_steps = max(1, round(recipe.decay_fraction * (recipe.steps - recipe.warmup_steps)))
    share = max(0.0, 1 - (recipe.steps - step) / decay_steps)
    rate = recipe.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))
    steps = step - first_step
    return rate * (steps + 1) / recipe.warmup_steps if steps < recipe.warmup_steps else rate


def _num_workers(device: torch.device) -> int:
    """Processes that load batches: a GPU would wait for them, a CPU has no cores to spare."""
    if device.type == "cpu":
        return 0
    return max(1, (os.cpu_count() or 2) // local_ranks() - 1)


def _step(
    recipe: Recipe, batches: Iterator[TrainingBatch], state: TrainingState, device: torch.device, ranks: int
) -> tuple[Losses, Tensor]:
    """One optimizer step; the mean losses of its last batch and the norm of the gradient."""
    stage = recipe.stage_at(state.step)
    state.model.zero_grad(set_to_none=True)
    for _ in range(stage.accumulation_steps):
        batch = next(batches)
        with _precision(device, stage.image_size):
            losses = unroll(state.model, batch.clips, batch.schedules, batch.rng)
        mean = _mean(losses)
        if not torch.isfinite(mean.total):
            raise TrainingError(
                f"the loss of step {state.step} is {mean.total.item()}; the last saved state is kept: "
                "lower the recipe's learning rate"
            )
        (mean.total / stage.accumulation_steps).backward()
    parameters = [parameter for parameter in state.model.parameters() if parameter.requires_grad]
    if ranks > 1:
        average_gradients(parameters, ranks)
    gradient_norm = torch.nn.utils.clip_grad_norm_(parameters, recipe.max_grad_norm)
    state.optimizers.step(learning_rate(recipe, state.step, state.first_step))
    state.update_average(recipe.ema_decay)
    return mean, gradient_norm


def _precision(device: torch.device, image_size: int) -> torch.autocast:
    """bfloat16 where training is faster in it, on a CPU from smaller images on than tracking."""
    return autocast(device, choose_precision("auto", device, image_size, large=_LARGE).name)


def _mean(losses: list[Losses]) -> Losses:
    terms = ("pixels", "dice", "iou", "occlusion")
    return Losses(**{term: torch.stack([getattr(each, term) for each in losses]).mean() for term in terms})
