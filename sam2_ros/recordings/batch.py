"""Many recordings, one after the other: one that fails does not stop the others."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sam2_ros.files import error_text
from sam2_ros.media.pictures import write_whole
from sam2_ros.tracking.model_choice import LoadedModel

from .job import Job, Progress, label
from .request import Request, jobs_of
from .run_file import SUMMARY, Run, finished_run

_COLUMNS = ("recording", "topic", "folder", "status", "frames", "objects", "why")


@dataclass(frozen=True)
class Outcome:
    """What came of one camera, or of a recording that could not be opened."""

    recording: Path
    topic: str = ""
    folder: Path | None = None
    run: Run | None = None
    is_earlier: bool = False  # complete before this call
    error: str = ""

    @property
    def status(self) -> str:
        """`complete`, `partial` (see why), `stopped` or `failed`."""
        if self.run is None:
            return "failed"
        if not self.run.is_finished:
            return "stopped"
        return "partial" if self.run.is_partial else "complete"


def label_here(
    request: Request, is_stopped: Callable[[], bool], progress: Callable[[Job], Progress]
) -> Iterator[Outcome]:
    """Label in this process, until it is stopped. Raises CheckpointError for weights that cannot be loaded."""
    load = cache(request.model.load)
    for recording in request.recordings:
        jobs = planned(request, recording)
        if isinstance(jobs, Outcome):
            yield jobs
            continue
        for job in jobs:
            yield attempt(job, load, is_stopped, progress(job))
            if is_stopped():
                return


def planned(request: Request, recording: Path) -> list[Job] | Outcome:
    """The jobs of a recording, or why there are none."""
    try:
        return jobs_of(request, recording)
    except (ValueError, OSError) as error:
        return Outcome(recording, error=error_text(error))


def earlier_outcome(job: Job) -> Outcome | None:
    """Of a job that an earlier call has completed."""
    run = finished_run(job.folder, job.run)
    return Outcome(job.recording, job.topic, job.folder, run, is_earlier=True) if run else None


def attempt(job: Job, load: Callable[[], LoadedModel], is_stopped: Callable[[], bool], progress: Progress) -> Outcome:
    """Label one camera, unless that is done already. The model is loaded where it is needed."""
    if earlier := earlier_outcome(job):
        return earlier
    make_tracker = load().offline_tracker
    try:
        run = label(job, make_tracker, is_stopped, progress)
    except (ValueError, OSError) as error:
        return Outcome(job.recording, job.topic, job.folder, error=error_text(error))
    return Outcome(job.recording, job.topic, job.folder, run)


def write_summary(folder: Path, outcomes: Iterable[Outcome]) -> None:
    """A row for each. Raises OSError that names the file."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    for outcome in outcomes:
        run = outcome.run or Run({})
        why = outcome.error or " | ".join(run.problems)
        name, where = str(outcome.recording), str(outcome.folder or "")
        writer.writerow((name, outcome.topic, where, outcome.status, run.frames, len(run.objects), why))
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / SUMMARY, text.getvalue().encode())
