"""Builds the tracker from the node's parameters."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, replace

import torch

from sam2_ros.model import Network, load_model
from sam2_ros.node.parameters import Parameters
from sam2_ros.tracking import StreamingTracker, TrackerConfig, TrackStateConfig
from sam2_ros.tracking.device import choose_device, choose_precision
from sam2_ros.tracking.presets import PRESETS
from sam2_ros.tracking.warm_up import compiled, warm_up


def reserve_executor_core() -> None:
    """Run the model on all cores but one, which is left to the executor, unless OMP_NUM_THREADS is set.

    The threads of an operation wait for each other: where one of them has to share its core, all are slow. See also
    threads.py.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) - 1))


def build_tracker(parameters: Parameters, log: Callable[[str], None] = lambda text: None) -> StreamingTracker:
    """Load the model, compile it where the parameter `compile` is true, preallocate memory and warm up.

    Raises CheckpointError, ValueError for a device that is unavailable, an image_size that the model does not support
    or durations that contradict each other, and torch.cuda.OutOfMemoryError.
    """
    device = choose_device(parameters.device)
    config = _tracker_config(parameters)
    model = load_model(
        parameters.model, parameters.checkpoint or None, parameters.image_size or None, device=str(device)
    )
    precision = choose_precision(parameters.precision, device, model.config.image_size)
    log(f"precision is {precision.name}: {precision.reason}")
    config = replace(config, precision=precision.name)
    if device.type == "cpu":
        reserve_executor_core()
    network: Network = compiled(model, config) if parameters.compile else model
    tracker = StreamingTracker(network, config)
    if parameters.compile:
        _compile(tracker, log)
    elif device.type == "cuda":
        _warm_up(tracker, log)
    return tracker


def _tracker_config(parameters: Parameters) -> TrackerConfig:
    """The tracker's part of the parameters. Raises ValueError."""
    preset = PRESETS[parameters.preset].changed(
        parameters.recent_memories, parameters.memory_pooling, parameters.encode_every
    )
    return TrackerConfig(
        max_objects=parameters.max_objects,
        max_prompted=parameters.max_prompted,
        history=parameters.history,
        track_state=_track_state_config(parameters),
        memory_policy=parameters.memory_policy,
        stamp_tolerance=parameters.stamp_tolerance,
        catch_up_at_once=False,
        target_fps=parameters.target_fps,
        cuda_graphs=parameters.cuda_graphs,
        **asdict(preset),
    )


def _track_state_config(parameters: Parameters) -> TrackStateConfig:
    return TrackStateConfig(
        vanish_below=parameters.vanish_below,
        appear_above=parameters.appear_above,
        occluded_after=parameters.occluded_after,
        lost_after=parameters.lost_after,
        remove_after=parameters.remove_after,
        return_frames=parameters.return_frames,
    )


def _compile(tracker: StreamingTracker, log: Callable[[str], None]) -> None:
    """The network is compiled when it first runs. Raises ValueError where that fails."""
    try:
        _warm_up(tracker, log)
    except torch.cuda.OutOfMemoryError:
        raise
    except RuntimeError as error:
        advice = "install a C++ compiler (`sudo apt install g++`) or set compile to false"
        raise ValueError(f"{str(error).strip().splitlines()[0]}: {advice}") from error


def _warm_up(tracker: StreamingTracker, log: Callable[[str], None]) -> None:
    start = time.perf_counter()
    for step in warm_up(tracker.model, tracker.config):
        log(f"warming up for {step} ({time.perf_counter() - start:.0f} s so far)")
    for step in tracker.capture():
        log(f"capturing CUDA graphs for {step} ({time.perf_counter() - start:.0f} s so far)")
    log(f"warmed up in {time.perf_counter() - start:.1f} s")
