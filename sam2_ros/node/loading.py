"""From parameters to a tracker that is ready."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import torch

from sam2_ros.model import Sam2, load_model
from sam2_ros.node.parameters import ParameterError, Parameters
from sam2_ros.tracking import Box, Prompt, StreamingTracker, TrackerConfig


def choose_device(name: str) -> torch.device:
    """`auto`, `cpu`, `cuda` or `cuda:N`. Raises ParameterError for a GPU that is not there."""
    count = torch.cuda.device_count()
    if name == "auto":
        return torch.device("cuda:0" if count else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= count:
        raise ParameterError(
            f"parameter device is {name}, but PyTorch {torch.__version__} sees {count} CUDA devices: "
            "set device to auto or cpu, or install a driver (see `nvidia-smi`) and a PyTorch built for it"
        )
    return device


def choose_precision(name: str, device: torch.device) -> str:
    """`auto`: bfloat16 where it is faster, which is on a GPU."""
    if name != "auto":
        return name
    return "bfloat16" if device.type == "cuda" else "float32"


def leave_a_core() -> None:
    """Lets the network use all cores but one, which receives images and publishes, unless OMP_NUM_THREADS decides.

    The threads of one operation wait for each other: where one of them has to share its core, all are slow.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) - 1))


def warm_up(model: Sam2, config: TrackerConfig) -> None:
    """Follows something for two frames, so that the first real one need not wait for a GPU's kernels to load."""
    tracker = StreamingTracker(model, replace(config, max_objects=1, history=1))
    frame = np.zeros((64, 64, 3), np.uint8)
    tracker.step(frame, 0.0)
    tracker.add(Prompt(box=Box(16, 16, 48, 48)))
    tracker.step(frame, 1.0)


def build_tracker(parameters: Parameters) -> StreamingTracker:
    """Reads the weights and sets memory aside.

    Raises ParameterError, CheckpointError, ValueError for an image_size that the model does not take, and
    torch.OutOfMemoryError.
    """
    device = choose_device(parameters.device)
    config = TrackerConfig(
        max_objects=parameters.max_objects,
        max_prompted=parameters.max_prompted,
        history=parameters.history,
        lost_after=parameters.lost_after,
        stamp_tolerance=parameters.stamp_tolerance,
        precision=choose_precision(parameters.precision, device),
    )
    model = load_model(
        parameters.model, parameters.checkpoint or None, parameters.image_size or None, device=str(device)
    )
    if device.type == "cpu":
        leave_a_core()
    else:
        warm_up(model, config)
    return StreamingTracker(model, config)
