"""Which frames are skipped, and how masks are warped to them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from sam2_ros.model import Sam2
from sam2_ros.model.image_encoder import ImageFeatures
from sam2_ros.tracking import Box, Prompt, PromptError, StreamingTracker, TrackerConfig, TrackState
from sam2_ros.tracking.frame_skipping import FrameSkipping, flow_grid, flow_image, warp
from sam2_ros.tracking.geometry import box_iou
from sam2_ros.tracking.types import FrameResult

Paint = Callable[..., np.ndarray]
STEP = 6  # pixels by which the square moves from frame to frame
HALF = 30


@pytest.fixture
def encodings(nano: Sam2, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with every image that is encoded."""
    done: list[int] = []
    encode = nano.encode_image

    def counting(image: torch.Tensor) -> ImageFeatures:
        done.append(len(image))
        return encode(image)

    monkeypatch.setattr(nano, "encode_image", counting)
    return done


def box(t: int) -> Box:
    x = 60 + STEP * t
    return Box(x - HALF, 120 - HALF, x + HALF + 1, 120 + HALF + 1)


def latest(tracker: StreamingTracker) -> FrameResult:
    assert tracker.latest is not None
    return tracker.latest


def step(tracker: StreamingTracker, picture: Paint, t: int) -> FrameResult:
    return tracker.step(picture(("red", 60 + STEP * t, 120, HALF)), t / 10)


def test_mask_logits_are_warped_along_the_flow(picture: Paint) -> None:
    def gray(x: int) -> np.ndarray:
        pixels = torch.from_numpy(picture(("blue", x, 120, HALF))[:, :240].copy()).permute(2, 0, 1)
        return flow_image(pixels[None].float() / 64 - 2)

    logits = torch.full((2, 1, 60, 60), -5.0)
    logits[:, :, 23:38, 18:33] = 5.0  # a quarter of the picture's pixels
    warped = warp(logits, flow_grid(gray(100), gray(108), 60, torch.device("cpu")))
    expected = torch.full((2, 1, 60, 60), -5.0)
    expected[:, :, 23:38, 20:35] = 5.0
    assert ((warped > 0) != (expected > 0)).float().mean() < 0.01


