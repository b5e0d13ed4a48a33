"""Detections without a track are pending until enough arrays confirm them."""

from sam2_ros.detection.pending import PendingDetections
from sam2_ros.detection.types import Detection
from sam2_ros.tracking import Box


def cup(x: float, score: float = 0.9, label: str = "cup") -> Detection:
    return Detection(Box(x, 50, x + 20, 70), score, label)


def test_a_detection_is_confirmed_after_min_hits_arrays() -> None:
    pending = PendingDetections(10)
    for stamp in (0.0, 0.1):
        pending.update([cup(30)], stamp)
        assert pending.confirmed(3, stamp) == []
    pending.update([cup(30)], 0.2)
    (entry,) = pending.confirmed(3, 0.2)
    assert (entry.first_seen, entry.hits) == (0.0, 3)


def test_a_pending_detection_may_move_by_its_size_between_arrays() -> None:
    pending = PendingDetections(10)
    for i in range(3):
        pending.update([cup(30 + 20 * i)], i / 10)
    assert [entry.hits for entry in pending.confirmed(3, 0.2)] == [3]


def test_another_class_in_the_same_place_is_another_pending_detection() -> None:
    pending = PendingDetections(10)
    pending.update([cup(30)], 0.0)
    pending.update([cup(30, label="bowl")], 0.1)
    assert len(pending) == 2 and pending.confirmed(2, 0.1) == []


def test_two_boxes_on_one_image_are_one_hit() -> None:
    pending = PendingDetections(10)
    for _ in range(5):
        pending.update([cup(30)], 0.0)
    assert pending.confirmed(2, 0.0) == []


def test_a_pending_detection_survives_two_misses_and_is_dropped_after_three() -> None:
    for misses, is_kept in ((2, True), (3, False)):
        pending = PendingDetections(10)
        pending.update([cup(30)], 0.0)
        for i in range(misses):
            pending.update([], 0.1 * (i + 1))
        pending.update([cup(30)], 0.9)
        assert bool(pending.confirmed(2, 0.9)) is is_kept


def test_all_are_dropped_after_a_second_without_detections() -> None:
    pending = PendingDetections(10)
    pending.update([cup(30)], 0.0)
    pending.update([cup(30)], 1.1)
    assert len(pending) == 1 and pending.confirmed(2, 1.1) == []


def test_a_detector_that_needs_two_seconds_confirms_after_one_array_more() -> None:
    pending = PendingDetections(10)
    confirmed = []
    for stamp in (0.0, 2.0, 4.0):
        pending.update([cup(30)], stamp)
        confirmed.append(bool(pending.confirmed(2, stamp)))
    assert confirmed == [False, False, True]


def test_a_pause_does_not_keep_what_was_pending_before_the_next_one() -> None:
    pending = PendingDetections(10)
    for stamp in (0.0, 100.0, 100.1, 102.0):
        pending.update([cup(30)], stamp)
        assert pending.confirmed(3, stamp) == []


def test_a_detection_that_is_missing_on_this_image_is_not_confirmed() -> None:
    pending = PendingDetections(10)
    pending.update([cup(30)], 0.0)
    pending.update([], 0.1)
    assert pending.confirmed(1, 0.1) == []


def test_after_a_back_off_thirty_more_arrays_confirm_it() -> None:
    pending = PendingDetections(10)
    pending.update([cup(30)], 0.0)
    pending.back_off(pending.confirmed(1, 0.0)[0])
    confirmed_at = []
    for i in range(1, 40):
        pending.update([cup(30)], i / 10)
        if pending.confirmed(1, i / 10):
            confirmed_at.append(i)
    assert confirmed_at[0] == 30


def test_after_a_retry_as_many_arrays_confirm_it_as_a_new_one() -> None:
    pending = PendingDetections(10)
    for i in range(5):
        pending.update([cup(30)], i / 10)
    pending.back_off(pending.confirmed(3, 0.4)[0])
    pending.update([cup(30)], 0.5)
    pending.retry()
    confirmed = []
    for i in range(6, 10):
        pending.update([cup(30)], i / 10)
        confirmed.append(bool(pending.confirmed(3, i / 10)))
    assert confirmed == [False, False, True, True]


def test_a_retry_keeps_the_hits_of_the_others() -> None:
    pending = PendingDetections(10)
    for i in range(2):
        pending.update([cup(30)], i / 10)
    pending.retry()
    pending.update([cup(30)], 0.2)
    assert [entry.hits for entry in pending.confirmed(3, 0.2)] == [3]


def test_the_highest_scores_are_kept_beyond_max_pending() -> None:
    pending = PendingDetections(3)
    for stamp in (0.0, 0.1):
        pending.update([cup(50 * i, score=0.5 + i / 100) for i in range(20)], stamp)
    assert len(pending) == 3
    assert [round(c.newest.score, 2) for c in pending.confirmed(1, 0.1)] == [0.69, 0.68, 0.67]


def test_a_rival_is_another_pending_detection_of_the_class_even_if_missing_on_this_image() -> None:
    pending = PendingDetections(10)
    pending.update([cup(30), cup(200, label="bowl")], 0.0)
    (first,) = [c for c in pending.confirmed(1, 0.0) if c.newest.label == "cup"]
    assert not pending.has_rival(first)
    pending.update([cup(200, label="Cup")], 0.1)
    (second,) = pending.confirmed(1, 0.1)
    assert pending.has_rival(second)
