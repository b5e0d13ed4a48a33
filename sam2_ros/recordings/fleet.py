"""Labels many recordings with the workers of a Ray cluster. Needs ray.

Ray restarts a worker that is lost and repeats its job. Recordings and labels lie where all machines see them.
"""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import ray
from ray.exceptions import RayError

from sam2_ros.tracking.model_choice import ModelChoice

from .batch import Outcome, attempt, earlier_outcome, planned
from .job import Job
from .request import Request
from .staging import check_whole, clean, staged

RETRIES = 3  # of a job whose worker is lost

_POLL = 0.5  # seconds between looks at whether the user stops it


class FleetError(ValueError):
    """A cluster that cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Fleet:
    """A cluster: its address, `local` for this machine, and its workers; 0: one for each GPU, or 2 without a GPU."""

    address: str
    workers: int
    workers_per_gpu: int


class Worker:
    """Holds the model, in a process of its own."""

    def __init__(self, model: ModelChoice) -> None:
        self._load = cache(model.load)

    def label(self, job: Job) -> Outcome:
        """Label a camera; its files appear at once when they are written."""
        with staged(job) as apart:
            outcome = attempt(apart, self._load, lambda: False, lambda frames, count: frames)
        return replace(outcome, folder=job.folder)


def label_on_ray(request: Request, fleet: Fleet, is_stopped: Callable[[], bool]) -> Iterator[Outcome]:
    """Outcomes in the order in which they come, until it is stopped. Raises FleetError."""
    with _connected(fleet):
        jobs: deque[Job] = deque()
        for plan in _plans(request, is_stopped):
            if isinstance(plan, Outcome):
                yield plan
            else:
                yield from _checked(plan, jobs)
        try:
            yield from _label(jobs, _workers(request.model, fleet, len(jobs)), is_stopped)
        finally:
            for job in jobs:
                clean(job.folder)


def _plans(request: Request, is_stopped: Callable[[], bool]) -> Iterator[list[Job] | Outcome]:
    """Recordings are opened by tasks, in parallel; results come in the recordings' order."""
    plan = ray.remote(planned).options(max_retries=RETRIES)
    shared = ray.put(request)
    for recording, pending in [(path, plan.remote(shared, path)) for path in request.recordings]:
        while not is_stopped() and not ray.wait([pending], timeout=_POLL)[0]:
            pass
        if is_stopped():
            return
        try:
            yield ray.get(pending)
        except RayError as error:
            yield Outcome(recording, error=_lost(error))


def _checked(plan: list[Job], jobs: deque[Job]) -> Iterator[Outcome]:
    """Append the jobs that are to be done and whose folders can be replaced; the outcomes of the others."""
    for job in plan:
        if earlier := earlier_outcome(job):
            yield earlier
            continue
        try:
            check_whole(job.folder)
        except ValueError as error:
            yield Outcome(job.recording, job.topic, job.folder, error=str(error))
        else:
            clean(job.folder)
            jobs.append(job)


def _workers(model: ModelChoice, fleet: Fleet, jobs: int) -> list[Any]:
    gpus = int(ray.cluster_resources().get("GPU", 0)) if model.device != "cpu" else 0
    share = 1 / fleet.workers_per_gpu if gpus else 0
    count = fleet.workers or gpus * fleet.workers_per_gpu or 2
    options = {"num_cpus": 1, "num_gpus": share, "max_restarts": -1, "max_task_retries": RETRIES}
    return [ray.remote(Worker).options(**options).remote(model) for _ in range(min(count, jobs))]


def _label(jobs: deque[Job], workers: list[Any], is_stopped: Callable[[], bool]) -> Iterator[Outcome]:
    """A worker gets its next job when it is free; one that has not started yet gets none."""
    waiting = deque(jobs)
    pending: dict[Any, tuple[Any, Job | None]] = {worker.__ray_ready__.remote(): (worker, None) for worker in workers}
    while not is_stopped() and (waiting or any(job for _, job in pending.values())):
        for done in ray.wait(list(pending), timeout=_POLL)[0]:
            worker, job = pending.pop(done)
            if job is not None:
                yield _outcome(done, job)
            if waiting:
                following = waiting.popleft()
                pending[worker.label.remote(following)] = worker, following
    for worker in workers:
        ray.kill(worker)


def _outcome(done: Any, job: Job) -> Outcome:
    try:
        outcome: Outcome = ray.get(done)
        return outcome
    except RayError as error:
        return Outcome(job.recording, job.topic, job.folder, error=_lost(error))


def _lost(error: RayError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"its worker was lost, or failed, on every one of {RETRIES + 1} attempts: {lines[-1] if lines else error!r}"


@contextmanager
def _connected(fleet: Fleet) -> Iterator[None]:
    handler = signal.getsignal(signal.SIGTERM)
    try:
        if fleet.address == "local":
            ray.init("local", num_cpus=fleet.workers or None, include_dashboard=False, log_to_driver=False)
        else:
            ray.init(fleet.address, log_to_driver=False)
    except (ConnectionError, ValueError, RuntimeError, RayError) as error:
        raise FleetError(
            f"--ray {fleet.address}: no cluster answers ({error}); start one with `ray start --head`, and set "
            "RAY_AUTH_MODE=token if it asks for a token"
        ) from error
    signal.signal(signal.SIGTERM, handler)  # Ray's ends the process at once
    try:
        yield
    finally:
        ray.shutdown()
