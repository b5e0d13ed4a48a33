"""The reference implementation as a variant of the benchmark."""

from __future__ import annotations

from pathlib import Path

import torch

from ..model import Sam2
from ..parity.reference import Reference
from ..parity.scenarios import Action
from ..tracking import Prompt
from ..tracking.device import autocast
from ..tracking.preprocess import preprocess
from .measure import Step, Steps
from .stages import stopwatch_for
from .workload import Workload

_STAGES = {  # its methods, by the names of our stages
    "forward_image": "encode",
    "_prepare_memory_conditioned_features": "read_memory",
    "_forward_sam_heads": "decode",
    "_encode_new_memory": "write_memory",
    "_get_orig_video_res_output": "masks",
}


class StreamingReference(Reference):
    """The video predictor of a checkout, frame by frame; it needs all frames first, and keeps all its outputs.

    Repeated frames share their memory, in the reference's favour: 12 MB per frame at 1024 pixels are not counted.
    """

    def __init__(self, checkout: Path, model: Sam2) -> None:
        """With the weights and on the device of our model; raises ValueError like `Reference`."""
        super().__init__(checkout, model.config, str(model.device))
        self.load(model)
        del self._model.forward_image  # without the cache of `Reference`: every frame is encoded
        self._stopwatch = stopwatch_for(model.device)
        for method, stage in _STAGES.items():
            setattr(self._model, method, self._stopwatch.time(stage)(getattr(self._model, method)))

    def steps(self, work: Workload, precision: str, frames: int) -> Steps:
        """Steps through a video of that many frames, whose preprocessing is not measured."""
        device, size = self._model.device, self._model.image_size
        images = [preprocess(frame, size, device)[0] for frame in work.frames]
        height, width = work.frames[0].shape[:2]
        with torch.inference_mode(), autocast(device, precision):
            state = self._state([images[i % len(images)] for i in range(frames)], (height, width))
            for number, click in enumerate(work.clicks, start=1):
                self._prompt(state, Action(0, number, Prompt(clicks=(click,))))
        outputs = self._model.propagate_in_video(state, 0, frames - 1)
        while True:
            self._stopwatch.restart()
            with autocast(device, precision):
                output = next(outputs, None)
            if output is None:
                return
            yield Step(output[2], lambda: self._stopwatch.seconds)
