"""The network's work on a frame as two CUDA graphs: encode, read, decode and measure; then write.

Objects are padded to a few batch sizes and memories to a few sizes, so that a stream needs few graphs. Padding repeats
the last object: it reads, and writes, the same once more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from ..model import ImageFeatures, Network
from .config import TrackerConfig
from .frame_buffer import Frame
from .frame_step import FrameStep, Time, Tracked
from .graphs import Capture, CudaCapture, Graphs
from .memory_bank import MemoryBank
from .memory_index import MemoryLayout
from .memory_policy import box_table
from .preprocess import preprocess
from .types import Box

_BATCHES = (1, 2, 4, 8, 16)  # objects; of more, the GPU's work takes longer than the host's


class GraphedStep(FrameStep):
    """Launches graphs where a frame is tracked when it arrives; prompted and late frames are done eagerly."""

    def __init__(self, model: Network, bank: MemoryBank, config: TrackerConfig, time: Time, capture: Capture) -> None:
        super().__init__(model, bank, config, time)
        self._graphs = Graphs(capture)
        self._sizes = config.memory_sizes
        self._batches = _BATCHES[: 1 + sum(size < config.max_objects for size in _BATCHES)]

    def capture(self) -> Iterator[str]:
        """Capture the graphs of every batch and memory size, before the first frame; what they write is not read."""
        bank = self._bank
        with torch.inference_mode(False):  # as in a stream
            image = preprocess(np.zeros((64, 64, 3), np.uint8), self._model.config.image_size, self._model.device)
        layouts = [MemoryLayout(size, is_masked=True) for size in self._sizes]
        layouts.append(MemoryLayout(self._sizes[0], is_masked=False))
        groups = [bank.recent, *([bank.long_term] if self._policy.long_term else [])]
        self._launch_encode(image)  # of frames without objects
        for batch in self._batches:
            yield f"{batch} object{'s' * (batch > 1)}"
            rows = [0] * batch
            boxes = self._boxes([None] * batch)
            for layout in layouts:
                index = self._upload(layout.blank_index(batch))
                features, tracked = self._graphs(self._encode_and_track, layout, image, index, boxes)
            tables = [np.column_stack((rows, bank.slots_to_write(group, rows, 0))) for group in groups]
            for long_term in (None, *tables[1:]):
                self._launch_write(features, tracked, tables[0], long_term)

    def track(self, frame: Frame, rows: Sequence[int], predicted_boxes: Sequence[Box | None]) -> Tracked:
        """Like `FrameStep.track`, with rows of padding; until the next frame, but for the logits."""
        if frame.image is None or len(rows) > self._batches[-1] or not self._graphs.is_working:
            return super().track(frame, rows, predicted_boxes)
        batch = next(size for size in self._batches if size >= len(rows))
        with self._time("track"):
            index, layout = self._bank.index_to_read(rows, frame.index, self._sizes)
            features, tracked = self._graphs(
                self._encode_and_track,
                layout,
                frame.image,
                self._upload(_padded(index, batch)),
                self._boxes([*predicted_boxes, *[None] * (batch - len(rows))]),
            )
            # The next frame overwrites what graphs return; these two are buffered.
            frame.features, frame.image = _copied(features), None
            return tracked._replace(logits=tracked.logits.clone())

    def _launch_encode(self, image: Tensor) -> ImageFeatures:
        return _copied(self._graphs(self._encode, image))

    def _launch_write(
        self, features: ImageFeatures, tracked: Tracked, index: np.ndarray, long_term: np.ndarray | None
    ) -> None:
        batch = len(tracked.logits)
        if batch not in self._batches or not self._graphs.is_working:
            super()._launch_write(features, tracked, index, long_term)
            return
        extra = None if long_term is None else self._upload(_padded(long_term, batch))
        self._graphs(self._write, features, tracked, self._upload(_padded(index, batch)), extra)

    def _encode_and_track(
        self, layout: MemoryLayout, image: Tensor, index: Tensor, boxes: Tensor | None
    ) -> tuple[ImageFeatures, Tracked]:
        features = self._encode(image)
        return features, self._decode(features, self._read(layout, features, index), boxes)

    def _boxes(self, predicted: Sequence[Box | None]) -> Tensor | None:
        """The table of `box_table`, also where no box is predicted: one graph serves both."""
        return self._upload(box_table(predicted)) if self._policy.motion_weight else None


def frame_step(model: Network, bank: MemoryBank, config: TrackerConfig, time: Time) -> FrameStep:
    """With CUDA graphs where the model is on a CUDA device and the configuration does not switch them off."""
    if config.cuda_graphs and model.device.type == "cuda":
        return GraphedStep(model, bank, config, time, CudaCapture(model.device))
    return FrameStep(model, bank, config, time)


def _copied(features: ImageFeatures) -> ImageFeatures:
    return ImageFeatures(*(x.clone() for x in features))


def _padded(table: np.ndarray, rows: int) -> np.ndarray:
    """The last row is repeated."""
    padded: np.ndarray = table[np.minimum(np.arange(rows), len(table) - 1)]
    return padded
