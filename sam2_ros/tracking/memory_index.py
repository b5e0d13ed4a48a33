"""Which slots of the memory bank are read for N objects, as one table of integers for one transfer to the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..model import MemorySize

_KINDS = len(MemorySize._fields)


class Entry(NamedTuple):
    """A slot that is read for one object, and its time: the row of the temporal table, or the age of a pointer."""

    slot: int
    time: int


class MemoryLayout(NamedTuple):
    """All that the shape of a memory depends on, besides the number of objects."""

    size: MemorySize
    is_masked: bool  # whether entries may be padding

    @property
    def widths(self) -> tuple[int, ...]:
        """Columns of an index: the row of the object; slot, time and validity of the entries of each kind."""
        return (1, *np.repeat(self.size, 3).tolist())

    def blank_index(self, objects: int) -> np.ndarray:
        """(objects, ...) int64 that reads the first slots of the first row."""
        values = np.repeat([0, *[0, 0, 1] * _KINDS], self.widths)
        return np.tile(values, (objects, 1))


def memory_index(
    rows: Sequence[int], entries: Sequence[Sequence[Sequence[Entry]]], sizes: Sequence[MemorySize]
) -> tuple[np.ndarray, MemoryLayout]:
    """(N, ...) int64 and its layout, from the rows of N objects and their entries of each kind.

    Padded to the first of the sizes that has room. Only the smallest of them is not masked where it is full: most
    objects have it after a few frames, and each further layout is one more to compile or capture.
    """
    needed = MemorySize(*(max(map(len, kind)) for kind in entries))
    size = next((size for size in sizes if size.has_room_for(needed)), needed)
    tables = [table for kind, length in zip(entries, size) for table in _tables(kind, length)]
    is_full = all(valid.all() for valid in tables[2::3]) and (not sizes or size == sizes[0])
    index = np.hstack((np.array(rows, np.int64)[:, None], *tables))
    return index, MemoryLayout(size, is_masked=not is_full)


def _tables(entries: Sequence[Sequence[Entry]], length: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N, length) each: slots, times and validity of the entries of N objects."""
    slot, time, valid = (np.zeros((len(entries), length), np.int64) for _ in range(3))
    for i, row in enumerate(entries):
        for j, entry in enumerate(row):
            slot[i, j], time[i, j], valid[i, j] = entry.slot, entry.time, 1
    return slot, time, valid
