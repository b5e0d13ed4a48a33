"""`sam2_ros label`: masks of every object in a recording, in the formats that training and labelling tools read."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from tqdm import tqdm

from sam2_ros import __version__
from sam2_ros.detection.types import DetectionConfig
from sam2_ros.media.sources import is_bag
from sam2_ros.model import Sam2, load_model
from sam2_ros.recordings.bag_access import open_bag
from sam2_ros.recordings.job import Job, Progress, label
from sam2_ros.recordings.look_back import MakeTracker
from sam2_ros.recordings.outputs.writer import FORMATS
from sam2_ros.recordings.problems import Problems
from sam2_ros.recordings.prompt_file import prompts_for, read_prompt_file
from sam2_ros.recordings.prompts import DETECTIONS_TYPE, PROMPT_TYPE, PlannedPrompt, recorded_prompts
from sam2_ros.recordings.run_file import Run, check_apart, digest_of, identity_of, read_run
from sam2_ros.recordings.streams import IMAGE_TYPES, Frame
from sam2_ros.text.detector import TextDetector
from sam2_ros.tracking import StreamingTracker, TrackerConfig
from sam2_ros.tracking.device import choose_device, choose_precision

from .interruption import Interruption
from .options import add_model_options, add_preset_options, chosen_preset, whole_number
from .text_options import WORD_DETECTIONS, SearchedDetections, add_text_options, frame_search, load_detector
from .track_prompts import frame_number

_FOLDER_RATE = 30.0  # pictures per second

_EXPLANATION = """\
prompts.yaml, in pixels of the image; a frame's number counts from 0, a stamp is that of the image's header:
  objects:
    - label: cup
      prompts:
        - frame: 0
          clicks: [[320, 240], [350, 260, 0]]     # with 0: beside the object
        - stamp: "1700000012.345678901"
          box: [300, 200, 400, 310]               # left, top, right, bottom
    - label: bowl
      topic: /camera/image_raw                    # where there are several
      prompts: [{frame: 90, mask: bowl.png}]      # beside this file

examples:
  sam2_ros label drive_01 --topic /camera/image_raw --prompts prompts.yaml --out labels --format mcap,coco
  sam2_ros label drive_01 --topic /camera/image_raw --detections /detections --every 10
  sam2_ros label table.mp4 --text "red cup. screwdriver" --look-back 30
  sam2_ros label drive_01 --topic /camera/image_raw --prompts-topic /sam2_tracker/prompt --model sam2.1_hiera_large

