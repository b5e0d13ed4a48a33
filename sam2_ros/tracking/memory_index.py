"""Which slots of the memory bank are read for N objects, as one table of integers for one transfer to the device.

All objects at once, by NumPy: on a GPU the host's work per object would take longer than the device's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..model import MemorySize

_KINDS = len(MemorySize._fields)


def entries(slot: np.ndarray, time: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """(3, N, K) int64: slots that may be read for N objects, their times, and which are valid.

    Times are rows of the temporal table, or ages of pointers.
    """
    tables = np.empty((3, *time.shape), np.int64)
    tables[0], tables[1], tables[2] = slot, time, valid
    return tables


def packed(tables: np.ndarray, length: int) -> np.ndarray:
    """(3, N, K) -> (3, N, length): the valid entries of each object in the same order, then zeros."""
    order = np.argsort(-tables[2], axis=1, kind="stable")[:, :length]
    result = np.zeros((3, len(order), length), np.int64)
    result[..., : order.shape[1]] = tables[:, np.arange(len(order))[:, None], order]
    result *= result[2]
    return result


class MemoryLayout(NamedTuple):
    """All that the shape of a memory depends on, besides the number of objects."""

    size: MemorySize
    is_masked: bool  # whether entries may be padding

    @property
    def widths(self) -> tuple[int, ...]:
        """Columns of an index: the row of the object; slot, time and validity of the entries of each kind."""
        return (1, *(size for size in self.size for _ in range(3)))

    def blank_index(self, objects: int) -> np.ndarray:
        """(objects, ...) int64 that reads the first slots of the first row."""
        values = np.repeat([0, *[0, 0, 1] * _KINDS], self.widths)
        return np.tile(values, (objects, 1))


def memory_index(
    rows: Sequence[int], kinds: Sequence[np.ndarray], sizes: Sequence[MemorySize]
) -> tuple[np.ndarray, MemoryLayout]:
    """(N, ...) int64 and its layout, from the rows of N objects and their entries of each kind.

    Padded to the first of the sizes that has room. Only the smallest of them is not masked where it is full: most
    objects have it after a few frames, and each further layout is one more to compile or capture.
    """
    needed = MemorySize(*(int(tables[2].sum(axis=1).max()) for tables in kinds))
    size = next((size for size in sizes if size.has_room_for(needed)), needed)
    groups = [packed(tables, length) for tables, length in zip(kinds, size)]
    is_full = all(group[2].all() for group in groups) and (not sizes or size == sizes[0])
    index = np.hstack((np.array(rows, np.int64)[:, None], *(table for group in groups for table in group)))
    return index, MemoryLayout(size, is_masked=not is_full)
