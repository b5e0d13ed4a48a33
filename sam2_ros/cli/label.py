"""`sam2_ros label`: masks of every object in a recording, in the formats that training and labelling tools read."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from sam2_ros.detection.types import DetectionConfig
from sam2_ros.recordings.batch import Outcome, label_here, write_summary
from sam2_ros.recordings.corrections.label_studio import AnnotatedImage, read_annotations
from sam2_ros.recordings.fleet_access import label_on_cluster
from sam2_ros.recordings.job import Job, Progress
from sam2_ros.recordings.outputs.writer import FORMATS
from sam2_ros.recordings.problems import Problems
from sam2_ros.recordings.prompt_file import read_prompt_file
from sam2_ros.recordings.request import Request, check_names
from sam2_ros.recordings.run_file import SUMMARY
from sam2_ros.recordings.streams import Frame
from sam2_ros.text.frame_search import WORD_DETECTIONS

from .interruption import Interruption
from .options import add_model_options, add_preset_options, model_choice, positive, rate, whole_number
from .text_options import add_text_options, word_search
from .track_prompts import frame_number

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
  sam2_ros label drive_01 --topic /camera/image_raw --prompts-topic /sam2_tracker/applied_prompts
  sam2_ros label drives/* --topic /camera/image_raw --detections /detections --ray auto --out labels

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
    parser.add_argument(
        "recording",
        metavar="RECORDING",
        type=Path,
        nargs="+",
        help="a bag, a video file or a folder of pictures; several have a folder each",
    )
    parser.add_argument(
        "--topic",
        action="append",
        default=[],
        metavar="TOPIC",
        help="of a bag: Image or CompressedImage; several, each with a folder of its own, by several --topic",
    )
    parser.add_argument("--fps", type=rate, metavar="N", help="pictures per second, for a folder of them (default: 30)")
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
        "--from-label-studio",
        type=Path,
        metavar="JSON",
        help="corrections of earlier labels: Label Studio's export of the tasks of --format label-studio",
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
    fleet = parser.add_argument_group("many and long recordings")
    fleet.add_argument(
        "--split-gaps",
        type=positive,
        default=0.0,
        metavar="SECONDS",
        help="of bags: objects end where no image comes for so long; each part has a folder, and is a job of its own",
    )
    fleet.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="label on a Ray cluster, or on several processes of this machine: local; all machines see the files",
    )
    fleet.add_argument(
        "--workers", type=whole_number, default=0, metavar="N", help="default: one for each GPU; 2 without a GPU"
    )
    fleet.add_argument("--workers-per-gpu", type=whole_number, default=1, metavar="N", help="default: 1")
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

    Returns 0; 1 where a recording failed or could not be read to its end, or a prompt was not used; or 128 plus the
    number of the signal that ended it.
    """
    request = _request(args)
    check_names(request)
    outcomes: list[Outcome] = []
    with Interruption() as interruption:

        def is_stopped() -> bool:
            return interruption.signal is not None

        for outcome in _outcomes(args, request, is_stopped):
            _print(outcome)
            outcomes.append(outcome)
        if args.ray or len(request.recordings) > 1:
            write_summary(request.out, outcomes)
            _print_summary(request.out, outcomes)
        if interruption.signal:
            frames = sum(outcome.run.frames for outcome in outcomes if outcome.run)
            print(f"sam2_ros label: stopped by {interruption.signal.name} after {frames} frames", file=sys.stderr)
            return 128 + interruption.signal
    return int(any(outcome.status != "complete" for outcome in outcomes))


def _outcomes(args: argparse.Namespace, request: Request, is_stopped: Callable[[], bool]) -> Iterator[Outcome]:
    if args.ray:
        return label_on_cluster(request, args.ray, args.workers, args.workers_per_gpu, is_stopped)
    return label_here(request, is_stopped, _progress)


def _request(args: argparse.Namespace) -> Request:
    if not (args.prompts or args.prompts_topic or args.detections or args.text or args.from_label_studio):
        raise ValueError(
            "nothing to label, expected --prompts YAML, --prompts-topic TOPIC, --detections TOPIC, --text WORDS or "
            "--from-label-studio JSON"
        )
    if args.detections and args.text:
        raise ValueError("--detections and --text are two detectors, expected one: leave one of them out")
    objects = read_prompt_file(args.prompts) if args.prompts else []
    files = [*filter(None, [args.prompts, args.from_label_studio]), *(mask for o in objects for mask in o.masks)]
    return Request(
        recordings=args.recording,
        out=args.out,
        topics=args.topic,
        fps=args.fps,
        objects=objects,
        corrections=_corrections(args.from_label_studio) if args.from_label_studio else None,
        prompts_topics=args.prompts_topic,
        detections_topics=args.detections,
        search=word_search(args),
        detections=WORD_DETECTIONS if args.text else DetectionConfig(min_score=args.min_score, classes=args.classes),
        max_detected=args.max_objects,
        inputs=files,
        formats=args.format,
        every=args.every,
        only_changed=args.only == "changed",
        look_back=args.look_back,
        split_gaps=args.split_gaps,
        model=model_choice(args, args.preset),
    )


def _corrections(file: Path) -> list[AnnotatedImage]:
    problems = Problems()
    images = read_annotations(file, problems)
    for line in problems.lines:
        print(f"warning: {line}", file=sys.stderr)
    return images


def _progress(job: Job) -> Progress:
    def progress(frames: Iterable[Frame], count: int) -> Iterable[Frame]:
        return tqdm(frames, total=count or None, desc=job.origin.name, unit="frame", disable=None)

    return progress


def _print(outcome: Outcome) -> None:
    if outcome.run is None:
        name = f"{outcome.recording} {outcome.topic}".rstrip()
        print(f"sam2_ros label: {name}: {outcome.error}", file=sys.stderr)
        return
    for line in outcome.run.objects or ["no object was found"]:
        print(line)
    for line in outcome.run.problems:
        print(f"warning: {line}", file=sys.stderr)
    print(f"{outcome.folder}: {outcome.run.frames} frames{' (complete already)' if outcome.is_earlier else ''}")


def _print_summary(folder: Path, outcomes: Sequence[Outcome]) -> None:
    counts = Counter(outcome.status for outcome in outcomes)
    listed = ", ".join(f"{count} {status}" for status, count in sorted(counts.items())) or "nothing was labelled"
    print(f"{folder / SUMMARY}: {listed}")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _formats(text: str) -> list[str]:
    names = _names(text)
    if not names or not set(names) <= set(FORMATS):
        raise argparse.ArgumentTypeError(f"expected one or more of {','.join(FORMATS)}, not {text!r}")
    return sorted(set(names), key=FORMATS.index)
