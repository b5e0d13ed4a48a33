"""The memory bank: spatial memories and object pointers of every object, in preallocated tensors.

Each object owns a row. A row holds its newest prompted frames and long-term entries (first in, first out each), and a
ring buffer of other tracked frames. The ring is longer than what the network reads by the number of buffered frames, so
that a correction can go back to an earlier frame and be propagated from there. The ring's spatial memories can be
pooled; prompted and long-term ones are kept whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..model import Memory, ModelConfig, PooledMemory, pool
from ..model.config import NUM_MASKMEM, NUM_RECENT, NUM_RECENT_POINTERS
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


class _Entry(NamedTuple):
    """A slot to be read and its age in frames, negative for prompted frames in the future."""

    slot: int
    age: int
    is_prompted: bool  # or long-term: read whatever its age, in the temporal row of prompted frames


class MemoryBank:
    """Preallocated memories; frames are counted from 0.

    With `counts_gaps` the last N frames are read, fewer where some of them were not written. Without it the newest N
    written ones are read, as if there had been no others.
    """

    def __init__(self, config: ModelConfig, size: BankSize, device: torch.device, counts_gaps: bool = True) -> None:
        self._counts_gaps = counts_gaps
        self._long_term = size.long_term
        self._recent = size.recent
        self._prompted_slots = slice(0, size.prompted)
        self._long_term_slots = slice(size.prompted, size.prompted + size.long_term_slots)
        self._recent_slots = slice(size.prompted + size.long_term_slots, None)
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

    def write(self, rows: Sequence[int], frame: int, spatial: Tensor, pointers: Tensor) -> None:
        """Write a tracked frame: spatial (N, h * w, 64) and pointers (N, C) of N objects."""
        self._put(self._recent_slots, rows, frame, spatial, pointers)

    def write_prompted(self, rows: Sequence[int], frame: int, spatial: Tensor, pointers: Tensor) -> None:
        """Write a prompted frame, in place of the oldest one when all slots are taken.

        Call `drop_from` first where that frame was tracked before, or it is read twice.
        """
        self._put(self._prompted_slots, rows, frame, spatial, pointers)

    def write_long_term(self, rows: Sequence[int], frame: int, spatial: Tensor, pointers: Tensor) -> None:
        """Write a tracked frame as a long-term entry, in place of the oldest one when all slots are taken."""
        self._put(self._long_term_slots, rows, frame, spatial, pointers)

    def is_prompted(self, row: int, frame: int) -> bool:
        """Whether the bank holds that frame of the object as a prompted one."""
        return bool((self._spatial_frame[row, self._prompted_slots] == frame).any())

    def newest_long_term(self, row: int) -> int:
        """Index of the frame of the newest long-term entry, negative where there is none."""
        return int(self._spatial_frame[row, self._long_term_slots].max(initial=_EMPTY))

    def drop_from(self, row: int, frame: int) -> None:
        """Drop the tracked frames from that one on, which are going to be tracked again; prompted frames stay."""
        for frames in (self._spatial_frame[row], self._pointer_frame[row]):
            tracked = frames[self._prompted_slots.stop :]
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
        spatial = [self._spatial_entries(row, frame) for row in rows]
        first = self._whole_slots  # of those whose masks are pooled
        whole = [[e for e in entries if e.slot < first] for entries in spatial]
        pooled = [[e._replace(slot=e.slot - first) for e in entries if e.slot >= first] for entries in spatial]
        pointers = [self._pointer_entries(row, frame) for row in rows]
        groups = _tables(whole, _time_row), _tables(pointers, lambda entry: entry.age), _tables(pooled, _time_row)
        row, *sent = self._upload([np.array(rows)[:, None], *(table for group in groups for table in group)])
        slot, time_row, valid, pointer_slot, age, pointer_valid, pooled_slot, pooled_row, pooled_valid = sent
        all_valid = [group[2].all() for group in groups]
        return Memory(
            self._spatial[row, slot],
            time_row,
            self._pointers[row, pointer_slot],
            age.float(),
            None if all_valid[0] else valid.bool(),
            None if all_valid[1] else pointer_valid.bool(),
            PooledMemory(self._pooled[row, pooled_slot], pooled_row, None if all_valid[2] else pooled_valid.bool())
            if any(pooled)
            else None,
        )

    def _upload(self, tables: Sequence[np.ndarray]) -> tuple[Tensor, ...]:
        """Integer tables (N, ...), in one transfer."""
        joined = upload(np.hstack(tables).astype(np.int64), self._spatial.device)
        uploaded: tuple[Tensor, ...] = joined.split([table.shape[1] for table in tables], dim=1)
        return uploaded

    def _put(self, group: slice, rows: Sequence[int], frame: int, spatial: Tensor, pointers: Tensor) -> None:
        is_pooled = group.start >= self._whole_slots
        masks, new, first = (
            (self._pooled, pool(spatial), self._whole_slots) if is_pooled else (self._spatial, spatial, 0)
        )
        tables = self._spatial_frame, self._pointer_frame
        slots = [np.array([group.start + _slot_for(frames[row, group], frame) for row in rows]) for frames in tables]
        row, mask_slot, pointer_slot = upload(np.array([rows, slots[0] - first, slots[1]]), self._spatial.device)
        masks[row, mask_slot] = new.to(masks.dtype)
        self._pointers[row, pointer_slot] = pointers.to(self._pointers.dtype)
        for frames, chosen in zip(tables, slots):
            frames[list(rows), chosen] = frame

    def _spatial_entries(self, row: int, frame: int) -> list[_Entry]:
        """Every prompted frame, the newest long-term entries, and the newest `recent` tracked frames."""
        frames = self._spatial_frame[row]
        return [
            *self._prompted_entries(frames, frame),
            *self._long_term_entries(frames, frame),
            *self._recent_entries(frames, frame, self._recent),
        ]

    def _pointer_entries(self, row: int, frame: int) -> list[_Entry]:
        """Likewise, without prompted frames in the future, and with the newest fifteen tracked frames."""
        frames = self._pointer_frame[row]
        return [
            *(entry for entry in self._prompted_entries(frames, frame) if entry.age >= 0),
            *self._long_term_entries(frames, frame),
            *self._recent_entries(frames, frame, NUM_RECENT_POINTERS),
        ]

    def _prompted_entries(self, frames: np.ndarray, frame: int) -> list[_Entry]:
        stored = frames[self._prompted_slots]
        return [_Entry(int(slot), frame - int(stored[slot]), True) for slot in np.flatnonzero(stored != _EMPTY)]

    def _long_term_entries(self, frames: np.ndarray, frame: int) -> list[_Entry]:
        slots = _newest(frames, self._long_term_slots, frame)[: self._long_term]
        return [_Entry(slot, frame - int(frames[slot]), True) for slot in slots]

    def _recent_entries(self, frames: np.ndarray, frame: int, count: int) -> list[_Entry]:
        slots = _newest(frames, self._recent_slots, frame)[:count]
        if not self._counts_gaps:
            return [_Entry(slot, rank, False) for rank, slot in enumerate(slots, start=1)]
        entries = [_Entry(slot, frame - int(frames[slot]), False) for slot in slots]
        return [entry for entry in entries if entry.age <= count]


def _slot_for(frames: np.ndarray, frame: int) -> int:
    """The slot for a frame: its own if it has one, else an empty one or that of the oldest frame."""
    own = np.flatnonzero(frames == frame)
    return int(own[0] if len(own) else frames.argmin())


def _newest(frames: np.ndarray, group: slice, before: int) -> list[int]:
    """Slots of a group with frames before that one, newest first."""
    stored = frames[group]
    order = np.argsort(-stored, kind="stable")
    return [group.start + int(slot) for slot in order if _EMPTY < stored[slot] < before]


def _time_row(entry: _Entry) -> int:
    return NUM_MASKMEM - 1 if entry.is_prompted else entry.age - 1


def _tables(entries: list[list[_Entry]], time_of: Callable[[_Entry], int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N, K) each: slots, times and validity of the entries of N objects."""
    slot, valid = _table([(entry.slot for entry in row) for row in entries])
    return slot, _table([(time_of(entry) for entry in row) for row in entries])[0], valid


def _table(lists: Sequence[Iterable[int]]) -> tuple[np.ndarray, np.ndarray]:
    """(N, K) from lists of unequal length, and (N, K) bool that is False where it is padding."""
    rows = [list(row) for row in lists]
    length = max(map(len, rows))
    table = np.array([row + [0] * (length - len(row)) for row in rows], np.int64).reshape(len(rows), length)
    return table, np.array([[i < len(row) for i in range(length)] for row in rows], bool).reshape(table.shape)
