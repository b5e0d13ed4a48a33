"""Runs the network once in every shape, so that no frame waits for kernels to be loaded or compiled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import numpy as np

from ..model import CompiledSam2, Network, Sam2
from ..model.config import NUM_RECENT, NUM_RECENT_POINTERS
from .config import TrackerConfig
from .prompts import MAX_CLICKS
from .tracker import StreamingTracker
from .types import Box, Click, Prompt

_SIDE = 64  # pixels of the frames
_PERIOD = 0.1  # seconds between them
_MASK = Prompt(mask=np.ones((_SIDE, _SIDE), bool))
_BOX = Prompt(box=Box(16, 16, 48, 48))
_CLICK = Prompt(clicks=(Click(32, 32),))


def compiled(model: Sam2, config: TrackerConfig, backend: str = "inductor") -> CompiledSam2:
    """The network for trackers of this configuration; nothing is compiled before `warm_up`."""
    return CompiledSam2(model, config.memory_sizes, MAX_CLICKS + 2, config.max_objects + 1, backend)


def warm_up(network: Network, config: TrackerConfig) -> Iterator[str]:
    """Tracks with every batch size and memory size of this configuration; yields what comes next, for the log."""
    batches = network.batches if isinstance(network, CompiledSam2) else (1,)
    for objects in batches:
        yield f"{objects} object{'s' * (objects > 1)}"
        _track(network, config, objects)


def _track(network: Network, config: TrackerConfig, objects: int) -> None:
    """All types of prompts, a memory that fills up, and a correction that makes it one entry larger."""
    config = replace(
        config,
        max_objects=objects,
        history=1,
        encode_every=1,
        target_fps=0.0,
        catch_up_at_once=True,
        memory_policy="reference",  # the others write no memory of frames without an object
        cuda_graphs=False,  # which `StreamingTracker.capture` captures
    )
    tracker = StreamingTracker(network, config)
    frames = ((np.zeros((_SIDE, _SIDE, 3), np.uint8), number * _PERIOD) for number in count())
    tracker.step(*next(frames))
    ids = [tracker.add(prompt) for prompt in [_MASK, *[_BOX] * (objects - 1)]]
    tracker.preview(_CLICK)
    fill_memory = isinstance(network, CompiledSam2) and network.reads_compiled
    for _ in range(NUM_RECENT_POINTERS + 1 if fill_memory else 1):
        tracker.step(*next(frames))
    tracker.refine(ids[0], _CLICK)
    for _ in range(NUM_RECENT + 1 if fill_memory else 1):
        tracker.step(*next(frames))
