"""Latest image wins, no job is lost, and a failure does not stop the thread."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from sam2_ros.node.statistics import Statistics
from sam2_ros.node.types import ReceivedImage
from sam2_ros.node.worker import ANY_IMAGE, MAX_JOBS, NO_IMAGE, DeferredResponse, Job, JobRefusedError, Worker

TIMEOUT = 30.0  # seconds


class RecordingProcessor:
    """Records the calls of the worker; an image takes as long as `gate` is closed."""

    def __init__(self) -> None:
        self.entries: list[object] = []
        self.newest_stamp: float | None = None
        self.steps_left = 0  # of catching up
        self.pieces_left = 0  # of background work
        self.meanwhile: Callable[[], None] = lambda: None  # what other threads do during a step
        self.gate = threading.Event()
        self.gate.set()
        self.started = threading.Event()

    def process(self, image: ReceivedImage) -> None:
        self.started.set()
        assert self.gate.wait(TIMEOUT)
        if image.message == "broken":
            raise ValueError("broken image")
        self.newest_stamp = image.stamp
        self.entries.append(image.stamp)

    @property
    def is_catching_up(self) -> bool:
        return self.steps_left > 0

    def catch_up(self) -> None:
        self.meanwhile()
        self.steps_left -= 1
        self.entries.append(f"{self.steps_left} left")

    @property
    def has_background_work(self) -> bool:
        return self.pieces_left > 0

    def work_in_background(self) -> None:
        self.meanwhile()
        self.pieces_left -= 1
        self.entries.append(f"{self.pieces_left} pieces left")

    def flush(self) -> None:
        self.entries.append("flush")

    def fail(self, error: Exception, action: str) -> None:
        self.entries.append(str(error))

    def wait_for(self, *entries: object) -> None:
        """Wait until all of these are recorded."""
        deadline = time.monotonic() + TIMEOUT
        while not all(entry in self.entries for entry in entries):
            assert time.monotonic() < deadline, f"{entries} expected, there are {self.entries}"
            time.sleep(0.001)

    def job(self, name: str, image_stamp: float | None = NO_IMAGE, timeout: float = float("inf")) -> Job:
        return Job(
            lambda: self.entries.append(name),
            lambda reason: self.entries.append((name, str(reason))),
            image_stamp,
            time.monotonic() + timeout,
        )

    def refusal(self, name: str) -> str:
        """Wait until a job is refused; the reason."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            for entry in list(self.entries):
                if isinstance(entry, tuple) and entry[0] == name:
                    return entry[1]
            time.sleep(0.001)
        raise AssertionError(f"{name} was not refused: {self.entries}")

    def hold(self, worker: Worker, stamp: float) -> None:
        """Keep the worker busy with an image until `gate` opens."""
        self.gate.clear()
        self.started.clear()
        worker.put_image(image(stamp))
        assert self.started.wait(TIMEOUT)


def image(stamp: float, message: object = None) -> ReceivedImage:
    return ReceivedImage(stamp, message, 0.0)


@pytest.fixture
def processor() -> RecordingProcessor:
    return RecordingProcessor()


@pytest.fixture
def statistics() -> Statistics:
    return Statistics()


@pytest.fixture
def worker(processor: RecordingProcessor, statistics: Statistics) -> Iterator[Worker]:
    worker = Worker(processor, statistics)
    yield worker
    processor.gate.set()
    worker.close()


def test_an_image_is_processed_and_flushed(worker: Worker, processor: RecordingProcessor) -> None:
    worker.put_image(image(1.0))
    processor.wait_for(1.0, "flush")


def test_a_busy_worker_continues_with_the_newest_image(
    worker: Worker, processor: RecordingProcessor, statistics: Statistics
) -> None:
    processor.hold(worker, 1.0)
    for stamp in (2.0, 3.0, 4.0):
        worker.put_image(image(stamp))
    processor.gate.set()
    processor.wait_for(1.0, 4.0)
    assert 2.0 not in processor.entries
    assert 3.0 not in processor.entries
    assert statistics.dropped == 2


def test_an_image_that_a_job_waits_for_is_not_dropped(
    worker: Worker, processor: RecordingProcessor, statistics: Statistics
) -> None:
    processor.hold(worker, 1.0)
    worker.submit(processor.job("prompt", image_stamp=2.0))
    for stamp in (2.0, 3.0, 4.0):
        worker.put_image(image(stamp))
    processor.gate.set()
    processor.wait_for(1.0, 2.0, "prompt", 4.0)
    assert processor.entries.index(2.0) < processor.entries.index("prompt") < processor.entries.index(4.0)
    assert statistics.dropped == 1


