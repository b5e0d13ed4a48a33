"""The worker thread, which runs the model: on the newest image, and on every job.

Latest image wins: an image that waits is replaced by a newer one and counted as dropped. Jobs (prompts and other
requests) are never lost: each one runs, or is refused with a reason. A job may wait for an image; it runs once that
image or a newer one is processed. A job that has run may return a deferred response, which keeps the job's place in
the queue until it is sent. Late prompts catch up in short steps between images. Background work is done in short
pieces, at most one before the next image that waits.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from sam2_ros.node.statistics import Statistics
from sam2_ros.node.types import ReceivedImage

MAX_JOBS = 64  # queued at a time
PROCESS_IMAGE = "process an image"  # the action that counts as an unusable image where it fails

NO_IMAGE = None  # Job.image_stamp of a job that needs no image
ANY_IMAGE = float("-inf")  # Job.image_stamp of a job that runs on the newest image


class JobRefusedError(RuntimeError):
    """A job that does not run; the message says why."""


class WorkerClosedError(JobRefusedError):
    """The node is deactivated."""


@dataclass(frozen=True, eq=False)
class DeferredResponse:
    """The response of a job that has run; it is sent in any case."""

    is_ready: Callable[[], bool]
    send: Callable[[], None]  # called once, when it is ready or when the worker closes


@dataclass(frozen=True, eq=False)
class Job:
    """Work between two images: it runs, or it is refused."""

    run: Callable[[], DeferredResponse | None]
    refuse: Callable[[JobRefusedError], None]
    image_stamp: float | None = NO_IMAGE  # of the image that it waits for, seconds
    deadline: float = float("inf")  # for the image, seconds on the steady clock
    keeps_image: bool = True  # the image that it waits for is never dropped for a newer one

    def is_due(self, newest_stamp: float | None) -> bool:
        """Whether it can run after the image of this stamp (None: no image was processed)."""
        return self.image_stamp is NO_IMAGE or (newest_stamp is not None and newest_stamp >= self.image_stamp)


class ImageProcessor(Protocol):
    """What the worker thread calls; never called by two threads at a time."""

    @property
    def newest_stamp(self) -> float | None:
        """Stamp of the newest processed image, None where there is none."""

    def process(self, image: ReceivedImage) -> None:
        """Process the next image."""

    @property
    def is_catching_up(self) -> bool:
        """Whether `catch_up` has work to do."""

    def catch_up(self) -> None:
        """Propagate late prompts by a few buffered frames, so short that the next image can wait."""

    @property
    def has_background_work(self) -> bool:
        """Whether `work_in_background` has something to do."""

    def work_in_background(self) -> None:
        """Do a piece of what can wait, so short that the next image can wait."""

    def flush(self) -> None:
        """Publish; called after each image, the jobs that became due and background work."""

    def fail(self, error: Exception, action: str) -> None:
        """Report what any of these raised, and in which action, such as `process an image`; the thread continues."""


class Worker:
    """Runs from construction to `close`."""

    def __init__(self, processor: ImageProcessor, statistics: Statistics) -> None:
        self._processor = processor
        self._statistics = statistics
        self._changed = threading.Condition()
        self._images: deque[ReceivedImage] = deque()  # a job waits for each of them but the last
        self._jobs: list[Job] = []  # that have not run
        self._responses: list[DeferredResponse] = []  # of jobs that have run
        self._paused = False
        self._closed = False
        self._abandoned = False
        self._thread = threading.Thread(target=self._work, name="tracker", daemon=True)
        self._thread.start()

    def put_image(self, image: ReceivedImage) -> None:
        """Queue an image in place of the one that waits, unless a job waits for that one."""
        with self._changed:
            if self._paused:
                return
            if self._images and not self._is_awaited(self._images[-1]):
                self._images.pop()
                self._statistics.dropped += 1
            self._images.append(image)
            self._changed.notify()

    def submit(self, job: Job) -> None:
        """Queue a job. Raises JobRefusedError where the queue is full or the worker is closed."""
        with self._changed:
            if self._closed:
                raise JobRefusedError("activate the node first")
            if len(self._jobs) + len(self._responses) >= MAX_JOBS:
                raise JobRefusedError(f"{MAX_JOBS} prompts and requests are waiting already: send them more slowly")
            self._jobs.append(job)
            self._changed.notify()

    @property
    def paused(self) -> bool:
        """While paused, images are dropped; jobs still run."""
        return self._paused

    @paused.setter
    def paused(self, paused: bool) -> None:
        with self._changed:
            self._paused = paused
            if paused:
                self._images.clear()

    def close(self, timeout: float | None = None) -> None:
        """Wait for the image in process, refuse the jobs that have not run and send the pending responses.

        After `timeout` seconds (None: never) the thread is abandoned; it publishes nothing more, and the process has
        to exit.
        """
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(timeout)
        self._abandoned = self._thread.is_alive()
        for job in self._take_jobs(lambda job: True):
            job.refuse(
                WorkerClosedError("the node was deactivated before the image of this prompt arrived: send it again")
            )
        if not self._abandoned:
            for response in self._responses:
                response.send()

    def _work(self) -> None:
        while self._wait():
            image = self._next_image()
            if image is not None:
                self._attempt(PROCESS_IMAGE, self._processor.process, image)
            for job in self._take_due():
                self._attempt("answer a request", self._run, job)
            if self._processor.is_catching_up:
                self._attempt("propagate late prompts", self._processor.catch_up)
            for job in self._take_expired():
                self._attempt("refuse a request", job.refuse, JobRefusedError(self._timeout_reason(job)))
            self._respond_and_flush()
            if self._processor.has_background_work:
                self._attempt("segment an image", self._processor.work_in_background)
                self._respond_and_flush()

    def _respond_and_flush(self) -> None:
        for response in self._take_ready():
            self._attempt("answer a request", response.send)
        self._attempt("publish results", self._processor.flush)

    def _attempt(self, action: str, work: Callable[..., None], *arguments: Any) -> None:
        if self._abandoned:
            return
        try:
            work(*arguments)
        except Exception as error:
            if not self._abandoned:  # else ROS may be shut down already
                self._processor.fail(error, action)

    def _run(self, job: Job) -> None:
        if response := job.run():
            with self._changed:
                self._responses.append(response)

    def _wait(self) -> bool:
        """Wait until there is something to do; False once the worker is closed."""
        with self._changed:
            while not self._closed:
                newest, now = self._processor.newest_stamp, time.monotonic()
                if (
                    self._images
                    or self._processor.is_catching_up
                    or self._processor.has_background_work
                    or any(job.is_due(newest) or job.deadline <= now for job in self._jobs)
                ):
                    return True
                deadline = min((job.deadline for job in self._jobs), default=float("inf"))
                self._changed.wait(None if deadline == float("inf") else deadline - now)
            return False

    def _next_image(self) -> ReceivedImage | None:
        with self._changed:
            return self._images.popleft() if self._images else None

    def _take_due(self) -> list[Job]:
        newest = self._processor.newest_stamp
        return self._take_jobs(lambda job: job.is_due(newest))

    def _take_expired(self) -> list[Job]:
        """Jobs whose image did not come before the deadline; a job that is due runs after its deadline, too."""
        newest, now = self._processor.newest_stamp, time.monotonic()
        return self._take_jobs(lambda job: job.deadline <= now and not job.is_due(newest))

    def _take_jobs(self, is_taken: Callable[[Job], bool]) -> list[Job]:
        """Remove jobs from the queue, in the order in which they were submitted."""
        with self._changed:
            taken = [job for job in self._jobs if is_taken(job)]
            self._jobs = [job for job in self._jobs if job not in taken]
            return taken

    def _take_ready(self) -> list[DeferredResponse]:
        ready = [response for response in self._responses if response.is_ready()]
        with self._changed:
            self._responses = [response for response in self._responses if response not in ready]
        return ready

    def _is_awaited(self, image: ReceivedImage) -> bool:
        return any(job.keeps_image and job.image_stamp == image.stamp for job in self._jobs)

    def _timeout_reason(self, job: Job) -> str:
        if self._paused:
            return "its image was not processed because the tracker is paused: call ~/enable with true"
        newest = self._processor.newest_stamp
        processed = "no image has been processed yet" if newest is None else f"the newest processed is {newest:.6f}"
        expected = "an image" if job.image_stamp == ANY_IMAGE else f"the image stamped {job.image_stamp:.6f}"
        advice = "check the camera, and that the prompt has the stamp of its image"
        return f"{expected} did not arrive within prompt_timeout ({processed}): {advice}"
