"""The network's work on a frame: encode it, read the objects' memories, decode and measure them, write their memories.

The work on the device is in functions of tensors, whose shapes depend on the number of objects and on the layout of
their memories alone, and which never wait for the device. All objects of a frame are one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

import numpy as np
from torch import Tensor

from ..model import ImageFeatures, Network
from .config import TrackerConfig
from .device import autocast
from .frame_buffer import Frame
from .measurement import measurement_table
from .memory_bank import MemoryBank
from .memory_index import MemoryLayout
from .memory_policy import box_table
from .transfer import upload
from .types import Box

Time = Callable[[str], AbstractContextManager[None]]  # measures a stage


class Tracked(NamedTuple):
    """The output for N objects on one frame; there may be more rows, which are padding."""

    logits: Tensor  # (N, 1, S / 4, S / 4)
    occlusion_score: Tensor  # (N, 1)
    pointer: Tensor  # (N, C)
    measurements: Tensor  # (N, 9), see `measurement_table`


class FrameStep:
    """Calls the functions one by one, on tensors without padding."""

    def __init__(self, model: Network, bank: MemoryBank, config: TrackerConfig, time: Time) -> None:
        self._model = model
        self._bank = bank
        self._policy = config.policy
        self._precision = config.precision
        self._time = time

    def capture(self) -> Iterator[str]:
        """Captures nothing."""
        yield from ()

    def encode(self, frame: Frame) -> ImageFeatures:
        """The frame's features, encoded on the first call."""
        if frame.features is None:
            assert frame.image is not None  # kept until it is encoded
            with self._time("encode"):
                frame.features = self._launch_encode(frame.image)
            frame.image = None
        return frame.features

    def track(self, frame: Frame, rows: Sequence[int], predicted_boxes: Sequence[Box | None]) -> Tracked:
        """Track the objects of these rows of the bank on the next frame."""
        features = self.encode(frame)
        with self._time("read_memory"):
            index, layout = self._bank.index_to_read(rows, frame.index)
            conditioned = self._read(layout, features, self._upload(index))
        with self._time("decode"):
            boxes = self._upload(box_table(predicted_boxes)) if any(predicted_boxes) else None
            return self._decode(features, conditioned, boxes)

    def write(
        self, frame: Frame, tracked: Tracked, kept: Sequence[int], rows: Sequence[int], long_term: Sequence[int]
    ) -> None:
        """Write the memories of the objects `kept`, numbers in `tracked`, to their rows of the bank.

        Those numbered `long_term` among these are written as long-term entries, too.
        """
        bank, features = self._bank, self.encode(frame)
        recent = bank.slots_to_write(bank.recent, rows, frame.index)
        index = np.column_stack((kept, recent))
        if not long_term:
            self._launch_write(features, tracked, index, None)
        else:
            extra = bank.slots_to_write(bank.long_term, [rows[n] for n in long_term], frame.index)
            self._launch_write(features, tracked, index, np.column_stack((long_term, extra)))
            bank.record(extra, frame.index)
        bank.record(recent, frame.index)

    def _launch_encode(self, image: Tensor) -> ImageFeatures:
        return self._encode(image)

    def _launch_write(
        self, features: ImageFeatures, tracked: Tracked, index: np.ndarray, long_term: np.ndarray | None
    ) -> None:
        self._write(features, tracked, self._upload(index), None if long_term is None else self._upload(long_term))

    # ---- on the device

    def _encode(self, image: Tensor) -> ImageFeatures:
        with self._autocast():
            return self._model.encode_image(image)

    def _read(self, layout: MemoryLayout, features: ImageFeatures, index: Tensor) -> Tensor:
        """(N, C, h, w) from the index and layout of `MemoryBank.index_to_read`"""
        with self._autocast():
            return self._model.read_memory(features, self._bank.gather(index, layout))

    def _decode(self, features: ImageFeatures, conditioned: Tensor, boxes: Tensor | None) -> Tracked:
        """`boxes` is the table of `box_table`, None where the motion model predicts none."""
        with self._autocast():
            decoded = self._model.decode(
                conditioned,
                features,
                None,
                multimask=True,
                choose=lambda candidates: self._policy.choose(candidates, boxes),
            )
        measurements = measurement_table(decoded, self._policy.long_term > 0)
        return Tracked(decoded.logits, decoded.occlusion_score, decoded.pointer, measurements)

    def _write(self, features: ImageFeatures, tracked: Tracked, index: Tensor, long_term: Tensor | None) -> Tensor:
        """Each row of `index` is the number of an object in `tracked` and a row of `MemoryBank.slots_to_write`.

        The numbers in `long_term` are those of rows of `index`. Returns the spatial memories that were written.
        """
        kept = index[:, 0]
        logits, scores, pointers = (x[kept] for x in (tracked.logits, tracked.occlusion_score, tracked.pointer))
        with self._autocast():
            spatial = self._model.write_memory(features, logits, scores, binarise=False)
            self._bank.put(self._bank.recent, index[:, 1:], spatial, pointers)
            if long_term is not None:
                kept = long_term[:, 0]
                self._bank.put(self._bank.long_term, long_term[:, 1:], spatial[kept], pointers[kept])
        return spatial

    def _upload(self, table: np.ndarray) -> Tensor:
        return upload(table, self._model.device)

    def _autocast(self) -> AbstractContextManager[object]:
        return autocast(self._model.device, self._precision)
