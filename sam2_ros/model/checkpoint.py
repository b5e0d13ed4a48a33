"""Weights in and out. Parameters have the names of the official SAM 2 checkpoints."""

from __future__ import annotations

import os
import re
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from .checkpoint_files import CheckpointError, read_checkpoint
from .config import CONFIGS, ModelConfig, named_config
from .download import DOWNLOADS, cached_path
from .sam2 import Sam2

BUNDLED = Path(__file__).parent.parent / "weights"

_LISTED = 7  # differences in a message
_Shapes = dict[str, tuple[int, ...]]


def load_model(
    name: str,
    checkpoint: str | os.PathLike[str] | None = None,
    image_size: int | None = None,
    device: str | torch.device = "cpu",
) -> Sam2:
    """The named model with its weights, ready to track.

    `checkpoint` is a file as `read_checkpoint` takes it; without it the bundled weights or the downloaded official
    ones are taken. Raises ValueError for an unknown name or size, CheckpointError for weights that are missing,
    damaged or of another model, TypeError for arguments of another type.
    """
    _check_places(checkpoint, device)
    model = Sam2(named_config(name, image_size))
    path = Path(checkpoint).expanduser() if checkpoint else _default_path(name)
    load_weights(model, read_checkpoint(path), path)
    return model.to(device).freeze()


def _check_places(checkpoint: str | os.PathLike[str] | None, device: str | torch.device) -> None:
    """Raises TypeError for a checkpoint that is no path, ValueError for a device that is unknown or not there."""
    if checkpoint is not None and not isinstance(checkpoint, (str, os.PathLike)):
        raise TypeError(f"checkpoint is a {type(checkpoint).__name__}, expected the path of a file, or None")
    try:
        place = torch.device(device)
    except (RuntimeError, TypeError):
        raise ValueError(f"device is {device!r}, expected cpu, cuda or cuda:N") from None
    if place.type == "cuda" and (place.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device is {str(device)!r}, but PyTorch finds {torch.cuda.device_count()} GPUs: choose cpu")


def load_weights(model: Sam2, weights: dict[str, Tensor], origin: object) -> None:
    """Copy weights, by the official names, into a model.

    Raises CheckpointError, which says which model they are for, or what differs, and leaves the model as it was.
    """
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in weights.items()}
    if found != expected:
        raise CheckpointError(_mismatch(model.config, expected, found, origin))
    for name, value in weights.items():
        if not value.is_floating_point() or value.layout is not torch.strided or value.is_meta:
            raise CheckpointError(
                f"checkpoint {origin} holds {name} as {_form(value)}, expected floating-point numbers, one for each "
                "weight: save the model in float32 or float16"
            )
    weights = {name: value.float() for name, value in weights.items()}
    broken = [name for name, value in weights.items() if not value.isfinite().all()]
    if broken:
        raise CheckpointError(f"checkpoint {origin} has values that are not finite, in {', '.join(broken[:3])}")
    model.load_state_dict(weights)


def _form(weight: Tensor) -> str:
    kind = str(weight.dtype).removeprefix("torch.")
    if weight.is_meta:
        return "a shape without values (device meta)"
    return kind if weight.layout is torch.strided else f"a sparse tensor of {kind}"


def _mismatch(config: ModelConfig, expected: _Shapes, found: _Shapes, origin: object) -> str:
    """At most ten lines."""
    fitting = _fitting_config(found)
    if not any(name.startswith("memory_attention.") for name in found):
        return f"checkpoint {origin} is of an image model without memory, expected one for video (Sam2VideoModel)"
    if fitting is not None and fitting.name != config.name:
        return f"checkpoint {origin} is for model {fitting.name}, not {config.name}: set the model to {fitting.name}"
    problems = [f"missing {name}" for name in expected.keys() - found.keys()]
    problems += [f"unexpected {name}" for name in found.keys() - expected.keys()]
    problems += [
        f"{name} has shape {found[name]}, expected {expected[name]}"
        for name in expected.keys() & found.keys()
        if found[name] != expected[name]
    ]
    lines = sorted(problems)[:_LISTED]
    if len(problems) > _LISTED:
        lines.append(f"and {len(problems) - _LISTED} more")
    others = "" if fitting else ", nor any other"
    heading = f"checkpoint {origin} does not fit model {config.name}{others} ({len(problems)} differences):"
    return "\n  ".join([heading, *lines])


def _fitting_config(found: _Shapes) -> ModelConfig | None:
    """The model whose trunk and release these are, whatever else may differ."""
    width = found.get("image_encoder.trunk.pos_embed", (0, 0))[1]
    numbers = [int(match[1]) for name in found if (match := re.match(r"image_encoder\.trunk\.blocks\.(\d+)\.", name))]
    version = "2.1" if "no_obj_embed_spatial" in found else "2.0"
    for config in CONFIGS.values():
        is_trunk = config.trunk.width == width and sum(config.trunk.blocks) == max(numbers, default=-1) + 1
        if is_trunk and config.version == version:
            return config
    return None


def save_weights(model: Sam2, path: Path, dtype: torch.dtype = torch.float16) -> None:
    """Write a .safetensors file; the old file survives until the new one is complete."""
    weights = {key: value.detach().to("cpu", dtype).contiguous() for key, value in model.state_dict().items()}
    partial = path.with_suffix(".partial")
    partial.write_bytes(save(weights, metadata={"model": model.config.name}))
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