A run that was interrupted or killed is repeated by the same command: cameras that are complete are kept.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser(
        "label",
        help="label a recording: masks for MCAP, COCO, YOLO, DAVIS and Label Studio",
        description="Follows objects through ROS 2 bags (MCAP or SQLite), videos and folders of pictures, without ROS.",
        epilog=_EXPLANATION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("recording", metavar="RECORDING", type=Path, help="a bag, a video file or a folder of pictures")
    parser.add_argument(
        "--topic",
        action="append",
        default=[],
        metavar="TOPIC",
        help="of a bag: Image or CompressedImage; several, each with a folder of its own, by several --topic",
    )
    parser.add_argument(
        "--fps", type=_positive, metavar="N", help="pictures per second, for a folder of them (default: 30)"
    )
    prompts = parser.add_argument_group("what to label, at least one")
    prompts.add_argument("--prompts", type=Path, metavar="YAML", help="clicks, boxes and masks, see below")
    prompts.add_argument(
        "--prompts-topic",
        action="append",
        default=[],
        metavar="TOPIC",
        help="prompts recorded with the images (sam2_ros/msg/Prompt); one for each --topic",
    )
    prompts.add_argument(
        "--detections",
        action="append",
        default=[],
        metavar="TOPIC",
        help="a detector's boxes recorded with the images (vision_msgs/Detection2DArray); one for each --topic",
    )
    prompts.add_argument(
        "--classes", type=_names, default=[], metavar="NAME,...", help="of detections that count (default: all)"
    )
    prompts.add_argument(
        "--min-score", type=float, default=DetectionConfig.min_score, metavar="X", help="default: %(default)s"
    )
    prompts.add_argument(
        "--max-objects",
        type=whole_number,
        default=16,
        metavar="N",
        help="at a time, of detections or words (default: 16)",
    )
    prompts.add_argument(
        "--look-back",
        type=frame_number,
        default=0,
        metavar="N",
        help="follow objects backwards, too, over the N frames before each prompt, kept in memory (default: 0)",
    )
    add_text_options(parser)
    output = parser.add_argument_group("output")
    output.add_argument("--out", type=Path, default=Path("labels"), metavar="FOLDER", help="default: labels")
    output.add_argument(
        "--format", type=_formats, default=["mcap"], metavar="NAME,...", help=f"{', '.join(FORMATS)} (default: mcap)"
    )
    output.add_argument("--every", type=whole_number, default=1, metavar="N", help="write every N-th frame only")
    output.add_argument("--only", choices=("changed",), help="write frames only on which an object came, went or moved")
    add_model_options(parser)
    add_preset_options(parser)


def run(args: argparse.Namespace) -> int:
    """Label and sum up. Raises ValueError, OSError or CheckpointError for what the user can put right.

    Returns 0; 1 where a prompt was not used, or a recording could not be read to its end; or 128 plus the number of the
    signal that ended it.
    """
    device = choose_device(args.device)
    jobs = _jobs(args)
    runs = [_earlier(job) for job in jobs]
    model: Sam2 | None = None
    detector: TextDetector | None = None
    is_partial = False
    with Interruption() as interruption:
        for job, earlier in zip(jobs, runs):
            done = earlier
            if done is None:
                if model is None:
                    detector = load_detector(args, device)
                    model = load_model(args.model, args.checkpoint, args.image_size, device)
                worded = _with_words(job, args, detector)
                is_stopped = lambda: interruption.signal is not None  # noqa: E731
                done = label(worded, _make_tracker(args, model), is_stopped, _progress(job))
            _print(job, done, is_earlier=done is earlier)
            is_partial |= done.is_partial
            if interruption.signal:
                name = interruption.signal.name
                print(f"sam2_ros label: stopped by {name} after {done.frames} frames", file=sys.stderr)
                return 128 + interruption.signal
    return int(is_partial)


def _jobs(args: argparse.Namespace) -> list[Job]:
    """One for each stream, after a check of everything that can be checked before."""
    _check(args)
    topics = args.topic or [""]
    objects = read_prompt_file(args.prompts) if args.prompts else []
    inputs = [args.recording, *filter(None, [args.prompts]), *(mask for entry in objects for mask in entry.masks)]
    jobs = []
    for index, topic in enumerate(topics):
        prompts = [*prompts_for(objects, topic, topics), *_recorded(args, index)]
        folder = args.out / _folder_name(topic) if len(topics) > 1 else args.out
        check_apart(folder, inputs)
        jobs.append(_job(args, topic, folder, prompts, args.detections[index] if args.detections else ""))
    return jobs


def _check(args: argparse.Namespace) -> None:
    recording, topics = args.recording, args.topic
    if not (args.prompts or args.prompts_topic or args.detections or args.text):
        raise ValueError(
            "nothing to label, expected --prompts YAML, --prompts-topic TOPIC, --detections TOPIC or --text WORDS"
        )
    if args.detections and args.text:
        raise ValueError("--detections and --text are two detectors, expected one: leave one of them out")
    if not recording.exists():
        raise ValueError(f"{recording} does not exist, expected a ROS 2 bag, a video file or a folder of pictures")
    if is_bag(recording):
        _check_topics(args)
    elif topics or args.prompts_topic or args.detections:
        raise ValueError(f"{recording} is no ROS 2 bag, topics are for bags: leave them out")
    if args.fps is not None and (is_bag(recording) or not recording.is_dir()):
        raise ValueError(f"--fps is for a folder of pictures, {recording} has its own times: leave --fps out")
    for option, given in (("--prompts-topic", args.prompts_topic), ("--detections", args.detections)):
        if given and len(given) != len(topics):
            raise ValueError(f"{option} is given {len(given)} times, expected one for each of {len(topics)} --topic")
    if len({_folder_name(topic) for topic in topics}) < len(topics):
        raise ValueError(f"--topic {', '.join(topics)}: two would be written to one folder, label them one by one")


def _check_topics(args: argparse.Namespace) -> None:
    with open_bag(args.recording) as bag:
        if not args.topic:
            images = ", ".join(name for name, topic in bag.topics.items() if topic.type in IMAGE_TYPES)
            raise ValueError(f"--topic is missing; topics with images in {args.recording}: {images or 'none'}")
        for names, types in (
            (args.topic, IMAGE_TYPES),
            (args.prompts_topic, (PROMPT_TYPE,)),
            (args.detections, (DETECTIONS_TYPE,)),
        ):
            for name in names:
                bag.topic(name, types)


def _recorded(args: argparse.Namespace, index: int) -> list[PlannedPrompt]:
    if not args.prompts_topic:
        return []
    problems = Problems()
    with open_bag(args.recording) as bag:
        prompts = recorded_prompts(bag, args.prompts_topic[index], problems)
    for line in problems.lines:
        print(f"warning: {line}", file=sys.stderr)
    return prompts


def _job(args: argparse.Namespace, topic: str, folder: Path, prompts: Sequence[PlannedPrompt], detected: str) -> Job:
    settings = {
        "sam2_ros": __version__,
        "recording": [str(args.recording.resolve()), identity_of(args.recording)],
        "topic": topic,
        "prompts": digest_of(prompts),
        "detections": [detected, args.classes, args.min_score, args.max_objects] if detected else [],
        "text": [list(args.text), args.text_model, args.text_threshold, args.text_rate, args.max_objects]
        if args.text
        else [],
        "format": args.format,
        "every": args.every,
        "only": args.only,
        "fps": args.fps,
        "look_back": args.look_back,
        "model": [args.model, args.checkpoint and identity_of(args.checkpoint), args.image_size, args.device],
        "preset": asdict(chosen_preset(args, args.preset)),
    }
    found = args.max_objects if detected or args.text else 0
    return Job(
        recording=args.recording,
        topic=topic,
        folder=folder,
        prompts=prompts,
        detections_topic=detected,
        search=None,
        detections=WORD_DETECTIONS if args.text else DetectionConfig(min_score=args.min_score, classes=args.classes),
        formats=args.format,
        every=args.every,
        only_changed=args.only == "changed",
        look_back=args.look_back,
        max_objects=max(len({planned.object for planned in prompts}) + found, 1),
        rate=args.fps or _FOLDER_RATE,
        run=Run(settings),
    )


def _with_words(job: Job, args: argparse.Namespace, detector: TextDetector | None) -> Job:
    """With the detector, which is loaded only where there is something to do."""
    return replace(job, search=lambda: SearchedDetections(frame_search(args, detector))) if detector else job


def _earlier(job: Job) -> Run | None:
    """The result of an earlier run that did the same, completely. Raises OutputFolderError."""
    run = read_run(job.folder)
    return run if run and run.is_finished and run.settings == job.run.settings else None


def _make_tracker(args: argparse.Namespace, model: Sam2) -> MakeTracker:
    def make(max_objects: int) -> StreamingTracker:
        config = TrackerConfig(
            max_objects=max_objects,
            history=1,
            precision=choose_precision("auto", model.device, model.config.image_size).name,
            **asdict(chosen_preset(args, args.preset)),
        )
        return StreamingTracker(model, config)

    return make


def _progress(job: Job) -> Progress:
    def progress(frames: Iterable[Frame], count: int) -> Iterable[Frame]:
        return tqdm(frames, total=count or None, desc=job.topic or job.name, unit="frame", disable=None)

    return progress


def _print(job: Job, run: Run, is_earlier: bool) -> None:
    for line in run.objects or ["no object was found"]:
        print(line)
    for line in run.problems:
        print(f"warning: {line}", file=sys.stderr)
    print(f"{job.folder}: {run.frames} frames{' (complete already)' if is_earlier else ''}")


def _folder_name(topic: str) -> str:
    return topic.strip("/").replace("/", "_")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _formats(text: str) -> list[str]:
    names = _names(text)
    if not names or not set(names) <= set(FORMATS):
        raise argparse.ArgumentTypeError(f"expected one or more of {','.join(FORMATS)}, not {text!r}")
    return sorted(set(names), key=FORMATS.index)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected pictures per second, such as 25, not {text!r}")
    return value
