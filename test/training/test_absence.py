"""Events of an object against the frames on which it is truly in view."""

import numpy as np

from sam2_ros.training.absence import Told, score_back, score_lost


def frames(text: str) -> np.ndarray:
    """(T,) bool; '#' where the object is in view."""
    return np.array([mark == "#" for mark in text])


# An absence counts as a loss once it has lasted for more than three frames: on the fourth one, 6 here.
SEEN = frames("###.......######")
PATIENCE = 3.0


def lost(*told: int) -> Told:
    return score_lost(told, SEEN, PATIENCE)


def back(*told: int, off: tuple[int, ...] = ()) -> Told:
    """`off`: frames on which the mask lies elsewhere."""
    return score_back(told, SEEN, PATIENCE, [t not in off for t in range(len(SEEN))])


def test_a_loss_that_is_told_in_time_has_no_delay() -> None:
    assert lost(6) == Told(told=1, right=1, due=1, delays=(0,))
    assert lost(4).delays == (0,)  # within the tolerance


def test_a_loss_that_is_told_late_is_met_with_a_delay() -> None:
    assert lost(9) == Told(told=1, right=1, due=1, delays=(3,))


def test_a_loss_of_an_object_in_view_is_wrong() -> None:
    assert lost(13) == Told(told=1, right=0, due=1)
    assert lost(6, 13).precision == 0.5


def test_a_loss_that_is_told_long_before_it_is_due_is_right_but_does_not_meet_it() -> None:
    assert lost(3) == Told(told=1, right=1, due=1)


def test_a_short_absence_is_no_loss() -> None:
    assert score_lost([], frames("###...###"), PATIENCE).due == 0
    assert score_lost([], frames("###....##"), PATIENCE).due == 1


def test_an_absence_that_does_not_end_is_a_loss_without_a_return() -> None:
    seen = frames("###.......")
    assert score_lost([6], seen, PATIENCE).recall == 1.0
    assert score_back([], seen, PATIENCE, [False] * 10).due == 0


def test_a_return_is_met_by_a_mask_on_the_object() -> None:
    assert back(12) == Told(told=1, right=1, due=1, delays=(2,))
    assert back(12, off=(12,)) == Told(told=1, right=0, due=1)


def test_a_return_of_an_object_that_is_not_there_is_wrong() -> None:
    assert back(7) == Told(told=1, right=0, due=1)


def test_a_return_counts_until_the_next_absence() -> None:
    seen = frames("##.....##.....##")
    assert score_back([14], seen, PATIENCE, [True] * 16) == Told(told=1, right=1, due=2, delays=(0,))


def test_rates_of_nothing_are_unknown() -> None:
    assert Told().precision is None and Told().recall is None and Told().delay is None


def test_scores_add_up() -> None:
    both = Told(2, 1, 1, (3,)) + Told(1, 1, 2, (1,))
    assert both == Told(3, 2, 3, (3, 1))
    assert (both.precision, both.recall, both.delay) == (2 / 3, 2 / 3, 2.0)
