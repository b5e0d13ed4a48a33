"""`sam2_ros track`: tracks objects in a video, a folder of pictures or a webcam's stream, without ROS."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from tqdm import tqdm

from sam2_ros.media.sources import FOLDER_RATE, Source, open_source
from sam2_ros.media.table import TrackRow, describe
from sam2_ros.recordings.problems import Problems
from sam2_ros.recordings.prompted_tracker import PromptedTracker
from sam2_ros.recordings.streams import source_frames
from sam2_ros.text.frame_search import WORD_DETECTIONS
from sam2_ros.tracking import Event
from sam2_ros.tracking.config import MAX_OBJECTS
from sam2_ros.tracking.speed import speed_of
from sam2_ros.tracking.types import TrackState

from .interruption import Interruption
from .options import add_model_options, add_preset_options, model_choice, rate, utf8_text, whole_number
from .text_options import add_text_options, word_search
from .track_outputs import RunFiles, check_folder
from .track_prompts import InOrder, box, click, frame_number, plan_prompts

_ENDLESS = 2**63  # frames
_EXPLANATION = """\
Prompts are read from left to right. Each belongs to the object of the last --object before it, and to the frame
of the last --at since then (default: the first frame). All prompts of an object on one frame are applied together;
those on its first frame start it, later ones correct it.

examples:
  one object, by one click:
    sam2_ros track dog.mp4 --click 620,340
  two objects, the first with a negative click beside it:
    sam2_ros track blocks.mp4 --object red --click 530,180 --click 550,220,0 --object blue --box 400,250,490,350
  pictures of a folder, 10 a second, and the first webcam:
    sam2_ros track pictures/ --fps 10 --click 320,240
    sam2_ros track 0 --click 320,240
  an object that appears on frame 90 and is corrected on frame 140:
    sam2_ros track arm.mp4 --object cup --at 90 --click 300,200 --at 140 --click 310,240,0
  whatever these words name:
    sam2_ros track table.mp4 --text "red cup. screwdriver"
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser(
        "track",
        help="track objects in a video, a folder of pictures or a webcam's stream",
        description="Writes overlay.mp4, labels/ (a PNG for every frame), tracks.csv and timeline.png. All times are "
        "seconds from the first image.",
        epilog=_EXPLANATION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "source", metavar="SOURCE", help="a video file, a folder of pictures, or the number of a webcam (end: Ctrl-C)"
    )
    parser.add_argument(
        "--fps",
        type=rate,
        metavar="N",
        help="pictures per second, for a folder of them (default: 30)",
    )
    prompts = parser.add_argument_group("prompts, in pixels of the video (x right, y down), at least one or --text")
    prompts.add_argument(
        "--click", type=click, metavar="X,Y[,0]", action=InOrder, help="on the object; with 0: beside it"
    )
    prompts.add_argument("--box", type=box, metavar="X0,Y0,X1,Y1", action=InOrder, help="left, top, right, bottom")
    prompts.add_argument("--mask", type=Path, metavar="PNG", action=InOrder, help="white or opaque on the object")
    prompts.add_argument(
        "--at", type=frame_number, metavar="FRAME", action=InOrder, help="frame of the following prompts, from 0 on"
    )
    prompts.add_argument(
        "--object",
        type=utf8_text,
        nargs="?",
        const="",
        metavar="LABEL",
        action=InOrder,
        help="prompts that follow are for another object",
    )
    add_text_options(parser)
    parser.add_argument(
        "--max-objects", type=whole_number, default=16, metavar="N", help="at a time, found by words (default: 16)"
    )
    add_model_options(parser)
    add_preset_options(parser)
    parser.add_argument("--max-frames", type=whole_number, metavar="N", help="stop after N frames")
    parser.add_argument("--out", type=Path, default=Path("track_out"), metavar="FOLDER", help="default: track_out")


def run(args: argparse.Namespace) -> int:
    """Track, write and summarise. Raises ValueError, OSError or CheckpointError for errors that the user can correct.

    Returns 0; 1 where a prompt was not used; or 128 plus the number of the signal that ended the run.
    """
    arguments = getattr(args, "prompts", ())
    check_folder(args.out, [Path(args.source), *(value for option, value in arguments if option == "mask")])
    source = _open(args.source, args.fps)
    length = min(source.info.frames or _ENDLESS, args.max_frames or _ENDLESS)
    prompts = plan_prompts(arguments, source.info.size, length) if arguments or not args.text else []
    words = word_search(args)
    search = words.open() if words else None
    loaded = model_choice(args, args.preset).load()
    max_objects = max((prompt.object for prompt in prompts), default=0) + (args.max_objects if search else 0)
    problems = Problems()
    tracked = PromptedTracker(loaded.offline_tracker(min(max_objects, MAX_OBJECTS)), prompts, problems)
    if search is not None:
        tracked.use_detections(search, WORD_DETECTIONS)
    latencies: list[float] = []
    with Interruption() as interruption, RunFiles(args.out, source.info.rate) as files:
        total = None if length == _ENDLESS else length
        frames = islice(source_frames(source), args.max_frames)
        for frame, result in tracked.follow(tqdm(frames, total=total, unit="frame", disable=None)):
            latencies.append(tracked.seconds)
            files.write(frame.rgb, result)
            if interruption.signal:
                break
    print(f"{len(latencies)} frames, {speed_of(latencies)} on {loaded.model.device}")
    _print_summary(files.rows, files.events)
    print(files)
    if interruption.signal:
        print(f"sam2_ros track: stopped by {interruption.signal.name} after {len(latencies)} frames", file=sys.stderr)
        return 128 + interruption.signal
    tracked.finish()
    for line in problems.lines:
        print(f"warning: {line}", file=sys.stderr)
    return int(tracked.unused_prompts > 0)


def _open(name: str, fps: float | None) -> Source:
    if fps and not Path(name).is_dir():
        raise ValueError(f"--fps is for a folder of pictures, but {name} has its own times: omit --fps")
    return open_source(name, fps or FOLDER_RATE)


def _print_summary(rows: Sequence[TrackRow], events: Sequence[Event]) -> None:
    tracked = Counter(row.id for row in rows)
    visible = Counter(row.id for row in rows if row.state is TrackState.VISIBLE)
    labels = {row.id: row.label for row in rows}
    for track_id in sorted(tracked):
        name = f"object {track_id} {labels[track_id]}".rstrip()
        print(f"{name}: visible on {visible[track_id]} of {tracked[track_id]} frames")
    for event in events:
        print(describe(event))
