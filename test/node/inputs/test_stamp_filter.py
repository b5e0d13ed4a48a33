"""Which stamps continue the stream, which are ignored, and when time jumps."""

import random
from collections.abc import Iterable, Sequence

import pytest

from sam2_ros.node.inputs.stamp_filter import StampFault, StampFilter

PERIOD = 1 / 30


def run(stamp_filter: StampFilter, stamps: Iterable[float], period: float = PERIOD, start: float = 0.0) -> list[float]:
    """The stamps that are accepted, of images that come a `period` of the wall clock after each other."""
    return [stamp for i, stamp in enumerate(stamps) if stamp_filter.check(stamp, start + i * period) is None]


def camera(count: int, start: float = 100.0, period: float = PERIOD) -> list[float]:
    return [start + i * period for i in range(count)]


def with_strays(stamps: Sequence[float], strays: dict[int, float]) -> list[float]:
    """Some of the images have another stamp."""
    return [strays.get(i, stamp) for i, stamp in enumerate(stamps)]


@pytest.mark.parametrize("period", [1 / 60, 1 / 30, 0.2, 1.0, 2.0, 10.0])
def test_every_image_of_a_camera_is_accepted(period: float) -> None:
    stamps = camera(50, period=period)
    stamp_filter = StampFilter()
    assert run(stamp_filter, stamps, period) == stamps
    assert stamp_filter.jump is None and stamp_filter.warning == ""


@pytest.mark.parametrize("period", [1 / 30, 0.2, 1.0])
@pytest.mark.parametrize("offset", [-1e9, -60.0, -4.4, -1.5, 4.4, 60.0, 3600.0, 1e9])
def test_a_single_stray_stamp_is_ignored_and_nothing_else(period: float, offset: float) -> None:
    stamps = camera(40, start=1.2e9, period=period)
    stamp_filter = StampFilter()
    sent = with_strays(stamps, {20: stamps[20] + offset})
    assert run(stamp_filter, sent, period) == stamps[:20] + stamps[21:]
    assert stamp_filter.jump is None and stamp_filter.warning == ""


def test_a_nearby_stray_stamp_delays_the_stream_but_never_resets_it() -> None:
    stamps = camera(60)
    stamp_filter = StampFilter()
    accepted = run(stamp_filter, with_strays(stamps, {20: stamps[20] + 0.4}))
    assert accepted == [*stamps[:20], stamps[20] + 0.4, *stamps[33:]]
    assert stamp_filter.jump is None


def test_two_strays_in_a_row_are_ignored_whether_they_agree_or_not() -> None:
    stamps = camera(40)
    for first, second in ((5.0, 5.0 + PERIOD), (5.0, 700.0), (-90.0, -50.0), (50.0, -50.0), (-90.0, -90.0)):
        stamp_filter = StampFilter()
        sent = with_strays(stamps, {20: stamps[20] + first, 21: stamps[20] + second})
        assert run(stamp_filter, sent) == stamps[:20] + stamps[22:]
        assert stamp_filter.jump is None


def test_zero_stamps_between_good_ones_are_ignored() -> None:
    stamps = camera(60)
    stamp_filter = StampFilter()
    sent = with_strays(stamps, dict.fromkeys((5, 6, 7, 8, 20, 30, 31), 0.0))
    assert run(stamp_filter, sent) == [stamp for stamp in sent if stamp]
    assert stamp_filter.jump is None


def test_a_bag_that_loops_causes_one_time_jump_a_few_images_later() -> None:
    bag = camera(90)
    stamp_filter = StampFilter()
    assert run(stamp_filter, bag) == bag
    for _ in range(3):
        before = stamp_filter.jump
        assert run(stamp_filter, bag) == bag[2:]
        assert stamp_filter.jump is not None and stamp_filter.jump is not before
        assert (stamp_filter.jump.before, stamp_filter.jump.after) == (bag[-1], bag[0])
    assert stamp_filter.warning == ""


@pytest.mark.parametrize("rate", [0.1, 1.0, 10.0])
def test_a_bag_of_a_slow_camera_loops_at_every_playback_rate(rate: float) -> None:
    bag = camera(8, period=1.0)
    stamp_filter = StampFilter()
    assert run(stamp_filter, bag, period=1 / rate) == bag
    assert run(stamp_filter, bag, period=1 / rate) == bag[2:]
    assert stamp_filter.jump is not None


def test_a_gap_in_real_time_is_no_jump() -> None:
    stamp_filter = StampFilter()
    run(stamp_filter, camera(30))
    assert stamp_filter.check(100.0 + 61.0, 1.0 + 60.0) is None  # dropped frames, a cable that was pulled, a paused bag


