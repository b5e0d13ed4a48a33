"""The index of a memory: padding to fixed sizes, and when a mask is needed."""

import numpy as np
import pytest
import torch

from sam2_ros.model import MemorySize, Sam2
from sam2_ros.tracking.memory_bank import BankSize, MemoryBank
from sam2_ros.tracking.memory_index import MemoryLayout, entries, memory_index

SMALL, LARGE = MemorySize(2, 0, 3), MemorySize(4, 1, 6)


def counted(*counts: int) -> np.ndarray:
    """Entries of one kind, as many for each object."""
    number = np.zeros((len(counts), 1), int) + np.arange(max(counts))
    return entries(10 + number, number, number < np.array(counts)[:, None])


@pytest.mark.parametrize(
    ("spatial", "pointers", "sizes", "layout"),
    [
        (2, 3, (), MemoryLayout(MemorySize(2, 0, 3), is_masked=False)),
        (2, 3, (SMALL, LARGE), MemoryLayout(SMALL, is_masked=False)),
        (1, 3, (SMALL, LARGE), MemoryLayout(SMALL, is_masked=True)),
        (3, 3, (SMALL, LARGE), MemoryLayout(LARGE, is_masked=True)),
        (5, 3, (SMALL, LARGE), MemoryLayout(MemorySize(5, 0, 3), is_masked=True)),
    ],
    ids=["as they are", "full", "not full", "larger", "larger than any"],
)
def test_the_first_size_with_room_is_taken(
    spatial: int, pointers: int, sizes: tuple[MemorySize, ...], layout: MemoryLayout
) -> None:
    index, found = memory_index([7], (counted(spatial), counted(0), counted(pointers)), sizes)
    assert found == layout
    assert index.shape == (1, sum(layout.widths))


def test_even_the_largest_size_is_masked_where_it_is_full() -> None:
    _, layout = memory_index([0], (counted(4), counted(1), counted(6)), (SMALL, LARGE))
    assert layout == MemoryLayout(LARGE, is_masked=True)


def test_entries_and_padding_are_in_the_order_of_the_widths() -> None:
    index, layout = memory_index([7, 3], (counted(2, 1), counted(0, 0), counted(1, 1)), ())
    row, slot, time, valid, *_ = torch.from_numpy(index).split(layout.widths, dim=1)
    assert row.tolist() == [[7], [3]]
    assert slot.tolist() == [[10, 11], [10, 0]]
    assert time.tolist() == [[0, 1], [0, 0]]
    assert valid.tolist() == [[1, 1], [1, 0]]


def test_the_valid_entries_of_each_object_come_first_in_their_order() -> None:
    valid = np.array([[False, True, True], [True, False, True], [False, False, False]])
    slot = np.broadcast_to([5, 6, 7], valid.shape)
    index, layout = memory_index([0, 1, 2], (entries(slot, slot, valid), counted(0, 0, 0), counted(0, 0, 0)), ())
    _, slots, _, packed, *_ = torch.from_numpy(index).split(layout.widths, dim=1)
    assert slots.tolist() == [[6, 7], [5, 7], [0, 0]]
    assert packed.tolist() == [[1, 1], [1, 1], [0, 0]]


def test_a_blank_index_reads_the_first_slots() -> None:
    index = torch.from_numpy(MemoryLayout(LARGE, is_masked=True).blank_index(3))
    row, *kinds = index.split(MemoryLayout(LARGE, is_masked=True).widths, dim=1)
    assert row.tolist() == [[0]] * 3
    for slot, time, valid in zip(kinds[0::3], kinds[1::3], kinds[2::3]):
        assert slot.sum() == time.sum() == 0 and bool(valid.all())


@torch.inference_mode()
@pytest.mark.parametrize("is_pooled", [False, True])
def test_padding_changes_no_feature(model: Sam2, is_pooled: bool) -> None:
    config, noise = model.config, torch.Generator().manual_seed(0)
    bank = MemoryBank(config, BankSize(objects=2, prompted=2, history=4, is_pooled=is_pooled), torch.device("cpu"))

    def memory() -> tuple[torch.Tensor, torch.Tensor]:
        shapes = (1, config.grid**2, config.memory_width), (1, config.width)
        spatial, pointers = (torch.randn(shape, generator=noise) for shape in shapes)
        return spatial, pointers

    for row, frames in ((0, 3), (1, 6)):
        bank.write(bank.prompted, [row], 0, *memory())
        for frame in range(1, frames):
            bank.write(bank.recent, [row], frame, *memory())
    features = model.encode_image(torch.randn(1, 3, 64, 64, generator=noise))
    index, layout = bank.index_to_read([0, 1], 6, (MemorySize(9, 9 * is_pooled, 20),))
    assert layout.is_masked
    padded = model.read_memory(features, bank.gather(torch.from_numpy(index), layout))
    torch.testing.assert_close(padded, model.read_memory(features, bank.read([0, 1], 6)), rtol=1e-4, atol=1e-4)
