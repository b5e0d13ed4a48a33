"""Weights in and out. Parameters have the names of the official SAM 2 checkpoints."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from .checkpoint_names import official_names
from .config import named_config
from .download import DOWNLOADS, cached_path
from .sam2 import Sam2

BUNDLED = Path(__file__).parent.parent / "weights"


class CheckpointError(RuntimeError):
    """Weights that cannot be used; the message says why and what to do."""


def load_model(
    name: str,
    checkpoint: str | os.PathLike[str] | None = None,
    image_size: int | None = None,
    device: str | torch.device = "cpu",
) -> Sam2:
    """The named model with its weights, ready to track.

    `checkpoint` is an official .pt file or a .safetensors file of ours; without it the bundled weights or the
    downloaded official ones are taken. Raises ValueError for an unknown name or size, CheckpointError for
    weights that are missing, damaged or of another model.
    """
    model = Sam2(named_config(name, image_size))
    path = Path(checkpoint).expanduser() if checkpoint else _default_path(name)
    load_weights(model, read_checkpoint(path), path)
    return model.to(device).freeze()


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, by the official names; nothing in the file is executed."""
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path} does not exist, expected a .pt or .safetensors file")
    try:
        if path.suffix == ".safetensors":
            return official_names(load_file(path))
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise CheckpointError(
            f"checkpoint {path} cannot be read ({type(error).__name__}: {_first_line(error)}); it is damaged, cut "
            "off or not a checkpoint: delete it and fetch it again with `sam2_ros download`"
        ) from error
    weights = content.get("model") if isinstance(content, dict) else None
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise CheckpointError(f"checkpoint {path} has no state dict under 'model', as official ones have")
    return official_names(weights)


def load_weights(model: Sam2, weights: dict[str, Tensor], origin: object) -> None:
    """Copy weights into a model.

    Raises CheckpointError naming every key that is missing, unexpected or of another shape.
    """
    expected = model.state_dict()
    problems = [f"missing {key}" for key in expected.keys() - weights.keys()]
    problems += [f"unexpected {key}" for key in weights.keys() - expected.keys()]
    problems += [
        f"{key} has shape {tuple(weights[key].shape)}, expected {tuple(expected[key].shape)}"
        for key in expected.keys() & weights.keys()
        if weights[key].shape != expected[key].shape
    ]
    if problems:
        listing = "\n  ".join(sorted(problems))
        raise CheckpointError(
            f"checkpoint {origin} does not fit model {model.config.name} ({len(problems)} differences); name the "
            f"model that it was made for:\n  {listing}"
        )
    model.load_state_dict({key: value.float() for key, value in weights.items()})


def save_weights(model: Sam2, path: Path, dtype: torch.dtype = torch.float16) -> None:
    """Write a .safetensors file; the old file survives until the new one is complete."""
    weights = {key: value.detach().to("cpu", dtype).contiguous() for key, value in model.state_dict().items()}
    partial = path.with_suffix(".partial")
    save_file(weights, partial, metadata={"model": model.config.name})
    partial.replace(path)


def _default_path(name: str) -> Path:
    bundled = BUNDLED / f"{name}.safetensors"
    if bundled.is_file() or name not in DOWNLOADS:
        return bundled
    path = cached_path(name)
    if not path.is_file():
        raise CheckpointError(
            f"no weights for {name}: expected {path}; fetch them with `sam2_ros download {name}`, or give the path "
            "of a checkpoint"
        )
    return path


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
