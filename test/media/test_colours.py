"""Objects' colours are distinct from the image and from each other, and do not change."""

import time

import numpy as np
import pytest

from sam2_ros.media.colours import PALETTE, Colour, ObjectColours, drawn_colour
from sam2_ros.media.overlay import draw
from sam2_ros.tracking import FrameResult, Track, TrackState
from sam2_ros.tracking.geometry import bounding_box

SIZE = (120, 160)


def track(track_id: int, x: int = 60, state: TrackState = TrackState.VISIBLE, size: tuple[int, int] = SIZE) -> Track:
    """A square of 40 pixels, if it is in view."""
    mask = np.zeros(size, bool)
    if state is TrackState.VISIBLE:
        mask[40:80, x : x + 40] = True
    return Track(track_id, track_id, "", state, 1.0, 0.9, mask, bounding_box(mask), int(mask.sum()), 0.0)


def result(*tracks: Track) -> FrameResult:
    return FrameResult(0.0, 0, tracks[0].mask.shape if tracks else SIZE, tracks)


def plain(colour: Colour, size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.full((*size, 3), colour, np.uint8)


def distance(one: Colour, other: Colour) -> float:
    return float(np.linalg.norm(np.subtract(one, other)))


@pytest.mark.parametrize("ground", PALETTE)
@pytest.mark.parametrize("part", ["object", "surroundings"])
def test_a_colour_is_distinct_from_the_object_and_its_surroundings(ground: Colour, part: str) -> None:
    picture = plain((128, 128, 128))
    picture[track(1).mask if part == "object" else ~track(1).mask] = ground
    colours = ObjectColours()
    colours.update(picture, result(track(1)))
    assert distance(colours[1], ground) > 100
    assert distance(colours[1], (128, 128, 128)) > 100


def test_distant_pixels_do_not_change_the_colour() -> None:
    chosen = []
    for corner in PALETTE:
        picture = plain((60, 90, 60))
        picture[:20] = corner
        colours = ObjectColours()
        colours.update(picture, result(track(1)))
        chosen.append(colours[1])
    assert len(set(chosen)) == 1


def test_objects_on_the_same_background_have_different_colours() -> None:
    colours = ObjectColours()
    colours.update(plain((200, 30, 30)), result(*(track(i) for i in range(1, 11))))
    assert sorted(colours.values()) == sorted(PALETTE)


def test_colours_are_shared_evenly_by_more_objects_than_there_are_colours() -> None:
    colours = ObjectColours()
    colours.update(plain((200, 30, 30)), result(*(track(i) for i in range(1, 31))))
    assert {list(colours.values()).count(colour) for colour in PALETTE} == {3}


def test_an_object_keeps_its_colour() -> None:
    colours = ObjectColours()
    colours.update(plain((0, 0, 0)), result(track(1)))
    first = colours[1]
    for ground in PALETTE:
        colours.update(plain(ground), result(track(1, state=TrackState.LOST), track(2)))
        assert colours[1] == first


def test_colours_of_removed_objects_are_dropped() -> None:
    colours = ObjectColours()
    for i in range(1, 100):
        colours.update(plain((0, 0, 0)), result(track(i), track(i + 1)))
        assert set(colours) == {i, i + 1}


def test_an_object_without_a_mask_has_a_colour() -> None:
    colours = ObjectColours()
    colours.update(plain(PALETTE[0]), result(track(1, state=TrackState.OCCLUDED)))
    assert colours[1] in PALETTE and colours[1] != PALETTE[0]


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1)])
def test_frames_may_have_any_size(size: tuple[int, int]) -> None:
    mask = np.ones(size, bool)
    whole = Track(1, 1, "", TrackState.VISIBLE, 1.0, 0.9, mask, bounding_box(mask), int(mask.sum()), 0.0)
    colours = ObjectColours()
    colours.update(plain((9, 9, 9), size), result(whole))
    assert colours[1] in PALETTE


def test_the_cost_does_not_grow_with_the_frame() -> None:
    def seconds(size: tuple[int, int]) -> float:
        mask = np.ones(size, bool)
        whole = Track(1, 1, "", TrackState.VISIBLE, 1.0, 0.9, mask, bounding_box(mask), int(mask.sum()), 0.0)
        frame, times = plain((9, 9, 9), size), []
        for _ in range(5):
            start = time.thread_time()
            ObjectColours().update(frame, result(whole))
            times.append(time.thread_time() - start)
        return min(times)

    assert seconds((2160, 3840)) < 5 * seconds((108, 192))


def test_colours_can_be_read_from_the_drawn_picture() -> None:
    tracks = track(1, x=10), track(2, x=100)
    colours = ObjectColours()
    colours.update(plain((90, 120, 90)), result(*tracks))
    picture = draw(plain((90, 120, 90)), result(*tracks), colours)
    for each in tracks:
        assert each.box is not None
        assert drawn_colour(picture, each.box, taken=()) == colours[each.id]
        assert drawn_colour(plain((90, 120, 90)), each.box, taken=()) is None
