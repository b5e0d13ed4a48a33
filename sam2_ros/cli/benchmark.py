"""`sam2_ros benchmark`: frames per second, latency and memory of our tracker and of the reference."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from sam2_ros.benchmark import busy, table
from sam2_ros.benchmark.everything import HEADER, measure_everything
from sam2_ros.benchmark.lifting import LIFTING_LIMIT, measure_lifting
from sam2_ros.benchmark.machine import machine, processor
from sam2_ros.benchmark.measure import Steps, measure
from sam2_ros.benchmark.ours import our_steps
from sam2_ros.benchmark.overhead import measure as measure_overhead
from sam2_ros.benchmark.panel import RATE as PANEL_RATE
from sam2_ros.benchmark.panel import measure as measure_panel
from sam2_ros.benchmark.plot import write_plot
from sam2_ros.benchmark.table import BenchmarkRun
from sam2_ros.benchmark.workload import Workload, synthetic_frames, workload
from sam2_ros.media.video import read_frames
from sam2_ros.model import CheckpointError, Sam2, load_model, seeded_model
from sam2_ros.model.config import named_config
from sam2_ros.tracking.device import PRECISIONS, choose_device, choose_precision

from .options import add_model_options, whole_number, whole_numbers

_FRAMES = 100
_EVERYTHING_TIMES = 3
_BUSY_FRAMES = 30
_VIDEO_FRAMES = 32  # of a video, which are repeated


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser(
        "benchmark",
        help="measure speed and memory",
        description="Tracks objects on repeated frames and prints time and memory per frame. Compared variants run "
        "interleaved, frame by frame. `--frames 10000 --objects 3` shows that memory does not grow.",
    )
    add_model_options(parser, several_sizes=True)
    parser.add_argument(
        "--objects",
        type=whole_numbers,
        default=[1, 3, 8],
        metavar="N,N,...",
        help="numbers of objects, a run for each (default: 1,3,8)",
    )
    parser.add_argument(
        "--precision",
        type=_precisions,
        default=["auto"],
        metavar="NAME,...",
        help="auto, float32, bfloat16, or several",
    )
    parser.add_argument(
        "--compile", action="store_true", help="measure the compiled network, too; compiling takes minutes"
    )
    parser.add_argument(
        "--frames",
        type=whole_number,
        metavar="N",
        help=f"measured frames (default: {_FRAMES}; with --busy {_BUSY_FRAMES}; with --everything, measured times: "
        f"{_EVERYTHING_TIMES})",
    )
    parser.add_argument(
        "--warm-up", type=whole_number, default=20, metavar="N", help="frames before the measured ones (default: 20)"
    )
    parser.add_argument("--video", type=Path, metavar="FILE", help="use its frames (default: synthetic, 640 x 480)")
    parser.add_argument(
        "--reference",
        type=Path,
        metavar="DIR",
        help="a checkout of facebookresearch/sam2 to compare with; on a GPU it runs with vos_optimized",
    )
    parser.add_argument(
        "--reference-precision",
        type=_precisions,
        default=["auto"],
        metavar="NAME,...",
        help="of the reference; the first one is the baseline (default: float32, on a GPU bfloat16)",
    )
    parser.add_argument("--node", action="store_true", help="measure the node's overhead instead")
    parser.add_argument("--panel", action="store_true", help="measure the web panel's delays and load instead")
    parser.add_argument(
        "--everything", action="store_true", help="measure finding everything in the first frame instead"
    )
    parser.add_argument("--lifting", action="store_true", help="measure lifting masks to 3-D instead")
    parser.add_argument(
        "--busy",
        action="store_true",
        help="measure numbers of CPU threads instead, alone and beside other processes on all cores",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers as JSON")
    parser.add_argument(
        "--plot", type=Path, metavar="PNG", help="plot time and memory against objects, sizes, or over the frames"
    )


def run(args: argparse.Namespace) -> int:
    """Measure and print. Raises ValueError, OSError or CheckpointError for errors that the user can correct."""
    args.frames = args.frames or (_EVERYTHING_TIMES if args.everything else _BUSY_FRAMES if args.busy else _FRAMES)
    if args.node or args.panel or args.lifting or args.everything or args.busy:
        if args.json or args.plot:
            raise ValueError(
                "--json and --plot are for measurements of the tracker: leave out --node, --panel, --lifting, "
                "--everything and --busy"
            )
        if args.everything:
            return _measure_everything(args)
        print(f"machine  {processor()}")
        if args.busy:
            return _measure_busy(args)
        if args.node or args.panel:
            return _measure_node(args)
        return _measure_lifting(args.frames)
    device = choose_device(args.device)
    frames = _frames(args.video)
    runs: list[BenchmarkRun] = []
    conditions: dict[str, str] = {}
    for image_size in args.image_size or [None]:
        model, weights = _model(args, image_size, device)
        if not runs:
            conditions = {
                "model": f"{model.config.name}, {weights} weights",
                "frames": f"{frames[0].shape[1]} x {frames[0].shape[0]}, {args.frames} after {args.warm_up} of warm-up",
                "machine": machine(device),
                "torch": torch.__version__,
            }
            print("\n".join(f"{name:8} {value}" for name, value in conditions.items()))
        for objects in args.objects:
            runs.append(_measure(args, model, workload(frames, objects)))
            if len(runs) == 1:
                print(table.HEADER)
            print("\n".join(table.lines(runs[-1])), flush=True)
    if args.json:
        results = [numbers for run in runs for numbers in table.as_json(run)]
        args.json.write_text(json.dumps({**conditions, "results": results}, indent=2) + "\n")
    if args.plot:
        write_plot(runs, args.plot, f"{conditions['model']}, on {conditions['machine']}")
    return 0


def _measure_everything(args: argparse.Namespace) -> int:
    device = choose_device(args.device)
    frame = _frames(args.video)[0]
    for image_size in args.image_size or [None]:
        model, weights = _model(args, image_size, device)
        size = model.config.image_size
        print(f"everything in {frame.shape[1]} x {frame.shape[0]}, {model.config.name} at {size}, {weights} weights")
        print(f"machine  {machine(device)}, torch {torch.__version__}, median of {args.frames}")
        print(HEADER)
        for name in args.precision:
            precision = choose_precision(name, device, size).name
            for measured in measure_everything(model, frame, precision, args.frames, args.reference):
                print(measured.line(), flush=True)
    return 0


def _measure_node(args: argparse.Namespace) -> int:
    try:
        if args.node:
            measure_overhead(frames=args.frames)
        else:
            measure_panel(seconds=args.frames / PANEL_RATE)
    except ModuleNotFoundError as error:
        option = "--node" if args.node else "--panel"
        raise ValueError(f"{option} needs ROS 2 ({error}); source its setup.bash, or .ci/env.sh") from error
    return 0


def _measure_busy(args: argparse.Namespace) -> int:
    options = ["--model", args.model, "--precision", args.precision[0]]
    options += ["--frames", str(args.frames), "--warm-up", str(args.warm_up)]
    options += ["--checkpoint", str(args.checkpoint)] if args.checkpoint else []
    options += ["--image-size", str(args.image_size[0])] if args.image_size else []
    options += ["--video", str(args.video)] if args.video else []
    print(busy.HEADER)
    for measured in busy.measure_busy(options):
        print(measured, flush=True)
    return 0


def _measure_lifting(frames: int) -> int:
    speed = measure_lifting(frames)
    median = 1e3 * speed.median
    print(
        f"lifting 3 masks at 640x480: median {median:.1f} ms, p99 {1e3 * speed.p99:.1f} ms: "
        f"{table.verdict(median, LIFTING_LIMIT)}"
    )
    return 0


def _measure(args: argparse.Namespace, model: Sam2, work: Workload) -> BenchmarkRun:
    ours = {}
    for precision in (choose_precision(name, model.device, model.config.image_size).name for name in args.precision):
        ours[f"sam2_ros {precision}"] = our_steps(model, work, precision)
        if args.compile:
            ours[f"compiled {precision}"] = our_steps(model, work, precision, backend="inductor")
    references = dict(_references(args, model, work))
    variants = {**ours, **references}
    baseline = next(iter(references or ours))
    progress = partial(tqdm, desc=f"objects: {len(work.clicks)}", unit="frame", leave=False, disable=None)
    results = measure(variants, args.frames, args.warm_up, model.device, baseline, progress)
    return BenchmarkRun(model.config.image_size, len(work.clicks), results, baseline)


def _references(args: argparse.Namespace, model: Sam2, work: Workload) -> Iterator[tuple[str, Steps]]:
    if not args.reference:
        return
    from sam2_ros.benchmark.reference import StreamingReference

    for name in args.reference_precision:
        precision = name if name != "auto" else "bfloat16" if model.device.type == "cuda" else "float32"
        reference = StreamingReference(args.reference, model)
        yield f"reference {precision}", reference.steps(work, precision, args.warm_up + args.frames)


def _model(args: argparse.Namespace, image_size: int | None, device: torch.device) -> tuple[Sam2, str]:
    """The model, and whether its weights are trained or random: random ones are as fast and need no download."""
    try:
        return load_model(args.model, args.checkpoint, image_size, device), "trained"
    except CheckpointError:
        if args.checkpoint:
            raise
        return seeded_model(named_config(args.model, image_size)).to(device), "random"


def _frames(video: Path | None) -> list[np.ndarray]:
    if video is None:
        return synthetic_frames()
    return [rgb for rgb, _ in islice(read_frames(video), _VIDEO_FRAMES)]


def _precisions(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in ("auto", *PRECISIONS):
            raise argparse.ArgumentTypeError(f"expected auto, {' or '.join(PRECISIONS)}, not {name!r}")
    return names
