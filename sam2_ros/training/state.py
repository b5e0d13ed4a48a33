"""The state of a training between two steps, and how it is saved and restored."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from sam2_ros.files import replacing
from sam2_ros.model import Sam2, save_weights
from sam2_ros.model.checkpoint import load_weights
from sam2_ros.model.checkpoint_files import read_checkpoint
from sam2_ros.model.config import named_config
from sam2_ros.training.errors import TrainingError
from sam2_ros.training.initialization import initial_model
from sam2_ros.training.optimizers import Optimizers
from sam2_ros.training.recipe import Recipe


@dataclass
class TrainingState:
    """Everything that a training consists of between two steps; `average` is the moving average of the weights."""

    step: int
    first_step: int  # of the stage that it started with
    model: Sam2
    average: dict[str, Tensor]
    optimizers: Optimizers

    @property
    def nbytes(self) -> int:
        """Size of the state's file: the weights, their average and two moments each."""
        return 4 * sum(value.nbytes for value in self.average.values())

    def update_average(self, decay: float) -> None:
        """Move the average towards the weights, faster in the first steps."""
        step = self.step - self.first_step
        decay = min(decay, (1 + step) / (10 + step))
        for key, value in self.model.state_dict().items():
            self.average[key].lerp_(value, 1 - decay)


def state_file(folder: Path) -> Path:
    """Where the state is saved."""
    return folder / "state.pt"


def start_or_resume(
    recipe: Recipe, folder: Path, device: torch.device, checkpoint: Path | None, first_stage: int = 0
) -> TrainingState:
    """The state saved in `folder`, or else a new one at `first_stage` from `checkpoint`, or else from random weights.

    Raises TrainingError for the state of another training, CheckpointError for weights that do not fit.
    """
    file = state_file(folder)
    if not file.exists():
        step = sum(stage.steps for stage in recipe.stages[:first_stage])
        model, optimizers = _prepare(_new_model(recipe, checkpoint, step), recipe, device)
        average = {key: value.clone() for key, value in model.state_dict().items()}
        return TrainingState(step, step, model, average, optimizers)
    saved = _read(file, device)
    for what, found, expected in (
        ("model", saved.get("model_name"), recipe.model),
        ("recipe", saved.get("recipe"), recipe.name),
    ):
        if found != expected:
            raise TrainingError(f"{file} is a training of {what} {found}, expected {expected}: choose another folder")
    if not {"optimizers", "first_step"} <= saved.keys():
        raise TrainingError(f"{file} was written by an earlier version: choose another folder")
    stage = recipe.stage_at(min(saved["step"], recipe.steps - 1))
    model, optimizers = _prepare(Sam2(named_config(recipe.model, stage.image_size)), recipe, device)
    model.load_state_dict(saved["weights"])
    optimizers.restore(saved["optimizers"])
    return TrainingState(saved["step"], saved["first_step"], model, saved["average"], optimizers)


def enter_stage(recipe: Recipe, state: TrainingState, device: torch.device) -> None:
    """Rebuild the model for the image size of the coming step's stage, with the same weights, if it differs."""
    stage = recipe.stage_at(state.step)
    if stage.image_size == state.model.config.image_size:
        return
    model, optimizers = _prepare(Sam2(named_config(recipe.model, stage.image_size)), recipe, device)
    model.load_state_dict(state.model.state_dict())
    optimizers.restore(state.optimizers.state())
    state.model, state.optimizers = model, optimizers


def save_state(recipe: Recipe, state: TrainingState, folder: Path) -> None:
    """Write state and averaged weights; the earlier files survive until the new ones are complete.

    Raises TrainingError, which names the file, on a full disk.
    """
    content: dict[str, Any] = {
        "model_name": recipe.model,
        "recipe": recipe.name,
        "step": state.step,
        "first_step": state.first_step,
        "weights": state.model.state_dict(),
        "average": state.average,
        "optimizers": state.optimizers.state(),
    }
    averaged = Sam2(named_config(recipe.model))
    averaged.load_state_dict(state.average)
    replace_file(state_file(folder), lambda partial: torch.save(content, partial))
    replace_file(folder / f"{recipe.model}.safetensors", lambda partial: save_weights(averaged, partial))


def replace_file(file: Path, write: Callable[[Path], None]) -> None:
    """Replace `file` by what `write` writes to the path that it is given. Raises TrainingError, and `file` is kept."""
    try:
        with replacing(file) as partial:
            write(partial)
    except (OSError, RuntimeError, SafetensorError) as error:  # each library has its own for a full disk
        reason = str(error).splitlines()[0]
        raise TrainingError(
            f"cannot write {file} ({reason}); the file of the last save is kept: free some space and run the same "
            "command again"
        ) from error


def _read(file: Path, device: torch.device) -> dict[str, Any]:
    try:
        return dict(torch.load(file, map_location=device, weights_only=True))
    except (RuntimeError, pickle.UnpicklingError, EOFError, TypeError, ValueError) as error:
        raise TrainingError(f"{file} is not the state of a training: choose another folder, or move it away") from error


def _new_model(recipe: Recipe, checkpoint: Path | None, step: int) -> Sam2:
    config = named_config(recipe.model, recipe.stage_at(step).image_size)
    if checkpoint is None:
        return initial_model(config, recipe.seed)
    model = Sam2(config)
    load_weights(model, read_checkpoint(checkpoint), checkpoint)
    return model


def _prepare(model: Sam2, recipe: Recipe, device: torch.device) -> tuple[Sam2, Optimizers]:
    """The model on its device with its optimizers; frozen parameters get no gradients, and so no updates."""
    model.to(device).train()
    for prefix in recipe.frozen_prefixes:
        if not any(name.startswith(prefix) for name, _ in model.named_parameters()):
            raise TrainingError(f"no parameter of {model.config.name} starts with {prefix}, which is to be frozen")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not name.startswith(recipe.frozen_prefixes))
    return model, Optimizers(model, recipe.weight_decay, recipe.use_muon)
