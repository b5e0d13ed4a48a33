"""Requests for masks and discovery in a session, without ROS: in pieces, within limits, and ended by a reset."""

import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from std_msgs.msg import Header

from sam2_ros.model import CONFIGS, Sam2, seeded_model
from sam2_ros.node.background import MAX_TASKS, Task
from sam2_ros.node.conversions.messages import image_message
from sam2_ros.node.conversions.segments import SegmentAnswer, segment_answer
from sam2_ros.node.session import Session
from sam2_ros.node.statistics import Statistics
from sam2_ros.node.types import PromptRequest, ReceivedImage, SegmentRequest, TrackingOutput
from sam2_ros.node.worker import JobRefusedError
from sam2_ros.segmentation import DiscoveryConfig, ImagePredictor
from sam2_ros.tracking import Box, Click, EventKind, Prompt, PromptError, StreamingTracker, TrackerConfig

SIZE = (60, 80)
EVERYTHING = SegmentRequest(
    everything=True,
    changes={"points_per_side": 4, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "box_nms_thresh": 1.0},
)
CLICK = SegmentRequest(prompts=[Prompt(clicks=[Click(40, 30)])])


@pytest.fixture(scope="module")
def model() -> Sam2:
    return seeded_model(CONFIGS["nano"].resized(128))


class Log:
    """Ignores the log."""

    def error(self, text: str, **_: object) -> None:
        pass

    warning = error


class Settings:
    """The parameters discover*."""

    period = 0.0
    limits = DiscoveryConfig(min_predicted_iou=0.6, min_stability=0.7, points_per_side=8)

    def config(self) -> DiscoveryConfig:
        return self.limits


class Run:
    """A session and what it publishes."""

    def __init__(self, model: Sam2, **changes: Any) -> None:
        config = replace(TrackerConfig(max_objects=16, history=4, catch_up_at_once=False), **changes)
        self.tracker = StreamingTracker(model, config)
        self.published: list[TrackingOutput] = []
        self.statistics = Statistics()
        self.settings = Settings()
        publisher = SimpleNamespace(publish=self.published.append)
        self.session = Session(self.tracker, publisher, self.statistics, Log(), discovery=self.settings)

    def show(self, stamp: float, pixels: np.ndarray | None = None) -> None:
        if pixels is None:
            pixels = np.random.default_rng(int(stamp * 100)).integers(0, 256, (*SIZE, 3), np.uint8)
        header = Header(frame_id=f"camera {stamp}")
        self.session.process(ReceivedImage(stamp, image_message(pixels, "rgb8", header), 0.0))
        self.session.flush()

    def ask(self, request: SegmentRequest) -> Task[SegmentAnswer]:
        return self.session.segment(request, segment_answer)

    def finish(self) -> int:
        """Do all background work; the number of pieces."""
        pieces = 0
        while self.session.has_background_work:
            self.session.work_in_background()
            self.session.flush()
            pieces += 1
        return pieces


@pytest.fixture
def run(model: Sam2) -> Run:
    return Run(model)


# ---- masks of single images


def test_masks_of_prompts_are_those_of_the_image_predictor(run: Run, model: Sam2) -> None:
    run.show(1.0)
    prompts = [Prompt(clicks=[Click(40, 30)]), Prompt(box=Box(10, 10, 50, 50))]
    one = run.ask(SegmentRequest(prompts=prompts))
    three = run.ask(SegmentRequest(prompts=prompts, multimask=True))
    run.finish()
    frame = run.tracker.encoded()
    predictor = ImagePredictor(model)
    predictor.set_features(frame.features, frame.size)
    click = predictor.predict(prompts[0])
    box = predictor.predict(prompts[1], multimask=False)
    expected = [(0, click.masks[click.best].sum()), (1, box.masks[0].sum())]
    assert [(mask.prompt, mask.area) for mask in one.result().masks] == expected
    assert [mask.prompt for mask in three.result().masks] == [0, 0, 0, 1, 1, 1]
    assert [mask.area for mask in three.result().masks[:3]] == [mask.sum() for mask in click.masks]
    mask = one.result().masks[0]
    left, top = int(mask.box.x_min), int(mask.box.y_min)
    pixels = np.frombuffer(mask.mask.data, np.uint8).reshape(mask.mask.height, mask.mask.width)
    expected = click.masks[click.best][top : top + mask.mask.height, left : left + mask.mask.width]
    np.testing.assert_array_equal(pixels, expected * 255)


