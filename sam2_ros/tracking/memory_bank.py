"""What is remembered of every object, in tensors that are allocated once.

Each object owns a row. A row keeps its newest prompted frames (first in, first out), its anchors likewise, and of the
other frames a ring. The ring is longer than what the network reads by the number of buffered frames, so that an object
can be taken back to an earlier frame and tracked again from there. The ring's masks can be pooled, which costs little;
what lasts stays whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..model import Memory, ModelConfig, PooledMemory, pool
from ..model.config import NUM_MEMORY_ROWS, NUM_RECENT, POINTER_REACH
from .transfer import upload

_EMPTY = -1


@dataclass(frozen=True)
class BankSize:
    """How much is kept: objects, prompted frames of each, and frames that an object can be taken back.

    `anchors` are read, out of `anchor_slots`; of the other frames the masks of `recent` ones, pooled if wanted.
    """

    objects: int
    prompted: int
    history: int
    anchors: int = 0
    anchor_slots: int = 0
    recent: int = NUM_RECENT
    is_pooled: bool = False


class _Entry(NamedTuple):
    """A slot to be read, with its age in frames; prompted frames may have a negative one.

    Prompted frames and anchors are lasting: they are read without regard to when they were.
    """

    slot: int
    age: int
    lasting: bool


class MemoryBank:
    """Preallocated memories; frames are counted from 0.

    Where `counts_gaps`, only the last so many frames are read, and fewer if some of them are not remembered. Else the
    newest so many that are remembered are read, as if there had been no others.
    """

    def __init__(self, config: ModelConfig, size: BankSize, device: torch.device, counts_gaps: bool = True) -> None:
        self._counts_gaps = counts_gaps
        self._anchors = size.anchors
        self._recent = size.recent
        self._prompted_slots = slice(0, size.prompted)
        self._anchor_slots = slice(size.prompted, size.prompted + size.anchor_slots)
        self._recent_slots = slice(size.prompted + size.anchor_slots, None)
        lasting = size.prompted + size.anchor_slots
        spatial_slots = lasting + size.recent + size.history
        pooled_slots = size.recent + size.history if size.is_pooled else 0
        self._whole_slots = spatial_slots - pooled_slots
        pointer_slots = lasting + POINTER_REACH + size.history
        # bfloat16 as in the reference, whatever the precision of the network.
        shape = (size.objects, self._whole_slots, config.grid**2, config.memory_width)
        self._spatial = torch.zeros(shape, dtype=torch.bfloat16, device=device)
        shape = (size.objects, pooled_slots, config.grid**2 // 4, config.memory_width)
        self._pooled = torch.zeros(shape, dtype=torch.bfloat16, device=device)
        self._pointers = torch.zeros((size.objects, pointer_slots, config.width), device=device)
        self._spatial_frame = np.full((size.objects, spatial_slots), _EMPTY, np.int64)
        self._pointer_frame = np.full((size.objects, pointer_slots), _EMPTY, np.int64)

    def write(self, rows: Sequence[int], frame: int, spatial: Tensor, pointers: Tensor) -> None:
        """Remember a tracked frame: spatial (N, h * w, 64) and pointers (N, C) of N objects."""
        self._put(self._recent_slots, rows, frame, spatial, pointers)

    def write_prompted(self, rows: Sequence[int], frame: int, spatial: Tensor, pointers: Tensor) -> None:
        """Remember a prompted frame, for the oldest one if there are too many.

        Where that frame was tracked before, `forget_from` it first, or it is read twice.
        """
        self._put(self._prompted_slots, rows, frame, spatial, pointers)

    def write_anchors(self, rows: Sequence[int], frame: int, spatial: Tensor, pointers: Tensor) -> None:
        """Remember a tracked frame for long, for the oldest anchor if there are too many."""
        self._put(self._anchor_slots, rows, frame, spatial, pointers)

    def is_prompted(self, row: int, frame: int) -> bool:
        """Whether the object was prompted on that frame, and the frame is still remembered."""
        return bool((self._spatial_frame[row, self._prompted_slots] == frame).any())

    def newest_anchor(self, row: int) -> int:
        """Number of the frame, a negative one where there is none."""
        return int(self._spatial_frame[row, self._anchor_slots].max(initial=_EMPTY))

    def forget_from(self, row: int, frame: int) -> None:
        """Drop the tracked frames from that one on, for they are to be tracked anew; prompted frames stay."""
        for frames in (self._spatial_frame[row], self._pointer_frame[row]):
            tracked = frames[self._prompted_slots.stop :]
            tracked[tracked >= frame] = _EMPTY

    def copy(self, source: int, target: int) -> None:
        """Remember in one row what another one does."""
        for table in (self._spatial, self._pooled, self._pointers, self._spatial_frame, self._pointer_frame):
            table[target] = table[source]

    def clear(self, row: int) -> None:
        """Forget everything about an object."""
        self._spatial_frame[row] = _EMPTY
        self._pointer_frame[row] = _EMPTY

    def read(self, rows: Sequence[int], frame: int) -> Memory:
        """What N objects are remembered by when a frame is tracked."""
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
        """Tables (N, ...) of whole numbers, all at once."""
        joined = upload(np.hstack(tables).astype(np.int64), self._spatial.device)
        return joined.split([table.shape[1] for table in tables], dim=1)

    def _put(self, place: slice, rows: Sequence[int], frame: int, spatial: Tensor, pointers: Tensor) -> None:
        is_pooled = place.start >= self._whole_slots
        masks, new, first = (
            (self._pooled, pool(spatial), self._whole_slots) if is_pooled else (self._spatial, spatial, 0)
        )
        tables = self._spatial_frame, self._pointer_frame
        slots = [np.array([place.start + _slot_for(frames[row, place], frame) for row in rows]) for frames in tables]
        row, mask_slot, pointer_slot = upload(np.array([rows, slots[0] - first, slots[1]]), self._spatial.device)
        masks[row, mask_slot] = new.to(masks.dtype)
        self._pointers[row, pointer_slot] = pointers.to(self._pointers.dtype)
        for frames, chosen in zip(tables, slots):
            frames[list(rows), chosen] = frame

    def _spatial_entries(self, row: int, frame: int) -> list[_Entry]:
        """Every prompted frame, the newest anchors, and of the last `recent` ones those that were tracked."""
        frames = self._spatial_frame[row]
        return [
            *self._prompted_entries(frames, frame),
            *self._anchor_entries(frames, frame),
            *self._recent_entries(frames, frame, self._recent),
        ]

    def _pointer_entries(self, row: int, frame: int) -> list[_Entry]:
        """Likewise, without prompted frames that are in the future, and of the last fifteen."""
        frames = self._pointer_frame[row]
        return [
            *(entry for entry in self._prompted_entries(frames, frame) if entry.age >= 0),
            *self._anchor_entries(frames, frame),
            *self._recent_entries(frames, frame, POINTER_REACH),
        ]

    def _prompted_entries(self, frames: np.ndarray, frame: int) -> list[_Entry]:
        then = frames[self._prompted_slots]
        return [_Entry(int(slot), frame - int(then[slot]), True) for slot in np.flatnonzero(then != _EMPTY)]

    def _anchor_entries(self, frames: np.ndarray, frame: int) -> list[_Entry]:
        slots = _newest(frames, self._anchor_slots, frame)[: self._anchors]
        return [_Entry(slot, frame - int(frames[slot]), True) for slot in slots]

    def _recent_entries(self, frames: np.ndarray, frame: int, reach: int) -> list[_Entry]:
        slots = _newest(frames, self._recent_slots, frame)[:reach]
        if not self._counts_gaps:
            return [_Entry(slot, place + 1, False) for place, slot in enumerate(slots)]
        entries = [_Entry(slot, frame - int(frames[slot]), False) for slot in slots]
        return [entry for entry in entries if entry.age <= reach]


def _slot_for(frames: np.ndarray, frame: int) -> int:
    """Where a frame goes: into its own place if it has one, else into an empty one or that of the oldest frame."""
    own = np.flatnonzero(frames == frame)
    return int(own[0] if len(own) else frames.argmin())


def _newest(frames: np.ndarray, place: slice, before: int) -> list[int]:
    """Slots of frames before that one, the newest first."""
    then = frames[place]
    order = np.argsort(-then, kind="stable")
    return [place.start + int(slot) for slot in order if _EMPTY < then[slot] < before]


def _time_row(entry: _Entry) -> int:
    return NUM_MEMORY_ROWS - 1 if entry.lasting else entry.age - 1


def _tables(entries: list[list[_Entry]], when: Callable[[_Entry], int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N, K) each: the slots of N objects, when they were, and whether there is such an entry."""
    slot, valid = _table([(entry.slot for entry in row) for row in entries])
    return slot, _table([(when(entry) for entry in row) for row in entries])[0], valid


def _table(lists: Sequence[Iterable[int]]) -> tuple[np.ndarray, np.ndarray]:
    """(N, K) from lists of unequal length, and (N, K) bool that is False where it was filled up."""
    rows = [list(row) for row in lists]
    length = max(map(len, rows))
    table = np.array([row + [0] * (length - len(row)) for row in rows], np.int64).reshape(len(rows), length)
    return table, np.array([[i < len(row) for i in range(length)] for row in rows], bool).reshape(table.shape)
