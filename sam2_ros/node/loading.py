"""From parameters to a tracker that is ready."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict

import torch

from sam2_ros.model import Network, load_model
from sam2_ros.node.parameters import Parameters
from sam2_ros.tracking import StreamingTracker, TrackerConfig, TrackStateConfig
from sam2_ros.tracking.device import choose_device, choose_precision
from sam2_ros.tracking.presets import PRESETS
from sam2_ros.tracking.warm_up import compiled, warm_up


def leave_a_core() -> None:
    """Lets the network use all cores but one, which receives images and publishes, unless OMP_NUM_THREADS decides.

    The threads of one operation wait for each other: where one of them has to share its core, all are slow.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) - 1))


def build_tracker(parameters: Parameters, report: Callable[[str], None] = lambda text: None) -> StreamingTracker:
    """Reads the weights, compiles them where that is wanted, and sets memory aside; reports what takes long.

    Raises CheckpointError, ValueError for a device that is not there, an image_size that the model does not take or
    durations that contradict each other, and torch.cuda.OutOfMemoryError.
    """
    device = choose_device(parameters.device)
    track_state = TrackStateConfig(
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
    model = load_model(
        parameters.model, parameters.checkpoint or None, parameters.image_size or None, device=str(device)
    )
    precision = choose_precision(parameters.precision, device, model.config.image_size)
    report(f"precision is {precision.name}: {precision.reason}")
    config = TrackerConfig(
        max_objects=parameters.max_objects,
        max_prompted=parameters.max_prompted,
        history=parameters.history,
        track_state=track_state,
        memory_policy=parameters.memory_policy,
        stamp_tolerance=parameters.stamp_tolerance,
        catch_up_at_once=False,
        precision=precision.name,
        target_fps=parameters.target_fps,
        **asdict(preset),
    )
    if device.type == "cpu":
        leave_a_core()
    network: Network = model
    if parameters.compile:
        network = compiled(model, config)
        try:
            _warm_up(network, config, report)
        except torch.cuda.OutOfMemoryError:
            raise
        except RuntimeError as error:
            advice = "install a C++ compiler (`sudo apt install g++`) or set compile to false"
            raise ValueError(f"{str(error).strip().splitlines()[0]}: {advice}") from error
    elif device.type == "cuda":
        _warm_up(network, config, report)
    return StreamingTracker(network, config)


def _warm_up(network: Network, config: TrackerConfig, report: Callable[[str], None]) -> None:
    start = time.perf_counter()
    for step in warm_up(network, config):
        report(f"warming up for {step} ({time.perf_counter() - start:.0f} s so far)")
