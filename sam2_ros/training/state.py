"""The state of a training between two steps, and how it is saved and restored."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sam2_ros.model import Sam2, save_weights
from sam2_ros.model.checkpoint import load_weights, read_checkpoint
from sam2_ros.model.config import named_config
from sam2_ros.training.errors import TrainingError
from sam2_ros.training.initialization import initial_model
from sam2_ros.training.optimizers import Optimizers
from sam2_ros.training.recipe import Recipe


@dataclass
class TrainingState:
    """Everything that a training consists of between two steps; `average` is the moving average of the weights."""

    step: int
    model: Sam2
    average: dict[str, Tensor]
    optimizers: Optimizers

    def update_average(self, decay: float) -> None:
        """Move the average towards the weights, faster in the first steps."""
        decay = min(decay, (1 + self.step) / (10 + self.step))
        for key, value in self.model.state_dict().items():
            self.average[key].lerp_(value, 1 - decay)


def start_or_resume(recipe: Recipe, folder: Path, device: torch.device, checkpoint: Path | None) -> TrainingState:
    """The state saved in `folder`, or else a new one from the weights of `checkpoint`, or else from random weights.

    Raises TrainingError for the state of another training, CheckpointError for weights that do not fit.
    """
    file = folder / "state.pt"
    if not file.exists():
        model, optimizers = _prepare(_new_model(recipe, checkpoint), recipe, device)
        return TrainingState(0, model, {key: value.clone() for key, value in model.state_dict().items()}, optimizers)
    saved = torch.load(file, map_location=device, weights_only=True)
    for what, found, expected in (
        ("model", saved["model_name"], recipe.model),
        ("recipe", saved.get("recipe"), recipe.name),
    ):
        if found != expected:
            raise TrainingError(f"{file} is a training of {what} {found}, expected {expected}: choose another folder")
    if "optimizers" not in saved:
        raise TrainingError(f"{file} was written by an earlier version: choose another folder")
    stage = recipe.stage_at(min(saved["step"], recipe.steps - 1))
    model, optimizers = _prepare(Sam2(named_config(recipe.model, stage.image_size)), recipe, device)
    model.load_state_dict(saved["weights"])
    optimizers.restore(saved["optimizers"])
    return TrainingState(saved["step"], model, saved["average"], optimizers)


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
    """Write state and averaged weights; the earlier files survive until the new ones are complete."""
    content: dict[str, Any] = {
        "model_name": recipe.model,
        "recipe": recipe.name,
        "step": state.step,
        "weights": state.model.state_dict(),
        "average": state.average,
        "optimizers": state.optimizers.state(),
    }
    partial = folder / "state.partial"
    try:
        torch.save(content, partial)
        partial.replace(folder / "state.pt")
        averaged = Sam2(named_config(recipe.model))
        averaged.load_state_dict(state.average)
        save_weights(averaged, folder / f"{recipe.model}.safetensors")
    except (OSError, RuntimeError) as error:
        partial.unlink(missing_ok=True)
        raise TrainingError(
            f"cannot save below {folder} ({error}); the earlier state is still there: make room and start again"
        ) from error


def _new_model(recipe: Recipe, checkpoint: Path | None) -> Sam2:
    config = named_config(recipe.model, recipe.stage_at(0).image_size)
    if checkpoint is None:
        return initial_model(config, recipe.seed)
    model = Sam2(config)
    load_weights(model, read_checkpoint(checkpoint), checkpoint)
    return model


def _prepare(model: Sam2, recipe: Recipe, device: torch.device) -> tuple[Sam2, Optimizers]:
    """The model on its device with its optimizers; frozen parameters get no gradients, and so no updates."""
    model.to(device).train()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not name.startswith(recipe.frozen_prefixes))
    return model, Optimizers(model, recipe.weight_decay, recipe.use_muon)
