"""Arguments of other types are refused with what is expected, and change nothing."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sam2_ros.model import load_model, seeded_model
from sam2_ros.model.config import named_config
from sam2_ros.tracking import Click, Prompt, PromptError, StampError, StreamingTracker, TrackerConfig, TrackStateConfig

FRAME = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)


@pytest.fixture
def tracker() -> StreamingTracker:
    """It follows object 1."""
    tracker = StreamingTracker(seeded_model(named_config("nano", 64), seed=4))
    tracker.step(FRAME, 1.0)
    tracker.add(Prompt(clicks=[Click(30, 20)]))
    return tracker


PROMPT = Prompt(clicks=[Click(30, 20)])
ROS_STAMP = SimpleNamespace(sec=2, nanosec=5)
untyped_tracker: Any = StreamingTracker  # for arguments that a type checker refuses
SECONDS = "expected seconds as a float: convert a ROS stamp by stamp.sec"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda tracker: tracker.step(FRAME, "2.0"), rf"stamp is '2.0' \(str\), {SECONDS}"),
        (lambda tracker: tracker.step(FRAME, None), rf"stamp is None \(NoneType\), {SECONDS}"),
        (lambda tracker: tracker.step(FRAME, ROS_STAMP), rf"stamp is .*namespace.*, {SECONDS}"),
        (lambda tracker: tracker.step(FRAME.tolist(), 2.0), "frame is a list, expected non-empty uint8"),
        (lambda tracker: tracker.step(2.0, FRAME), f"stamp is a ndarray, {SECONDS}"),
        (lambda tracker: tracker.add(PROMPT, "1.0"), SECONDS),
        (lambda tracker: tracker.preview(PROMPT, ROS_STAMP), SECONDS),
        (lambda tracker: tracker.result_at("1.0"), SECONDS),
        (lambda tracker: tracker.refine(1, PROMPT, ROS_STAMP), SECONDS),
        (lambda tracker: tracker.add([(30, 20)]), r"prompt is \[\(30, 20\)\] \(list\), expected Prompt"),
        (lambda tracker: tracker.add(Click(30, 20)), r"prompt is .*, expected Prompt\(clicks="),
        (lambda tracker: tracker.preview(None), "prompt is None .*, expected Prompt"),
        (lambda tracker: tracker.refine(1, (30, 20)), "expected Prompt"),
        (lambda tracker: tracker.refine("1", PROMPT), r"the object's id is '1' \(str\), expected an int"),
        (lambda tracker: tracker.refine(PROMPT, 1), "the object's id is .*, expected an int that `add` returned"),
        (lambda tracker: tracker.refine([1], PROMPT), "the object's id is .*, expected an int"),
        (
            lambda tracker: tracker.refine(tracker.latest.tracks[0], PROMPT),
            "the object's id is a Track, expected an int",
        ),
        (lambda tracker: tracker.remove(tracker.latest.tracks[0]), "the object's id is a Track, expected an int"),
        (lambda tracker: tracker.remove("1"), "the object's id is .*, expected an int"),
        (lambda tracker: tracker.remove(True), r"the object's id is True \(bool\), expected an int"),
        (lambda tracker: untyped_tracker("nano"), r"model is 'nano' \(str\), expected what load_model returns"),
        (lambda tracker: untyped_tracker(tracker.model, {}), r"config is {} \(dict\), expected a TrackerConfig"),
    ],
)
def test_another_type_is_a_type_error(
    tracker: StreamingTracker, call: Callable[[StreamingTracker], object], message: str
) -> None:
    before = tracker.latest
    with pytest.raises(TypeError, match=message) as refusal:
        call(tracker)
    assert "\n" not in str(refusal.value)
    assert tracker.latest is before
    assert tracker.step(FRAME, 2.0).tracks[0].id == 1


@pytest.mark.parametrize("stamp", [2, np.float64(2.0), np.float32(2.0), np.int64(2)])
def test_stamps_are_numbers_of_any_library(tracker: StreamingTracker, stamp: float) -> None:
    assert tracker.step(FRAME, stamp).stamp == 2.0


@pytest.mark.parametrize("stamp", [float("nan"), float("inf"), -float("inf")])
def test_a_stamp_that_is_not_finite_is_refused(tracker: StreamingTracker, stamp: float) -> None:
    with pytest.raises(StampError, match="expected seconds"):
        tracker.step(FRAME, stamp)
    with pytest.raises(PromptError, match="no buffered frame"):
        tracker.add(PROMPT, stamp)


def test_an_id_may_be_a_numpy_integer(tracker: StreamingTracker) -> None:
    one: Any = np.int64(1)
    tracker.refine(one, PROMPT)
    tracker.remove(one)


def test_a_start_by_a_mask_of_most_of_the_image_is_reported(tracker: StreamingTracker) -> None:
    tracker.add(Prompt(mask=np.ones(FRAME.shape[:2])))
    (event,) = tracker.drain_events()[-1:]
    assert "the mask covers 100 % of the image: is it inverted?" in event.reason


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((None,), TypeError, "the model's name is a NoneType, expected a str: one of sam2.1_hiera_tiny"),
        ((7,), TypeError, "the model's name is a int, expected a str"),
        ((["nano"],), TypeError, "the model's name is a list, expected a str"),
        (("nana",), ValueError, "unknown model 'nana', expected one of"),
        (("nano", 5), TypeError, "checkpoint is a int, expected the path of a file, or None"),
        (("nano", None, "384"), TypeError, r"image_size is '384' \(str\), expected an int or None"),
        (("nano", None, 384.0), TypeError, r"image_size is 384.0 \(float\), expected an int or None"),
        (("nano", None, None, "gpu"), ValueError, "device is 'gpu', expected cpu, cuda or cuda:N"),
        (("nano", None, None, "cuda:99"), ValueError, "device is 'cuda:99', but PyTorch finds . GPUs: choose cpu"),
        (("nano", None, None, 1.5), ValueError, "device is 1.5, expected cpu, cuda or cuda:N"),
    ],
)
def test_arguments_of_load_model_are_checked(arguments: tuple[Any, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        load_model(*arguments)


@pytest.mark.parametrize(
    ("settings", "given", "message"),
    [
        (TrackerConfig, {"max_objects": "4"}, r"max_objects is '4' \(str\), expected int"),
        (TrackerConfig, {"history": 2.5}, r"history is 2.5 \(float\), expected int"),
        (TrackerConfig, {"stamp_tolerance": None}, r"stamp_tolerance is None \(NoneType\), expected float"),
        (TrackerConfig, {"precision": 16}, r"precision is 16 \(int\), expected str"),
        (TrackerConfig, {"track_state": {"lost_after": 2}}, r"track_state is .* \(dict\), expected TrackStateConfig"),
        (TrackerConfig, {"catch_up_at_once": "no"}, r"catch_up_at_once is 'no' \(str\), expected bool"),
        (TrackStateConfig, {"lost_after": "2 s"}, r"lost_after is '2 s' \(str\), expected float"),
        (TrackStateConfig, {"return_frames": [3]}, r"return_frames is \[3\] \(list\), expected int"),
    ],
    ids=str,
)
def test_settings_of_another_type_are_refused(settings: type, given: dict[str, object], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        settings(**given)


def test_settings_may_be_numpy_numbers() -> None:
    settings: dict[str, Any] = {"max_objects": np.int64(3), "stamp_tolerance": np.float32(0.5)}
    assert TrackerConfig(**settings).max_objects == 3
    assert TrackStateConfig(lost_after=2).lost_after == 2
