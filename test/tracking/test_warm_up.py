"""After the warm-up nothing is compiled, whatever happens in the stream."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from sam2_ros.model import CONFIGS, seeded_model
from sam2_ros.tracking import Box, Click, Prompt, StreamingTracker, TrackerConfig
from sam2_ros.tracking.warm_up import compiled, warm_up

from .graph_capture import Repetition, graphed

FRAME = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
BOX, CLICK, MASK = Prompt(box=Box(10, 10, 40, 40)), Prompt(clicks=(Click(20, 20),)), Prompt(mask=FRAME[..., 0] > 128)


def busy_stream(tracker: StreamingTracker) -> int:
    """All types of prompts, corrections on earlier and newest frames, added and removed objects; returns the frames."""
    stamp = 0.0
    for prompts in ((BOX,), (CLICK, MASK), (), ()):
        tracker.step(FRAME, stamp := stamp + 0.1)
        for prompt in prompts:
            tracker.add(prompt)
        for track_id in list(tracker.labels)[:2]:
            tracker.refine(track_id, CLICK)
            tracker.refine(track_id, Prompt(box=BOX.box, clicks=(Click(12, 12, positive=False),)))
        tracker.step(FRAME, stamp := stamp + 0.1)
        if tracker.labels:
            tracker.refine(max(tracker.labels), CLICK, stamp - 0.1)
    for track_id in list(tracker.labels):
        for _ in range(18):
            tracker.step(FRAME, stamp := stamp + 0.1)
        tracker.remove(track_id)
    return round(stamp * 10)


@pytest.mark.slow
@pytest.mark.parametrize(("pooling", "has_graphs"), [(1, True), (2, False)])
def test_nothing_is_compiled_after_the_warm_up(pooling: int, has_graphs: bool) -> None:
    config = TrackerConfig(max_objects=3, max_prompted=2, history=4, memory_pooling=pooling)
    network = compiled(seeded_model(CONFIGS["nano"].resized(64), seed=1), config, backend="eager")
    network.reads_compiled = True  # as on a GPU
    assert list(warm_up(network, config)) == ["1 object", "2 objects", "4 objects"]
    torch.compiler.set_stance("fail_on_recompile")
    try:
        tracker = graphed(network, config, Repetition()) if has_graphs else StreamingTracker(network, config)
        list(tracker.capture())
        with ThreadPoolExecutor(1) as worker:  # as in the node
            assert worker.submit(busy_stream, tracker).result() > 60
    finally:
        torch.compiler.set_stance("default")


def test_a_network_that_is_not_compiled_has_one_batch_to_warm_up() -> None:
    model = seeded_model(CONFIGS["nano"].resized(64))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert list(warm_up(model, TrackerConfig())) == ["1 object"]
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