def test_a_job_that_keeps_no_image_runs_after_a_newer_one(
    worker: Worker, processor: RecordingProcessor, statistics: Statistics
) -> None:
    processor.hold(worker, 1.0)
    worker.submit(replace(processor.job("detections", 2.0), keeps_image=False))
    for stamp in (2.0, 3.0):
        worker.put_image(image(stamp))
    processor.gate.set()
    processor.wait_for(3.0, "detections")
    assert 2.0 not in processor.entries and statistics.dropped == 1
    assert processor.entries.index(3.0) < processor.entries.index("detections")


def test_a_job_without_an_image_runs_immediately(worker: Worker, processor: RecordingProcessor) -> None:
    worker.submit(processor.job("remove"))
    processor.wait_for("remove", "flush")


def test_a_job_for_any_image_waits_for_the_first_one(worker: Worker, processor: RecordingProcessor) -> None:
    worker.submit(processor.job("prompt", image_stamp=ANY_IMAGE))
    worker.submit(processor.job("remove"))
    processor.wait_for("remove")
    assert "prompt" not in processor.entries
    worker.put_image(image(1.0))
    processor.wait_for("prompt")


def test_a_job_for_a_processed_image_runs_immediately(worker: Worker, processor: RecordingProcessor) -> None:
    worker.put_image(image(5.0))
    processor.wait_for(5.0)
    worker.submit(processor.job("prompt", image_stamp=3.0))
    processor.wait_for("prompt")


def test_a_job_runs_before_its_image_is_flushed(worker: Worker, processor: RecordingProcessor) -> None:
    processor.hold(worker, 1.0)
    worker.submit(processor.job("prompt", image_stamp=1.0))
    processor.gate.set()
    processor.wait_for("prompt", "flush")
    assert processor.entries.index("prompt") < processor.entries.index("flush")


def test_jobs_run_in_the_order_of_submission(worker: Worker, processor: RecordingProcessor) -> None:
    processor.hold(worker, 1.0)
    names = [f"job {i}" for i in range(20)]
    for name in names:
        worker.submit(processor.job(name))
    processor.gate.set()
    processor.wait_for(*names)
    assert [entry for entry in processor.entries if entry in names] == names


def test_a_job_whose_image_does_not_arrive_before_the_deadline_is_refused(
    worker: Worker, processor: RecordingProcessor
) -> None:
    worker.put_image(image(1.0))
    processor.wait_for(1.0)
    worker.submit(processor.job("prompt", image_stamp=9.0, timeout=0.05))
    reason = processor.refusal("prompt")
    assert (
        "the image stamped 9.000000 did not arrive within prompt_timeout (the newest processed is 1.000000)" in reason
    )
    assert "check the camera" in reason


def test_a_job_that_is_due_runs_after_its_deadline(worker: Worker, processor: RecordingProcessor) -> None:
    processor.meanwhile = lambda: worker.submit(processor.job("remove", timeout=0.0))
    processor.steps_left = 1
    worker.put_image(image(1.0))
    processor.wait_for("remove")
    worker.put_image(image(2.0))
    processor.wait_for(2.0)


def test_a_job_that_times_out_during_a_pause_is_refused_with_that_reason(
    worker: Worker, processor: RecordingProcessor
) -> None:
    worker.paused = True
    worker.submit(processor.job("prompt", image_stamp=ANY_IMAGE, timeout=0.05))
    assert "the tracker is paused: call ~/enable with true" in processor.refusal("prompt")


def test_images_are_dropped_during_a_pause(
    worker: Worker, processor: RecordingProcessor, statistics: Statistics
) -> None:
    worker.paused = True
    worker.put_image(image(1.0))
    worker.paused = False
    worker.put_image(image(2.0))
    processor.wait_for(2.0)
    assert 1.0 not in processor.entries
    assert statistics.dropped == 0


def test_a_full_queue_refuses_jobs(worker: Worker, processor: RecordingProcessor) -> None:
    for i in range(MAX_JOBS):
        worker.submit(processor.job(f"job {i}", image_stamp=9.0))
    with pytest.raises(JobRefusedError, match=f"{MAX_JOBS} prompts and requests are waiting already"):
        worker.submit(processor.job("one too many", image_stamp=9.0))


def test_closing_refuses_the_jobs_that_have_not_run(processor: RecordingProcessor, statistics: Statistics) -> None:
    worker = Worker(processor, statistics)
    worker.submit(processor.job("prompt", image_stamp=9.0))
    worker.close()
    assert "the node was deactivated" in processor.refusal("prompt")
    with pytest.raises(JobRefusedError, match="activate the node first"):
        worker.submit(processor.job("late"))


def divide_by_zero() -> None:
    raise ZeroDivisionError("division by zero")


@pytest.mark.parametrize("failure", [lambda worker: worker.put_image(image(1.0, "broken")), None], ids=["image", "job"])
def test_a_failure_is_reported_and_the_thread_continues(
    worker: Worker, processor: RecordingProcessor, failure: Callable[[Worker], None] | None
) -> None:
    if failure:
        failure(worker)
        processor.wait_for("broken image")
    else:
        worker.submit(Job(divide_by_zero, lambda reason: None))
        processor.wait_for("division by zero")
    worker.put_image(image(2.0))
    processor.wait_for(2.0)