def test_a_request_for_an_earlier_image_has_its_header_and_outlives_the_buffer(run: Run) -> None:
    for stamp in (1.0, 1.1, 1.2):
        run.show(stamp)
    task = run.ask(replace(EVERYTHING, stamp=1.1))
    for stamp in (2.0, 2.1, 2.2, 2.3):
        run.show(stamp)
    run.finish()
    answer = task.result()
    assert (answer.header.frame_id, answer.size, len(answer.masks)) == ("camera 1.1", SIZE, 48)
    assert all(0 <= mask.stability_score <= 1 for mask in answer.masks)
    with pytest.raises(PromptError, match="no buffered frame is stamped 1.1"):
        run.ask(replace(EVERYTHING, stamp=1.1))


def test_everything_takes_many_pieces_between_which_images_are_tracked(run: Run) -> None:
    run.show(1.0)
    run.session.apply_prompt(PromptRequest(Prompt(clicks=(Click(40, 30),))))
    task = run.ask(EVERYTHING)
    run.session.work_in_background()
    assert not task.is_done
    run.show(1.1)
    assert [track.id for track in run.published[-1].result.tracks] == [1]
    run.finish()
    assert task.is_done
    assert float(run.statistics.values()["segmentation between images p99 (ms)"]) > 0


def test_only_the_best_masks_are_kept_where_that_is_asked_for(run: Run) -> None:
    run.show(1.0)
    every, some = run.ask(EVERYTHING), run.ask(replace(EVERYTHING, max_masks=5))
    run.finish()
    scores = [mask.predicted_iou for mask in every.result().masks]
    assert [mask.predicted_iou for mask in some.result().masks] == scores[:5] == sorted(scores)[:-6:-1]


def test_nothing_found_is_an_answer(run: Run) -> None:
    run.show(1.0)
    task = run.ask(replace(EVERYTHING, changes={"points_per_side": 2, "pred_iou_thresh": 1.0}))
    run.finish()
    assert task.result().masks == []
    assert "nothing found: lower min_predicted_iou or min_stability" in task.result().warning


def test_requests_queue_up_to_a_limit(run: Run) -> None:
    run.show(1.0)
    tasks = [run.ask(CLICK) for _ in range(MAX_TASKS)]
    assert run.statistics.background.waiting == MAX_TASKS
    with pytest.raises(JobRefusedError, match=f"{MAX_TASKS} segmentations are waiting already"):
        run.ask(CLICK)
    run.finish()
    assert all(len(task.result().masks) == 1 for task in tasks)
    assert (run.statistics.background.waiting, run.statistics.background.done) == (0, MAX_TASKS)


def test_a_reset_ends_requests_with_the_reason(run: Run) -> None:
    run.show(1.0)
    tasks = [run.ask(EVERYTHING), run.ask(CLICK)]
    run.session.work_in_background()
    run.session.reset("~/reset was called")
    assert not run.session.has_background_work
    for task in tasks:
        with pytest.raises(JobRefusedError, match=r"the tracker was reset .*~/reset was called"):
            task.result()


def test_a_cancelled_request_does_no_more_work(run: Run) -> None:
    run.show(1.0)
    task = run.ask(EVERYTHING)
    run.session.cancel(task, "not needed any more")
    assert not run.session.has_background_work
    with pytest.raises(JobRefusedError, match="not needed any more"):
        task.result()


def test_a_prompt_that_cannot_be_used_is_named(run: Run) -> None:
    run.show(1.0)
    with pytest.raises(PromptError, match=r"prompts\[1\]: click \(400, 30\) is outside the image"):
        run.ask(replace(CLICK, prompts=[*CLICK.prompts, Prompt(clicks=[Click(400, 30)])]))


