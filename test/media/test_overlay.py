"""The visualization image."""

import numpy as np
import pytest

from sam2_ros.media.overlay import draw, draw_masks
from sam2_ros.tracking import FrameResult, Track, TrackState
from sam2_ros.tracking.geometry import bounding_box

COLOURS = {1: (86, 180, 233), 2: (230, 159, 0)}
SIZE = (240, 320)
GREY = np.full((*SIZE, 3), 128, np.uint8)


def disc(x: int, y: int, radius: int) -> np.ndarray:
    rows, columns = np.ogrid[: SIZE[0], : SIZE[1]]
    return (columns - x) ** 2 + (rows - y) ** 2 <= radius**2


def track(
    track_id: int,
    mask: np.ndarray,
    label: str = "",
    state: TrackState = TrackState.VISIBLE,
    presence: float = 1.0,
    last_seen: float = 10.0,
) -> Track:
    box, area = bounding_box(mask), int(mask.sum())
    return Track(track_id, track_id, label, state, presence, 0.9, mask, box, area, last_seen)


def absent(track_id: int, state: TrackState = TrackState.LOST, last_seen: float = 10.0) -> Track:
    return track(track_id, np.zeros(SIZE, bool), "", state, 0.1, last_seen)


def picture(*tracks: Track, rgb: np.ndarray = GREY) -> np.ndarray:
    return draw(rgb, FrameResult(10.0, 0, rgb.shape[:2], tracks), COLOURS)


def changed(*tracks: Track) -> np.ndarray:
    """(H, W) bool: where the picture differs from the frame."""
    return (picture(*tracks) != GREY).any(axis=2)


def distance(pixel: np.ndarray, colour: tuple[int, int, int]) -> float:
    return float(np.linalg.norm(pixel.astype(float) - colour))


def test_a_frame_without_objects_is_copied_unchanged() -> None:
    drawn = picture()
    assert np.array_equal(drawn, GREY)
    assert not np.shares_memory(drawn, GREY)


def test_the_frame_itself_is_never_drawn_on() -> None:
    frame = GREY.copy()
    picture(track(1, disc(160, 120, 40)), absent(2), rgb=frame)
    assert np.array_equal(frame, GREY)


def test_a_mask_is_translucent_in_its_colour() -> None:
    frame = GREY.copy()
    frame[:, 160:] = 40
    drawn = picture(track(1, disc(160, 150, 60)), rgb=frame)
    for x in (140, 180):
        assert distance(drawn[150, x], COLOURS[1]) < distance(frame[150, x], COLOURS[1])
    assert drawn[150, 140].sum() > drawn[150, 180].sum()


def test_an_outline_in_the_full_colour_follows_the_edge() -> None:
    drawn = picture(track(1, disc(160, 150, 60)))
    assert tuple(drawn[150, 160 - 60]) == COLOURS[1]
    assert tuple(drawn[150 + 60, 160]) == COLOURS[1]


def test_nothing_is_painted_far_from_mask_and_caption() -> None:
    assert not changed(track(1, disc(160, 150, 30)))[:, :60].any()


def test_the_colour_of_an_object_does_not_depend_on_the_others() -> None:
    alone = picture(track(2, disc(250, 150, 30)))
    together = picture(track(1, disc(80, 150, 30)), track(2, disc(250, 150, 30)))
    assert np.array_equal(alone[150, 250], together[150, 250])


def test_the_caption_is_above_the_mask() -> None:
    rows = np.flatnonzero(changed(track(1, disc(160, 150, 30))).any(axis=1))
    assert 80 < rows[0] < 150 - 30 - 5


def test_captions_do_not_overlap() -> None:
    first, second = track(1, disc(160, 150, 30), "first"), track(2, disc(160, 150, 30), "second")
    mask_and_line = disc(160, 150, 36)
    one = changed(first) & ~mask_and_line
    both = changed(first, second) & ~mask_and_line
    assert both.sum() > 1.8 * one.sum()


@pytest.mark.parametrize(("x", "y"), [(0, 0), (319, 0), (0, 239), (319, 239)])
def test_a_mask_at_the_border_has_a_whole_caption(x: int, y: int) -> None:
    centre, corner = track(1, disc(160, 120, 20)), track(1, disc(x, y, 20))
    caption = (changed(centre) & ~disc(160, 120, 26)).sum()
    at_border = (changed(corner) & ~disc(x, y, 26)).sum()
    assert at_border > 0.9 * caption


def test_absent_objects_are_listed_in_the_lower_left_corner() -> None:
    painted = changed(absent(1), absent(2, TrackState.OCCLUDED))
    rows, columns = np.nonzero(painted)
    assert columns.max() < SIZE[1] / 2 and rows.min() > SIZE[0] / 2
    assert painted.any(axis=1).sum() > 1.8 * changed(absent(1)).any(axis=1).sum()


def test_the_caption_has_label_state_and_seconds_of_absence() -> None:
    plain = picture(absent(1))
    assert not np.array_equal(plain, picture(absent(1, TrackState.OCCLUDED)))
    assert not np.array_equal(plain, picture(absent(1, last_seen=2.0)))
    labelled = track(1, np.zeros(SIZE, bool), "cup", TrackState.LOST, 0.1)
    assert not np.array_equal(plain, picture(labelled))


def test_the_bar_below_the_caption_grows_with_presence() -> None:
    def bar(presence: float) -> int:
        drawn = picture(track(1, disc(160, 150, 30), presence=presence))[:118]
        return int((drawn == COLOURS[1]).all(axis=2).sum())

    assert bar(0.2) < bar(0.6) < bar(1.0)


@pytest.mark.parametrize("size", [(1, 1), (7, 400), (400, 7), (1080, 1920)])
def test_any_size_can_be_drawn_on(size: tuple[int, int]) -> None:
    frame, mask = np.zeros((*size, 3), np.uint8), np.ones(size, bool)
    drawn = picture(track(1, mask, "a label that is far too long for any picture"), absent(2), rgb=frame)
    assert drawn.shape == frame.shape and drawn.any()


def test_a_view_that_is_not_contiguous_can_be_drawn_on() -> None:
    flipped = np.zeros((*SIZE, 3), np.uint8)[:, ::-1, ::-1]
    assert picture(track(1, disc(160, 120, 20)), rgb=flipped).any()


def test_a_frame_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(10, 10, 3\), expected \(240, 320, 3\)"):
        draw(np.zeros((10, 10, 3), np.uint8), FrameResult(0.0, 0, SIZE), COLOURS)


def test_masks_of_a_picture_are_drawn_in_colours_of_their_own_the_last_in_front() -> None:
    rgb = np.full((120, 160, 3), 90, np.uint8)
    back, front, empty = (np.zeros((120, 160), bool) for _ in range(3))
    back[20:100, 20:100], front[40:80, 40:80] = True, True
    drawn = draw_masks(rgb, [back, empty, front])
    assert (rgb == 90).all()
    colours = [tuple(drawn[y, x]) for y, x in ((5, 5), (30, 30), (60, 60))]
    assert len(set(colours)) == 3 and colours[0] == (90, 90, 90)
