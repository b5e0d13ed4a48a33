"""What `sam2_ros label` is asked for, and the jobs that each recording makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sam2_ros import __version__
from sam2_ros.detection.types import DetectionConfig
from sam2_ros.media.sources import FOLDER_RATE, is_bag
from sam2_ros.tracking.mask_prompts import cover_warning
from sam2_ros.tracking.model_choice import ModelChoice

from .bag_access import open_bag
from .corrections.label_studio import AnnotatedImage
from .corrections.prompts import corrections_of, images_of
from .job import Job
from .outputs.common import Origin
from .parts import WHOLE, Part, parts_of
from .problems import Problems
from .prompt_file import PromptedObject, prompts_for
from .prompts import DETECTIONS_TYPE, PROMPT_TYPE, PlannedPrompt, recorded_prompts
from .run_file import Run, check_apart, digest_of, identity_of, read_run
from .stamps import NANOSECONDS
from .streams import IMAGE_TYPES
from .word_search import WordSearch


class RequestError(ValueError):
    """A recording that cannot be labelled as asked for; the message says why and what to do."""


@dataclass(frozen=True)
class Request:
    """Options of `sam2_ros label`. Lists of topics belong together, one entry for each camera."""

    recordings: Sequence[Path]
    out: Path
    topics: Sequence[str]
    fps: float | None  # of folders of pictures
    objects: Sequence[PromptedObject]
    corrections: Sequence[AnnotatedImage] | None
    prompts_topics: Sequence[str]
    detections_topics: Sequence[str]
    search: WordSearch | None
    detections: DetectionConfig
    max_detected: int
    inputs: Sequence[Path]  # files that no label may overwrite
    formats: Sequence[str]
    every: int
    only_changed: bool
    look_back: int
    split_gaps: float  # seconds; 0: never
    model: ModelChoice


def jobs_of(request: Request, recording: Path) -> list[Job]:
    """One for each part of each camera, after a check of all that can be checked before. Raises ValueError, OSError."""
    _check(request, recording)
    objects = _objects_of(request, recording)
    topics = request.topics or [""]
    jobs = []
    for index, topic in enumerate(topics):
        problems = Problems()
        prompts = [*prompts_for(objects, topic, topics), *_recorded(request, recording, index, problems)]
        prompts += corrections_of(images_of(request.corrections or (), recording.name, topic), problems)
        parts = _parts(request, recording, topic)
        for number, part in enumerate(parts, start=1):
            name = f"part_{number}" if len(parts) > 1 else ""
            its_own = [planned for planned in prompts if planned.moment.belongs_to(part)]
            jobs.append(_job(request, recording, index, part, name, its_own, problems))
            problems = Problems()  # once
    known = request.corrections
    if known is not None and not any(images_of(known, recording.name, topic) for topic in topics):
        listed = ", ".join(filter(None, topics))
        raise RequestError(f"--from-label-studio holds no annotated image of {recording.name} {listed}".rstrip())
    return jobs


def check_names(request: Request) -> None:
    """Raises RequestError where two recordings or topics would be written to one folder."""
    if len({recording.stem for recording in request.recordings}) < len(request.recordings):
        raise RequestError("two recordings have one name and would be written to one folder: label them one by one")
    if len({_folder_name(topic) for topic in request.topics}) < len(request.topics):
        listed = ", ".join(request.topics)
        raise RequestError(f"--topic {listed}: two would be written to one folder, label them one by one")


def _check(request: Request, recording: Path) -> None:
    topics = request.topics
    if not recording.exists():
        raise RequestError(f"{recording} does not exist, expected a ROS 2 bag, a video file or a folder of pictures")
    if is_bag(recording):
        _check_topics(request, recording)
    elif topics or request.prompts_topics or request.detections_topics:
        raise RequestError(f"{recording} is no ROS 2 bag, topics are for bags: leave them out")
    elif request.split_gaps:
        raise RequestError(f"{recording} is no ROS 2 bag, gaps are those of bags: leave --split-gaps out")
    if request.fps is not None and (is_bag(recording) or not recording.is_dir()):
        raise RequestError(f"--fps is for a folder of pictures, {recording} has its own times: leave --fps out")
    for option, given in (("--prompts-topic", request.prompts_topics), ("--detections", request.detections_topics)):
        if given and len(given) != len(topics):
            raise RequestError(f"{option} is given {len(given)} times, expected one for each of {len(topics)} --topic")


def _check_topics(request: Request, recording: Path) -> None:
    with open_bag(recording) as bag:
        if not request.topics:
            images = ", ".join(name for name, topic in bag.topics.items() if topic.type in IMAGE_TYPES)
            raise RequestError(f"--topic is missing; topics with images in {recording}: {images or 'none'}")
        for names, types in (
            (request.topics, IMAGE_TYPES),
            (request.prompts_topics, (PROMPT_TYPE,)),
            (request.detections_topics, (DETECTIONS_TYPE,)),
        ):
            for name in names:
                bag.topic(name, types)


def _objects_of(request: Request, recording: Path) -> list[PromptedObject]:
    """Those of the prompt file that are in this recording."""
    if len(request.recordings) > 1 and any(not entry.recording for entry in request.objects):
        raise RequestError(
            "an object of --prompts has no recording, expected the name of one of them: there are several"
        )
    return [entry for entry in request.objects if entry.recording in ("", recording.name)]


def _recorded(request: Request, recording: Path, index: int, problems: Problems) -> list[PlannedPrompt]:
    if not request.prompts_topics:
        return []
    with open_bag(recording) as bag:
        return recorded_prompts(bag, request.prompts_topics[index], problems)


def _parts(request: Request, recording: Path, topic: str) -> list[Part]:
    if not request.split_gaps:
        return [WHOLE]
    with open_bag(recording) as bag:
        return parts_of(bag, topic, round(request.split_gaps * NANOSECONDS))


def _job(
    request: Request,
    recording: Path,
    index: int,
    part: Part,
    part_name: str,
    prompts: Sequence[PlannedPrompt],
    problems: Problems,
) -> Job:
    topic = request.topics[index] if request.topics else ""
    detected = request.detections_topics[index] if request.detections_topics else ""
    folder = _folder(request, recording, topic) / part_name
    check_apart(folder, [recording, *request.inputs])
    read_run(folder)
    for planned in prompts:
        if warning := cover_warning(planned.prompt.mask):
            problems.add("cover", f"object {planned.object}, {planned.moment}: {warning}")
    if not (prompts or detected or request.search):
        problems.add("no prompt", f"{part_name or topic or recording.name} has no prompt: nothing is labelled in it")
    config, model = request.detections, request.model
    settings = {
        "sam2_ros": __version__,
        "recording": [str(recording.resolve()), identity_of(recording)],
        "topic": topic,
        "part": [part.start.index, part.end.index],
        "prompts": digest_of(prompts),
        "detections": [detected, list(config.classes), config.min_score, request.max_detected] if detected else [],
        "text": [asdict(request.search), request.max_detected] if request.search else [],
        "format": list(request.formats),
        "every": request.every,
        "only": "changed" if request.only_changed else None,
        "fps": request.fps,
        "look_back": request.look_back,
        "model": [model.name, model.checkpoint and identity_of(model.checkpoint), model.image_size, model.device],
        "preset": asdict(model.preset),
    }
    served_as = folder.resolve().relative_to(request.out.resolve().parent).as_posix()
    detected_objects = request.max_detected if detected or request.search else 0
    return Job(
        recording=recording,
        topic=topic,
        part=part,
        folder=folder,
        origin=Origin(recording.name, topic, served_as, part_name),
        prompts=prompts,
        problems=problems,
        detections_topic=detected,
        search=request.search,
        detections=config,
        formats=request.formats,
        every=request.every,
        only_changed=request.only_changed,
        look_back=request.look_back,
        max_objects=max(len({p.object for p in prompts}) + detected_objects, 1),
        rate=request.fps or FOLDER_RATE,
        run=Run(settings),
    )


def _folder(request: Request, recording: Path, topic: str) -> Path:
    folder = request.out / recording.stem if len(request.recordings) > 1 else request.out
    return folder / _folder_name(topic) if len(request.topics) > 1 else folder


def _folder_name(topic: str) -> str:
    return topic.strip("/").replace("/", "_")