def test_where_memory_runs_out_the_request_fails_and_the_next_one_does_not(
    run: Run, model: Sam2, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.show(1.0)
    failing, next_one = run.ask(CLICK), run.ask(CLICK)
    out_of_memory = torch.cuda.OutOfMemoryError("CUDA out of memory.")
    with monkeypatch.context() as patch:  # no test machine runs out of memory on demand
        patch.setattr(model, "transform", lambda *_: (_ for _ in ()).throw(out_of_memory))
        with pytest.raises(torch.cuda.OutOfMemoryError):
            run.session.work_in_background()
    with pytest.raises(JobRefusedError, match="OutOfMemoryError: CUDA out of memory"):
        failing.result()
    run.finish()
    assert len(next_one.result().masks) == 1


def peak_memory() -> int:
    """Of this process since `forget_peak` (bytes)."""
    (kilobytes,) = re.findall(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return 1024 * int(kilobytes)


def forget_peak() -> int:
    """The memory of this process now (bytes)."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_memory()


@pytest.mark.slow
@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="the kernel does not measure the peak")
def test_everything_in_a_4k_image_with_16_objects_takes_bounded_memory_and_tracking_continues(run: Run) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (18, 32, 3), np.uint8).repeat(120, axis=0).repeat(120, axis=1)
    run.show(1.0, pixels)
    for i in range(16):
        box = Box(200 + 220 * i, 400, 400 + 220 * i, 1200)
        run.session.apply_prompt(PromptRequest(Prompt(box=box)))
    run.session.flush()
    task = run.ask(replace(EVERYTHING, changes={**EVERYTHING.changes, "points_per_side": 6}))
    before = forget_peak()
    for _ in range(4):
        run.session.work_in_background()
    run.finish()
    assert peak_memory() - before < 500e6  # 108 masks of 8.3 MB each are 900 MB
    run.show(1.1, pixels)
    assert len(run.published[-1].result.tracks) == 16
    answer = task.result()
    assert len(answer.masks) == 108 and all(mask.area for mask in answer.masks)
    sent = sum(len(mask.mask.data) for mask in answer.masks)
    left_out = sum(not mask.mask.height for mask in answer.masks)
    assert 0 < sent <= 32 * 2**20
    assert f"{left_out} of 108 masks are left out" in answer.warning


# ---- discovery

RED, BLUE = ("red", 80, 70, 25), ("blue", 220, 80, 30)


@pytest.fixture
def discovering(nano: Sam2) -> Run:
    return Run(nano, max_objects=6)


def discovered(run: Run) -> list[int]:
    """The ids of all objects that events say were discovered."""
    events = [event for output in run.published for event in output.events]
    return [e.track_id for e in events if e.kind is EventKind.STARTED and e.reason.startswith("discovered")]


def test_nothing_is_discovered_unless_asked_for(discovering: Run, picture: Callable[..., np.ndarray]) -> None:
    discovering.show(1.0, picture(RED, BLUE))
    assert not discovering.session.has_background_work


def test_what_is_discovered_is_published_on_the_newest_image_with_events(
    discovering: Run, picture: Callable[..., np.ndarray]
) -> None:
    discovering.settings.period = 1.0
    discovering.show(1.0, picture(RED, BLUE))
    discovering.finish()
    assert discovered(discovering) == [1, 2]
    assert [track.id for track in discovering.published[-1].result.tracks] == [1, 2]
    values = discovering.statistics.values()
    assert (values["searches for objects"], values["objects discovered"]) == ("1", "2")


def test_searches_are_a_period_of_image_time_apart(discovering: Run, picture: Callable[..., np.ndarray]) -> None:
    discovering.settings.period = 1.0
    discovering.show(1.0, picture(RED))
    discovering.finish()
    discovering.show(1.9, picture(RED, BLUE))
    assert not discovering.session.has_background_work
    discovering.show(2.0, picture(RED, BLUE))
    discovering.finish()
    assert discovered(discovering) == [1, 2]
    assert discovering.statistics.background.searches == 2


def test_requests_come_before_discovery(discovering: Run, picture: Callable[..., np.ndarray]) -> None:
    discovering.settings.period = 1.0
    discovering.show(1.0, picture(RED))
    task = discovering.ask(replace(CLICK, prompts=[Prompt(clicks=[Click(80, 70)])]))
    while not task.is_done:
        assert not discovered(discovering)
        discovering.session.work_in_background()
        discovering.session.flush()
    discovering.finish()
    assert discovered(discovering) == [1]


def test_after_a_reset_the_next_image_is_searched(discovering: Run, picture: Callable[..., np.ndarray]) -> None:
    discovering.settings.period = 100.0
    discovering.show(1.0, picture(RED))
    discovering.session.work_in_background()
    discovering.session.reset("test")
    assert not discovering.session.has_background_work
    discovering.show(1.1, picture(RED))
    discovering.finish()
    assert len(discovered(discovering)) == 1


def test_a_failing_search_is_reported_and_repeated_after_the_period(
    discovering: Run, picture: Callable[..., np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    discovering.settings.period = 1.0
    discovering.show(1.0, picture(RED))
    with monkeypatch.context() as patch:
        patch.setattr(discovering.tracker.model, "transform", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            discovering.finish()
    assert not discovering.session.has_background_work
    discovering.show(2.0, picture(RED))
    discovering.finish()
    assert discovered(discovering) == [1]
