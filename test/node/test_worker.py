"""The newest frame wins, no job is lost, and what fails does not stop the thread."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from sam2_ros.node.statistics import Statistics
from sam2_ros.node.worker import ANY_FRAME, AT_ONCE, MAX_JOBS, Frame, Job, JobRefused, Reply, Worker

PATIENCE = 30.0  # seconds


class Diary:
    """Processes nothing, but notes everything; a frame takes as long as `gate` is closed."""

    def __init__(self) -> None:
        self.entries: list[object] = []
        self.newest: float | None = None
        self.pieces = 0  # of work that is left over
        self.meanwhile: Callable[[], None] = lambda: None  # what others do during a piece
        self.gate = threading.Event()
        self.gate.set()
        self.started = threading.Event()

    def process(self, frame: Frame) -> None:
        self.started.set()
        assert self.gate.wait(PATIENCE)
        if frame.message == "broken":
            raise ValueError("broken frame")
        self.newest = frame.stamp
        self.entries.append(frame.stamp)

    @property
    def pending(self) -> bool:
        return self.pieces > 0

    def catch_up(self) -> None:
        self.meanwhile()
        self.pieces -= 1
        self.entries.append(f"{self.pieces} left")

    def flush(self) -> None:
        self.entries.append("flush")

    def fail(self, error: Exception) -> None:
        self.entries.append(str(error))

    def wait_for(self, *entries: object) -> None:
        """Until all of these were noted."""
        deadline = time.monotonic() + PATIENCE
        while not all(entry in self.entries for entry in entries):
            assert time.monotonic() < deadline, f"{entries} expected, there are {self.entries}"
            time.sleep(0.001)

    def job(self, name: str, frame: float | None = AT_ONCE, patience: float = float("inf")) -> Job:
        return Job(
            lambda: self.entries.append(name),
            lambda reason: self.entries.append((name, str(reason))),
            frame,
            time.monotonic() + patience,
        )

    def refusal(self, name: str) -> str:
        """Why a job was refused, once it was."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for entry in list(self.entries):
                if isinstance(entry, tuple) and entry[0] == name:
                    return entry[1]
            time.sleep(0.001)
        raise AssertionError(f"{name} was not refused: {self.entries}")

    def hold(self, worker: Worker, stamp: float) -> None:
        """Occupies the worker with a frame, until `gate` opens."""
        self.gate.clear()
        self.started.clear()
        worker.offer(frame(stamp))
        assert self.started.wait(PATIENCE)


def frame(stamp: float, message: object = None) -> Frame:
    return Frame(stamp, message, 0.0)


@pytest.fixture
def diary() -> Diary:
    return Diary()


@pytest.fixture
def statistics() -> Statistics:
    return Statistics()


@pytest.fixture
def worker(diary: Diary, statistics: Statistics) -> Iterator[Worker]:
    worker = Worker(diary, statistics)
    yield worker
    diary.gate.set()
    worker.close()


def test_a_frame_is_processed_and_flushed(worker, diary):
    worker.offer(frame(1.0))
    diary.wait_for(1.0, "flush")


def test_a_busy_worker_goes_on_with_the_newest_frame(worker, diary, statistics):
    diary.hold(worker, 1.0)
    for stamp in (2.0, 3.0, 4.0):
        worker.offer(frame(stamp))
    diary.gate.set()
    diary.wait_for(1.0, 4.0)
    assert 2.0 not in diary.entries
    assert 3.0 not in diary.entries
    assert statistics.dropped == 2


def test_a_frame_that_a_job_waits_for_is_not_replaced(worker, diary, statistics):
    diary.hold(worker, 1.0)
    worker.submit(diary.job("prompt", frame=2.0))
    for stamp in (2.0, 3.0, 4.0):
        worker.offer(frame(stamp))
    diary.gate.set()
    diary.wait_for(1.0, 2.0, "prompt", 4.0)
    assert diary.entries.index(2.0) < diary.entries.index("prompt") < diary.entries.index(4.0)
    assert statistics.dropped == 1


def test_a_job_that_keeps_no_frame_runs_after_the_one_that_replaced_it(worker, diary, statistics):
    diary.hold(worker, 1.0)
    worker.submit(replace(diary.job("detections", 2.0), keeps_frame=False))
    for stamp in (2.0, 3.0):
        worker.offer(frame(stamp))
    diary.gate.set()
    diary.wait_for(3.0, "detections")
    assert 2.0 not in diary.entries and statistics.dropped == 1
    assert diary.entries.index(3.0) < diary.entries.index("detections")


def test_a_job_without_a_frame_runs_at_once(worker, diary):
    worker.submit(diary.job("remove"))
    diary.wait_for("remove", "flush")


def test_a_job_for_any_frame_waits_for_the_first_one(worker, diary):
    worker.submit(diary.job("prompt", frame=ANY_FRAME))
    worker.submit(diary.job("remove"))
    diary.wait_for("remove")
    assert "prompt" not in diary.entries
    worker.offer(frame(1.0))
    diary.wait_for("prompt")


def test_a_job_for_a_past_frame_runs_at_once(worker, diary):
    worker.offer(frame(5.0))
    diary.wait_for(5.0)
    worker.submit(diary.job("prompt", frame=3.0))
    diary.wait_for("prompt")


def test_a_job_runs_before_its_frame_is_flushed(worker, diary):
    diary.hold(worker, 1.0)
    worker.submit(diary.job("prompt", frame=1.0))
    diary.gate.set()
    diary.wait_for("prompt", "flush")
    assert diary.entries.index("prompt") < diary.entries.index("flush")


