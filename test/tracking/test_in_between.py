"""Frames that are not encoded carry the masks of the frame before, moved along with the picture."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from sam2_ros.model import Sam2
from sam2_ros.tracking import Box, Prompt, PromptError, StreamingTracker, TrackerConfig, TrackState
from sam2_ros.tracking.in_between import grey_picture, move, origins
from sam2_ros.tracking.masks import box_iou
from sam2_ros.tracking.types import FrameResult

Paint = Callable[..., np.ndarray]
STEP = 6  # pixels by which the square moves from frame to frame
HALF = 30


@pytest.fixture
def encodings(nano: Sam2, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with every image that is encoded."""
    done: list[int] = []
    encode = nano.encode_image

    def counting(image: torch.Tensor):
        done.append(len(image))
        return encode(image)

    monkeypatch.setattr(nano, "encode_image", counting)
    return done


def box(t: int) -> Box:
    x = 60 + STEP * t
    return Box(x - HALF, 120 - HALF, x + HALF + 1, 120 + HALF + 1)


def step(tracker: StreamingTracker, picture: Paint, t: int) -> FrameResult:
    return tracker.step(picture(("red", 60 + STEP * t, 120, HALF)), t / 10)


def test_logits_move_as_the_picture_does(picture: Paint) -> None:
    def grey(x: int) -> np.ndarray:
        pixels = torch.from_numpy(picture(("blue", x, 120, HALF))[:, :240].copy()).permute(2, 0, 1)
        return grey_picture(pixels[None].float() / 64 - 2)

    logits = torch.full((2, 1, 60, 60), -5.0)
    logits[:, :, 23:38, 18:33] = 5.0  # a quarter of the picture's pixels
    moved = move(logits, origins(grey(100), grey(108), 60, torch.device("cpu")))
    expected = torch.full((2, 1, 60, 60), -5.0)
    expected[:, :, 23:38, 20:35] = 5.0
    assert ((moved > 0) != (expected > 0)).float().mean() < 0.01


def test_frames_in_between_are_not_encoded_and_carry_moved_masks_with_their_own_stamps(
    nano: Sam2, picture: Paint, encodings: list[int]
) -> None:
    tracker = StreamingTracker(nano, TrackerConfig(encode_every=3))
    step(tracker, picture, 0)
    track_id = tracker.add(Prompt(box=box(0), label="block"))
    for t in range(1, 9):
        result = step(tracker, picture, t)
        (track,) = result.tracks
        assert (result.stamp, result.index, track.id, track.label) == (t / 10, t, track_id, "block")
        assert track.state is TrackState.VISIBLE and box_iou(track.box, box(t)) > 0.75
        assert len(encodings) == t // 3 + 1
        assert track.last_seen == pytest.approx(t // 3 * 0.3)  # by the network
        assert tracker.result_at(t / 10).tracks[0].area == track.area


def test_what_an_object_looks_like_in_between_is_not_remembered(nano: Sam2, picture: Paint) -> None:
    """An object that is encoded on every third frame is remembered by these alone."""
    tracker = StreamingTracker(nano, TrackerConfig(encode_every=3))
    step(tracker, picture, 0)
    tracker.add(Prompt(box=box(0)))
    for t in range(1, 9):
        step(tracker, picture, t)
    bank = tracker._propagation._bank
    assert set(bank._spatial_frame[0]) == set(bank._pointer_frame[0]) == {-1, 0, 3, 6}


def test_every_frame_is_encoded_by_default_and_nothing_is_compared(
    nano: Sam2, picture: Paint, encodings: list[int]
) -> None:
    tracker = StreamingTracker(nano)
    step(tracker, picture, 0)
    tracker.add(Prompt(box=box(0)))
    step(tracker, picture, 1)
    assert len(encodings) == 2 and "flow" not in tracker.timings and "move" not in tracker.timings


def test_a_prompt_on_a_frame_in_between_starts_there_and_is_carried_forward(
    nano: Sam2, picture: Paint, encodings: list[int]
) -> None:
    tracker = StreamingTracker(nano, TrackerConfig(encode_every=3, catch_up_at_once=False))
    for t in range(6):
        step(tracker, picture, t)
    assert len(encodings) == 2
    track_id = tracker.add(Prompt(box=box(1)), 0.1)
    assert len(encodings) == 3 and tracker.is_behind(track_id)
    assert not tracker.catch_up()
    assert len(encodings) == 3
    (track,) = tracker.latest.tracks
    assert track.id == track_id and box_iou(track.box, box(5)) > 0.7
    tracker.add(Prompt(box=box(5)))  # the newest frame is one in between, too
    assert len(tracker.latest.tracks) == 2 and len(step(tracker, picture, 6).tracks) == 2


def test_a_correction_on_a_frame_in_between_changes_that_frame_and_those_since(nano: Sam2, picture: Paint) -> None:
    tracker = StreamingTracker(nano, TrackerConfig(encode_every=3))
    step(tracker, picture, 0)
    track_id = tracker.add(Prompt(mask=mask_of(Box(30, 90, 60, 151))))  # the left half of the square
    for t in range(1, 6):
        step(tracker, picture, t)
    before = [tracker.result_at(t / 10).tracks[0].area for t in range(6)]
    tracker.refine(track_id, Prompt(mask=mask_of(box(1))), 0.1)
    after = [tracker.result_at(t / 10).tracks[0] for t in range(6)]
    assert after[0].area == before[0]
    assert all(track.area != area for track, area in zip(after[1:], before[1:]))
    assert all(box_iou(after[t].box, box(t)) > 0.8 for t in (1, 2))  # the prompt, and what is moved from it


def test_a_late_prompt_whose_frame_is_about_to_go_is_not_lost(nano: Sam2, picture: Paint) -> None:
    tracker = StreamingTracker(nano, TrackerConfig(encode_every=3, history=3, catch_up_at_once=False))
    for t in range(5):
        step(tracker, picture, t)
    track_id = tracker.add(Prompt(box=box(2)), 0.2)
    for t in range(5, 9):
        step(tracker, picture, t)
    tracker.catch_up()
    (track,) = tracker.latest.tracks
    assert track.id == track_id and box_iou(track.box, box(8)) > 0.7
    with pytest.raises(PromptError):
        tracker.add(Prompt(box=box(2)), 0.2)


def mask_of(box: Box) -> np.ndarray:
    mask = np.zeros((240, 320), bool)
    mask[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)] = True
    return mask


@pytest.mark.parametrize("saving", [{"memory_pooling": 2}, {"recent_memories": 1}, {"encode_every": 2}])
def test_whatever_is_saved_a_square_is_followed(nano: Sam2, picture: Paint, saving: dict) -> None:
    tracker = StreamingTracker(nano, TrackerConfig(**saving))
    step(tracker, picture, 0)
    tracker.add(Prompt(box=box(0)))
    for t in range(1, 13):
        (track,) = step(tracker, picture, t).tracks
    assert box_iou(track.box, box(12)) > 0.75
