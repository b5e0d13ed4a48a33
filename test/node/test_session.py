"""How images and requests are processed, without ROS: a real tracker, and a publisher that records its outputs."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from std_msgs.msg import Header

from sam2_ros.detection.types import DetectionConfig
from sam2_ros.media.ros_encodings import ImageError
from sam2_ros.model import CONFIGS, Sam2, seeded_model
from sam2_ros.node.conversions.messages import image_message
from sam2_ros.node.inputs.double_click import RepeatedClickError
from sam2_ros.node.inputs.stamp_filter import TimeJump
from sam2_ros.node.session import Session
from sam2_ros.node.statistics import Statistics
from sam2_ros.node.types import PromptRequest, ReceivedImage, TrackingOutput
from sam2_ros.node.worker import PROCESS_IMAGE
from sam2_ros.tracking import StreamingTracker, TrackerConfig
from sam2_ros.tracking import tracker as tracker_module
from sam2_ros.tracking.types import Box, Click, EventKind, Prompt, PromptError

SIZE = (60, 80)


class Log:
    """Records the log."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def error(self, text: str, **_: object) -> None:
        self.lines.append(text)

    warning = error


@pytest.fixture(scope="module")
def model() -> Sam2:
    return seeded_model(CONFIGS["nano"].resized(128))


@pytest.fixture
def published() -> list[TrackingOutput]:
    """Every output."""
    return []


@pytest.fixture
def statistics() -> Statistics:
    return Statistics()


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def session(model: Sam2, published: list[TrackingOutput], statistics: Statistics, log: Log) -> Session:
    tracker = StreamingTracker(model, TrackerConfig(max_objects=4, stamp_tolerance=0.05, catch_up_at_once=False))
    return Session(tracker, SimpleNamespace(publish=published.append), statistics, log)


def image(stamp: float, size: tuple[int, int] = SIZE, jump: TimeJump | None = None) -> ReceivedImage:
    pixels = np.random.default_rng(int(stamp * 100)).integers(0, 256, (*size, 3), np.uint8)
    return ReceivedImage(stamp, image_message(pixels, "rgb8", Header(frame_id=f"camera {stamp}")), 0.0, jump=jump)


def show(session: Session, *stamps: float) -> None:
    for stamp in stamps:
        session.process(image(stamp))
        session.flush()


MIDDLE = PromptRequest(Prompt(clicks=(Click(40, 30),)))


def test_an_image_is_published_once(session: Session, published: list[TrackingOutput], statistics: Statistics) -> None:
    show(session, 1.0)
    session.flush()
    assert [(output.image.stamp, output.result.tracks) for output in published] == [(1.0, ())]
    assert statistics.processed == 1


def test_an_object_that_is_started_before_the_flush_is_in_the_first_output(
    session: Session, published: list[TrackingOutput]
) -> None:
    session.process(image(1.0))
    session.apply_prompt(MIDDLE)
    session.flush()
    (output,) = published
    assert [track.id for track in output.result.tracks] == [1]
    assert [event.kind for event in output.events] == [EventKind.STARTED]


def test_an_applied_prompt_is_published_once_with_its_object_and_the_header_of_its_image(
    session: Session, published: list[TrackingOutput]
) -> None:
    show(session, 1.0, 1.1, 1.2)
    late = Prompt(clicks=(Click(20, 20),), label="cup")
    track_id = session.apply_prompt(PromptRequest(late, stamp=1.12))  # within stamp_tolerance
    session.apply_prompt(PromptRequest(MIDDLE.prompt, object_id=track_id))
    with pytest.raises(PromptError):
        session.apply_prompt(PromptRequest(MIDDLE.prompt, object_id=7))
    session.flush()
    show(session, 1.3)
    applied = [prompt for output in published for prompt in output.prompts]
    assert [(each.prompt, each.object_id, each.header.frame_id) for each in applied] == [
        (late, 1, "camera 1.1"),
        (MIDDLE.prompt, 1, "camera 1.2"),
    ]


def test_an_image_is_published_again_when_a_prompt_changes_it(
    session: Session, published: list[TrackingOutput], statistics: Statistics
) -> None:
    show(session, 1.0)
    session.apply_prompt(MIDDLE)
    session.flush()
    assert [len(output.result.tracks) for output in published] == [0, 1]
    assert published[0].image is published[1].image
    assert statistics.processed == 1


def test_a_mask_of_nearly_the_whole_image_starts_an_object_with_a_warning(
    session: Session, published: list[TrackingOutput], log: Log
) -> None:
    show(session, 1.0)
    session.apply_prompt(PromptRequest(Prompt(mask=np.ones(SIZE, bool))))
    session.flush()
    warning = "the mask covers 100 % of the image: is it inverted?"
    assert [warning in event.reason for event in published[-1].events] == [True]
    assert [warning in line for line in log.lines] == [True]


