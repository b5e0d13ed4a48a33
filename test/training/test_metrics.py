"""The scores on masks small enough to count by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest

from sam2_ros.training.event_metrics import EventScore
from sam2_ros.training.metrics import boundary, region, score_object, summarise


def mask(*rows: str) -> np.ndarray:
    """(H, W) bool; '#' is the object."""
    return np.array([[c == "#" for c in row] for row in rows])


def square(left: int, side: int = 10, size: int = 64) -> np.ndarray:
    result = np.zeros((size, size), bool)
    result[20 : 20 + side, left : left + side] = True
    return result


NOTHING = np.zeros((64, 64), bool)


def test_region_is_the_intersection_over_the_union() -> None:
    assert region(mask("##..", "##.."), mask(".##.", ".##.")) == pytest.approx(2 / 6)
    assert region(mask("...."), mask("....")) == 1.0
    assert region(mask("#..."), mask("....")) == 0.0


def test_equal_boundaries_score_one_and_far_ones_nothing() -> None:
    assert boundary(square(10), square(10)) == 1.0
    assert boundary(square(10, side=6), square(40, side=6)) == 0.0


def test_a_boundary_may_be_off_by_the_tolerance_but_not_by_more() -> None:
    # 64 x 64: 0.008 of the diagonal of 90.5 pixels, rounded up, is 1 pixel
    assert boundary(square(11), square(10)) == 1.0
    assert boundary(square(13), square(10)) < 0.8


def test_boundary_is_the_harmonic_mean_of_precision_and_recall() -> None:
    true = square(5, side=8) | square(40, side=8)
    # All that was found is right, half of what is there was found.
    assert boundary(square(5, side=8), true) == pytest.approx(2 * 1 * 0.5 / 1.5)


def test_a_missing_or_invented_boundary_scores_nothing_and_two_empty_ones_score_one() -> None:
    assert boundary(NOTHING, square(10)) == 0.0
    assert boundary(square(10), NOTHING) == 0.0
    assert boundary(NOTHING, NOTHING) == 1.0


def test_first_and_last_frame_do_not_count_for_the_masks() -> None:
    true = np.stack([square(10)] * 4)
    found = np.stack([NOTHING, square(10), square(10), NOTHING])
    score = score_object("s", 1, found, true)
    assert score.region == 1.0 and score.boundary == 1.0


def test_presence_counts_frames_on_which_something_was_found_just_when_it_was_there() -> None:
    true = np.stack([square(10), square(10), NOTHING, NOTHING, square(10)])
    found = np.stack([square(10), square(10), square(10), NOTHING, NOTHING])
    # Of the four frames after the first one, two are right.
    assert score_object("s", 1, found, true).presence == 0.5


def test_an_object_that_returns_is_tracked_again_after_a_delay() -> None:
    true = np.stack([square(10), NOTHING, NOTHING, *[square(30)] * 8])
    found = np.stack([square(10), NOTHING, NOTHING, NOTHING, square(25), *[square(30)] * 6])
    score = score_object("s", 1, found, true)
    # The second frame after the return overlaps by 5 of 15 columns only.
    assert (score.returns, score.delays) == (1, (2,))


def test_an_object_that_is_found_too_late_does_not_count_as_tracked_again() -> None:
    true = np.stack([square(10), NOTHING, *[square(30)] * 10])
    found = np.stack([square(10), *[NOTHING] * 7, *[square(30)] * 4])
    score = score_object("s", 1, found, true)
    assert (score.returns, score.delays) == (1, ())


def test_an_object_is_mistaken_where_the_mask_lies_on_its_look_alike() -> None:
    true, other = np.stack([square(10)] * 4), np.stack([square(40)] * 4)
    right = score_object("s", 1, true, true, other)
    jumped = score_object("s", 1, np.stack([square(10), square(10), square(40), square(40)]), true, other)
    assert right.mistaken is False and jumped.mistaken is True
    assert score_object("s", 1, true, true).mistaken is None


def test_the_summary_is_a_mean_over_objects_and_rates_are_over_events() -> None:
    true = np.stack([square(10), NOTHING, *[square(30)] * 10])
    good = score_object("a", 1, true, true)
    bad = score_object("b", 1, np.stack([square(10), *[NOTHING] * 11]), true)
    summary = summarise([good, bad])
    assert summary.objects == 2
    # One frame of absence among the ten that count.
    assert math.isclose(summary.region, (1.0 + 0.1) / 2)
    assert summary.reacquired == 0.5 and summary.delay == 0.0 and summary.mistaken is None


def test_the_summary_adds_up_event_scores() -> None:
    true = np.stack([square(10)] * 4)
    plain = score_object("a", 1, true, true)
    scored = [
        replace(plain, lost_events=EventScore(2, 1, 1, (3,)), reacquired_events=EventScore(0, 0, 1)),
        replace(plain, lost_events=EventScore(1, 1, 0)),
    ]
    summary = summarise([*scored, plain])
    assert summary.lost_events == EventScore(3, 2, 1, (3,)) and summary.reacquired_events == EventScore(0, 0, 1)
    assert summarise([plain]).lost_events is None


def test_too_short_a_sequence_and_no_object_are_errors() -> None:
    with pytest.raises(ValueError, match="at least 3"):
        score_object("s", 1, np.stack([NOTHING] * 2), np.stack([NOTHING] * 2))
    with pytest.raises(ValueError, match="annotations"):
        summarise([])
