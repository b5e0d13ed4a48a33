"""Samples of the reference's outputs in a small file, for parity tests without the reference."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..model import CONFIGS, ModelConfig, Sam2, seeded_model
from ..tracking.preprocess import preprocess
from .images import GENERATORS, ImageOutput
from .ours import balance_occlusion
from .reference import Reference
from .scenarios import (
    ModuleInputs,
    Scenario,
    VideoOutputs,
    absence_scenario,
    module_inputs,
    synthetic_frames,
    video_scenarios,
)

_FRAMES = 18  # more than there are recent object pointers
_IMAGE_SIZE = 128
_SAMPLES = 64  # of every tensor

# Both releases of the architecture, small enough for tests.
SMALL = {version: replace(CONFIGS["nano"].resized(_IMAGE_SIZE), version=version) for version in ("2.0", "2.1")}


@dataclass(frozen=True)
class GoldenInputs:
    """A seeded model and the inputs that both implementations run."""

    model: Sam2
    modules: ModuleInputs
    videos: list[Scenario]
    absence: Scenario


def golden_inputs(config: ModelConfig) -> GoldenInputs:
    """The same on every machine."""
    frames = synthetic_frames(_FRAMES, config.image_size)
    images = [preprocess(frame, config.image_size, torch.device("cpu")) for frame in frames]
    return GoldenInputs(
        model=seeded_model(config),
        modules=module_inputs(config, images[0]),
        videos=video_scenarios(images),
        absence=absence_scenario(images),
    )


def record(checkout: Path, path: Path) -> None:
    """Run the reference; write samples of its outputs, and the names and shapes of its parameters."""
    numbers: dict[str, np.ndarray] = {}
    for version, config in SMALL.items():
        reference, inputs = Reference(checkout, config), golden_inputs(config)
        reference.load(inputs.model)
        numbers |= {f"{version}/{name}": sample(x) for name, x in reference.modules(inputs.modules).items()}
        for scenario in inputs.videos:
            numbers[f"{version}/{scenario.name}"] = sample_video(reference.track(scenario))
        numbers[f"{version}/shift"] = np.array(balance_occlusion(inputs.model, inputs.absence))
        reference.load(inputs.model)
        numbers[f"{version}/{inputs.absence.name}"] = sample_video(reference.track(inputs.absence))
        picture = golden_picture(config.image_size)
        for name, output in reference.images(picture).items():
            numbers[f"{version}/{name}"] = sample_image(output)
        for name, settings in GENERATORS.items():
            numbers |= sample_segments(f"{version}/{name}", reference.segments(picture, settings))
    for name, config in CONFIGS.items():
        if name != "nano":
            shapes = Reference(checkout, config).shapes()
            numbers[f"keys/{name}"] = np.array("\n".join(f"{key} {shape}" for key, shape in shapes.items()))
    np.savez_compressed(path, **numbers)  # type: ignore[arg-type]


def sample(x: Tensor) -> np.ndarray:
    """(1 + 64,) float32: the largest absolute value, then evenly spaced values of the tensor."""
    flat = x.float().flatten()
    index = torch.linspace(0, len(flat) - 1, _SAMPLES).round().long()
    return torch.cat((flat.abs().max()[None], flat[index])).numpy()


def sample_video(outputs: VideoOutputs) -> np.ndarray:
    """(F, 2 + 64) float32, by object and frame: the occlusion score, then a sample of the logits."""
    return np.stack([np.append(np.float32(o.occlusion_score), sample(o.logits)) for _, o in sorted(outputs.items())])


def golden_picture(image_size: int) -> np.ndarray:
    """(H, W, 3) uint8, not of the model's size."""
    return np.ascontiguousarray(synthetic_frames(1, 2 * image_size)[0][: image_size * 3 // 2])


def sample_image(output: ImageOutput) -> np.ndarray:
    """(M, 1 + 1 + 64) float32, by mask: predicted IoU, then a sample of the logits."""
    samples = [sample(torch.from_numpy(logits)) for logits in output.logits]
    return np.concatenate((output.predicted_iou[:, None], np.stack(samples)), axis=1).astype(np.float32)


def sample_segments(name: str, segments: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """The masks (K, H, W) as bits, and (K, 4) float32: predicted IoU, stability score, x and y of the click."""
    numbers = [(s["predicted_iou"], s["stability_score"], *s["point_coords"][0]) for s in segments]
    return {
        f"{name}/masks": np.packbits(np.stack([s["segmentation"] for s in segments])),
        f"{name}/numbers": np.array(numbers, np.float32),
    }
