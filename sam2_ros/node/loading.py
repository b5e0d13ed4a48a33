"""From parameters to a tracker that is ready."""

from __future__ import annotations

import os
from dataclasses import asdict, replace

import numpy as np
import torch

from sam2_ros.model import Sam2, load_model
from sam2_ros.node.parameters import Parameters
from sam2_ros.tracking import Box, PresenceRules, Prompt, StreamingTracker, TrackerConfig
from sam2_ros.tracking.device import choose_device, choose_precision
from sam2_ros.tracking.presets import PRESETS


def leave_a_core() -> None:
    """Lets the network use all cores but one, which receives images and publishes, unless OMP_NUM_THREADS decides.

    The threads of one operation wait for each other: where one of them has to share its core, all are slow.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) - 1))


def warm_up(model: Sam2, config: TrackerConfig) -> None:
    """Follows something for two frames, so that the first real one need not wait for a GPU's kernels to load."""
    tracker = StreamingTracker(model, replace(config, max_objects=1, history=1, encode_every=1))
    frame = np.zeros((64, 64, 3), np.uint8)
    tracker.step(frame, 0.0)
    tracker.add(Prompt(box=Box(16, 16, 48, 48)))
    tracker.step(frame, 1.0)


def build_tracker(parameters: Parameters) -> StreamingTracker:
    """Reads the weights and sets memory aside.

    Raises CheckpointError, ValueError for a device that is not there, an image_size that the model does not take or
    durations that contradict each other, and torch.cuda.OutOfMemoryError.
    """
    device = choose_device(parameters.device)
    presence = PresenceRules(
        vanish_below=parameters.vanish_below,
        appear_above=parameters.appear_above,
        occluded_after=parameters.occluded_after,
        lost_after=parameters.lost_after,
        remove_after=parameters.remove_after,
        return_frames=parameters.return_frames,
    )
    preset = PRESETS[parameters.preset].changed(
        parameters.recent_memories, parameters.memory_pooling, parameters.encode_every
    )
    config = TrackerConfig(
        max_objects=parameters.max_objects,
        max_prompted=parameters.max_prompted,
        history=parameters.history,
        presence=presence,
        memory_policy=parameters.memory_policy,
        stamp_tolerance=parameters.stamp_tolerance,
        catch_up_at_once=False,
        precision=choose_precision(parameters.precision, device),
        **asdict(preset),
    )
    model = load_model(
        parameters.model, parameters.checkpoint or None, parameters.image_size or None, device=str(device)
    )
    if device.type == "cpu":
        leave_a_core()
    else:
        warm_up(model, config)
    return StreamingTracker(model, config)
