"""Labels that appear in their folder at once, when they are written."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from .job import Job
from .outputs.writer import NAMES
from .run_file import FILE, SUMMARY, OutputFolderError, finished_run


def check_whole(folder: Path) -> None:
    """Raises OutputFolderError where a folder holds other files than labels: it is replaced as a whole."""
    others = sorted({path.name for path in folder.iterdir()} - {*NAMES, FILE, SUMMARY}) if folder.is_dir() else []
    if others:
        raise OutputFolderError(
            f"{folder} holds {others[0]}, which is no label, and is replaced as a whole: choose another --out"
        )


@contextmanager
def staged(job: Job) -> Iterator[Job]:
    """The job with a folder of its own beside its folder, which it replaces at the end.

    Two attempts at one job never write to one folder; the first that completes it wins. What an attempt that is killed
    leaves behind is deleted by `clean`.
    """
    staging = job.folder.with_name(f"{_prefix(job.folder)}{uuid4().hex}")
    staging.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield replace(job, folder=staging)
    finally:
        if staging.exists():
            _publish(staging, job)


def clean(folder: Path) -> None:
    """Delete what earlier attempts at these labels have left; none may be running."""
    for path in folder.parent.glob(f"{_prefix(folder)}*"):
        shutil.rmtree(path)


def _prefix(folder: Path) -> str:
    return f".{folder.name}.attempt-"


def _publish(staging: Path, job: Job) -> None:
    if finished_run(job.folder, job.run):
        shutil.rmtree(staging)
        return
    check_whole(job.folder)
    old = job.folder.with_name(f"{_prefix(job.folder)}{uuid4().hex}")
    if job.folder.exists():
        job.folder.rename(old)
    staging.rename(job.folder)
    if old.exists():
        shutil.rmtree(old)
