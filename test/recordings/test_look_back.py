"""An object that is prompted late is followed backwards to where it appeared, and both directions are compared."""

from collections.abc import Callable

import numpy as np
import pytest

from sam2_ros.model.sam2 import Sam2
from sam2_ros.recordings.look_back import Labels, LookBack
from sam2_ros.recordings.problems import Problems
from sam2_ros.recordings.prompted_tracker import PromptedTracker
from sam2_ros.recordings.prompts import AtFrame, PlannedPrompt
from sam2_ros.recordings.streams import Frame
from sam2_ros.tracking import Box, Prompt, StreamingTracker, TrackerConfig
from sam2_ros.tracking.geometry import mask_box_iou

HALF, APPEARS, COUNT = 30, 4, 12
Picture = Callable[..., np.ndarray]
Run = Callable[..., tuple[list[Labels], list[tuple[int, int, float]]]]


def box_on(index: int) -> Box:
    x, y = 60 + 6 * index, 100
    return Box(x - HALF, y - HALF, x + HALF, y + HALF)


@pytest.fixture
def run(nano: Sam2, picture: Picture) -> Run:
    """A red square appears on frame 4; it is labelled with these prompts."""

    def label(length: int, *prompts: PlannedPrompt) -> tuple[list[Labels], list[tuple[int, int, float]]]:
        def make(count: int) -> StreamingTracker:
            return StreamingTracker(nano, TrackerConfig(max_objects=count, history=1))

        agreements: list[tuple[int, int, float]] = []
        tracked = PromptedTracker(make(4), prompts, Problems())
        look_back = LookBack(length, make, lambda *note: agreements.append(note))
        labelled: list[Labels] = []
        for index in range(COUNT):
            squares = [("red", 60 + 6 * index, 100, HALF)] if index >= APPEARS else []
            stamp = index * 100_000_000
            frame = Frame(index, picture(*squares), stamp, stamp, seconds=index / 10)
            labelled += look_back.push(frame, tracked.step(frame), tracked.prompted)
            assert len(labelled) == max(0, index + 1 - length)
        return [*labelled, *look_back.flush()], agreements

    return label


def test_an_object_is_followed_back_to_its_first_appearance(run: Run) -> None:
    labelled, agreements = run(COUNT, PlannedPrompt(1, AtFrame(9), Prompt(box=box_on(9), label="red")))
    assert [frame.index for frame, _ in labelled] == list(range(COUNT))
    shown = [[(track.id, track.label) for track in result.tracks if track.area] for _, result in labelled]
    assert shown == [[]] * APPEARS + [[(1, "red")]] * (COUNT - APPEARS)
    for frame, result in labelled[APPEARS:]:
        assert mask_box_iou(result.tracks[0].mask, box_on(frame.index)) > 0.8
        np.testing.assert_array_equal(result.label_image == 1, result.tracks[0].mask)
    assert not agreements


def test_it_is_followed_no_further_than_frames_are_held_back(run: Run) -> None:
    labelled, _ = run(3, PlannedPrompt(1, AtFrame(9), Prompt(box=box_on(9))))
    assert [frame.index for frame, result in labelled if result.tracks] == [6, 7, 8, 9, 10, 11]


def test_without_frames_that_are_held_back_results_come_at_once(run: Run) -> None:
    labelled, _ = run(0, PlannedPrompt(1, AtFrame(9), Prompt(box=box_on(9))))
    assert [frame.index for frame, result in labelled if result.tracks] == [9, 10, 11]


def test_a_correction_is_compared_with_the_masks_before_it_and_the_nearer_prompt_counts(run: Run) -> None:
    wrong = np.zeros((240, 320), bool)
    wrong[150:220, 230:300] = True  # background
    right = np.zeros((240, 320), bool)
    right[100 - HALF : 100 + HALF, 120 - HALF : 120 + HALF] = True  # on frame 10
    labelled, agreements = run(
        COUNT,
        PlannedPrompt(1, AtFrame(4), Prompt(mask=wrong)),
        PlannedPrompt(1, AtFrame(10), Prompt(mask=right)),
    )
    assert {(number, frame) for number, frame, _ in agreements} >= {(1, frame) for frame in range(4, 10)}
    assert all(iou < 0.5 for _, frame, iou in agreements if frame >= 8)
    by_frame = {frame.index: result.tracks[0] for frame, result in labelled if result.tracks}
    assert mask_box_iou(by_frame[9].mask, box_on(9)) > 0.8
    assert mask_box_iou(by_frame[4].mask, box_on(4)) < 0.5