def test_late_prompts_catch_up_step_by_step_between_images(processor: RecordingProcessor, worker: Worker) -> None:
    processor.hold(worker, 1.0)
    worker.put_image(image(2.0))
    processor.steps_left = 2
    processor.gate.set()
    processor.wait_for("0 left")
    assert [entry for entry in processor.entries if entry != "flush"] == [1.0, "1 left", 2.0, "0 left"]


def test_late_prompts_catch_up_without_further_images(processor: RecordingProcessor, worker: Worker) -> None:
    processor.steps_left = 5
    worker.submit(processor.job("anything"))
    processor.wait_for("0 left")


def test_an_image_that_waits_comes_before_the_next_piece_of_background_work(
    processor: RecordingProcessor, worker: Worker
) -> None:
    processor.hold(worker, 1.0)
    processor.pieces_left = 3
    worker.put_image(image(2.0))
    processor.gate.set()
    processor.wait_for("0 pieces left")
    assert [entry for entry in processor.entries if entry != "flush"] == [
        1.0,
        "2 pieces left",
        2.0,
        "1 pieces left",
        "0 pieces left",
    ]


def test_an_image_is_published_before_background_work_and_what_that_changes_afterwards(
    processor: RecordingProcessor, worker: Worker
) -> None:
    processor.hold(worker, 1.0)
    processor.pieces_left = 1
    processor.gate.set()
    processor.wait_for("0 pieces left")
    worker.close()
    assert processor.entries == [1.0, "flush", "0 pieces left", "flush"]


def test_failing_background_work_is_reported_and_the_thread_continues(
    processor: RecordingProcessor, worker: Worker
) -> None:
    def fail() -> None:
        processor.pieces_left = 0
        raise ValueError("broken piece")

    processor.meanwhile = fail
    processor.hold(worker, 1.0)
    processor.pieces_left = 1
    processor.gate.set()
    processor.wait_for("broken piece")
    worker.put_image(image(2.0))
    processor.wait_for(2.0)


# ---- deferred responses


class DeferredJob:
    """A job whose response is sent once `is_ready`."""

    def __init__(self, processor: RecordingProcessor, name: str) -> None:
        self.is_ready = False
        self._processor, self._name = processor, name
        self.job = replace(processor.job(name), run=self._run)

    def _run(self) -> DeferredResponse:
        self._processor.entries.append(self._name)
        return DeferredResponse(
            lambda: self.is_ready, lambda: self._processor.entries.append(f"response of {self._name}")
        )


def test_a_response_is_sent_once_it_is_ready(processor: RecordingProcessor, worker: Worker) -> None:
    deferred = DeferredJob(processor, "prompt")
    worker.submit(deferred.job)
    processor.wait_for("prompt", "flush")
    worker.submit(processor.job("another"))
    processor.wait_for("another")
    assert "response of prompt" not in processor.entries
    deferred.is_ready = True
    worker.put_image(image(1.0))
    worker.put_image(image(2.0))
    processor.wait_for("response of prompt", 2.0)
    worker.close()
    assert processor.entries.count("response of prompt") == 1


def test_a_full_queue_still_sends_the_response_of_a_job_that_has_run(
    processor: RecordingProcessor, worker: Worker
) -> None:
    deferred = DeferredJob(processor, "prompt")
    worker.submit(deferred.job)
    processor.wait_for("prompt")
    for i in range(MAX_JOBS - 1):
        worker.submit(processor.job(f"job {i}", image_stamp=9.0))
    with pytest.raises(JobRefusedError, match="are waiting already"):
        worker.submit(processor.job("one too many"))
    deferred.is_ready = True
    worker.put_image(image(1.0))
    processor.wait_for("response of prompt")
    worker.submit(processor.job("in its place", image_stamp=9.0))


def test_closing_sends_the_responses_of_jobs_that_have_run(processor: RecordingProcessor, worker: Worker) -> None:
    deferred = DeferredJob(processor, "prompt")
    worker.submit(deferred.job)
    processor.wait_for("prompt")
    worker.close()
    assert "response of prompt" in processor.entries
    assert not [entry for entry in processor.entries if isinstance(entry, tuple)]


def test_closing_waits_for_an_image_no_longer_than_its_timeout(processor: RecordingProcessor, worker: Worker) -> None:
    processor.hold(worker, 1.0)
    worker.submit(processor.job("prompt", image_stamp=1.0))
    worker.close(timeout=0.05)
    assert "the node was deactivated" in processor.refusal("prompt")
    processor.gate.set()
    worker.close()
    assert "prompt" not in processor.entries and "flush" not in processor.entries
