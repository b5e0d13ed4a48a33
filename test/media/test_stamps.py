"""Stamps increase strictly for any clock."""

import random
from itertools import pairwise

import pytest

from sam2_ros.media.stamps import steady_stamps


def stamps(*times: float | None, period: float = 0.1) -> list[float]:
    timed = list(enumerate(times))
    steady = list(steady_stamps(timed, period))
    assert [frame for frame, _ in steady] == [frame for frame, _ in timed]  # all of them, in order
    return [stamp for _, stamp in steady]


def test_a_regular_clock_is_kept_from_the_first_frame_on() -> None:
    assert stamps(5.0, 5.1, 5.2) == pytest.approx([0.0, 0.1, 0.2])
    assert stamps() == []


def test_a_variable_rate_and_a_pause_are_kept() -> None:
    assert stamps(0.0, 0.01, 0.5, 61.0, 61.1) == pytest.approx([0.0, 0.01, 0.5, 61.0, 61.1])


def test_a_frame_without_a_time_is_stamped_a_period_later() -> None:
    assert stamps(None, None, None) == pytest.approx([0.0, 0.1, 0.2])
    assert stamps(3.0, None, 3.3) == pytest.approx([0.0, 0.1, 0.3])
    assert stamps(None, 7.0, 7.2) == pytest.approx([0.0, 0.1, 0.3])


@pytest.mark.parametrize("stray", [-1e6, 0.0, 0.1, 0.35, 1e6])
def test_a_single_time_out_of_order_is_moved_between_its_neighbours(stray: float) -> None:
    assert stamps(0.0, 0.1, stray, 0.3, 0.4) == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])


@pytest.mark.parametrize("last", [0.1, 0.0, -7.0])
def test_a_last_time_out_of_order_is_stamped_a_period_later(last: float) -> None:
    assert stamps(0.0, 0.1, last) == pytest.approx([0.0, 0.1, 0.2])


def test_stamps_continue_after_the_clock_is_set_back() -> None:
    assert stamps(8.0, 8.1, 0.0, 0.1, 0.2) == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])


def test_stamps_advance_by_a_period_with_a_stopped_clock() -> None:
    assert stamps(0.0, 0.0, 0.0, 0.0) == pytest.approx([0.0, 0.1, 0.2, 0.3])


@pytest.mark.parametrize("seed", range(20))
def test_stamps_start_at_zero_and_increase_for_any_clock(seed: int) -> None:
    rng = random.Random(seed)
    times = [rng.choice([None, rng.choice([0.0, 1.0, 2.0]), rng.uniform(-1e4, 1e4)]) for _ in range(200)]
    steady = stamps(*times)
    assert steady[0] == 0.0
    assert all(a < b for a, b in pairwise(steady))
