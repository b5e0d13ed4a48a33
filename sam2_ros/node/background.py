"""Work that can wait for images, done in short pieces between them: masks that were requested, then discovery."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar

from sam2_ros.node.statistics import BackgroundStatistics
from sam2_ros.node.worker import JobRefusedError
from sam2_ros.segmentation import Discovery, DiscoveryConfig
from sam2_ros.tracking import PromptError, StreamingTracker

MAX_TASKS = 8  # queued at a time; each keeps the features of its image

_PIECE = 0.01  # seconds after which a piece ends; a step of the network is never cut short

Result = TypeVar("Result")


class Task(Generic[Result]):
    """Work in steps, which ends with a result or an error."""

    def __init__(self, steps: Generator[object, None, Result]) -> None:
        self._steps = steps
        self._results: list[Result] = []
        self._error: Exception | None = None

    @property
    def is_done(self) -> bool:
        """Whether it has a result or an error."""
        return bool(self._results) or self._error is not None

    def step(self) -> None:
        """Do the next step. Raises unexpected errors, which become the task's own, too."""
        try:
            next(self._steps)
        except StopIteration as end:
            self._results.append(end.value)
        except PromptError as error:
            self._error = error
        except Exception as error:
            self._error = JobRefusedError(f"{type(error).__name__}: {error}")
            raise

    def cancel(self, reason: str) -> None:
        """End without a result, unless it is done."""
        if not self.is_done:
            self._steps.close()
            self._error = JobRefusedError(reason)

    def result(self) -> Result:
        """The result, once it is done. Raises the error."""
        if self._error is not None:
            raise self._error
        return self._results[0]


class DiscoverySettings(Protocol):
    """The current values of the parameters discover*."""

    @property
    def period(self) -> float:
        """Seconds of image time between two searches; 0: none."""

    def config(self) -> DiscoveryConfig:
        """The limits of the next search."""


class Background:
    """Used on the worker's thread, like the tracker; without settings nothing is discovered."""

    def __init__(
        self, tracker: StreamingTracker, statistics: BackgroundStatistics, settings: DiscoverySettings | None
    ) -> None:
        self._tracker = tracker
        self._statistics = statistics
        self._settings = settings
        self._tasks: deque[Task[Any]] = deque()
        self._search: Task[list[int]] | None = None
        self._searched: float | None = None  # stamp of the image that was searched last

    def add(self, steps: Generator[object, None, Result]) -> Task[Result]:
        """Queue a task behind the others. Raises JobRefusedError where the queue is full."""
        if len(self._tasks) >= MAX_TASKS:
            raise JobRefusedError(f"{MAX_TASKS} segmentations are waiting already: send them more slowly")
        task = Task(steps)
        self._tasks.append(task)
        self._statistics.waiting = len(self._tasks)
        return task

    def cancel(self, task: Task[Any], reason: str) -> None:
        """End a task."""
        task.cancel(reason)
        self._drop_done()

    def reset(self, reason: str) -> None:
        """End all tasks and the search, as the tracker drops its frames."""
        for task in self._tasks:
            task.cancel(reason)
        self._drop_done()
        self._search, self._searched = None, None

    @property
    def has_work(self) -> bool:
        """Whether `work` has something to do."""
        return bool(self._tasks) or self._search is not None or self._is_search_due()

    def work(self) -> None:
        """Do a short piece of work. Raises what a step raises; its task has ended then."""
        with self._measured():
            end = time.perf_counter() + _PIECE
            while self.has_work:
                self._step()
                if time.perf_counter() >= end:
                    break

    def _step(self) -> None:
        if self._tasks:
            try:
                self._tasks[0].step()
            finally:
                self._drop_done()
            return
        search = self._search = self._search or self._next_search()
        try:
            search.step()
        finally:
            if search.is_done:
                self._search = None
        if search.is_done:
            self._statistics.discovered += len(search.result())

    def _is_search_due(self) -> bool:
        period = self._settings.period if self._settings else 0.0
        covered = self._tracker.covered
        if not period or covered is None:
            return False
        return self._searched is None or covered[1] >= self._searched + period

    def _next_search(self) -> Task[list[int]]:
        assert self._settings is not None and self._tracker.covered is not None
        self._searched = self._tracker.covered[1]
        self._statistics.searches += 1
        return Task(Discovery(self._tracker, self._settings.config()).steps())

    def _drop_done(self) -> None:
        remaining = deque(task for task in self._tasks if not task.is_done)
        self._statistics.done += len(self._tasks) - len(remaining)
        self._tasks, self._statistics.waiting = remaining, len(remaining)

    @contextmanager
    def _measured(self) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self._statistics.count_piece(time.perf_counter() - start)
