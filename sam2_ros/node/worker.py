"""One thread that runs the model: always on the newest frame, and on every job.

Frames are replaced while they wait, for a camera does not wait either. Jobs (prompts and other requests) are
never lost: each one runs, or is refused with a reason. A job may belong to a frame; then it runs once that
frame or a newer one has been processed. What takes long is done in pieces, one after each frame.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from sam2_ros.node.depth_conversion import AwaitedDepth
from sam2_ros.node.image_clock import Jump
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
class Job:
    """Something to be done between two frames."""

    run: Callable[[], None]
    refuse: Callable[[JobRefused], None]
    frame: float | None = AT_ONCE  # stamp of the frame that it waits for
    deadline: float = float("inf")  # seconds on the steady clock
    is_ready: Callable[[], bool] = lambda: True  # what it waits for besides the frame
    keeps_frame: bool = True  # whether that frame waits for its turn, however many newer ones there are

    def is_due(self, newest: float | None) -> bool:
        """Whether it can run after the frame of this stamp (None: there has been no frame)."""
        return (self.frame is AT_ONCE or (newest is not None and newest >= self.frame)) and self.is_ready()


class Performer(Protocol):
    """What the thread does; never called by two threads at a time."""

    @property
    def newest(self) -> float | None:
        """Stamp of the newest frame that was processed, None where there is none."""

    def process(self, frame: Frame) -> None:
        """Takes the next frame."""

    @property
    def is_behind(self) -> bool:
        """Whether there is work that `advance` does."""

    def advance(self) -> None:
        """Does a piece of it, so short that a frame can wait."""

    def flush(self) -> None:
        """Called after a frame, and after the jobs that became due."""

    def fail(self, error: Exception) -> None:
        """Told of what went wrong in any of these; the thread goes on."""


class Worker:
    """Starts at once; `close` ends it."""

    def __init__(self, performer: Performer, statistics: Statistics) -> None:
        self._performer = performer
        self._statistics = statistics
        self._changed = threading.Condition()
        self._frames: deque[Frame] = deque()  # all but the last are awaited by a job
        self._jobs: list[Job] = []
        self._paused = False
        self._closed = False
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
        """Queues a job. Raises JobRefused where too many wait already, or the worker is closed."""
        with self._changed:
            if self._closed:
                raise JobRefused("the node is not active: activate it")
            if len(self._jobs) >= MAX_JOBS:
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

    def close(self) -> None:
        """Waits for the frame in hand, refuses the jobs that are left and ends the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()
        for job in self._jobs:
            job.refuse(JobRefused("the node was deactivated before the image of this prompt arrived: send it again"))

    def _work(self) -> None:
        while self._wait():
            frame = self._next_frame()
            if frame is not None:
                self._attempt(self._performer.process, frame)
            for job in self._take_due():
                self._attempt(job.run)
            if self._performer.is_behind:
                self._attempt(self._performer.advance)
            for job in self._take_late():
                self._attempt(job.refuse, JobRefused(self._why_late(job)))
            self._attempt(self._performer.flush)

    def _attempt(self, work: Callable[..., None], *arguments: Any) -> None:
        try:
            work(*arguments)
        except Exception as error:
            self._performer.fail(error)

    def _wait(self) -> bool:
        """Until there is something to do. False: the worker is closed."""
        with self._changed:
            while not self._closed:
                newest, now = self._performer.newest, time.monotonic()
                if (
                    self._frames
                    or self._performer.is_behind
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
        newest = self._performer.newest
        return self._take(lambda job: job.is_due(newest))

    def _take_late(self) -> list[Job]:
        now = time.monotonic()
        return self._take(lambda job: job.deadline <= now)

    def _take(self, wanted: Callable[[Job], bool]) -> list[Job]:
        """The jobs that are wanted, removed from the queue in the order in which they came."""
        with self._changed:
            taken = [job for job in self._jobs if wanted(job)]
            self._jobs = [job for job in self._jobs if job not in taken]
            return taken

    def _is_awaited(self, frame: Frame) -> bool:
        return any(job.keeps_frame and job.frame == frame.stamp for job in self._jobs)

    def _why_late(self, job: Job) -> str:
        if self._paused:
            return "its image was not processed because the tracker is paused: call ~/enable with true"
        newest = self._performer.newest
        seen = "none has been processed yet" if newest is None else f"the newest processed one is of {newest:.6f}"
        wanted = "an image" if job.frame == ANY_FRAME else f"the image of {job.frame:.6f}"
        advice = "check the camera, and that the prompt carries the stamp of its image"
        return f"{wanted} did not come in time ({seen}): {advice}"
