"""The training loop: one optimizer step after another, resumable at any of them, on one device or several.

Everything random about a step is drawn from (seed, step, rank), so that a resumed training goes on exactly.
Start it under torchrun to use several devices, or several processes on one: their gradients are averaged.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import torch
import torch.distributed as dist
from torch import Tensor
from tqdm import tqdm

from sam2_ros.model import Sam2, save_weights
from sam2_ros.model.checkpoint import load_weights
from sam2_ros.model.checkpoint_files import read_checkpoint
from sam2_ros.model.config import named_config
from sam2_ros.tracking.device import autocast, choose_precision
from sam2_ros.training.data import Clips
from sam2_ros.training.initial import first_model
from sam2_ros.training.lessons import Lesson, lessons_from
from sam2_ros.training.losses import Losses
from sam2_ros.training.optimizers import Optimizers
from sam2_ros.training.recipe import Recipe
from sam2_ros.training.unroll import unroll

SAVE_EVERY = 100
REPORT_EVERY = 20
_LARGE = 256  # pixels


class TrainingError(ValueError):
    """A training that cannot start or go on; the message says why and what to do."""


@dataclass
class Progress:
    """All that a training consists of between two steps."""

    step: int
    model: Sam2
    average: dict[str, Tensor]
    optimizers: Optimizers


def train(recipe: Recipe, clips: Clips, folder: Path, device: torch.device, start: Path | None = None) -> Path:
    """Run a recipe to its end, from where `folder` left off; returns the file of the averaged weights.

    It begins with the weights of the file `start`, or else from nothing. Writes `state.pt`, TensorBoard curves,
    `curve.csv` and `<model>.safetensors` below `folder`. Raises TrainingError for a state of another model and for a
    loss that is not finite, CheckpointError for weights that do not fit.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rank, ranks = _join_ranks()
    progress = _start(recipe, folder, device, start)
    lessons = lessons_from(recipe, clips, progress.step, rank, _drawers(device))
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(_Curves(folder)) if rank == 0 else None
        bar = stack.enter_context(
            tqdm(total=recipe.steps, initial=progress.step, unit="step", disable=rank != 0, mininterval=5)
        )
        while progress.step < recipe.steps:
            losses, quality = _step(recipe, lessons, progress, device, ranks)
            progress.step += 1
            bar.update()
            if log is not None:
                log.note(progress.step, losses, quality)
            if rank == 0 and (progress.step % SAVE_EVERY == 0 or progress.step == recipe.steps):
                _save(recipe, progress, folder)
            if progress.step < recipe.steps:
                _enter_stage(recipe, progress, device)
    return folder / f"{recipe.model}.safetensors"


def _join_ranks() -> tuple[int, int]:
    """This process' number and their count; torchrun says so in the environment."""
    if "RANK" not in os.environ:
        return 0, 1
    cv2.setNumThreads(1)
    if not dist.is_initialized():
        has_own_gpu = torch.cuda.device_count() >= _processes_here()
        dist.init_process_group("nccl" if has_own_gpu else "gloo")
    return dist.get_rank(), dist.get_world_size()


def _processes_here() -> int:
    """How many processes of the training share this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", 1))


def _drawers(device: torch.device) -> int:
    """Processes that draw what is learnt from: a GPU would wait for it, a processor has no cores to spare."""
    if device.type == "cpu":
        return 0
    return max(1, (os.cpu_count() or 2) // _processes_here() - 1)


def _prepare(model: Sam2, recipe: Recipe, device: torch.device) -> tuple[Sam2, Optimizers]:
    """The model on its device with its optimizers; what is frozen gets no gradients, and so no updates."""
    model.to(device).train()
    for prefix in recipe.frozen:
        if not any(name.startswith(prefix) for name, _ in model.named_parameters()):
            raise TrainingError(f"no parameter of {model.config.name} starts with {prefix}, which is to be frozen")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not name.startswith(recipe.frozen))
    return model, Optimizers(model, recipe.weight_decay, recipe.with_muon)


def _start(recipe: Recipe, folder: Path, device: torch.device, start: Path | None) -> Progress:
    file = folder / "state.pt"
    if not file.exists():
        model, optimizers = _prepare(_first_model(recipe, start), recipe, device)
        return Progress(0, model, {key: value.clone() for key, value in model.state_dict().items()}, optimizers)
    state = torch.load(file, map_location=device, weights_only=True)
    for what, found, expected in (
        ("model", state["model_name"], recipe.model),
        ("recipe", state.get("recipe"), recipe.name),
    ):
        if found != expected:
            raise TrainingError(f"{file} is a training of {what} {found}, expected {expected}: choose another folder")
    if "optimizers" not in state:
        raise TrainingError(f"{file} was written by an earlier version: choose another folder")
    stage = recipe.stage_at(min(state["step"], recipe.steps - 1))
    model, optimizers = _prepare(Sam2(named_config(recipe.model, stage.image_size)), recipe, device)
    model.load_state_dict(state["weights"])
    optimizers.restore(state["optimizers"])
    return Progress(state["step"], model, state["average"], optimizers)


def _first_model(recipe: Recipe, start: Path | None) -> Sam2:
    config = named_config(recipe.model, recipe.stage_at(0).image_size)
    if start is None:
        return first_model(config, recipe.seed)
    model = Sam2(config)
    load_weights(model, read_checkpoint(start), start)
    return model


def _enter_stage(recipe: Recipe, progress: Progress, device: torch.device) -> None:
    """The same weights on another image size where the coming step's stage asks for it."""
    stage = recipe.stage_at(progress.step)
    if stage.image_size == progress.model.config.image_size:
        return
    model, optimizers = _prepare(Sam2(named_config(recipe.model, stage.image_size)), recipe, device)
    model.load_state_dict(progress.model.state_dict())
    optimizers.restore(progress.optimizers.state())
    progress.model, progress.optimizers = model, optimizers


