"""`sam2_ros track`: follows objects through a video, a folder of pictures or a webcam's stream, without ROS."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from sam2_ros.media.sources import Source, open_source
from sam2_ros.media.table import TrackRow, describe
from sam2_ros.model import load_model
from sam2_ros.tracking import Event, FrameResult, StreamingTracker, TrackerConfig
from sam2_ros.tracking.device import choose_device, choose_precision
from sam2_ros.tracking.speed import speed_of
from sam2_ros.tracking.types import TrackState

from .interruption import Interruption
from .options import add_model_options, add_preset_options, chosen_preset, utf8_text, whole_number
from .track_outputs import Outputs, check_folder
from .track_prompts import InOrder, PlannedPrompt, box, check_reached, click, frame_number, plan_prompts

_EXPLANATION = """\
Prompts are read from left to right. Each belongs to the object of the last --object before it, and to the frame
of the last --at since then (default: the first frame). All prompts of an object on one frame are applied together;
those on its first frame start it, later ones correct it.

examples:
  one object, by one click:
    sam2_ros track dog.mp4 --click 620,340
  two objects, the first with a click beside it that removes what does not belong to it:
    sam2_ros track blocks.mp4 --object red --click 530,180 --click 550,220,0 --object blue --box 400,250,490,350
  pictures of a folder, 10 a second, and the first webcam:
    sam2_ros track pictures/ --fps 10 --click 320,240
    sam2_ros track 0 --click 320,240
  an object that appears on frame 90 and is corrected on frame 140:
    sam2_ros track arm.mp4 --object cup --at 90 --click 300,200 --at 140 --click 310,240,0
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser(
        "track",
        help="follow objects through a video, a folder of pictures or a webcam's stream",
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
        type=_rate,
        metavar="N",
        help="pictures per second, for a folder of them (default: 30)",
    )
    prompts = parser.add_argument_group("prompts, in pixels of the video (x right, y down), at least one")
    prompts.add_argument(
        "--click", type=click, metavar="X,Y[,0]", action=InOrder, help="on the object; with 0: beside it"
    )
    prompts.add_argument("--box", type=box, metavar="X0,Y0,X1,Y1", action=InOrder, help="left, top, right, bottom")
    prompts.add_argument("--mask", type=Path, metavar="PNG", action=InOrder, help="white or opaque on the object")
    prompts.add_argument(
        "--at", type=frame_number, metavar="FRAME", action=InOrder, help="frame of what follows, from 0 on"
    )
    prompts.add_argument(
        "--object",
        type=utf8_text,
        nargs="?",
        const="",
        metavar="LABEL",
        action=InOrder,
        help="what follows is for another object",
    )
    add_model_options(parser)
    add_preset_options(parser)
    parser.add_argument("--max-frames", type=whole_number, metavar="N", help="stop after N frames")
    parser.add_argument("--out", type=Path, default=Path("track_out"), metavar="FOLDER", help="default: track_out")


def run(args: argparse.Namespace) -> int:
    """Track, write and sum up. Raises ValueError, OSError or CheckpointError for what the user can put right.

    Returns 0, or 128 plus the number of the signal that ended it.
    """
    arguments = getattr(args, "prompts", ())
    check_folder(args.out, [Path(args.source), *(value for kind, value in arguments if kind == "mask")])
    source = _open(args.source, args.fps)
    prompts = plan_prompts(arguments, source.info.size)
    length = min(source.info.frames or _ENDLESS, args.max_frames or _ENDLESS)
    check_reached(prompts, length)
    device = choose_device(args.device)
    model = load_model(args.model, args.checkpoint, args.image_size, device)
    tracker = StreamingTracker(
        model,
        TrackerConfig(
            max_objects=max(prompt.object for prompt in prompts),
            history=1,
            precision=choose_precision("auto", device, model.config.image_size).name,
            **asdict(chosen_preset(args, args.preset)),
        ),
    )
    follower = _Follower(tracker, prompts)
    latencies: list[float] = []
    with Interruption() as interruption, Outputs(args.out, source.info.rate) as outputs:
        total = None if length == _ENDLESS else length
        for rgb, stamp in tqdm(islice(source.frames, args.max_frames), total=total, unit="frame", disable=None):
            start = time.perf_counter()
            result = follower.step(rgb, stamp)
            latencies.append(time.perf_counter() - start)
            outputs.write(rgb, result)
            if interruption.signal:
                break
    print(f"{len(latencies)} frames, {speed_of(latencies)} on {device}")
    _print_summary(outputs.rows, outputs.events)
    print(outputs)
    if interruption.signal:
        print(f"sam2_ros track: stopped by {interruption.signal.name} after {len(latencies)} frames", file=sys.stderr)
        return 128 + interruption.signal
    check_reached(prompts, len(latencies))
    return 0


_ENDLESS = 2**63
_FOLDER_RATE = 30.0  # pictures per second


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0 < rate < math.inf:
        raise argparse.ArgumentTypeError(f"expected pictures per second, such as 25, not {text!r}")
    return rate


def _open(name: str, rate: float | None) -> Source:
    if rate and not Path(name).is_dir():
        raise ValueError(f"--fps is for a folder of pictures, {name} has its own times: leave --fps out")
    return open_source(name, rate or _FOLDER_RATE)


class _Follower:
    """Gives the tracker its frames, and each prompt on its own frame."""

    def __init__(self, tracker: StreamingTracker, prompts: Iterable[PlannedPrompt]) -> None:
        self._tracker = tracker
        self._waiting = list(prompts)
        self._ids: dict[int, int] = {}  # of the tracker, by the user's number

    def step(self, rgb: np.ndarray, stamp: float) -> FrameResult:
        result = self._tracker.step(rgb, stamp)
        if not self._waiting or self._waiting[0].frame > result.index:
            return result
        while self._waiting and self._waiting[0].frame == result.index:
            self._apply(self._waiting.pop(0))
        prompted = self._tracker.latest
        assert prompted is not None  # there has been a frame
        return replace(prompted, events=result.events + self._tracker.drain_events())

    def _apply(self, planned: PlannedPrompt) -> None:
        if planned.object in self._ids:
            self._tracker.refine(self._ids[planned.object], planned.prompt)
        else:
            self._ids[planned.object] = self._tracker.add(planned.prompt)


def _print_summary(rows: Sequence[TrackRow], events: Sequence[Event]) -> None:
    followed = Counter(row.id for row in rows)
    visible = Counter(row.id for row in rows if row.state is TrackState.VISIBLE)
    labels = {row.id: row.label for row in rows}
    for track_id in sorted(followed):
        name = f"object {track_id} {labels[track_id]}".rstrip()
        print(f"{name}: visible on {visible[track_id]} of {followed[track_id]} frames")
    for event in events:
        print(describe(event))
