"""`sam2_ros track`: follows objects through a video file, without ROS."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from tqdm import tqdm

from sam2_ros.model import load_model
from sam2_ros.tracking import Box, Click, Event, FrameResult, Prompt, PromptError, StreamingTracker, TrackerConfig
from sam2_ros.tracking.device import choose_device, choose_precision
from sam2_ros.tracking.overlay import draw
from sam2_ros.tracking.prompts import check_prompt
from sam2_ros.tracking.report import CsvWriter, TrackRow, describe, read_csv, rows_of, speed_of, write_timeline
from sam2_ros.tracking.types import TrackState
from sam2_ros.tracking.video import VideoInfo, VideoWriter, probe, read_frames, read_mask, write_labels

from .options import add_model_options, add_preset_options, chosen_preset, whole_number

_EXPLANATION = """\
Prompts are read from left to right. Each belongs to the object of the last --object before it, and to the frame
of the last --at since then (the first frame, if there is none). What an object is told on one frame is taken
together; its first frame starts it, later ones correct it.

examples:
  one object, by one click:
    sam2_ros track dog.mp4 --click 620,340
  two objects, the first with a click beside it that takes away what is too much:
    sam2_ros track blocks.mp4 --object red --click 530,180 --click 550,220,0 --object blue --box 400,250,490,350
  an object that appears on frame 90 and is corrected on frame 140:
    sam2_ros track arm.mp4 --object cup --at 90 --click 300,200 --at 140 --click 310,240,0
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser(
        "track",
        help="follow objects through a video file",
        description="Writes overlay.mp4, labels/ (a PNG for every frame), tracks.csv and timeline.png.",
        epilog=_EXPLANATION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("video", metavar="VIDEO", type=Path)
    prompts = parser.add_argument_group("prompts, in pixels of the video (x right, y down), at least one")
    prompts.add_argument(
        "--click", type=_click, metavar="X,Y[,0]", action=_Said, help="on the object; with 0: beside it"
    )
    prompts.add_argument("--box", type=_box, metavar="X0,Y0,X1,Y1", action=_Said, help="left, top, right, bottom")
    prompts.add_argument("--mask", type=Path, metavar="PNG", action=_Said, help="not black where the object is")
    prompts.add_argument("--at", type=_frame, metavar="FRAME", action=_Said, help="frame of what follows, from 0 on")
    prompts.add_argument(
        "--object", nargs="?", const="", metavar="LABEL", action=_Said, help="what follows is for another object"
    )
    add_model_options(parser)
    add_preset_options(parser)
    parser.add_argument("--max-frames", type=whole_number, metavar="N", help="stop after so many frames")
    parser.add_argument("--out", type=Path, default=Path("track_out"), metavar="FOLDER", help="default: track_out")


def run(args: argparse.Namespace) -> int:
    """Track, write and sum up. Raises ValueError, OSError or CheckpointError for what the user can put right."""
    info = probe(args.video)
    prompts = _plan(getattr(args, "said", ()), info.size)
    length = min(info.frames or _ENDLESS, args.max_frames or _ENDLESS)
    _check_reached(prompts, length)
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
    latencies: list[float] = []
    events: list[Event] = []
    with _Outputs(args.out, info) as outputs:
        frames = tqdm(
            islice(read_frames(args.video), args.max_frames),
            total=None if length == _ENDLESS else length,
            unit="frame",
        )
        follower = _Follower(tracker, prompts)
        for rgb, stamp in frames:
            start = time.perf_counter()
            result = follower.step(rgb, stamp)
            latencies.append(time.perf_counter() - start)
            events += result.events
            outputs.write(rgb, result)
    _check_reached(prompts, len(latencies))
    rows = list(read_csv(args.out / "tracks.csv"))
    write_timeline(rows, events, args.out / "timeline.png")
    print(f"{len(latencies)} frames, {speed_of(latencies)} on {device}")
    _print_summary(rows, events)
    print(f"{args.out}: overlay.mp4, labels/, tracks.csv, timeline.png")
    return 0


# ---- prompts

_ENDLESS = 2**63


@dataclass(frozen=True)
class _Planned:
    """A prompt and the frame and object (1, 2, ...) that it is for."""

    object: int
    frame: int
    prompt: Prompt


class _Said(argparse.Action):
    """Keeps prompts in the order in which they were given, which argparse forgets."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, value: Any, option: str | None = None
    ) -> None:
        namespace.said = [*getattr(namespace, "said", ()), (self.dest, value)]


def _plan(said: Sequence[tuple[str, Any]], size: tuple[int, int]) -> list[_Planned]:
    """What to tell the tracker, by frame. Raises PromptError for what cannot be used on frames of `size` (H, W)."""
    prompts: dict[tuple[int, int], Prompt] = {}
    number, frame, label = 0, 0, ""
    for kind, value in said:
        if kind == "object":
            _check_prompted(number, prompts)
            number, frame, label = number + 1, 0, value
        elif kind == "at":
            frame = value
        else:
            number = max(number, 1)  # the first object needs no --object
            key = (frame, number)
            prompts[key] = _extended(prompts.get(key, Prompt(label=label)), kind, value)
    if not prompts:
        raise PromptError("nothing to follow, expected a prompt: give --click X,Y, --box X0,Y0,X1,Y1 or --mask PNG")
    _check_prompted(number, prompts)
    return [_Planned(number, frame, _checked(prompts[frame, number], frame, size)) for frame, number in sorted(prompts)]


def _extended(prompt: Prompt, kind: str, value: Any) -> Prompt:
    if kind == "click":
        return replace(prompt, clicks=(*prompt.clicks, value))
    if getattr(prompt, kind) is not None:
        raise PromptError(
            f"a second --{kind} for one object on one frame, expected one: put --object or --at before it"
        )
    return replace(prompt, box=value) if kind == "box" else replace(prompt, mask=read_mask(value))


def _checked(prompt: Prompt, frame: int, size: tuple[int, int]) -> Prompt:
    try:
        return check_prompt(prompt, size)
    except PromptError as error:
        raise PromptError(f"frame {frame}: {error}") from None


def _check_prompted(number: int, prompts: Iterable[tuple[int, int]]) -> None:
    if number and number not in {prompted for _, prompted in prompts}:
        raise PromptError(f"object {number} has no prompt, expected --click, --box or --mask after its --object")


def _check_reached(prompts: Sequence[_Planned], frames: int) -> None:
    last = max(prompt.frame for prompt in prompts)
    if last >= frames:
        raise PromptError(f"a prompt is for frame {last}, but only frames 0 to {frames - 1} are tracked")


def _click(text: str) -> Click:
    x, y, *sign = _numbers(text, (2, 3), "X,Y (on the object) or X,Y,0 (beside it)")
    if sign and sign[0] not in (0, 1):
        raise argparse.ArgumentTypeError(f"expected 1 (on the object) or 0 (beside it) after X,Y, not {text!r}")
    return Click(x, y, positive=sign != [0])


def _box(text: str) -> Box:
    return Box(*_numbers(text, (4,), "X0,Y0,X1,Y1 (left, top, right and bottom edge)"))


def _numbers(text: str, counts: tuple[int, ...], form: str) -> list[float]:
    try:
        numbers = [float(piece) for piece in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in counts:
        raise argparse.ArgumentTypeError(f"expected {form} in pixels, not {text!r}")
    return numbers


def _frame(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected the number of a frame from 0 on, not {text!r}")
    return int(text)


# ---- tracking


class _Follower:
    """Gives the tracker its frames, and each prompt on its own frame."""

    def __init__(self, tracker: StreamingTracker, prompts: Iterable[_Planned]) -> None:
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

    def _apply(self, planned: _Planned) -> None:
        if planned.object in self._ids:
            self._tracker.refine(self._ids[planned.object], planned.prompt)
        else:
            self._ids[planned.object] = self._tracker.add(planned.prompt)


class _Outputs:
    """What is written frame by frame; a context manager."""

    def __init__(self, folder: Path, info: VideoInfo) -> None:
        self._labels = folder / "labels"
        self._labels.mkdir(parents=True, exist_ok=True)
        for old in self._labels.glob("[0-9]" * 6 + ".png"):  # of an earlier, longer run
            old.unlink()
        with ExitStack() as stack:
            self._table = stack.enter_context(CsvWriter(folder / "tracks.csv"))
            self._video = stack.enter_context(VideoWriter(folder / "overlay.mp4", info.rate))
            self._stack = stack.pop_all()

    def __enter__(self) -> _Outputs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def write(self, rgb: np.ndarray, result: FrameResult) -> None:
        self._table.write(rows_of(result))
        self._video.write(draw(rgb, result))
        write_labels(self._labels / f"{result.index:06d}.png", result.label_image)


def _print_summary(rows: Sequence[TrackRow], events: Sequence[Event]) -> None:
    followed = Counter(row.id for row in rows)
    visible = Counter(row.id for row in rows if row.state is TrackState.VISIBLE)
    labels = {row.id: row.label for row in rows}
    for track_id in sorted(followed):
        name = f"object {track_id} {labels[track_id]}".rstrip()
        print(f"{name}: visible on {visible[track_id]} of {followed[track_id]} frames")
    for event in events:
        print(describe(event))