def learning_rate(recipe: Recipe, step: int) -> float:
    """Linear warm-up, a constant, then half a cosine down to a hundredth over the last `cool_down` of the steps."""
    if step < recipe.warm_up:
        return recipe.learning_rate * (step + 1) / recipe.warm_up
    last = max(1, round(recipe.cool_down * (recipe.steps - recipe.warm_up)))
    share = max(0.0, 1 - (recipe.steps - step) / last)
    return recipe.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))


def _step(
    recipe: Recipe, lessons: Iterator[Lesson], progress: Progress, device: torch.device, ranks: int
) -> tuple[Losses, Tensor]:
    """One optimizer step; its mean losses and the gradient's norm."""
    stage = recipe.stage_at(progress.step)
    progress.model.zero_grad(set_to_none=True)
    for _ in range(stage.accumulate):
        lesson = next(lessons)
        with _precision(device, stage.image_size):
            answers = unroll(progress.model, lesson.batch, lesson.courses, lesson.rng)
        mean = _mean(answers)
        if not torch.isfinite(mean.total):
            raise TrainingError(
                f"the loss of step {progress.step} is {mean.total.item()}; the last state is kept: learn more slowly"
            )
        (mean.total / stage.accumulate).backward()
    parameters = [parameter for parameter in progress.model.parameters() if parameter.requires_grad]
    if ranks > 1:
        _average(_gradients(parameters), ranks)
    norm = torch.nn.utils.clip_grad_norm_(parameters, recipe.clip_norm)
    progress.optimizers.step(learning_rate(recipe, progress.step))
    _update_average(progress, recipe.ema_decay)
    return mean, norm


def _precision(device: torch.device, image_size: int) -> torch.autocast:
    """bfloat16 where it is faster to learn in, which on a CPU is for smaller images than tracking."""
    return autocast(device, choose_precision("auto", device, image_size, large=_LARGE).name)


def _gradients(parameters: list[torch.nn.Parameter]) -> list[Tensor]:
    """The gradient of every parameter; what this rank did not use has zeros, for another may have."""
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def _average(tensors: list[Tensor], ranks: int) -> None:
    """Put the mean over all ranks into each; all at once, for every exchange costs time."""
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    dist.all_reduce(flat)
    for tensor, mean in zip(tensors, (flat / ranks).split([tensor.numel() for tensor in tensors])):
        tensor.copy_(mean.view_as(tensor))


def _update_average(progress: Progress, decay: float) -> None:
    decay = min(decay, (1 + progress.step) / (10 + progress.step))
    for key, value in progress.model.state_dict().items():
        progress.average[key].lerp_(value, 1 - decay)


def _mean(answers: list[Losses]) -> Losses:
    terms = ("pixels", "dice", "iou", "occlusion")
    return Losses(**{term: torch.stack([getattr(answer, term) for answer in answers]).mean() for term in terms})


def _save(recipe: Recipe, progress: Progress, folder: Path) -> None:
    """State and averaged weights; the earlier files survive until the new ones are complete."""
    state: dict[str, Any] = {
        "model_name": recipe.model,
        "recipe": recipe.name,
        "step": progress.step,
        "weights": progress.model.state_dict(),
        "average": progress.average,
        "optimizers": progress.optimizers.state(),
    }
    partial = folder / "state.partial"
    try:
        torch.save(state, partial)
        partial.replace(folder / "state.pt")
        averaged = Sam2(named_config(recipe.model))
        averaged.load_state_dict(progress.average)
        save_weights(averaged, folder / f"{recipe.model}.safetensors")
    except (OSError, RuntimeError) as error:
        partial.unlink(missing_ok=True)
        raise TrainingError(
            f"cannot save below {folder} ({error}); the earlier state is still there: make room and start again"
        ) from error


class _Curves:
    """Means of the losses over some steps, for TensorBoard and as `curve.csv`."""

    def __init__(self, folder: Path) -> None:
        self._board = _summary_writer(folder / "tensorboard")
        new = not (folder / "curve.csv").exists()
        self._table = (folder / "curve.csv").open("a")
        if new:
            self._table.write("step,pixels,dice,iou,occlusion,gradient\n")
        self._rows: list[Tensor] = []

    def __enter__(self) -> _Curves:
        return self

    def __exit__(self, *_: object) -> None:
        self._table.close()
        self._board.close()

    def note(self, step: int, losses: Losses, gradient: Tensor) -> None:
        """Count one step in; write when enough have come together, and wait for a GPU only then."""
        self._rows.append(torch.stack((losses.pixels, losses.dice, losses.iou, losses.occlusion, gradient)).detach())
        if step % REPORT_EVERY:
            return
        means = torch.stack(self._rows).mean(dim=0).tolist()
        self._rows.clear()
        self._table.write(f"{step}," + ",".join(f"{value:.5f}" for value in means) + "\n")
        self._table.flush()
        for name, value in zip(("pixels", "dice", "iou", "occlusion", "gradient"), means):
            self._board.add_scalar(name, value, step)


def _summary_writer(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise TrainingError(f"{error}; training needs more packages: pip install 'sam2_ros[train]'") from error
    return SummaryWriter(str(folder))
