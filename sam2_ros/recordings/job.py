"""One stream, from its frames to a folder of labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from sam2_ros.detection.types import DetectionConfig
from sam2_ros.tracking import FrameResult

from .bag_access import open_bag
from .look_back import LookBack, MakeTracker
from .outputs.common import Origin
from .outputs.thinning import Thinning
from .outputs.writer import LabelWriter
from .parts import Part
from .problems import Problems
from .prompted_tracker import PromptedTracker
from .prompts import PlannedPrompt, RecordedDetections
from .report import Report
from .run_file import Run, write_run
from .streams import Frame, Stream, bag_stream, media_stream
from .word_search import WordSearch

Progress = Callable[[Iterable[Frame], int], Iterable[Frame]]  # frames and how many there are, 0 if unknown


@dataclass(frozen=True)
class Job:
    """What is to be labelled, and how."""

    recording: Path
    topic: str  # "" of a video or a folder of pictures
    part: Part
    folder: Path
    origin: Origin
    prompts: Sequence[PlannedPrompt]
    problems: Problems  # with them
    detections_topic: str  # "" for none
    search: WordSearch | None  # in the frames themselves
    detections: DetectionConfig
    formats: Sequence[str]
    every: int
    only_changed: bool
    look_back: int  # frames
    max_objects: int
    rate: float  # pictures per second of a folder
    run: Run


def label(job: Job, make_tracker: MakeTracker, is_stopped: Callable[[], bool], progress: Progress) -> Run:
    """Label the stream as far as it can be read, or until it is stopped; returns what came of it.

    `make_tracker` makes a tracker for so many objects.

    Raises OSError that names the file where the disk is full: what has been written stays. Raises ValueError for words
    whose model cannot be used.
    """
    problems, report = Problems(), Report()
    problems.extend(job.problems)
    for planned in job.prompts:
        report.expect(planned.object, planned.prompt.label)
    is_readable = True
    tracked = PromptedTracker(make_tracker(job.max_objects), job.prompts, problems)
    if job.search is not None:
        tracked.use_detections(job.search.open(), job.detections)
    look_back = LookBack(job.look_back, make_tracker, report.note_agreement)
    write_run(job.folder, job.run)
    with ExitStack() as opened:
        stream = _open(job, tracked, opened, problems)
        thinning = Thinning(job.every, job.only_changed)
        writer = opened.enter_context(LabelWriter(job.folder, job.formats, job.origin, thinning, problems))

        def write(complete: Iterable[tuple[Frame, FrameResult]]) -> None:
            for frame, result in complete:
                report.add(result)
                writer.write(frame, result)

        try:
            try:
                for frame, result in tracked.follow(progress(stream.frames, stream.count)):
                    write(look_back.push(frame, result, tracked.prompted))
                    if is_stopped():
                        break
            except ValueError as error:  # a picture or message that ends the stream
                is_readable = False
                problems.add("end", f"labelling ends after {report.frames} frames: {error}")
            if not is_stopped():
                tracked.finish()
            write(look_back.flush())
        finally:
            report.write(job.folder)
    for phrase in job.search.words if job.search and not is_stopped() else ():
        if phrase not in report.labels:
            problems.add(f"words {phrase}", f'"{phrase}" was not found')
    run = replace(
        job.run,
        is_finished=not is_stopped(),
        frames=report.frames,
        objects=report.lines,
        problems=problems.lines,
        is_partial=not is_readable or tracked.unused_prompts > 0,
    )
    write_run(job.folder, run)
    return run


def _open(job: Job, tracked: PromptedTracker, opened: ExitStack, problems: Problems) -> Stream:
    if not job.topic:
        return media_stream(job.recording, job.rate, problems)
    bag = opened.enter_context(open_bag(job.recording))
    problems.extend(bag.problems)
    if job.detections_topic:
        apart = opened.enter_context(open_bag(job.recording))  # a bag reads one topic at a time
        tracked.use_detections(RecordedDetections(apart, job.detections_topic, problems, job.part), job.detections)
    return bag_stream(bag, job.topic, problems, job.part)
