"""What was detected and is not followed, from array to array."""

from sam2_ros.detection.pending import PendingDetections
from sam2_ros.detection.types import Detection
from sam2_ros.tracking import Box


def cup(x: float, score: float = 0.9, label: str = "cup") -> Detection:
    return Detection(Box(x, 50, x + 20, 70), score, label)


def test_a_detection_is_confirmed_once_it_was_seen_often_enough() -> None:
    pending = PendingDetections(10)
    for stamp in (0.0, 0.1):
        pending.update([cup(30)], stamp)
        assert pending.confirmed(3, stamp) == []
    pending.update([cup(30)], 0.2)
    (candidate,) = pending.confirmed(3, 0.2)
    assert (candidate.first_seen, candidate.hits) == (0.0, 3)


def test_it_may_move_by_its_own_size_in_between() -> None:
    pending = PendingDetections(10)
    for i in range(3):
        pending.update([cup(30 + 20 * i)], i / 10)
    assert [candidate.hits for candidate in pending.confirmed(3, 0.2)] == [3]


def test_another_class_on_the_same_place_is_another_pending_detection() -> None:
    pending = PendingDetections(10)
    pending.update([cup(30)], 0.0)
    pending.update([cup(30, label="bowl")], 0.1)
    assert len(pending) == 2 and pending.confirmed(2, 0.1) == []


def test_two_boxes_on_one_image_count_once() -> None:
    pending = PendingDetections(10)
    for _ in range(5):
        pending.update([cup(30)], 0.0)
    assert pending.confirmed(2, 0.0) == []


def test_missing_twice_is_forgiven_and_three_times_forgotten() -> None:
    for misses, remembered in ((2, True), (3, False)):
        pending = PendingDetections(10)
        pending.update([cup(30)], 0.0)
        for i in range(misses):
            pending.update([], 0.1 * (i + 1))
        pending.update([cup(30)], 0.9)
        assert bool(pending.confirmed(2, 0.9)) is remembered


def test_a_second_of_silence_forgets_all() -> None:
    pending = PendingDetections(10)
    pending.update([cup(30)], 0.0)
    pending.update([cup(30)], 1.1)
    assert len(pending) == 1 and pending.confirmed(2, 1.1) == []


def test_one_that_is_not_on_this_image_is_not_ripe() -> None:
    pending = PendingDetections(10)
    pending.update([cup(30)], 0.0)
    pending.update([], 0.1)
    assert pending.confirmed(1, 0.1) == []


def test_one_that_was_put_off_has_to_be_seen_again_for_long() -> None:
    pending = PendingDetections(10)
    pending.update([cup(30)], 0.0)
    pending.back_off(pending.confirmed(1, 0.0)[0])
    ripe_at = []
    for i in range(1, 40):
        pending.update([cup(30)], i / 10)
        if pending.confirmed(1, i / 10):
            ripe_at.append(i)
    assert ripe_at[0] == 30


def test_one_that_was_put_off_may_be_tried_again_after_as_many_arrays_as_a_new_one() -> None:
    pending = PendingDetections(10)
    for i in range(5):
        pending.update([cup(30)], i / 10)
    pending.back_off(pending.confirmed(3, 0.4)[0])
    pending.update([cup(30)], 0.5)
    pending.retry()
    ripe = []
    for i in range(6, 10):
        pending.update([cup(30)], i / 10)
        ripe.append(bool(pending.confirmed(3, i / 10)))
    assert ripe == [False, False, True, True]


def test_trying_again_costs_no_other_candidate_its_hits() -> None:
    pending = PendingDetections(10)
    for i in range(2):
        pending.update([cup(30)], i / 10)
    pending.retry()
    pending.update([cup(30)], 0.2)
    assert [candidate.hits for candidate in pending.confirmed(3, 0.2)] == [3]


def test_the_best_are_kept_where_there_are_too_many() -> None:
    pending = PendingDetections(3)
    for stamp in (0.0, 0.1):
        pending.update([cup(50 * i, score=0.5 + i / 100) for i in range(20)], stamp)
    assert len(pending) == 3
    assert [round(c.newest.score, 2) for c in pending.confirmed(1, 0.1)] == [0.69, 0.68, 0.67]


def test_a_rival_is_another_pending_detection_of_the_class_even_one_that_is_not_seen_now() -> None:
    pending = PendingDetections(10)
    pending.update([cup(30), cup(200, label="bowl")], 0.0)
    (first,) = [c for c in pending.confirmed(1, 0.0) if c.newest.label == "cup"]
    assert not pending.has_rival(first)
    pending.update([cup(200, label="Cup")], 0.1)
    (second,) = pending.confirmed(1, 0.1)
    assert pending.has_rival(second)
