"""`sam2_ros benchmark`: frames per second, latency and memory, ours and the reference's."""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from sam2_ros.benchmark.lifting import LIFTING_TARGET, measure_lifting
from sam2_ros.benchmark.measure import MEGABYTE, Measurement, Workload, drawn_frames, measure, our_steps, workload
from sam2_ros.benchmark.plot import write_plot
from sam2_ros.model import CheckpointError, Sam2, load_model, seeded_model
from sam2_ros.model.config import named_config
from sam2_ros.tracking.device import choose_device, choose_precision
from sam2_ros.tracking.video import read_frames

from .options import add_model_options, whole_number

_VIDEO_FRAMES = 32  # of a video; they are shown over and over
_OURS, _REFERENCE = "sam2_ros", "reference"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser(
        "benchmark",
        help="measure speed and memory",
        description="Tracks objects on the same frames over and over and prints what a frame takes. The long run "
        "`--frames 10000 --objects 3` shows that memory does not grow.",
    )
    add_model_options(parser)
    parser.add_argument(
        "--objects", type=_counts, default=[1, 3, 8], metavar="N,N,...", help="a run for each (default: 1,3,8)"
    )
    parser.add_argument("--frames", type=whole_number, default=100, metavar="N", help="that count (default: 100)")
    parser.add_argument("--warm-up", type=whole_number, default=20, metavar="N", help="frames before (default: 20)")
    parser.add_argument("--video", type=Path, metavar="FILE", help="take its frames (default: drawn, 640 x 480)")
    parser.add_argument("--reference", type=Path, metavar="DIR", help="a checkout of facebookresearch/sam2 to run too")
    parser.add_argument("--node", action="store_true", help="measure what the node adds to the model, instead")
    parser.add_argument("--lifting", action="store_true", help="measure lifting masks to 3-D with depth, instead")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers")
    parser.add_argument("--plot", type=Path, metavar="PNG", help="draw time and memory from frame to frame")


def run(args: argparse.Namespace) -> int:
    """Measure and print. Raises ValueError, OSError or CheckpointError for what the user can put right."""
    if args.node:
        return _measure_node(args.frames)
    if args.lifting:
        return _measure_lifting(args.frames)
    device = choose_device(args.device)
    model, weights = _model(args, device)
    frames = _frames(args.video)
    conditions = {
        "model": f"{model.config.name}, input {model.config.image_size} x {model.config.image_size}, {weights} weights",
        "frames": f"{frames[0].shape[1]} x {frames[0].shape[0]}, {args.frames} after {args.warm_up} to warm up",
        "machine": _machine(device),
        "torch": f"{torch.__version__}, {choose_precision('auto', device)}",
    }
    for name, value in conditions.items():
        print(f"{name:8} {value}")
    measurements: dict[int, dict[str, Measurement]] = {}
    for objects in args.objects:
        measurements[objects] = _measure(args, model, workload(frames, objects))
        if objects == args.objects[0]:
            print(_HEADER)
        _print_measurements(objects, measurements[objects])
    if args.json:
        args.json.write_text(json.dumps({**conditions, "results": _as_json(measurements)}, indent=2) + "\n")
    if args.plot:
        named = {f"{who}, objects: {n}": m for n, both in measurements.items() for who, m in both.items()}
        write_plot(named, args.plot)
    return 0


def _measure_node(frames: int) -> int:
    try:
        from sam2_ros.node import overhead
    except ModuleNotFoundError as error:
        raise ValueError(f"--node needs ROS 2 ({error}); source its setup.bash, or .ci/env.sh") from error
    overhead.measure(frames=frames)
    return 0


def _measure_lifting(frames: int) -> int:
    speed = measure_lifting(frames)
    print(
        f"lifting 3 masks at 640x480: median {1e3 * speed.median:.1f} ms, expected at most {LIFTING_TARGET:g}, "
        f"p99 {1e3 * speed.p99:.1f} ms"
    )
    return 0


def _measure(args: argparse.Namespace, model: Sam2, work: Workload) -> dict[str, Measurement]:
    contestants = {_OURS: our_steps(model, work, choose_precision("auto", model.device))}
    if args.reference:
        if model.device.type != "cpu":
            raise ValueError(f"the reference runs on the CPU, but ours on {model.device}; give --device cpu as well")
        from sam2_ros.benchmark.reference import StreamingReference

        reference = StreamingReference(args.reference, model.config)
        reference.load(model)
        contestants[_REFERENCE] = reference.steps(work, args.warm_up + args.frames)
    progress = partial(tqdm, desc=f"objects: {len(work.clicks)}", unit="frame", leave=False)
    return measure(contestants, args.frames, args.warm_up, progress)


def _model(args: argparse.Namespace, device: torch.device) -> tuple[Sam2, str]:
    """The model, and what its weights are: random ones are as fast, and need no download."""
    try:
        return load_model(args.model, args.checkpoint, args.image_size, device), "trained"
    except CheckpointError:
        if args.checkpoint:
            raise
        return seeded_model(named_config(args.model, args.image_size)).to(device), "random"


def _frames(video: Path | None) -> list[np.ndarray]:
    if video is None:
        return drawn_frames()
    return [rgb for rgb, _ in islice(read_frames(video), _VIDEO_FRAMES)]


def _machine(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    names = [line.partition(":")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    return f"{(names or [platform.machine()])[0].strip()}, {torch.get_num_threads()} threads"


def _counts(text: str) -> list[int]:
    return [whole_number(piece) for piece in text.split(",")]


# ---- what is printed

_HEADER = "objects  who        frames/s     median        p99    memory     growth"
_LONG = 1000  # frames from which on the slope of memory is more than noise


def _print_measurements(objects: int, measurements: Mapping[str, Measurement]) -> None:
    for who, m in measurements.items():
        line = f"{objects:7}  {who:9} {m.speed.rate:9.2f} {1e3 * m.speed.median:7.1f} ms {1e3 * m.speed.p99:7.1f} ms"
        slope = f" ({m.slope:+.3f} MB per 1000 frames)" if len(m.latencies) >= _LONG else ""
        print(f"{line} {m.resident[-1] / MEGABYTE:6.0f} MB {m.growth:+7.2f} MB{slope}")
    print(" " * 9 + "stages: " + ", ".join(f"{s} {1e3 * t:.1f} ms" for s, t in measurements[_OURS].stages.items()))
    if measurements[_OURS].gpu_peak:
        print(" " * 9 + f"GPU memory at its peak: {measurements[_OURS].gpu_peak / MEGABYTE:.0f} MB")
    if _REFERENCE in measurements:
        ratio = measurements[_REFERENCE].speed.median / measurements[_OURS].speed.median
        print(" " * 9 + f"{ratio:.2f} times as fast as the reference")


def _as_json(measurements: Mapping[int, Mapping[str, Measurement]]) -> list[dict[str, Any]]:
    return [
        {
            "objects": objects,
            "who": who,
            "frames_per_second": m.speed.rate,
            "median_ms": 1e3 * m.speed.median,
            "p99_ms": 1e3 * m.speed.p99,
            "memory_start_mb": m.resident[0] / MEGABYTE,
            "memory_end_mb": m.resident[-1] / MEGABYTE,
            "growth_mb": m.growth,
            "growth_per_1000_frames_mb": m.slope,
            "gpu_peak_mb": m.gpu_peak / MEGABYTE,
            "stages_ms": {stage: 1e3 * seconds for stage, seconds in m.stages.items()},
        }
        for objects, both in measurements.items()
        for who, m in both.items()
    ]