def test_skipped_frames_are_not_encoded_and_have_warped_masks_and_their_own_stamps(
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


def test_skipped_frames_are_not_written_to_memory(nano: Sam2, picture: Paint) -> None:
    """Only every third frame is encoded."""
    tracker = StreamingTracker(nano, TrackerConfig(encode_every=3))
    step(tracker, picture, 0)
    tracker.add(Prompt(box=box(0)))
    for t in range(1, 9):
        step(tracker, picture, t)
    bank = tracker._propagation._bank
    assert set(bank._spatial_frame[0]) == set(bank._pointer_frame[0]) == {-1, 0, 3, 6}


def test_every_frame_is_encoded_by_default_and_no_flow_is_computed(
    nano: Sam2, picture: Paint, encodings: list[int]
) -> None:
    tracker = StreamingTracker(nano)
    step(tracker, picture, 0)
    tracker.add(Prompt(box=box(0)))
    step(tracker, picture, 1)
    assert len(encodings) == 2 and "flow" not in tracker.timings and "warp" not in tracker.timings


def test_a_prompt_on_a_skipped_frame_starts_there_and_is_propagated(
    nano: Sam2, picture: Paint, encodings: list[int]
) -> None:
    tracker = StreamingTracker(nano, TrackerConfig(encode_every=3, catch_up_at_once=False))
    for t in range(6):
        step(tracker, picture, t)
    assert len(encodings) == 2
    track_id = tracker.add(Prompt(box=box(1)), 0.1)
    assert len(encodings) == 3 and tracker.is_pending(track_id)
    assert not tracker.catch_up()
    assert len(encodings) == 3
    (track,) = latest(tracker).tracks
    assert track.id == track_id and box_iou(track.box, box(5)) > 0.7
    tracker.add(Prompt(box=box(5)))  # the newest frame is skipped, too
    assert len(latest(tracker).tracks) == 2 and len(step(tracker, picture, 6).tracks) == 2


def test_a_correction_on_a_skipped_frame_changes_that_frame_and_those_since(nano: Sam2, picture: Paint) -> None:
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
    assert all(box_iou(after[t].box, box(t)) > 0.8 for t in (1, 2))  # the prompt, and what is warped from it


def test_a_late_prompt_survives_when_its_frame_leaves_the_buffer(nano: Sam2, picture: Paint) -> None:
    tracker = StreamingTracker(nano, TrackerConfig(encode_every=3, history=3, catch_up_at_once=False))
    for t in range(5):
        step(tracker, picture, t)
    track_id = tracker.add(Prompt(box=box(2)), 0.2)
    for t in range(5, 9):
        step(tracker, picture, t)
    tracker.catch_up()
    (track,) = latest(tracker).tracks
    assert track.id == track_id and box_iou(track.box, box(8)) > 0.7
    with pytest.raises(PromptError):
        tracker.add(Prompt(box=box(2)), 0.2)


def mask_of(box: Box) -> np.ndarray:
    mask = np.zeros((240, 320), bool)
    mask[int(box.y0) : int(box.y1), int(box.x0) : int(box.x1)] = True
    return mask


@pytest.mark.parametrize("saving", [{"memory_pooling": 2}, {"recent_memories": 1}, {"encode_every": 2}])
def test_a_square_is_tracked_with_every_option_for_speed(nano: Sam2, picture: Paint, saving: dict[str, Any]) -> None:
    tracker = StreamingTracker(nano, TrackerConfig(**saving))
    step(tracker, picture, 0)
    tracker.add(Prompt(box=box(0)))
    for t in range(1, 13):
        (track,) = step(tracker, picture, t).tracks
    assert box_iou(track.box, box(12)) > 0.75


# ---- which frames are skipped


def due(skipping: FrameSkipping, frames: int) -> list[int]:
    return [frame for frame in range(frames) if skipping.next_is_encoded()]


def measured_durations(target_fps: float, encoded: float, skipped: float, encode_every: int = 1) -> FrameSkipping:
    """After one encoded and one skipped frame of these durations (seconds)."""
    skipping = FrameSkipping(encode_every, target_fps)
    skipping.record(encoded, is_skipped=False)
    skipping.record(skipped, is_skipped=True)
    return skipping


def test_without_a_target_rate_every_nth_frame_is_encoded_however_long_it_takes() -> None:
    assert due(FrameSkipping(1, 0.0), 4) == [0, 1, 2, 3]
    assert due(measured_durations(0.0, 5.0, 1.0, encode_every=3), 9) == [0, 3, 6]


@pytest.mark.parametrize(
    ("target_fps", "encoded", "skipped", "every"),
    [
        (10.0, 0.09, 0.01, 1),  # there is enough time
        (10.0, 0.18, 0.02, 2),  # 0.18 + 0.02 in 2 periods
        (10.0, 0.2, 0.02, 3),  # 0.2 + 0.02 + 0.02 in 3
        (10.0, 5.0, 0.02, 8),  # warped masks drift
        (100.0, 0.2, 0.02, 8),  # even warping takes too long
    ],
)
def test_as_many_frames_are_skipped_as_the_target_rate_requires(
    target_fps: float, encoded: float, skipped: float, every: int
) -> None:
    assert measured_durations(target_fps, encoded, skipped).encode_every == every


def test_encode_every_is_a_lower_bound() -> None:
    assert measured_durations(10.0, 0.01, 0.01, encode_every=4).encode_every == 4


def test_skipping_adapts_to_a_changing_load() -> None:
    skipping = measured_durations(10.0, 0.05, 0.01)
    for _ in range(30):
        skipping.record(0.4, is_skipped=False)
    assert skipping.encode_every > 3
    for _ in range(30):
        skipping.record(0.05, is_skipped=False)
    assert skipping.encode_every == 1


def test_a_tracker_that_cannot_keep_up_warps_masks(nano: Sam2, picture: Paint) -> None:
    def warped(target_fps: float) -> int:
        tracker = StreamingTracker(nano, TrackerConfig(target_fps=target_fps))
        frame = picture(("red", 100, 120, 30))
        tracker.step(frame, 0.0)
        tracker.add(Prompt(box=Box(70, 90, 131, 151)))
        timings = []
        for number in range(1, 17):
            assert tracker.step(frame, number / 10).tracks[0].mask.sum() > 3000
            timings.append(tracker.timings)
        return sum("warp" in stages for stages in timings)

    assert warped(target_fps=0.001) == 0
    assert warped(target_fps=1000.0) >= 13
