"""The reference implementation as a variant."""

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
    """The video predictor of a checkout, frame by frame; it takes all frames first, and keeps what it answers.

    In its favour, frames that are shown again share their memory: 12 MB per frame at 1024 pixels are not counted.
    """

    def __init__(self, checkout: Path, model: Sam2) -> None:
        """With the weights of our model, where that is; raises ValueError as `Reference` does."""
        super().__init__(checkout, model.config, str(model.device))
        self.load(model)
        del self._model.forward_image  # its own again, which encodes every frame anew
        self._stopwatch = stopwatch_for(model.device)
        for method, stage in _STAGES.items():
            setattr(self._model, method, self._stopwatch.time(stage)(getattr(self._model, method)))

    def steps(self, work: Workload, precision: str, frames: int) -> Steps:
        """Its video of so many frames; bringing them to the model's size beforehand is not counted."""
        device, size = self._model.device, self._model.image_size
        images = [preprocess(frame, size, device)[0] for frame in work.frames]
        height, width = work.frames[0].shape[:2]
        with torch.inference_mode(), autocast(device, precision):
            state = self._state([images[i % len(images)] for i in range(frames)], (height, width))
            for number, click in enumerate(work.clicks, start=1):
                self._prompt(state, Action(0, number, Prompt(clicks=(click,))))
        answers = self._model.propagate_in_video(state, 0, frames - 1)
        while True:
            self._stopwatch.restart()
            with autocast(device, precision):
                answer = next(answers, None)
            if answer is None:
                return
            yield Step(answer[2], lambda: self._stopwatch.seconds)
