"""What is remembered of every object, in tensors that are allocated once.

Each object owns a row. A row keeps its newest prompted frames (first in, first out), and of the other frames a ring:
slot = frame number modulo length. The ring is longer than what the network reads by the number of buffered frames,
so that an object can be taken back to an earlier frame and tracked again from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..model import Memory, ModelConfig
from ..model.config import NUM_MEMORY_ROWS, NUM_RECENT, POINTER_REACH

_EMPTY = -1


@dataclass(frozen=True)
class BankSize:
    """How much is kept: objects, prompted frames of each, and frames that an object can be taken back."""

    objects: int
    prompted: int
    history: int


class _Entry(NamedTuple):
    """A slot to be read, with its age in frames; prompted frames may have a negative one."""

    slot: int
    age: int
    prompted: bool


class MemoryBank:
    """Preallocated memories; frames are counted from 0."""

    def __init__(self, config: ModelConfig, size: BankSize, device: torch.device) -> None:
        self._prompted = size.prompted
        self._spatial_ring = NUM_RECENT + size.history
        self._pointer_ring = POINTER_REACH + size.history
        spatial_slots = size.prompted + self._spatial_ring
        pointer_slots = size.prompted + self._pointer_ring
        # bfloat16 as in the reference, whatever the precision of the network.
        shape = (size.objects, spatial_slots, config.grid**2, config.memory_width)
        self._spatial = torch.zeros(shape, dtype=torch.bfloat16, device=device)
        self._pointers = torch.zeros((size.objects, pointer_slots, config.width), device=device)
        self._spatial_frame = np.full((size.objects, spatial_slots), _EMPTY, np.int64)
        self._pointer_frame = np.full((size.objects, pointer_slots), _EMPTY, np.int64)

    def write(self, rows: Sequence[int], frame: int, spatial: Tensor, pointers: Tensor) -> None:
        """Remember a tracked frame: spatial (N, h * w, 64) and pointers (N, C) of N objects."""
        self._put(
            list(rows),
            frame,
            self._prompted + frame % self._spatial_ring,
            self._prompted + frame % self._pointer_ring,
            spatial,
            pointers,
        )

    def write_prompted(self, row: int, frame: int, spatial: Tensor, pointer: Tensor) -> None:
        """Remember a prompted frame, (1, h * w, 64) and (1, C), for the oldest one if there are too many.

        Where that frame was tracked before, `forget_from` it first, or it is read twice.
        """
        frames = self._spatial_frame[row, : self._prompted]
        same = np.flatnonzero(frames == frame)
        slot = int(same[0]) if len(same) else int(frames.argmin())
        self._put([row], frame, slot, slot, spatial, pointer)

    def is_prompted(self, row: int, frame: int) -> bool:
        """Whether the object was prompted on that frame, and the frame is still remembered."""
        return bool((self._spatial_frame[row, : self._prompted] == frame).any())

    def forget_from(self, row: int, frame: int) -> None:
        """Drop the tracked frames from that one on, for they are to be tracked anew; prompted frames stay."""
        for frames in (self._spatial_frame[row], self._pointer_frame[row]):
            recent = frames[self._prompted :]
            recent[recent >= frame] = _EMPTY

    def copy(self, source: int, target: int) -> None:
        """Remember in one row what another one does."""
        for table in (self._spatial, self._pointers, self._spatial_frame, self._pointer_frame):
            table[target] = table[source]

    def clear(self, row: int) -> None:
        """Forget everything about an object."""
        self._spatial_frame[row] = _EMPTY
        self._pointer_frame[row] = _EMPTY

    def read(self, rows: Sequence[int], frame: int) -> Memory:
        """What N objects are remembered by when a frame is tracked."""
        spatial = [self._spatial_entries(row, frame) for row in rows]
        pointers = [self._pointer_entries(row, frame) for row in rows]
        device = self._spatial.device
        row_index = torch.tensor(list(rows), device=device).unsqueeze(1)
        spatial_slot, spatial_valid = _table((e.slot for e in entries) for entries in spatial)
        time_row, _ = _table((_time_row(e) for e in entries) for entries in spatial)
        pointer_slot, pointer_valid = _table((e.slot for e in entries) for entries in pointers)
        age, _ = _table((e.age for e in entries) for entries in pointers)
        return Memory(
            self._spatial[row_index, spatial_slot.to(device)],
            time_row.to(device),
            self._pointers[row_index, pointer_slot.to(device)],
            age.to(device, torch.float32),
            None if spatial_valid.all() else spatial_valid.to(device),
            None if pointer_valid.all() else pointer_valid.to(device),
        )

    def _put(
        self,
        rows: list[int],
        frame: int,
        spatial_slot: int,
        pointer_slot: int,
        spatial: Tensor,
        pointers: Tensor,
    ) -> None:
        self._spatial[rows, spatial_slot] = spatial.to(self._spatial.dtype)
        self._pointers[rows, pointer_slot] = pointers.to(self._pointers.dtype)
        self._spatial_frame[rows, spatial_slot] = frame
        self._pointer_frame[rows, pointer_slot] = frame

    def _spatial_entries(self, row: int, frame: int) -> list[_Entry]:
        """Every prompted frame, and of the last six those that were tracked."""
        return [
            *self._prompted_entries(row, frame),
            *self._recent(self._spatial_frame[row], frame, NUM_RECENT),
        ]

    def _pointer_entries(self, row: int, frame: int) -> list[_Entry]:
        """Prompted frames that are not in the future, and of the last fifteen those that were tracked."""
        prompted = [entry for entry in self._prompted_entries(row, frame) if entry.age >= 0]
        return [*prompted, *self._recent(self._pointer_frame[row], frame, POINTER_REACH)]

    def _prompted_entries(self, row: int, frame: int) -> list[_Entry]:
        frames = self._spatial_frame[row, : self._prompted]
        return [_Entry(slot, frame - int(then), True) for slot, then in enumerate(frames) if then != _EMPTY]

    def _recent(self, frames: np.ndarray, frame: int, reach: int) -> list[_Entry]:
        ring = len(frames) - self._prompted
        entries = [_Entry(self._prompted + (frame - age) % ring, age, False) for age in range(1, reach + 1)]
        return [entry for entry in entries if frame >= entry.age and frames[entry.slot] == frame - entry.age]


def _time_row(entry: _Entry) -> int:
    return NUM_MEMORY_ROWS - 1 if entry.prompted else entry.age - 1


def _table(lists: Iterable[Iterable[int]]) -> tuple[Tensor, Tensor]:
    """(N, K) long from lists of unequal length, and (N, K) bool that is False in the padding."""
    rows = [list(row) for row in lists]
    length = max(map(len, rows))
    table = torch.tensor([row + [0] * (length - len(row)) for row in rows])
    valid = torch.tensor([[i < len(row) for i in range(length)] for row in rows])
    return table, valid