RAMP = np.tile(np.arange(80, dtype=np.uint16) * 12, (60, 1))


def show_ramp(session: Session, stamp: float, shift: int = 0) -> np.ndarray:
    """An image of 10 bits in 16, darker by some bits; the grey values that the session reads."""
    session.process(ReceivedImage(stamp, image_message(RAMP >> shift, "mono16", Header()), 0.0))
    session.flush()
    assert session.newest_image is not None
    return session.newest_image.rgb[..., 0]


def test_images_of_few_bits_are_scaled_up_and_keep_their_scale(session: Session, log: Log) -> None:
    np.testing.assert_array_equal(show_ramp(session, 1.0), RAMP >> 2)
    np.testing.assert_array_equal(show_ramp(session, 1.1, shift=2), RAMP >> 4)
    assert ["mono16 images use 10 of 16 bits" in line for line in log.lines] == [True]


def test_the_bit_depth_of_images_can_be_given(
    model: Sam2, published: list[TrackingOutput], statistics: Statistics, log: Log
) -> None:
    session = Session(
        StreamingTracker(model), SimpleNamespace(publish=published.append), statistics, log, image_bit_depth=12
    )
    np.testing.assert_array_equal(show_ramp(session, 1.0), RAMP >> 4)
    assert not log.lines


def test_a_prompt_before_the_first_image_is_refused(session: Session) -> None:
    with pytest.raises(PromptError, match="no frame"):
        session.apply_prompt(MIDDLE)


def test_tracking_continues_with_a_warning_when_the_image_size_changes(
    session: Session, published: list[TrackingOutput], log: Log
) -> None:
    show(session, 1.0)
    track_id = session.apply_prompt(MIDDLE)
    session.process(image(1.1, (30, 40)))
    session.flush()
    assert published[-1].result.size == (30, 40)
    assert [(t.id, t.mask.shape) for t in published[-1].result.tracks] == [(track_id, (30, 40))]
    assert any("the image size changed from 80x60 to 40x30" in line for line in log.lines)


def test_a_time_jump_back_resets_the_tracker_once(session: Session, published: list[TrackingOutput], log: Log) -> None:
    show(session, 100.0, 100.1)
    session.apply_prompt(MIDDLE)
    jump = TimeJump(100.1, 3.0)
    session.process(image(3.1, jump=jump))
    session.flush()
    reset = published[-1].events[-1]
    assert (reset.kind, reset.stamp, published[-1].result.tracks) == (EventKind.RESET, 3.1, ())
    assert "image stamps jumped back from 100.100 s to 3.000 s" in reset.reason
    assert any("tracker reset, 1 objects dropped: image stamps jumped back" in line for line in log.lines)
    assert session.newest_stamp == 3.1
    session.apply_prompt(MIDDLE)
    session.process(image(3.2, jump=jump))
    assert session._tracker.latest is not None and len(session._tracker.latest.tracks) == 1


def test_a_bag_that_loops_resets_every_time_though_the_first_image_after_a_jump_is_dropped(
    session: Session, published: list[TrackingOutput]
) -> None:
    turns = [None, TimeJump(100.1, 100.0), TimeJump(100.1, 100.0)]
    for jump in turns:
        session.process(image(100.05 if jump else 100.0, jump=jump))
        session.process(image(100.1, jump=jump))
        session.apply_prompt(MIDDLE)
        session.flush()
    assert [event.kind for p in published for event in p.events].count(EventKind.RESET) == 2


def test_ids_are_never_given_twice(session: Session) -> None:
    show(session, 1.0)
    first = session.apply_prompt(MIDDLE)
    session.reset("test")
    show(session, 2.0)
    assert session.apply_prompt(MIDDLE) > first


def target_of(output: TrackingOutput) -> int | None:
    return output.target.id if output.target else None


def test_the_target_is_the_oldest_object_unless_another_one_is_selected(
    session: Session, published: list[TrackingOutput]
) -> None:
    show(session, 1.0)
    first, second = (session.apply_prompt(MIDDLE) for _ in range(2))
    show(session, 1.1)
    assert target_of(published[-1]) == first
    session.remove(first)
    show(session, 1.2)
    assert target_of(published[-1]) == second


def test_a_selected_object_that_is_removed_leaves_no_target(session: Session, published: list[TrackingOutput]) -> None:
    show(session, 1.0)
    first, second = (session.apply_prompt(MIDDLE) for _ in range(2))
    session.select(second)
    show(session, 1.1)
    assert target_of(published[-1]) == second
    session.remove(second)
    session.flush()
    assert target_of(published[-1]) is None
    session.select(first)
    session.flush()
    assert target_of(published[-1]) == first


