"""Events of an object against the frames on which it is truly visible."""

import numpy as np

from sam2_ros.training.event_metrics import EventScore, score_lost, score_reacquired


def frames(text: str) -> np.ndarray:
    """(T,) bool; '#' where the object is visible."""
    return np.array([mark == "#" for mark in text])


# An absence counts as a loss once it has lasted for more than three frames: on the fourth one, 6 here.
VISIBLE = frames("###.......######")
LOST_AFTER = 3.0


def lost(*reported: int) -> EventScore:
    return score_lost(reported, VISIBLE, LOST_AFTER)


def reacquired(*reported: int, off: tuple[int, ...] = ()) -> EventScore:
    """`off`: frames on which the mask lies elsewhere."""
    return score_reacquired(reported, VISIBLE, LOST_AFTER, [t not in off for t in range(len(VISIBLE))])


def test_a_loss_that_is_reported_in_time_has_no_delay() -> None:
    assert lost(6) == EventScore(reported=1, correct=1, expected=1, delays=(0,))
    assert lost(4).delays == (0,)  # within the tolerance


def test_a_loss_that_is_reported_late_has_a_delay() -> None:
    assert lost(9) == EventScore(reported=1, correct=1, expected=1, delays=(3,))


def test_a_loss_of_a_visible_object_is_wrong() -> None:
    assert lost(13) == EventScore(reported=1, correct=0, expected=1)
    assert lost(6, 13).precision == 0.5


def test_a_loss_reported_long_before_it_is_expected_is_correct_but_does_not_match() -> None:
    assert lost(3) == EventScore(reported=1, correct=1, expected=1)


def test_a_short_absence_is_no_loss() -> None:
    assert score_lost([], frames("###...###"), LOST_AFTER).expected == 0
    assert score_lost([], frames("###....##"), LOST_AFTER).expected == 1


def test_an_absence_that_does_not_end_is_a_loss_without_a_return() -> None:
    visible = frames("###.......")
    assert score_lost([6], visible, LOST_AFTER).recall == 1.0
    assert score_reacquired([], visible, LOST_AFTER, [False] * 10).expected == 0


def test_a_return_is_matched_by_a_mask_on_the_object() -> None:
    assert reacquired(12) == EventScore(reported=1, correct=1, expected=1, delays=(2,))
    assert reacquired(12, off=(12,)) == EventScore(reported=1, correct=0, expected=1)


def test_a_return_of_an_absent_object_is_wrong() -> None:
    assert reacquired(7) == EventScore(reported=1, correct=0, expected=1)


def test_a_return_counts_until_the_next_absence() -> None:
    visible = frames("##.....##.....##")
    assert score_reacquired([14], visible, LOST_AFTER, [True] * 16) == EventScore(
        reported=1, correct=1, expected=2, delays=(0,)
    )


def test_rates_of_nothing_are_unknown() -> None:
    assert EventScore().precision is None and EventScore().recall is None and EventScore().delay is None


def test_scores_add_up() -> None:
    both = EventScore(2, 1, 1, (3,)) + EventScore(1, 1, 2, (1,))
    assert both == EventScore(3, 2, 3, (3, 1))
    assert (both.precision, both.recall, both.delay) == (2 / 3, 2 / 3, 2.0)
