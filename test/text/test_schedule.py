"""Which images are searched."""

from sam2_ros.text.schedule import SearchRates, SearchSchedule, found_by

RATES = SearchRates(rate=1.0, lost_rate=5.0)


def searched(stamps: list[float], lost: dict[float, set[int]]) -> list[float]:
    """Of these images the searched ones; `lost` are the ids from that stamp on."""
    schedule, found = SearchSchedule(), []
    for stamp in stamps:
        ids = [ids for since, ids in lost.items() if since <= stamp]
        if schedule.is_due(stamp, ids[-1] if ids else (), RATES):
            schedule.note(stamp, ids[-1] if ids else ())
            found.append(stamp)
    return found


def test_images_are_searched_at_the_rate() -> None:
    assert searched([i / 10 for i in range(25)], {}) == [0.0, 1.0, 2.0]


def test_a_lost_object_makes_the_next_image_due_and_raises_the_rate() -> None:
    assert searched([i / 10 for i in range(11)], {0.3: {1}}) == [0.0, 0.3, 0.5, 0.7, 0.9]


def test_each_further_lost_object_makes_the_next_image_due() -> None:
    assert searched([i / 10 for i in range(6)], {0.0: {1}, 0.1: {1, 2}}) == [0.0, 0.1, 0.3, 0.5]


def test_stamps_that_jump_back_are_searched() -> None:
    assert searched([10.0, 3.0, 3.5], {}) == [10.0, 3.0]


def test_labels_name_objects_whatever_their_case() -> None:
    assert found_by(("red cup", "box"), {1: "Red Cup", 2: "bowl", 3: ""}) == {1}