def test_selecting_an_unknown_object_is_refused(session: Session) -> None:
    show(session, 1.0)
    with pytest.raises(PromptError, match="there is no object 3; the objects are: none"):
        session.select(3)


def test_an_unreadable_image_is_counted_and_the_next_one_is_processed(
    session: Session, published: list[TrackingOutput], statistics: Statistics, log: Log
) -> None:
    broken = image(1.0)
    broken.message.encoding = "holography"
    with pytest.raises(ImageError) as error:
        session.process(broken)
    session.fail(error.value, PROCESS_IMAGE)
    session.flush()
    assert published == []
    assert statistics.unusable == 1
    assert "'holography' is unknown" in statistics.image_error
    show(session, 1.1)
    assert statistics.image_error == ""
    assert "'holography' is unknown" in statistics.last_error
    assert log.lines == [statistics.last_error]


def test_tracking_survives_running_out_of_gpu_memory_with_advice_in_the_log(
    session: Session, published: list[TrackingOutput], statistics: Statistics, monkeypatch: pytest.MonkeyPatch
) -> None:
    show(session, 1.0)
    session.apply_prompt(MIDDLE)
    tracker = session._tracker

    def exhausted(*_: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore")

    with monkeypatch.context() as patch:
        patch.setattr(tracker.model, "read_memory", exhausted)  # no test machine runs out of memory on demand
        with pytest.raises(torch.cuda.OutOfMemoryError) as error:
            session.process(image(1.1))
        session.fail(error.value, PROCESS_IMAGE)
        session.flush()
    assert "out of GPU memory (CUDA out of memory. Tried to allocate 2.00 GiB.)" in statistics.last_error
    assert "choose a smaller model, image_size, max_objects or history" in statistics.last_error
    show(session, 1.2)
    assert len(published[-1].result.tracks) == 1


@pytest.mark.parametrize(("step", "buffered"), [("propagate", 1.0), ("result_of", 1.1)])
def test_a_prompt_after_a_failure_has_the_header_of_its_image(
    session: Session, published: list[TrackingOutput], monkeypatch: pytest.MonkeyPatch, step: str, buffered: float
) -> None:
    """A step may fail before and after it has buffered its image."""
    show(session, 1.0)
    session.apply_prompt(MIDDLE)
    session.flush()

    def exhausted(*_: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    with monkeypatch.context() as patch:  # no test machine runs out of memory on demand
        patch.setattr(session._tracker._propagation if step == "propagate" else tracker_module, step, exhausted)
        with pytest.raises(torch.cuda.OutOfMemoryError):
            session.process(image(1.1))
    session.apply_prompt(MIDDLE)
    session.flush()
    assert published[-1].prompts[-1].header.frame_id == f"camera {buffered}"


def test_changes_before_a_failure_are_published(
    session: Session, published: list[TrackingOutput], monkeypatch: pytest.MonkeyPatch
) -> None:
    show(session, 1.0)

    def half_done(*_: object) -> None:
        session._tracker.add(MIDDLE.prompt)
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(session._associator, "apply", half_done)  # no test machine runs out of memory on demand
    with pytest.raises(torch.cuda.OutOfMemoryError):
        session.apply_detections([], 1.0, DetectionConfig())
    session.flush()
    assert len(published[-1].result.tracks) == 1


def test_an_unexpected_exception_is_logged_with_its_traceback(session: Session, statistics: Statistics) -> None:
    session.fail(RuntimeError("unexpected"), PROCESS_IMAGE)
    assert "RuntimeError: unexpected" in statistics.last_error
    assert statistics.last_error.startswith("cannot process an image: ")
    assert (statistics.unusable, statistics.image_error) == (1, statistics.last_error)


def test_a_request_that_fails_is_no_unusable_image(session: Session, statistics: Statistics) -> None:
    session.fail(RuntimeError("unexpected"), "answer a request")
    assert statistics.last_error.startswith("cannot answer a request: ")
    assert (statistics.unusable, statistics.image_error) == (0, "")


def click_at(x: float, y: float, clicked_at: float, stamp: float | None = None) -> PromptRequest:
    return PromptRequest(Prompt(clicks=(Click(x, y),)), stamp=stamp, clicked_at=clicked_at)


def test_a_double_click_starts_one_object(session: Session) -> None:
    show(session, 1.0)
    track_id = session.apply_prompt(click_at(40, 30, clicked_at=5.0))
    show(session, 1.1)
    for again in (click_at(41, 30, clicked_at=5.2), click_at(40, 30, clicked_at=5.3, stamp=1.0)):
        with pytest.raises(RepeatedClickError, match=f"repeats the one that started object {track_id}"):
            session.apply_prompt(again)
    assert session.apply_prompt(click_at(50, 30, clicked_at=5.2)) > track_id  # beside it


def test_a_rejected_click_is_not_repeated_by_the_next_one(session: Session) -> None:
    with pytest.raises(PromptError, match="no frame"):
        session.apply_prompt(click_at(40, 30, clicked_at=5.0))
    show(session, 1.0)
    with pytest.raises(PromptError, match="outside"):
        session.apply_prompt(click_at(400, 30, clicked_at=5.0))
    track_id = session.apply_prompt(click_at(40, 30, clicked_at=5.1))
    session.remove(track_id)
    assert session.apply_prompt(click_at(40, 30, clicked_at=5.2)) > track_id


def test_equal_prompts_of_programs_start_one_object_each(session: Session) -> None:
    show(session, 1.0)
    assert len({session.apply_prompt(MIDDLE) for _ in range(3)}) == 3


CUP = PromptRequest(Prompt(box=Box(10, 10, 50, 50), label="cup"), stamp=1.0)


def test_the_outcome_of_a_late_prompt_is_its_object_on_the_newest_image(session: Session) -> None:
    show(session, 1.0, 1.1)
    track_id = session.apply_prompt(CUP)
    session.catch_up()
    found = session.prompted_track(track_id, CUP.stamp)
    assert found is not None
    stamp, track = found
    assert (stamp, track.id, track.label, track.mask.shape) == (1.1, 1, "cup", SIZE)


def test_before_it_has_caught_up_the_outcome_of_a_late_prompt_is_its_object_on_its_own_image(session: Session) -> None:
    show(session, 1.0, 1.1)
    track_id = session.apply_prompt(CUP)
    found = session.prompted_track(track_id, CUP.stamp)
    assert found is not None
    stamp, track = found
    assert (stamp, track.id, track.label, track.mask.shape) == (1.0, 1, "cup", SIZE)


def test_a_late_prompt_is_propagated_between_images_and_published_when_it_has_caught_up(
    session: Session, published: list[TrackingOutput], statistics: Statistics
) -> None:
    show(session, *(1.0 + i / 10 for i in range(8)))
    track_id = session.apply_prompt(CUP)
    session.flush()
    assert session.is_catching_up and not session.is_caught_up(track_id)
    assert published[-1].result.tracks == ()
    session.catch_up()
    show(session, 1.8)
    session.catch_up()
    assert session.is_catching_up
    session.catch_up()
    session.flush()
    assert session.is_caught_up(track_id) and not session.is_catching_up
    assert (published[-1].image.stamp, [track.id for track in published[-1].result.tracks]) == (1.8, [track_id])
    assert EventKind.STARTED in [event.kind for output in published for event in output.events]
    assert float(statistics.values()["catching up with late prompts median (ms)"]) > 0


def test_an_object_that_is_dropped_while_catching_up_has_no_outcome(session: Session) -> None:
    show(session, 1.0, 1.1)
    track_id = session.apply_prompt(CUP)
    session.reset("test")
    assert session.is_caught_up(track_id)
    with pytest.raises(PromptError, match=f"object {track_id} was dropped before it reached the newest image"):
        session.prompted_track(track_id, CUP.stamp)


def test_a_late_prompt_is_reported_as_started_before_it_has_caught_up(
    session: Session, published: list[TrackingOutput]
) -> None:
    show(session, *(1.0 + i / 10 for i in range(8)))
    track_id = session.apply_prompt(CUP)
    session.flush()
    assert [(event.kind, event.track_id) for event in published[-1].events] == [(EventKind.STARTED, track_id)]
    assert published[-1].labels == {track_id: "cup"}
    session.flush()
    assert len(published) == 9


def test_the_outcome_of_a_correction_that_fails_while_catching_up_is_the_reason(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    show(session, 1.0)
    track_id = session.apply_prompt(MIDDLE)
    show(session, *(1.1 + i / 10 for i in range(4)))
    session.apply_prompt(replace(CUP, object_id=track_id))
    out_of_memory = torch.cuda.OutOfMemoryError("CUDA out of memory.")
    with monkeypatch.context() as patch:  # no test machine runs out of memory on demand
        patch.setattr(session._tracker.model, "read_memory", lambda *_: (_ for _ in ()).throw(out_of_memory))
        with pytest.raises(torch.cuda.OutOfMemoryError):
            session.catch_up()
    assert session.is_caught_up(track_id)
    with pytest.raises(PromptError, match=f"object {track_id} is unchanged: .*CUDA out of memory"):
        session.prompted_track(track_id, CUP.stamp)
