"""Our tracker as a variant of the benchmark."""

from __future__ import annotations

from itertools import count

import torch
from torch import Tensor

from ..model import Network, Sam2
from ..tracking import Prompt, StreamingTracker, TrackerConfig
from ..tracking.warm_up import compiled, warm_up
from .measure import Step, Steps
from .stages import stopwatch_for
from .workload import Workload

_PERIOD = 1 / 30  # seconds between the stamps of two frames


def our_steps(model: Sam2, work: Workload, precision: str, backend: str = "", cuda_graphs: bool = True) -> Steps:
    """Configures the streaming tracker like the node; the steps go from a frame to masks of its size, without end.

    With a `backend` of torch.compile the network is compiled.
    """
    config = TrackerConfig(
        max_objects=len(work.clicks),
        memory_policy="reference",  # reads a full memory on every frame
        precision=precision,
        cuda_graphs=cuda_graphs,
    )
    network: Network = compiled(model, config, backend) if backend else model
    if backend or model.device.type == "cuda":
        for _ in warm_up(network, config):
            pass
    tracker = _LogitsTracker(network, config, stopwatch_for(model.device))
    for _ in tracker.capture():
        pass
    return _steps(tracker, work)


def _steps(tracker: _LogitsTracker, work: Workload) -> Steps:
    for index in count():
        tracker.step(work.frames[index % len(work.frames)], index * _PERIOD)
        if index == 0:
            for click in work.clicks:
                tracker.add(Prompt(clicks=(click,)))
        yield Step(tracker.logits(), lambda: tracker.timings)


class _LogitsTracker(StreamingTracker):
    """A tracker that exposes its mask logits."""

    @torch.inference_mode()
    def logits(self) -> Tensor:
        """(N, 1, S / 4, S / 4) on the newest frame, in order of id."""
        outputs = self._frames.at(None).outputs
        return torch.stack([outputs[track_id].mask_logits for track_id in sorted(outputs)])
