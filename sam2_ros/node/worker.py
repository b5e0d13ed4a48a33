"""One thread that runs the model: always on the newest frame, and on every job.

Frames are replaced while they wait, for a camera does not wait either. Jobs (prompts and other requests) are
never lost: each one runs, or is refused with a reason, and never both. A job may belong to a frame; then it runs once
that frame or a newer one has been processed. A job that has run may owe a reply, which comes later and keeps the
job's place in the queue until then. What takes long is done in pieces, one after each frame.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from sam2_ros.node.conversions.depth import AwaitedDepth
from sam2_ros.node.inputs.image_clock import Jump
from sam2_ros.node.statistics import Statistics

MAX_JOBS = 64  # that wait at a time

AT_ONCE = None  # the frame of a job that needs none
ANY_FRAME = float("-inf")  # the frame of a job that is content with whichever is newest


class JobRefused(RuntimeError):
    """A job that will not run; the message says why."""


@dataclass(frozen=True)
class Frame:
    """An image as it arrived."""

    stamp: float  # seconds on the clock of the images
    message: Any
    received: float  # seconds on the steady clock
    depth: AwaitedDepth | None = None  # where depth is asked for
    jump: Jump | None = None  # the last time that the stamps of images were set back


@dataclass(frozen=True, eq=False)
class Reply:
    """What a job that has run has yet to say; it is sent for certain."""

    is_ready: Callable[[], bool]
    send: Callable[[], None]  # called once, when it is ready or when the worker closes


@dataclass(frozen=True, eq=False)
class Job:
    """Something to be done between two frames: it runs, or it is refused."""

    run: Callable[[], Reply | None]
    refuse: Callable[[JobRefused], None]
    frame: float | None = AT_ONCE  # stamp of the frame that it waits for
    deadline: float = float("inf")  # seconds on the steady clock
    keeps_frame: bool = True  # whether that frame waits for its turn, however many newer ones there are

    def is_due(self, newest: float | None) -> bool:
        """Whether it can run after the frame of this stamp (None: there has been no frame)."""
        return self.frame is AT_ONCE or (newest is not None and newest >= self.frame)


class FrameProcessor(Protocol):
    """What the thread calls; never called by two threads at a time."""

    @property
    def newest(self) -> float | None:
        """Stamp of the newest frame that was processed, None where there is none."""

    def process(self, frame: Frame) -> None:
        """Takes the next frame."""

    @property
    def pending(self) -> bool:
        """Whether there is work for `catch_up`."""

    def catch_up(self) -> None:
        """Does a piece of the pending work, so short that a frame can wait."""

    def flush(self) -> None:
        """Called after a frame, and after the jobs that became due."""

    def fail(self, error: Exception) -> None:
        """Receives what any of these raised; the thread continues."""


class Worker:
    """Starts at once; `close` ends it."""

    def __init__(self, processor: FrameProcessor, statistics: Statistics) -> None:
        self._processor = processor
        self._statistics = statistics
        self._changed = threading.Condition()
        self._frames: deque[Frame] = deque()  # all but the last are awaited by a job
        self._jobs: list[Job] = []  # that have not run
        self._replies: list[Reply] = []  # of jobs that have run
        self._paused = False
        self._closed = False
        self._abandoned = False
        self._thread = threading.Thread(target=self._work, name="tracker", daemon=True)
        self._thread.start()

    def offer(self, frame: Frame) -> None:
        """Takes a frame in place of the one that waits, unless a job waits for exactly that one."""
        with self._changed:
            if self._paused:
                return
            if self._frames and not self._is_awaited(self._frames[-1]):
                self._frames.pop()
                self._statistics.dropped += 1
            self._frames.append(frame)
            self._changed.notify()

    def submit(self, job: Job) -> None:
        """Queues a job. Raises JobRefused where too many are queued or unanswered, or the worker is closed."""
        with self._changed:
            if self._closed:
                raise JobRefused("the node is inactive: activate it")
            if len(self._jobs) + len(self._replies) >= MAX_JOBS:
                raise JobRefused(f"{MAX_JOBS} prompts and requests are waiting already: send them more slowly")
            self._jobs.append(job)
            self._changed.notify()

    @property
    def paused(self) -> bool:
        """While paused, frames are ignored; jobs still run."""
        return self._paused

    @paused.setter
    def paused(self, paused: bool) -> None:
        with self._changed:
            self._paused = paused
            if paused:
                self._frames.clear()

    def close(self, patience: float | None = None) -> None:
        """Waits for the frame in hand, refuses the jobs that have not run and replies to those that have.

        After `patience` seconds (None: however long it takes) the thread is left to itself; then it publishes nothing
        more, and the process has to end.
        """
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join(patience)
        self._abandoned = self._thread.is_alive()
        for job in self._take_jobs(lambda job: True):
            job.refuse(JobRefused("the node was deactivated before the image of this prompt arrived: send it again"))
        if not self._abandoned:
            for reply in self._replies:
                reply.send()

    def _work(self) -> None:
        while self._wait():
            frame = self._next_frame()
            if frame is not None:
                self._attempt(self._processor.process, frame)
            for job in self._take_due():
                self._attempt(self._run, job)
            if self._processor.pending:
                self._attempt(self._processor.catch_up)
            for reply in self._take_ready():
                self._attempt(reply.send)
            for job in self._take_late():
                self._attempt(job.refuse, JobRefused(self._why_late(job)))
            self._attempt(self._processor.flush)

    def _attempt(self, work: Callable[..., None], *arguments: Any) -> None:
        if self._abandoned:
            return
        try:
            work(*arguments)
        except Exception as error:
            if not self._abandoned:  # else ROS is shut down meanwhile
                self._processor.fail(error)

    def _run(self, job: Job) -> None:
        if reply := job.run():
            with self._changed:
                self._replies.append(reply)

    def _wait(self) -> bool:
        """Until there is something to do. False: the worker is closed."""
        with self._changed:
            while not self._closed:
                newest, now = self._processor.newest, time.monotonic()
                if (
                    self._frames
                    or self._processor.pending
                    or any(job.is_due(newest) or job.deadline <= now for job in self._jobs)
                ):
                    return True
                deadline = min((job.deadline for job in self._jobs), default=float("inf"))
                self._changed.wait(None if deadline == float("inf") else deadline - now)
            return False

    def _next_frame(self) -> Frame | None:
        with self._changed:
            return self._frames.popleft() if self._frames else None

    def _take_due(self) -> list[Job]:
        newest = self._processor.newest
        return self._take_jobs(lambda job: job.is_due(newest))

    def _take_late(self) -> list[Job]:
        """Those that wait for a frame; what can run does so however late it is."""
        newest, now = self._processor.newest, time.monotonic()
        return self._take_jobs(lambda job: job.deadline <= now and not job.is_due(newest))

    def _take_jobs(self, wanted: Callable[[Job], bool]) -> list[Job]:
        """Removes jobs from the queue, in the order in which they came."""
        with self._changed:
            taken = [job for job in self._jobs if wanted(job)]
            self._jobs = [job for job in self._jobs if job not in taken]
            return taken

    def _take_ready(self) -> list[Reply]:
        ready = [reply for reply in self._replies if reply.is_ready()]
        with self._changed:
            self._replies = [reply for reply in self._replies if reply not in ready]
        return ready

    def _is_awaited(self, frame: Frame) -> bool:
        return any(job.keeps_frame and job.frame == frame.stamp for job in self._jobs)

    def _why_late(self, job: Job) -> str:
        if self._paused:
            return "its image was not processed because the tracker is paused: call ~/enable with true"
        newest = self._processor.newest
        seen = "none has been processed yet" if newest is None else f"the newest processed one is of {newest:.6f}"
        wanted = "an image" if job.frame == ANY_FRAME else f"the image of {job.frame:.6f}"
        advice = "check the camera, and that the prompt carries the stamp of its image"
        return f"{wanted} did not come in time ({seen}): {advice}"
