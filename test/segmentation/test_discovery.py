"""What is in view becomes a track without a prompt, within the limits and only once."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from sam2_ros.model import Sam2
from sam2_ros.segmentation import Discovery, DiscoveryConfig
from sam2_ros.tracking import Box, Prompt, PromptError, StreamingTracker, TrackerConfig
from sam2_ros.tracking.geometry import box_iou, mask_iou

RED, BLUE, GREEN = ("red", 80, 70, 25), ("blue", 220, 80, 30), ("green", 150, 180, 20)
CONFIG = DiscoveryConfig(min_predicted_iou=0.6, min_stability=0.7, points_per_side=8)
Paint = Callable[..., np.ndarray]


@pytest.fixture
def tracker(nano: Sam2) -> StreamingTracker:
    return StreamingTracker(nano, TrackerConfig(max_objects=5, history=2))


def around(square: tuple[str, int, int, int]) -> Box:
    _, x, y, half = square
    return Box(x - half, y - half, x + half + 1, y + half + 1)


def boxes(tracker: StreamingTracker) -> list[Box]:
    assert tracker.latest is not None
    return [track.box for track in tracker.latest.tracks if track.box]


def is_tracked(tracker: StreamingTracker, square: tuple[str, int, int, int]) -> bool:
    return any(box_iou(box, around(square)) > 0.8 for box in boxes(tracker))


def discovered(tracker: StreamingTracker, **limits: object) -> list[int]:
    return Discovery(tracker, replace(CONFIG, **limits)).discover()  # type: ignore[arg-type]


def test_what_is_in_view_is_tracked_and_the_event_says_that_it_was_discovered(
    tracker: StreamingTracker, picture: Paint
) -> None:
    tracker.step(picture(RED, BLUE, GREEN), 1.0)
    assert discovered(tracker) == [1, 2, 3]
    assert all(is_tracked(tracker, square) for square in (RED, BLUE, GREEN))
    events = tracker.drain_events()
    assert [event.track_id for event in events] == [1, 2, 3]
    assert all(event.reason.startswith("discovered (predicted IoU 0.") for event in events)
    result = tracker.step(picture(RED, BLUE, GREEN), 1.1)
    assert [track.id for track in result.tracks] == [1, 2, 3]


def test_what_is_tracked_already_is_not_discovered_again(tracker: StreamingTracker, picture: Paint) -> None:
    tracker.step(picture(RED, BLUE), 1.0)
    tracker.add(Prompt(box=around(RED)))
    assert len(discovered(tracker)) == 1
    assert is_tracked(tracker, BLUE)
    assert discovered(tracker) == []


def test_no_discovered_object_is_a_part_of_another(tracker: StreamingTracker, picture: Paint) -> None:
    inner = ("orange", 80, 70, 10)
    tracker.step(picture(("red", 80, 70, 40), inner, BLUE), 1.0)
    discovered(tracker)
    assert tracker.latest is not None
    masks = [track.mask for track in tracker.latest.tracks]
    assert len(masks) >= 2
    for i, mask in enumerate(masks):
        assert all((mask & other).sum() < 0.5 * min(mask.sum(), other.sum()) for other in masks[:i])


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"min_area": 0.03}, {RED, BLUE}),
        ({"max_area": 0.03}, {GREEN}),
        ({"region": Box(0.0, 0.0, 0.5, 0.55)}, {RED}),
        ({"region": Box(0.5, 0.0, 1.0, 0.55)}, {BLUE}),
        ({"min_predicted_iou": 0.999}, set()),
        ({"min_stability": 1.0}, set()),
    ],
    ids=["min_area", "max_area", "left", "right", "min_predicted_iou", "min_stability"],
)
def test_limits(
    tracker: StreamingTracker, picture: Paint, limits: dict[str, object], expected: set[tuple[str, int, int, int]]
) -> None:
    tracker.step(picture(RED, BLUE, GREEN), 1.0)
    discovered(tracker, **limits)
    assert {square for square in (RED, BLUE, GREEN) if is_tracked(tracker, square)} == expected
    assert len(boxes(tracker)) == len(expected)


def test_no_more_objects_than_the_limit_are_tracked(tracker: StreamingTracker, picture: Paint) -> None:
    tracker.step(picture(RED, BLUE, GREEN), 1.0)
    tracker.add(Prompt(box=around(GREEN)))
    assert len(discovered(tracker, max_objects=2)) == 1
    assert discovered(tracker, max_objects=2) == []


def test_the_tracker_s_own_limit_holds_too(nano: Sam2, picture: Paint) -> None:
    tracker = StreamingTracker(nano, TrackerConfig(max_objects=2))
    tracker.step(picture(RED, BLUE, GREEN), 1.0)
    assert len(discovered(tracker)) == 2


def test_frames_may_be_tracked_between_the_pieces_of_work(tracker: StreamingTracker, picture: Paint) -> None:
    """The frame with the candidates leaves the buffer; one of them moves a little, another one disappears."""
    tracker.step(picture(RED, BLUE, GREEN), 1.0)
    steps = Discovery(tracker, CONFIG).steps()
    for _ in range(3):
        next(steps)
    moved = ("red", 84, 72, 25)
    for stamp in (1.1, 1.2, 1.3, 1.4):
        tracker.step(picture(moved, GREEN), stamp)
    for _ in steps:
        pass
    assert is_tracked(tracker, moved) and is_tracked(tracker, GREEN)
    assert len(boxes(tracker)) == 2


def test_an_object_that_was_started_meanwhile_is_not_discovered(tracker: StreamingTracker, picture: Paint) -> None:
    tracker.step(picture(RED), 1.0)
    steps = Discovery(tracker, CONFIG).steps()
    next(steps)
    tracker.add(Prompt(box=around(RED)))
    for _ in steps:
        pass
    assert len(boxes(tracker)) == 1


def test_masks_of_large_frames_have_the_size_of_the_frame(tracker: StreamingTracker, picture: Paint) -> None:
    small = picture(RED, BLUE, GREEN)
    tracker.step(small.repeat(5, axis=0).repeat(5, axis=1), 1.0)
    discovered(tracker)
    assert tracker.latest is not None and tracker.latest.tracks
    whole = np.zeros((1200, 1600), bool)
    whole[(70 - 25) * 5 : (70 + 26) * 5, (80 - 25) * 5 : (80 + 26) * 5] = True
    assert max(mask_iou(track.mask, whole) for track in tracker.latest.tracks) > 0.85


def test_an_image_of_nothing_starts_nothing(tracker: StreamingTracker) -> None:
    tracker.step(np.full((60, 80, 3), 128, np.uint8), 1.0)
    assert discovered(tracker) == []


def test_without_a_frame_there_is_nothing_to_look_at(tracker: StreamingTracker) -> None:
    with pytest.raises(PromptError, match="there is no frame yet"):
        discovered(tracker)


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        ({"max_objects": 0}, "max_objects is 0, expected at least 1"),
        ({"points_per_side": 0}, "points_per_side is 0, expected at least 1"),
        ({"min_area": 0.5}, "min_area is 0.5 and max_area 0.25, expected 0 <= min_area <= max_area <= 1"),
        ({"min_stability": 1.5}, "min_stability is 1.5, expected 0..1"),
        ({"region": Box(0.5, 0, 0.5, 1)}, r"region is \(0.5, 0, 0.5, 1\), expected left < right"),
        ({"region": Box(0, 0, 640, 480)}, "in fractions of the frame"),
    ],
)
def test_limits_out_of_range_are_refused(limits: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        DiscoveryConfig(**limits)  # type: ignore[arg-type]
