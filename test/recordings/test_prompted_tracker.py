"""Prompts of a file, of a recording and a detector's boxes reach the tracker on their own images."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from sam2_ros.detection.types import DetectionConfig
from sam2_ros.model.sam2 import Sam2
from sam2_ros.recordings.bags import Bag
from sam2_ros.recordings.problems import Problems
from sam2_ros.recordings.prompted_tracker import PromptedTracker
from sam2_ros.recordings.prompts import (
    AtFrame,
    AtStamp,
    NewestAt,
    PlannedPrompt,
    RecordedDetections,
    recorded_prompts,
)
from sam2_ros.recordings.streams import bag_stream
from sam2_ros.tracking import Box, Click, FrameResult, Prompt, StreamingTracker, TrackerConfig
from sam2_ros.tracking.geometry import mask_box_iou

from .recorded import PERIOD, START, Entry, detections, images, prompt

WriteBag = Callable[..., Path]
Picture = Callable[..., np.ndarray]

RED, BLUE = (80, 100), (230, 130)
HALF = 30
RED_BOX = (RED[0] - HALF, RED[1] - HALF, RED[0] + HALF, RED[1] + HALF)


def box_around(x: float, y: float) -> Box:
    return Box(x - HALF, y - HALF, x + HALF, y + HALF)


@pytest.fixture
def frames(picture: Picture) -> list[np.ndarray]:
    return [picture(("red", RED[0] + 2 * i, RED[1], HALF), ("blue", *BLUE, HALF)) for i in range(8)]


Run = Callable[..., tuple[list[FrameResult], PromptedTracker, list[str]]]


@pytest.fixture
def run(nano: Sam2) -> Run:
    """Labels /camera of a bag."""

    def label(
        path: Path, prompts: Sequence[PlannedPrompt] = (), with_detections: bool = False
    ) -> tuple[list[FrameResult], PromptedTracker, list[str]]:
        problems = Problems()
        tracked = PromptedTracker(StreamingTracker(nano, TrackerConfig(history=1)), prompts, problems)
        with Bag(path) as bag, Bag(path) as apart:
            if with_detections:
                tracked.use_detections(RecordedDetections(apart, "/detections", problems), DetectionConfig())
            results = [tracked.step(frame) for frame in bag_stream(bag, "/camera", problems).frames]
            tracked.finish()
        return results, tracked, problems.lines

    return label


def ids(results: list[FrameResult]) -> list[list[int]]:
    return [[track.id for track in result.tracks] for result in results]


def test_each_object_starts_on_the_frame_or_stamp_of_its_prompt(
    write_bag: WriteBag, frames: list[np.ndarray], run: Run
) -> None:
    prompts = [
        PlannedPrompt(1, AtFrame(2), Prompt([Click(RED[0] + 4, RED[1])], label="red")),
        PlannedPrompt(2, AtStamp(START + 5 * PERIOD + 400_000), Prompt(box=box_around(*BLUE), label="blue")),
    ]
    results, _, problems = run(write_bag(*images(frames)), prompts)
    assert ids(results) == [[], [], [1], [1], [1], [1, 2], [1, 2], [1, 2]]
    red, blue = results[-1].tracks
    assert mask_box_iou(red.mask, box_around(RED[0] + 14, RED[1])) > 0.8
    assert mask_box_iou(blue.mask, box_around(*BLUE)) > 0.8
    assert not problems


def test_objects_keep_their_numbers_in_whatever_order_they_start(
    write_bag: WriteBag, frames: list[np.ndarray], run: Run
) -> None:
    prompts = [
        PlannedPrompt(1, AtFrame(3), Prompt(box=box_around(RED[0] + 6, RED[1]), label="red")),
        PlannedPrompt(2, AtFrame(0), Prompt(box=box_around(*BLUE), label="blue")),
    ]
    results, _, _ = run(write_bag(*images(frames)), prompts)
    assert ids(results) == [[2], [2], [2], [1, 2], [1, 2], [1, 2], [1, 2], [1, 2]]
    assert [track.label for track in results[-1].tracks] == ["red", "blue"]
    assert [event.track_id for result in results for event in result.events] == [2, 1]


def test_a_later_prompt_of_an_object_corrects_it(write_bag: WriteBag, frames: list[np.ndarray], run: Run) -> None:
    mask = np.zeros(frames[0].shape[:2], bool)
    mask[BLUE[1] - HALF : BLUE[1] + HALF, BLUE[0] - HALF : BLUE[0] + HALF] = True
    prompts = [
        PlannedPrompt(1, AtFrame(0), Prompt(box=box_around(*RED))),
        PlannedPrompt(1, AtFrame(4), Prompt(mask=mask)),
    ]
    results, _, _ = run(write_bag(*images(frames)), prompts)
    assert ids(results) == [[1]] * 8
    assert mask_box_iou(results[3].tracks[0].mask, box_around(RED[0] + 6, RED[1])) > 0.8
    assert mask_box_iou(results[4].tracks[0].mask, box_around(*BLUE)) > 0.8


@pytest.mark.parametrize(
    ("moment", "problem"),
    [
        (AtFrame(8), "for frame 8 is not used: there is no such image; images are numbered 0 to 7"),
        (
            AtStamp(START + 2 * PERIOD + 5_000_000),
            "for the image stamped 1700000000.328456789 s is not used: there is no such image; images are stamped "
            "1700000000.123456789 to 1700000000.823456789 s",
        ),
    ],
)
def test_a_prompt_for_an_image_that_does_not_exist_is_a_problem_and_the_others_are_used(
    write_bag: WriteBag, frames: list[np.ndarray], run: Run, moment: AtFrame, problem: str
) -> None:
    prompts = [
        PlannedPrompt(1, moment, Prompt(box=box_around(*RED))),
        PlannedPrompt(2, AtFrame(0), Prompt(box=box_around(*BLUE))),
    ]
    results, tracked, problems = run(write_bag(*images(frames)), prompts)
    assert ids(results) == [[2]] * 8
    assert tracked.unused_prompts == 1
    assert problems == [f"a prompt of object 1 {problem}"]


def test_a_prompt_that_cannot_be_used_is_a_problem_and_the_others_are_used(
    write_bag: WriteBag, frames: list[np.ndarray], run: Run
) -> None:
    prompts = [
        PlannedPrompt(1, AtFrame(0), Prompt([Click(1000, 10)])),
        PlannedPrompt(2, AtFrame(0), Prompt(box=box_around(*BLUE))),
    ]
    results, tracked, problems = run(write_bag(*images(frames)), prompts)
    assert ids(results) == [[2]] * 8
    assert tracked.unused_prompts == 1
    assert "object 1 for frame 0 is not used: click (1000, 10) is outside the image" in problems[0]


# ---- recorded prompts


def test_recorded_prompts_start_and_correct_objects_on_their_images(
    write_bag: WriteBag, frames: list[np.ndarray], run: Run
) -> None:
    late = START + 4 * PERIOD + 20_000_000
    path = write_bag(
        *images(frames),
        prompt([RED], late, stamp=START, label="red"),
        prompt([BLUE], late, label="blue"),  # on the newest image
        prompt([(RED[0] + 12, RED[1])], START + 6 * PERIOD + 20_000_000, stamp=START + 6 * PERIOD, object_id=1),
    )
    problems = Problems()
    with Bag(path) as bag:
        prompts = recorded_prompts(bag, "/sam2_tracker/prompt", problems)
    assert [(p.object, p.moment) for p in prompts] == [
        (1, AtStamp(START, tolerance=0)),
        (2, NewestAt(late)),
        (1, AtStamp(START + 6 * PERIOD, tolerance=0)),
    ]
    results, _, lines = run(path, prompts)
    assert ids(results) == [[1], [1], [1], [1], [1, 2], [1, 2], [1, 2], [1, 2]]
    assert [track.label for track in results[-1].tracks] == ["red", "blue"]
    assert not lines + problems.lines


def test_a_recorded_correction_of_an_object_that_a_service_started_starts_it(
    write_bag: WriteBag, frames: list[np.ndarray], run: Run
) -> None:
    path = write_bag(*images(frames), prompt([BLUE], START + PERIOD, stamp=START, object_id=5))
    with Bag(path) as bag:
        results, _, problems = run(path, recorded_prompts(bag, "/sam2_tracker/prompt", Problems()))
    assert ids(results) == [[5]] * 8
    assert not problems


# ---- detections


def boxes(count: int, offset: int = 0) -> list[Entry]:
    return [
        detections([(RED_BOX[0] + 2 * i, RED_BOX[1], RED_BOX[2] + 2 * i, RED_BOX[3])], START + i * PERIOD + offset)
        for i in range(count)
    ]


def test_a_detector_starts_an_object_once_it_was_seen_often_enough(
    write_bag: WriteBag, frames: list[np.ndarray], run: Run
) -> None:
    results, _, problems = run(write_bag(*images(frames), *boxes(8)), with_detections=True)
    assert ids(results) == [[], [], [1], [1], [1], [1], [1], [1]]
    assert results[-1].tracks[0].label == "cup"
    assert mask_box_iou(results[-1].tracks[0].mask, box_around(RED[0] + 14, RED[1])) > 0.8
    assert not problems


def test_a_correction_of_a_detected_object_does_not_start_another(
    write_bag: WriteBag, frames: list[np.ndarray], run: Run
) -> None:
    mask = np.zeros(frames[0].shape[:2], bool)
    mask[RED[1] - HALF : RED[1] + HALF, RED[0] - HALF : RED[0] + HALF] = True
    correction = PlannedPrompt(1, AtFrame(4), Prompt(mask=mask), is_correction=True)
    results, tracked, _ = run(write_bag(*images(frames), *boxes(8)), [correction], with_detections=True)
    assert ids(results) == [[], [], [1], [1], [1], [1], [1], [1]]
    assert tracked.unused_prompts == 0


def test_detected_objects_leave_the_numbers_of_prompts_alone(
    write_bag: WriteBag, frames: list[np.ndarray], run: Run
) -> None:
    prompts = [PlannedPrompt(1, AtFrame(5), Prompt(box=box_around(*BLUE), label="blue"))]
    results, _, _ = run(write_bag(*images(frames), *boxes(8)), prompts, with_detections=True)
    assert ids(results) == [[], [], [2], [2], [2], [1, 2], [1, 2], [1, 2]]


def test_detections_of_no_image_are_a_problem(write_bag: WriteBag, frames: list[np.ndarray], run: Run) -> None:
    results, _, problems = run(write_bag(*images(frames), *boxes(8, offset=1000)), with_detections=True)
    assert ids(results) == [[]] * 8
    assert len(problems) == 1
    assert "stamped 1700000000.123457789 s belong to no image" in problems[0]