def test_a_jump_ahead_is_accepted_a_few_images_later_without_a_time_jump_back() -> None:
    before, after = camera(30), camera(30, start=5000.0)
    stamp_filter = StampFilter()
    assert run(stamp_filter, before + after) == before + after[2:]
    assert stamp_filter.jump is None and stamp_filter.warning == ""


def test_the_stream_recovers_from_a_stray_stamp_on_the_first_image() -> None:
    stamps = camera(30)
    ahead, behind = StampFilter(), StampFilter()
    assert run(ahead, [9000.0, *stamps]) == [9000.0, *stamps[2:]]
    assert run(behind, [0.0, *stamps]) == [0.0, *stamps[2:]]
    assert ahead.jump is not None and behind.jump is None


def test_a_clock_that_is_set_back_slightly_is_waited_for() -> None:
    stamp_filter = StampFilter()
    run(stamp_filter, camera(30))
    assert stamp_filter.newest is not None
    corrected = camera(30, start=stamp_filter.newest - 0.3)
    assert run(stamp_filter, corrected) == [stamp for stamp in corrected if stamp > corrected[0] + 0.3]
    assert stamp_filter.jump is None


def test_late_and_repeated_images_are_ignored() -> None:
    stamp_filter = StampFilter()
    run(stamp_filter, [1.0, 1.1])
    assert stamp_filter.check(1.1, 0.2) is StampFault.REPEATED
    assert stamp_filter.check(0.9, 0.2) is StampFault.LATE
    assert stamp_filter.check(0.0, 0.2) is StampFault.UNSTAMPED
    assert stamp_filter.check(70.0, 0.2) is StampFault.STRAY
    assert stamp_filter.newest == 1.1


def test_a_repeated_image_does_not_delay_the_confirmation_of_a_jump() -> None:
    stamp_filter = StampFilter()
    run(stamp_filter, camera(30))
    assert run(stamp_filter, [5.0, 5.0, 5.1, 5.1, 5.2, 5.2, 5.3]) == [5.2, 5.3]


def test_stamps_that_keep_rising_are_accepted_even_where_they_rise_too_fast() -> None:
    stamp_filter = StampFilter()
    run(stamp_filter, camera(30))
    stills = camera(20, start=1000.0, period=30.0)
    assert run(stamp_filter, stills, period=0.1) == stills[9:]


def test_of_two_cameras_on_different_clocks_one_is_accepted_without_resets() -> None:
    one, two = camera(50, start=1.7e9), camera(50, start=40.0)
    stamp_filter = StampFilter()
    alternating = [stamp for pair in zip(one, two) for stamp in pair]
    assert run(stamp_filter, alternating, PERIOD / 2) == one
    assert stamp_filter.jump is None


def test_the_stream_recovers_from_any_stray_stamps() -> None:
    for seed in range(200):
        random_ = random.Random(seed)
        stamp_filter = StampFilter()
        moment = 0.0
        for _ in range(100):
            moment += random_.choice((0.001, PERIOD, 1.0))
            stamp_filter.check(random_.choice((0.0, moment, random_.uniform(0, 1e9), 100 + moment)), moment)
        accepted = [stamp_filter.check(1e6 + i * PERIOD, moment + (i + 1) * PERIOD) is None for i in range(200)]
        assert all(accepted[-40:]), seed


# ---- health


@pytest.mark.parametrize(
    ("stamps", "reason"),
    [
        ([0.0] * 50, "their stamps are zero"),
        ([12.5] * 50, "they repeat the newest stamp"),
        ([100 - i / 30 for i in range(50)], "their stamps jump back and forth"),
        ([100 + i // 2 / 30 - i % 2 * 0.2 for i in range(50)], "they are older than the newest image"),
        ([100 + i // 2 / 30 - i % 2 * 50 for i in range(50)], "their stamps jump back and forth"),
    ],
    ids=["zero", "equal", "backwards", "delayed camera", "two clocks"],
)
def test_many_ignored_images_cause_a_warning(stamps: list[float], reason: str) -> None:
    stamp_filter = StampFilter()
    run(stamp_filter, stamps)
    assert "of the last 30 images are ignored" in stamp_filter.warning
    assert reason in stamp_filter.warning


def test_the_warning_appears_after_a_few_images() -> None:
    stamp_filter = StampFilter()
    run(stamp_filter, [0.0] * 5)
    assert stamp_filter.warning.startswith("4 of the last 5 images are ignored: their stamps are zero")


def test_the_warning_ends_once_the_stamps_are_valid() -> None:
    stamp_filter = StampFilter()
    run(stamp_filter, [0.0] * 50)
    run(stamp_filter, camera(30))
    assert stamp_filter.warning == ""
