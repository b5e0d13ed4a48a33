"""Which clicks repeat the one that started an object."""

import pytest

from sam2_ros.node.inputs.double_click import RecentClicks, RepeatedClickError, UserClick
from sam2_ros.tracking.types import Click

SIZE = (480, 640)


def user_click(x: float = 100.0, y: float = 50.0, stamp: float = 7.0, clicked_at: float = 20.0) -> UserClick:
    return UserClick(Click(x, y), stamp, clicked_at)


def is_repeated(click: UserClick, size: tuple[int, int] = SIZE, tracked_ids: tuple[int, ...] = (3,)) -> bool:
    """Whether it repeats a click at (100, 50), on the image of 7 s, which came at 20 s and started object 3."""
    clicks = RecentClicks()
    clicks.add(user_click(), 3)
    try:
        clicks.check(click, size, tracked_ids)
    except RepeatedClickError as error:
        assert error.object_id == 3
        return True
    return False


def test_a_second_click_on_the_same_image_is_a_repetition_at_any_time() -> None:
    assert is_repeated(user_click(clicked_at=20.2))
    assert is_repeated(user_click(clicked_at=90.0))


def test_a_second_click_on_a_later_image_is_a_repetition_for_half_a_second() -> None:
    assert is_repeated(user_click(stamp=7.3, clicked_at=20.3))
    assert is_repeated(user_click(stamp=6.9, clicked_at=19.8))  # the one that came first had to wait for its image
    assert not is_repeated(user_click(stamp=7.6, clicked_at=20.6))


@pytest.mark.parametrize(("x", "y", "expected"), [(103, 52, True), (97, 50, True), (105, 50, False), (100, 56, False)])
def test_a_double_click_may_differ_by_a_few_pixels(x: float, y: float, expected: bool) -> None:
    assert is_repeated(user_click(x, y)) is expected


def test_in_a_large_image_a_double_click_may_differ_by_more() -> None:
    assert is_repeated(user_click(115, 50), size=(2160, 3840))
    assert not is_repeated(user_click(104, 50), size=(96, 128))


def test_once_the_object_is_removed_a_click_starts_another() -> None:
    assert not is_repeated(user_click(), tracked_ids=(4,))


def test_several_recent_clicks_are_kept() -> None:
    clicks = RecentClicks()
    for i in range(3):
        clicks.add(user_click(x=100.0 * i), i)
    for i in range(3):
        with pytest.raises(
            RepeatedClickError, match=f"repeats the one that started object {i}: a double click starts one"
        ):
            clicks.check(user_click(x=100.0 * i), SIZE, range(3))
