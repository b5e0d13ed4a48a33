"""The memory bank: which entries are written, dropped and read."""

import numpy as np
import pytest
import torch

from sam2_ros.model.config import named_config
from sam2_ros.tracking.memory_bank import BankSize, MemoryBank

CONFIG = named_config("nano", 32)
TOKENS = CONFIG.grid**2
PROMPTED_ROW = 6


@pytest.fixture
def bank() -> MemoryBank:
    return MemoryBank(CONFIG, BankSize(objects=3, prompted=2, history=4), torch.device("cpu"))


def marked(*values: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Memories whose every number says which frame they are of."""
    value = torch.tensor(values)
    spatial = value.view(-1, 1, 1).expand(-1, TOKENS, CONFIG.memory_width)
    return spatial, value.view(-1, 1).expand(-1, CONFIG.width)


def track(bank: MemoryBank, row: int, frames: range) -> None:
    for frame in frames:
        bank.write(bank.recent, [row], frame, *marked(frame))


@pytest.fixture
def gapless() -> MemoryBank:
    """Frames that were not written do not count; two long-term entries are read, four kept."""
    size = BankSize(objects=3, prompted=2, history=4, long_term=2, long_term_slots=4)
    return MemoryBank(CONFIG, size, torch.device("cpu"), counts_gaps=False)


def frames_by_row(bank: MemoryBank, row: int, frame: int) -> dict[int, list[int]]:
    """Frames that are read, by their row of the temporal table."""
    memory = bank.read([row], frame)
    found: dict[int, list[int]] = {}
    for time_row, spatial in zip(memory.spatial_row[0].tolist(), memory.spatial[0, :, 0, 0].tolist()):
        found.setdefault(time_row, []).append(int(spatial))
    return found


def test_six_recent_frames_are_read_each_with_its_age(bank: MemoryBank) -> None:
    bank.write(bank.prompted, [0], 0, *marked(0))
    track(bank, 0, range(1, 12))
    assert frames_by_row(bank, 0, 12) == {PROMPTED_ROW: [0], 0: [11], 1: [10], 2: [9], 3: [8], 4: [7], 5: [6]}


def test_missing_frames_are_skipped_not_padded(bank: MemoryBank) -> None:
    bank.write(bank.prompted, [0], 0, *marked(0))
    track(bank, 0, range(1, 3))
    memory = bank.read([0], 3)
    assert memory.spatial.shape[1] == 3
    assert memory.spatial_valid is None
    assert memory.pointer_valid is None


def test_a_recent_prompted_frame_is_read_once(bank: MemoryBank) -> None:
    bank.write(bank.prompted, [0], 0, *marked(0))
    track(bank, 0, range(1, 4))
    bank.drop_from(0, 3)
    bank.write(bank.prompted, [0], 3, *marked(33))
    assert frames_by_row(bank, 0, 4) == {PROMPTED_ROW: [0, 33], 1: [2], 2: [1]}


def test_prompted_frames_are_dropped_first_in_first_out(bank: MemoryBank) -> None:
    for frame in (0, 10, 20):
        bank.write(bank.prompted, [0], frame, *marked(frame))
    assert sorted(frames_by_row(bank, 0, 21)[PROMPTED_ROW]) == [10, 20]


def test_a_frame_prompted_again_replaces_itself(bank: MemoryBank) -> None:
    bank.write(bank.prompted, [0], 0, *marked(0))
    bank.write(bank.prompted, [0], 5, *marked(5))
    bank.write(bank.prompted, [0], 5, *marked(55))
    assert frames_by_row(bank, 0, 6) == {PROMPTED_ROW: [0, 55]}


def test_pointers_of_the_last_fifteen_frames_and_all_prompted_ones_are_read(bank: MemoryBank) -> None:
    bank.write(bank.prompted, [0], 0, *marked(0))
    track(bank, 0, range(1, 30))
    memory = bank.read([0], 30)
    assert memory.pointer_age[0].tolist() == [30.0, *map(float, range(1, 16))]
    assert memory.pointers[0, :, 0].tolist() == [0.0, *map(float, range(29, 14, -1))]


def test_of_later_prompted_frames_spatial_memories_are_read_but_no_pointers(bank: MemoryBank) -> None:
    bank.write(bank.prompted, [0], 0, *marked(0))
    bank.write(bank.prompted, [0], 9, *marked(9))
    memory = bank.read([0], 5)
    assert memory.pointer_age[0].tolist() == [5.0]
    assert sorted(frames_by_row(bank, 0, 5)[PROMPTED_ROW]) == [0, 9]


def test_an_object_can_be_tracked_again_from_any_buffered_frame(bank: MemoryBank) -> None:
    bank.write(bank.prompted, [0], 0, *marked(0))
    track(bank, 0, range(1, 40))
    bank.drop_from(0, 36)
    found = frames_by_row(bank, 0, 36)
    assert found == {PROMPTED_ROW: [0], 0: [35], 1: [34], 2: [33], 3: [32], 4: [31], 5: [30]}
    assert bank.read([0], 36).pointers.shape[1] == 16


def test_without_counted_gaps_the_newest_written_frames_are_read(gapless: MemoryBank) -> None:
    gapless.write(gapless.prompted, [0], 0, *marked(0))
    track(gapless, 0, range(1, 8))
    track(gapless, 0, range(108, 110))
    found = frames_by_row(gapless, 0, 110)
    assert found == {PROMPTED_ROW: [0], 0: [109], 1: [108], 2: [7], 3: [6], 4: [5], 5: [4]}
    assert gapless.read([0], 110).pointer_age[0].tolist() == [110.0, *map(float, range(1, 10))]


def test_with_counted_gaps_the_last_frames_are_read(bank: MemoryBank) -> None:
    bank.write(bank.prompted, [0], 0, *marked(0))
    track(bank, 0, range(1, 8))
    assert frames_by_row(bank, 0, 10) == {PROMPTED_ROW: [0], 2: [7], 3: [6], 4: [5], 5: [4]}
    assert frames_by_row(bank, 0, 108) == {PROMPTED_ROW: [0]}


def test_the_newest_long_term_entries_are_read_like_prompted_frames(gapless: MemoryBank) -> None:
    gapless.write(gapless.prompted, [0], 0, *marked(0))
    assert gapless.newest_long_term(0) < 0
    for frame in (5, 10, 15):
        gapless.write(gapless.long_term, [0], frame, *marked(frame))
    assert gapless.newest_long_term(0) == 15
    assert sorted(frames_by_row(gapless, 0, 20)[PROMPTED_ROW]) == [0, 10, 15]
    assert gapless.read([0], 20).pointer_age[0].tolist() == [20.0, 5.0, 10.0]


def test_long_term_entries_are_dropped_with_their_frames(gapless: MemoryBank) -> None:
    for frame in (5, 10, 15, 20):
        gapless.write(gapless.long_term, [0], frame, *marked(frame))
    gapless.drop_from(0, 12)
    assert frames_by_row(gapless, 0, 12) == {PROMPTED_ROW: [10, 5]}


def test_objects_of_different_age_are_read_together(bank: MemoryBank) -> None:
    bank.write(bank.prompted, [0], 0, *marked(0))
    track(bank, 0, range(1, 8))
    bank.write(bank.prompted, [2], 7, *marked(70))
    memory = bank.read([0, 2], 8)
    assert memory.spatial.shape[:2] == (2, 7)
    assert memory.spatial_valid is not None and memory.pointer_valid is not None
    assert memory.spatial_valid.sum(dim=1).tolist() == [7, 1]
    assert memory.pointer_valid.sum(dim=1).tolist() == [8, 1]
    assert memory.spatial[1, 0, 0, 0] == 70


def test_a_cleared_row_is_empty_and_the_others_are_unchanged(bank: MemoryBank) -> None:
    for row in (0, 1):
        bank.write(bank.prompted, [row], 0, *marked(row))
    bank.clear(0)
    assert not bank.is_prompted(0, 0)
    assert bank.is_prompted(1, 0)


def test_spatial_memories_are_stored_in_bfloat16_like_the_reference(bank: MemoryBank) -> None:
    bank.write(bank.prompted, [0], 0, *marked(1.001))
    assert bank.read([0], 1).spatial.dtype is torch.bfloat16
    assert bank.read([0], 1).pointers[0, 0, 0].item() == pytest.approx(1.001)


def test_nothing_is_allocated_while_tracking(bank: MemoryBank) -> None:
    storage = bank._spatial.data_ptr(), bank._pointers.data_ptr()
    bank.write(bank.prompted, [0], 0, *marked(0))
    track(bank, 0, range(1, 100))
    assert (bank._spatial.data_ptr(), bank._pointers.data_ptr()) == storage
    assert np.count_nonzero(bank._spatial_frame[0] >= 0) == 1 + 6 + 4


def test_fewer_recent_spatial_memories_are_read_with_all_pointers() -> None:
    bank = MemoryBank(CONFIG, BankSize(objects=1, prompted=2, history=4, recent=2), torch.device("cpu"))
    bank.write(bank.prompted, [0], 0, *marked(0))
    track(bank, 0, range(1, 30))
    assert bank._spatial.shape[1] == 2 + 2 + 4
    assert frames_by_row(bank, 0, 30) == {PROMPTED_ROW: [0], 0: [29], 1: [28]}
    assert bank.read([0], 30).pointer_age[0].tolist() == [30.0, *map(float, range(1, 16))]
    bank.drop_from(0, 26)  # by as many frames as history says
    assert frames_by_row(bank, 0, 26) == {PROMPTED_ROW: [0], 0: [25], 1: [24]}


@pytest.fixture
def pooled() -> MemoryBank:
    size = BankSize(objects=3, prompted=2, history=4, long_term=2, long_term_slots=4, is_pooled=True)
    return MemoryBank(CONFIG, size, torch.device("cpu"), counts_gaps=False)


def test_tracked_frames_are_pooled_and_prompted_and_long_term_ones_are_not(
    pooled: MemoryBank,
) -> None:
    pooled.write(pooled.prompted, [0], 0, *marked(0))
    track(pooled, 0, range(1, 9))
    pooled.write(pooled.long_term, [0], 5, *marked(5))
    memory = pooled.read([0], 9)
    assert memory.spatial.shape[:3] == (1, 2, TOKENS) and memory.spatial[0, :, 0, 0].tolist() == [0.0, 5.0]
    assert memory.pooled is not None and memory.pooled.valid is None
    assert memory.pooled.tokens.shape == (1, 6, TOKENS // 4, 64)
    assert memory.pooled.tokens[0, :, 0, 0].tolist() == [8.0, 7.0, 6.0, 5.0, 4.0, 3.0]
    assert memory.pooled.row.tolist() == [[0, 1, 2, 3, 4, 5]]
    assert memory.pointers.shape == pooled.read([0], 9).pointers.shape == (1, 2 + 8, CONFIG.width)


def test_a_pooled_token_is_the_mean_of_its_four(pooled: MemoryBank) -> None:
    pooled.write(pooled.prompted, [0], 0, *marked(0))
    spatial = torch.arange(float(TOKENS)).view(1, TOKENS, 1).expand(-1, -1, CONFIG.memory_width)
    pooled.write(pooled.recent, [0], 1, spatial, marked(1)[1])
    (cells,) = spatial.unflatten(1, (CONFIG.grid, CONFIG.grid))
    memory = pooled.read([0], 2).pooled
    assert memory is not None
    assert memory.tokens[0, 0, 0, 0] == cells[:2, :2, 0].mean()


def test_pooled_objects_are_read_together_copied_and_tracked_again(pooled: MemoryBank) -> None:
    for row, count in ((0, 3), (1, 8)):
        pooled.write(pooled.prompted, [row], 0, *marked(0))
        track(pooled, row, range(1, count))
    memory = pooled.read([0, 1], 8).pooled
    assert memory is not None and memory.valid is not None
    assert memory.valid.sum(dim=1).tolist() == [2, 6]
    pooled.copy(1, 2)
    pooled.drop_from(2, 6)
    memory = pooled.read([2], 6).pooled
    assert memory is not None
    assert memory.tokens[0, :, 0, 0].tolist() == [5.0, 4.0, 3.0, 2.0, 1.0]
