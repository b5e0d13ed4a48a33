"""A few of the reference's numbers in a small file, so that the test suite can hold equality without the reference."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..model import CONFIGS, ModelConfig, Sam2, seeded_model
from ..tracking.preprocess import preprocess
from .ours import balance_occlusion
from .reference import Reference
from .scenarios import Answers, ModuleInputs, Scenario, absence_scenario, drawn_frames, module_inputs, video_scenarios

_FRAMES = 18  # one more than the object pointers reach, and then some
_IMAGE_SIZE = 128
_SAMPLES = 64  # of every tensor

# Both releases of the architecture, at a size that a test can run.
SMALL = {version: replace(CONFIGS["nano"].resized(_IMAGE_SIZE), version=version) for version in ("2.0", "2.1")}


@dataclass(frozen=True)
class Questions:
    """What a seeded model is asked."""

    model: Sam2
    inputs: ModuleInputs
    videos: list[Scenario]
    absence: Scenario


def questions(config: ModelConfig) -> Questions:
    """The same on every machine."""
    frames = drawn_frames(_FRAMES, config.image_size)
    images = [preprocess(frame, config.image_size, torch.device("cpu")) for frame in frames]
    return Questions(
        seeded_model(config), module_inputs(config, images[0]), video_scenarios(images), absence_scenario(images)
    )


def record(checkout: Path, path: Path) -> None:
    """Ask the reference, and write its answers and the names of its parameters."""
    numbers: dict[str, np.ndarray] = {}
    for version, config in SMALL.items():
        reference, asked = Reference(checkout, config), questions(config)
        reference.load(asked.model)
        numbers |= {f"{version}/{name}": sample(x) for name, x in reference.modules(asked.inputs).items()}
        for scenario in asked.videos:
            numbers[f"{version}/{scenario.name}"] = sample_video(reference.track(scenario))
        numbers[f"{version}/shift"] = np.array(balance_occlusion(asked.model, asked.absence))
        reference.load(asked.model)
        numbers[f"{version}/{asked.absence.name}"] = sample_video(reference.track(asked.absence))
    for name, config in CONFIGS.items():
        if name != "nano":
            shapes = Reference(checkout, config).shapes()
            numbers[f"keys/{name}"] = np.array("\n".join(f"{key} {shape}" for key, shape in shapes.items()))
    np.savez_compressed(path, **numbers)  # type: ignore[arg-type]


def sample(x: Tensor) -> np.ndarray:
    """(1 + 64,) float32: the largest absolute value, then values spread evenly over the tensor."""
    flat = x.float().flatten()
    index = torch.linspace(0, len(flat) - 1, _SAMPLES).round().long()
    return torch.cat((flat.abs().max()[None], flat[index])).numpy()


def sample_video(answers: Answers) -> np.ndarray:
    """(F, 2 + 64) float32, by object and frame: the occlusion score, then a sample of the logits."""
    return np.stack([np.append(np.float32(a.occlusion_score), sample(a.logits)) for _, a in sorted(answers.items())])
