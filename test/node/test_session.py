"""What becomes of frames and requests, without ROS: a real tracker, and a sink that keeps what it is told."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from std_msgs.msg import Header

from sam2_ros.detection.types import DetectionConfig
from sam2_ros.media.ros_images import ImageError
from sam2_ros.model import CONFIGS, seeded_model
from sam2_ros.node.conversions.messages import image_message
from sam2_ros.node.inputs.double_click import RepeatedClick
from sam2_ros.node.inputs.image_clock import Jump
from sam2_ros.node.session import PromptRequest, Publication, Session
from sam2_ros.node.statistics import Statistics
from sam2_ros.node.worker import Frame
from sam2_ros.tracking import StreamingTracker, TrackerConfig
from sam2_ros.tracking.types import Box, Click, EventKind, Prompt, PromptError

SIZE = (60, 80)


class Log:
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def error(self, text: str, **_: object) -> None:
        self.lines.append(text)

    warning = error


@pytest.fixture(scope="module")
def model():
    return seeded_model(CONFIGS["nano"].resized(128))


@pytest.fixture
def told() -> list[Publication]:
    """Every publication."""
    return []


@pytest.fixture
def statistics() -> Statistics:
    return Statistics()


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def session(model, told, statistics, log) -> Session:
    tracker = StreamingTracker(model, TrackerConfig(max_objects=4, stamp_tolerance=0.05, catch_up_at_once=False))
    return Session(tracker, SimpleNamespace(publish=told.append), statistics, log)


def frame(stamp: float, size: tuple[int, int] = SIZE, jump: Jump | None = None) -> Frame:
    pixels = np.random.default_rng(int(stamp * 100)).integers(0, 256, (*size, 3), np.uint8)
    return Frame(stamp, image_message(pixels, "rgb8", Header(frame_id=f"frame {stamp}")), 0.0, jump=jump)


def show(session: Session, *stamps: float) -> None:
    for stamp in stamps:
        session.process(frame(stamp))
        session.flush()


MIDDLE = PromptRequest(Prompt(clicks=(Click(40, 30),)))


def test_a_frame_is_published_once(session, told, statistics):
    show(session, 1.0)
    session.flush()
    assert [(publication.view.stamp, publication.result.tracks) for publication in told] == [(1.0, ())]
    assert statistics.processed == 1


def test_an_object_that_is_started_before_the_flush_is_on_the_frames_only_publication(session, told):
    session.process(frame(1.0))
    session.apply(MIDDLE)
    session.flush()
    (publication,) = told
    assert [track.id for track in publication.result.tracks] == [1]
    assert [event.kind for event in publication.events] == [EventKind.STARTED]


def test_a_frame_is_published_again_when_a_prompt_changed_it(session, told, statistics):
    show(session, 1.0)
    session.apply(MIDDLE)
    session.flush()
    assert [len(publication.result.tracks) for publication in told] == [0, 1]
    assert told[0].view is told[1].view
    assert statistics.processed == 1


def test_a_mask_of_nearly_all_starts_an_object_with_a_warning(session, told, log):
    show(session, 1.0)
    session.apply(PromptRequest(Prompt(mask=np.ones(SIZE, bool))))
    session.flush()
    warning = "the mask covers 100 % of the image: is it inverted?"
    assert [warning in event.reason for event in told[-1].events] == [True]
    assert [warning in line for line in log.lines] == [True]


RAMP = np.tile(np.arange(80, dtype=np.uint16) * 12, (60, 1))


def show_ramp(session: Session, stamp: float, shift: int = 0) -> np.ndarray:
    """An image of 10 bits in 16, darker by some bits; what the session sees of it."""
    session.process(Frame(stamp, image_message(RAMP >> shift, "mono16", Header()), 0.0))
    session.flush()
    return session.view.rgb[..., 0]


def test_images_of_few_bits_are_bright_and_keep_their_scale_from_image_to_image(session, log):
    np.testing.assert_array_equal(show_ramp(session, 1.0), RAMP >> 2)
    np.testing.assert_array_equal(show_ramp(session, 1.1, shift=2), RAMP >> 4)
    assert ["mono16 images use 10 of 16 bits" in line for line in log.lines] == [True]


def test_the_bit_depth_of_images_can_be_given(model, told, statistics, log):
    session = Session(
        StreamingTracker(model), SimpleNamespace(publish=told.append), statistics, log, image_bit_depth=12
    )
    np.testing.assert_array_equal(show_ramp(session, 1.0), RAMP >> 4)
    assert not log.lines


def test_a_prompt_before_any_frame_is_a_bad_one(session):
    with pytest.raises(PromptError, match="no frame"):
        session.apply(MIDDLE)


def test_a_frame_of_another_size_goes_on_with_a_warning(session, told, log):
    show(session, 1.0)
    track_id = session.apply(MIDDLE)
    session.process(frame(1.1, (30, 40)))
    session.flush()
    assert told[-1].result.size == (30, 40)
    assert [(t.id, t.mask.shape) for t in told[-1].result.tracks] == [(track_id, (30, 40))]
    assert any("the image size changed from 80x60 to 40x30" in line for line in log.lines)


def test_time_that_is_set_back_resets_the_tracker_once(session, told, log):
    show(session, 100.0, 100.1)
    session.apply(MIDDLE)
    jump = Jump(100.1, 3.0)
    session.process(frame(3.1, jump=jump))
    session.flush()
    reset = told[-1].events[-1]
    assert (reset.kind, reset.stamp, told[-1].result.tracks) == (EventKind.RESET, 3.1, ())
    assert "image stamps jumped back from 100.100 s to 3.000 s" in reset.reason
    assert any("tracker reset, 1 objects dropped: image stamps jumped back" in line for line in log.lines)
    assert session.newest == 3.1
    session.apply(MIDDLE)
    session.process(frame(3.2, jump=jump))
    assert len(session._tracker.latest.tracks) == 1


def test_a_bag_that_loops_resets_at_every_turn_though_the_first_image_of_a_turn_is_dropped(session, told):
    turns = [None, Jump(100.1, 100.0), Jump(100.1, 100.0)]
    for jump in turns:
        session.process(frame(100.05 if jump else 100.0, jump=jump))
        session.process(frame(100.1, jump=jump))
        session.apply(MIDDLE)
        session.flush()
    assert [event.kind for p in told for event in p.events].count(EventKind.RESET) == 2


def test_ids_are_never_given_twice(session):
    show(session, 1.0)
    first = session.apply(MIDDLE)
    session.reset("test")
    show(session, 2.0)
    assert session.apply(MIDDLE) > first


def test_the_target_is_the_oldest_object_unless_another_one_is_selected(session, told):
    show(session, 1.0)
    first, second = (session.apply(MIDDLE) for _ in range(2))
    targets = []
    for act in (lambda: None, lambda: session.remove(first)):
        act()
        show(session, session.newest + 0.1)
        targets.append(told[-1].target.id)
    assert targets == [first, second]


def test_no_other_object_takes_the_place_of_a_selected_one_that_is_gone(session, told):
    show(session, 1.0)
    first, second = (session.apply(MIDDLE) for _ in range(2))
    session.select(second)
    show(session, session.newest + 0.1)
    assert told[-1].target.id == second
    session.remove(second)
    session.flush()
    assert told[-1].target is None
    session.select(first)
    session.flush()
    assert told[-1].target.id == first


def test_selecting_an_unknown_object_is_refused(session):
    show(session, 1.0)
    with pytest.raises(PromptError, match="there is no object 3; the objects are: none"):
        session.select(3)


def test_an_unreadable_image_is_counted_and_the_next_one_is_processed(session, told, statistics, log):
    broken = frame(1.0)
    broken.message.encoding = "holography"
    with pytest.raises(ImageError) as error:
        session.process(broken)
    session.fail(error.value)
    session.flush()
    assert told == []
    assert statistics.unusable == 1
    assert "'holography' is unknown" in statistics.failing
    show(session, 1.1)
    assert statistics.failing == ""
    assert "'holography' is unknown" in statistics.last_error
    assert log.lines == [statistics.last_error]


def test_running_out_of_gpu_memory_is_reported_with_what_to_do_and_survived(session, told, statistics, monkeypatch):
    show(session, 1.0)
    session.apply(MIDDLE)
    tracker = session._tracker

    def exhausted(*_: object) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore")

    with monkeypatch.context() as patch:
        patch.setattr(tracker.model, "read_memory", exhausted)  # no test machine runs out of memory on demand
        with pytest.raises(torch.cuda.OutOfMemoryError) as error:
            session.process(frame(1.1))
        session.fail(error.value)
        session.flush()
    assert "out of GPU memory (CUDA out of memory. Tried to allocate 2.00 GiB.)" in statistics.last_error
    assert "choose a smaller model, image_size, max_objects or history" in statistics.last_error
    show(session, 1.2)
    assert len(told[-1].result.tracks) == 1


def test_what_changed_before_a_failure_is_published(session, told, monkeypatch):
    show(session, 1.0)

    def half_done(*_: object) -> None:
        session._tracker.add(MIDDLE.prompt)
        raise torch.cuda.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(session._associator, "apply", half_done)  # no test machine runs out of memory on demand
    with pytest.raises(torch.cuda.OutOfMemoryError):
        session.guide([], 1.0, DetectionConfig())
    session.flush()
    assert len(told[-1].result.tracks) == 1


def test_an_unforeseen_failure_is_reported_with_its_traceback(session, statistics):
    session.fail(RuntimeError("what nobody thought of"))
    assert "RuntimeError: what nobody thought of" in statistics.last_error


def by_hand(x: float, y: float, clicked_at: float, stamp: float | None = None) -> PromptRequest:
    return PromptRequest(Prompt(clicks=(Click(x, y),)), stamp=stamp, clicked_at=clicked_at)


def test_a_double_click_starts_one_object(session):
    show(session, 1.0)
    track_id = session.apply(by_hand(40, 30, clicked_at=5.0))
    show(session, 1.1)
    for again in (by_hand(41, 30, clicked_at=5.2), by_hand(40, 30, clicked_at=5.3, stamp=1.0)):
        with pytest.raises(RepeatedClick, match=f"repeats the one that started object {track_id}"):
            session.apply(again)
    assert session.apply(by_hand(50, 30, clicked_at=5.2)) > track_id  # beside it


def test_a_click_that_started_nothing_is_repeated_by_none(session):
    with pytest.raises(PromptError, match="no frame"):
        session.apply(by_hand(40, 30, clicked_at=5.0))
    show(session, 1.0)
    with pytest.raises(PromptError, match="outside"):
        session.apply(by_hand(400, 30, clicked_at=5.0))
    track_id = session.apply(by_hand(40, 30, clicked_at=5.1))
    session.remove(track_id)
    assert session.apply(by_hand(40, 30, clicked_at=5.2)) > track_id


def test_prompts_of_programs_are_taken_literally(session):
    show(session, 1.0)
    assert len({session.apply(MIDDLE) for _ in range(3)}) == 3


CUP = PromptRequest(Prompt(box=Box(10, 10, 50, 50), label="cup"), stamp=1.0)


def test_a_late_prompt_is_answered_with_its_object_on_the_newest_frame(session):
    show(session, 1.0, 1.1)
    track_id = session.apply(CUP)
    session.catch_up()
    stamp, track = session.outcome(track_id, CUP.stamp)
    assert (stamp, track.id, track.label, track.mask.shape) == (1.1, 1, "cup", SIZE)


def test_a_late_prompt_that_has_not_caught_up_is_answered_with_its_object_on_its_own_frame(session):
    show(session, 1.0, 1.1)
    track_id = session.apply(CUP)
    stamp, track = session.outcome(track_id, CUP.stamp)
    assert (stamp, track.id, track.label, track.mask.shape) == (1.0, 1, "cup", SIZE)


def test_a_late_prompt_is_carried_forward_between_frames_and_told_when_it_arrives(session, told, statistics):
    show(session, *(1.0 + i / 10 for i in range(8)))
    track_id = session.apply(CUP)
    session.flush()
    assert session.pending and not session.is_caught_up(track_id)
    assert told[-1].result.tracks == ()
    session.catch_up()
    show(session, 1.8)
    session.catch_up()
    assert session.pending
    session.catch_up()
    session.flush()
    assert session.is_caught_up(track_id) and not session.pending
    assert (told[-1].view.stamp, [track.id for track in told[-1].result.tracks]) == (1.8, [track_id])
    assert EventKind.STARTED in [event.kind for publication in told for event in publication.events]
    assert float(statistics.values()["catching up with late prompts median (ms)"]) > 0


def test_an_object_that_is_forgotten_on_its_way_is_answered_with_a_reason(session):
    show(session, 1.0, 1.1)
    track_id = session.apply(CUP)
    session.reset("test")
    assert session.is_caught_up(track_id)
    with pytest.raises(PromptError, match=f"object {track_id} was dropped before it reached the newest image"):
        session.outcome(track_id, CUP.stamp)


def test_a_late_prompt_is_told_as_started_before_it_has_caught_up(session, told):
    show(session, *(1.0 + i / 10 for i in range(8)))
    track_id = session.apply(CUP)
    session.flush()
    assert [(event.kind, event.track_id) for event in told[-1].events] == [(EventKind.STARTED, track_id)]
    assert told[-1].labels == {track_id: "cup"}
    session.flush()
    assert len(told) == 9


def test_a_correction_that_fails_on_its_way_is_answered_with_the_reason(session, monkeypatch):
    show(session, 1.0)
    track_id = session.apply(MIDDLE)
    show(session, *(1.1 + i / 10 for i in range(4)))
    session.apply(replace(CUP, object_id=track_id))
    out_of_memory = torch.cuda.OutOfMemoryError("CUDA out of memory.")
    with monkeypatch.context() as patch:  # no test machine runs out of memory on demand
        patch.setattr(session._tracker.model, "read_memory", lambda *_: (_ for _ in ()).throw(out_of_memory))
        with pytest.raises(torch.cuda.OutOfMemoryError):
            session.catch_up()
    assert session.is_caught_up(track_id)
    with pytest.raises(PromptError, match=f"object {track_id} is as it was: .*CUDA out of memory"):
        session.outcome(track_id, CUP.stamp)
