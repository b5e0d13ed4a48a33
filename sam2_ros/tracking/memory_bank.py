"""The memory bank: spatial memories and object pointers of every object, in preallocated tensors.

Each object owns a row. A row holds its newest prompted frames and long-term entries (first in, first out each), and a
ring buffer of other tracked frames. The ring is longer than what the network reads by the number of buffered frames, so
that a correction can go back to an earlier frame and be propagated from there. The ring's spatial memories can be
pooled; prompted and long-term ones are kept whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..model import Memory, MemorySize, ModelConfig, PooledMemory, pool
from ..model.config import NUM_MASKMEM, NUM_RECENT, NUM_RECENT_POINTERS
from .memory_index import MemoryLayout, entries, memory_index
from .transfer import upload

_EMPTY = -1


@dataclass(frozen=True)
class BankSize:
    """Objects, prompted frames of each, and buffered frames that a correction can go back.

    Of `long_term_slots` the newest `long_term` are read, of the other frames the spatial memories of `recent` ones.
    """

    objects: int
    prompted: int
    history: int
    long_term: int = 0
    long_term_slots: int = 0
    recent: int = NUM_RECENT
    is_pooled: bool = False


class MemoryBank:
    """Preallocated memories; frames are counted from 0. `prompted`, `long_term` and `recent` are the groups of slots.

    With `counts_gaps` the last N frames are read, fewer where some of them were not written. Without it the newest N
    written ones are read, as if there had been no others.
    """

    def __init__(self, config: ModelConfig, size: BankSize, device: torch.device, counts_gaps: bool = True) -> None:
        self._counts_gaps = counts_gaps
        self._long_term_read = size.long_term
        self._recent_read = size.recent
        self.prompted = slice(0, size.prompted)
        self.long_term = slice(size.prompted, size.prompted + size.long_term_slots)
        self.recent = slice(size.prompted + size.long_term_slots, None)
        kept_slots = size.prompted + size.long_term_slots
        spatial_slots = kept_slots + size.recent + size.history
        pooled_slots = size.recent + size.history if size.is_pooled else 0
        self._whole_slots = spatial_slots - pooled_slots
        pointer_slots = kept_slots + NUM_RECENT_POINTERS + size.history
        # bfloat16 as in the reference, whatever the precision of the network.
        shape = (size.objects, self._whole_slots, config.grid**2, config.memory_width)
        self._spatial = torch.zeros(shape, dtype=torch.bfloat16, device=device)
        shape = (size.objects, pooled_slots, config.grid**2 // 4, config.memory_width)
        self._pooled = torch.zeros(shape, dtype=torch.bfloat16, device=device)
        self._pointers = torch.zeros((size.objects, pointer_slots, config.width), device=device)
        self._spatial_frame = np.full((size.objects, spatial_slots), _EMPTY, np.int64)
        self._pointer_frame = np.full((size.objects, pointer_slots), _EMPTY, np.int64)

    def write(self, group: slice, rows: Sequence[int], frame: int, spatial: Tensor, pointers: Tensor) -> None:
        """Write a frame of N objects, over the group's oldest one if it is full.

        spatial (N, h * w, 64), pointers (N, C). Call `drop_from` before a frame that was tracked is written to another
        group, or it is read twice.
        """
        index = self.slots_to_write(group, rows, frame)
        self.put(group, upload(index, self._spatial.device), spatial, pointers)
        self.record(index, frame)

    def is_prompted(self, row: int, frame: int) -> bool:
        """Whether the bank holds that frame of the object as a prompted one."""
        return bool((self._spatial_frame[row, self.prompted] == frame).any())

    def newest_long_term(self, row: int) -> int:
        """Index of the frame of the newest long-term entry, negative where there is none."""
        return int(self._spatial_frame[row, self.long_term].max(initial=_EMPTY))

    def drop_from(self, row: int, frame: int) -> None:
        """Drop the tracked frames from that one on, which are going to be tracked again; prompted frames stay."""
        for frames in (self._spatial_frame[row], self._pointer_frame[row]):
            tracked = frames[self.prompted.stop :]
            tracked[tracked >= frame] = _EMPTY

    def copy(self, source: int, target: int) -> None:
        """Copy one row to another."""
        for table in (self._spatial, self._pooled, self._pointers, self._spatial_frame, self._pointer_frame):
            table[target] = table[source]

    def clear(self, row: int) -> None:
        """Drop everything in a row."""
        self._spatial_frame[row] = _EMPTY
        self._pointer_frame[row] = _EMPTY

    def read(self, rows: Sequence[int], frame: int) -> Memory:
        """The memory of N objects for tracking a frame."""
        index, layout = self.index_to_read(rows, frame)
        return self.gather(upload(index, self._spatial.device), layout)

    def index_to_read(
        self, rows: Sequence[int], frame: int, sizes: Sequence[MemorySize] = ()
    ) -> tuple[np.ndarray, MemoryLayout]:
        """What `gather` reads of N objects for tracking a frame, see `memory_index`."""
        kept, recent = self._spatial_entries(self._spatial_frame[list(rows)], frame)
        pointers = self._pointer_entries(self._pointer_frame[list(rows)], frame)
        if self._is_pooled(self.recent):
            recent[0] -= self._whole_slots
            return memory_index(rows, (kept, recent, pointers), sizes)
        return memory_index(rows, (np.concatenate((kept, recent), axis=2), kept[:, :, :0], pointers), sizes)

    def gather(self, index: Tensor, layout: MemoryLayout) -> Memory:
        """The memory of N objects by the index of `index_to_read`; on the device alone."""
        row, *kinds = index.split(layout.widths, dim=1)
        slot, time_row, valid, pooled_slot, pooled_row, pooled_valid, pointer_slot, age, pointer_valid = kinds
        is_masked = layout.is_masked
        pooled = None
        if layout.size.pooled:
            tokens = self._pooled[row, pooled_slot]
            pooled = PooledMemory(tokens, pooled_row, pooled_valid.bool() if is_masked else None)
        return Memory(
            self._spatial[row, slot],
            time_row,
            self._pointers[row, pointer_slot],
            age.float(),
            valid.bool() if is_masked else None,
            pointer_valid.bool() if is_masked else None,
            pooled,
        )

    def slots_to_write(self, group: slice, rows: Sequence[int], frame: int) -> np.ndarray:
        """(N, 3) int64 for `put`: row, slot of the spatial memory and of the pointer, for a frame of N objects."""
        tables = self._spatial_frame, self._pointer_frame
        slots = [group.start + _slots_for(table[list(rows), group], frame) for table in tables]
        return np.stack([np.array(rows, np.int64), *slots], axis=1)

    def put(self, group: slice, index: Tensor, spatial: Tensor, pointers: Tensor) -> None:
        """Write memories to the slots that `slots_to_write` gave; on the device alone."""
        row, mask_slot, pointer_slot = index.unbind(dim=1)
        if self._is_pooled(group):
            self._pooled[row, mask_slot - self._whole_slots] = pool(spatial).to(self._pooled.dtype)
        else:
            self._spatial[row, mask_slot] = spatial.to(self._spatial.dtype)
        self._pointers[row, pointer_slot] = pointers.to(self._pointers.dtype)

    def record(self, index: np.ndarray, frame: int) -> None:
        """From now on, the slots hold that frame."""
        row, mask_slot, pointer_slot = index.T
        self._spatial_frame[row, mask_slot] = frame
        self._pointer_frame[row, pointer_slot] = frame

    def _is_pooled(self, group: slice) -> bool:
        return bool(group.start >= self._whole_slots)

    def _spatial_entries(self, frames: np.ndarray, frame: int) -> tuple[np.ndarray, np.ndarray]:
        """Every prompted frame and the newest long-term entries; and the newest `recent` tracked frames."""
        *kept, recent = self._entries(frames, frame, self._recent_read)
        kept_tables = np.concatenate(kept, axis=2)
        kept_tables[1] = NUM_MASKMEM - 1
        recent[1] -= 1
        return kept_tables, recent

    def _pointer_entries(self, frames: np.ndarray, frame: int) -> np.ndarray:
        """Likewise, without prompted frames in the future, and with the newest fifteen tracked frames."""
        prompted, long_term, recent = self._entries(frames, frame, NUM_RECENT_POINTERS)
        prompted[2] &= prompted[1] >= 0
        return np.concatenate((prompted, long_term, recent), axis=2)

    def _entries(self, frames: np.ndarray, frame: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Prompted, long-term and recent entries with their ages in frames, which are negative in the future.

        `frames` (N, slots) are those that are stored for N objects; `count` is that of the recent ones.
        """
        stored = frames[:, self.prompted]
        prompted = entries(np.arange(stored.shape[1]), frame - stored, stored != _EMPTY)
        long_term = _newest(frames, self.long_term, frame, self._long_term_read)
        recent = _newest(frames, self.recent, frame, count)
        if self._counts_gaps:
            recent[2] &= recent[1] <= count
        else:
            recent[1] = np.arange(1, recent.shape[2] + 1)
        return prompted, long_term, recent


def _slots_for(frames: np.ndarray, frame: int) -> np.ndarray:
    """(N,) the slot for a frame in each row of (N, slots): its own, else an empty one or that of the oldest frame."""
    slots: np.ndarray = np.where(frames == frame, _EMPTY - 1, frames).argmin(axis=1)
    return slots


def _newest(frames: np.ndarray, group: slice, before: int, count: int) -> np.ndarray:
    """The newest entries of a group with frames before that one and their ages, newest first."""
    stored = frames[:, group]
    stored = np.where(stored < before, stored, _EMPTY)
    order = np.argsort(-stored, axis=1, kind="stable")[:, :count]
    chosen = stored[np.arange(len(order))[:, None], order]
    return entries(group.start + order, before - chosen, chosen != _EMPTY)