def test_jobs_run_in_the_order_in_which_they_came(worker, diary):
    diary.hold(worker, 1.0)
    names = [f"job {i}" for i in range(20)]
    for name in names:
        worker.submit(diary.job(name))
    diary.gate.set()
    diary.wait_for(*names)
    assert [entry for entry in diary.entries if entry in names] == names


def test_a_job_whose_frame_does_not_come_in_time_is_refused(worker, diary):
    worker.offer(frame(1.0))
    diary.wait_for(1.0)
    worker.submit(diary.job("prompt", frame=9.0, patience=0.05))
    reason = diary.refusal("prompt")
    assert "the image of 9.000000 did not come in time (the newest processed one is of 1.000000)" in reason
    assert "check the camera" in reason


def test_a_job_that_can_run_does_so_however_late_it_is(worker, diary):
    diary.meanwhile = lambda: worker.submit(diary.job("remove", patience=0.0))
    diary.pieces = 1
    worker.offer(frame(1.0))
    diary.wait_for("remove")
    worker.offer(frame(2.0))
    diary.wait_for(2.0)


def test_a_job_that_waits_during_a_pause_is_told_so(worker, diary):
    worker.paused = True
    worker.submit(diary.job("prompt", frame=ANY_FRAME, patience=0.05))
    assert "the tracker is paused: call ~/enable with true" in diary.refusal("prompt")


def test_frames_are_ignored_during_a_pause(worker, diary, statistics):
    worker.paused = True
    worker.offer(frame(1.0))
    worker.paused = False
    worker.offer(frame(2.0))
    diary.wait_for(2.0)
    assert 1.0 not in diary.entries
    assert statistics.dropped == 0


def test_more_jobs_than_the_queue_holds_are_refused_at_once(worker, diary):
    for i in range(MAX_JOBS):
        worker.submit(diary.job(f"job {i}", frame=9.0))
    with pytest.raises(JobRefused, match=f"{MAX_JOBS} prompts and requests are waiting already"):
        worker.submit(diary.job("one too many", frame=9.0))


def test_closing_refuses_the_jobs_that_are_left(diary, statistics):
    worker = Worker(diary, statistics)
    worker.submit(diary.job("prompt", frame=9.0))
    worker.close()
    assert "the node was deactivated" in diary.refusal("prompt")
    with pytest.raises(JobRefused, match="the node is inactive"):
        worker.submit(diary.job("late"))


@pytest.mark.parametrize("failure", [lambda worker: worker.offer(frame(1.0, "broken")), None], ids=["frame", "job"])
def test_a_failure_is_reported_and_the_thread_goes_on(worker, diary, failure: Callable[[Worker], None] | None):
    if failure:
        failure(worker)
        diary.wait_for("broken frame")
    else:
        worker.submit(Job(lambda: 1 / 0, lambda reason: None))
        diary.wait_for("division by zero")
    worker.offer(frame(2.0))
    diary.wait_for(2.0)


def test_work_that_is_left_over_is_done_piece_by_piece_between_frames(diary, worker):
    diary.hold(worker, 1.0)
    worker.offer(frame(2.0))
    diary.pieces = 2
    diary.gate.set()
    diary.wait_for("0 left")
    assert [entry for entry in diary.entries if entry != "flush"] == [1.0, "1 left", 2.0, "0 left"]


def test_work_that_is_left_over_is_done_without_further_frames(diary, worker):
    diary.pieces = 5
    worker.submit(diary.job("anything"))
    diary.wait_for("0 left")


# ---- replies


class Owing:
    """A job that owes a reply until it may be sent."""

    def __init__(self, diary: Diary, name: str) -> None:
        self.may_reply = False
        self._diary, self._name = diary, name
        self.job = replace(diary.job(name), run=self._run)

    def _run(self) -> Reply:
        self._diary.entries.append(self._name)
        return Reply(lambda: self.may_reply, lambda: self._diary.entries.append(f"reply of {self._name}"))


def test_a_reply_is_sent_once_it_is_ready(diary, worker):
    owing = Owing(diary, "prompt")
    worker.submit(owing.job)
    diary.wait_for("prompt", "flush")
    worker.submit(diary.job("another"))
    diary.wait_for("another")
    assert "reply of prompt" not in diary.entries
    owing.may_reply = True
    worker.offer(frame(1.0))
    worker.offer(frame(2.0))
    diary.wait_for("reply of prompt", 2.0)
    worker.close()
    assert diary.entries.count("reply of prompt") == 1


def test_a_full_queue_does_not_refuse_the_reply_of_a_job_that_has_run(diary, worker):
    owing = Owing(diary, "prompt")
    worker.submit(owing.job)
    diary.wait_for("prompt")
    for i in range(MAX_JOBS - 1):
        worker.submit(diary.job(f"job {i}", frame=9.0))
    with pytest.raises(JobRefused, match="are waiting already"):
        worker.submit(diary.job("one too many"))
    owing.may_reply = True
    worker.offer(frame(1.0))
    diary.wait_for("reply of prompt")
    worker.submit(diary.job("in its place", frame=9.0))


def test_closing_sends_the_replies_of_jobs_that_have_run(diary, worker):
    owing = Owing(diary, "prompt")
    worker.submit(owing.job)
    diary.wait_for("prompt")
    worker.close()
    assert "reply of prompt" in diary.entries
    assert not [entry for entry in diary.entries if isinstance(entry, tuple)]


def test_closing_does_not_wait_for_a_frame_longer_than_it_is_told_to(diary, worker):
    diary.hold(worker, 1.0)
    worker.submit(diary.job("prompt", frame=1.0))
    worker.close(patience=0.05)
    assert "the node was deactivated" in diary.refusal("prompt")
    diary.gate.set()
    worker.close()
    assert "prompt" not in diary.entries and "flush" not in diary.entries
