"""`sam2_ros parity`: runs the reference implementation and ours side by side and prints their differences."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from sam2_ros.media.video import DEMO_CLIP, read_frames
from sam2_ros.model import CONFIGS, Sam2, load_model, seeded_model
from sam2_ros.model.config import named_config
from sam2_ros.parity import golden, ours
from sam2_ros.parity.compare import (
    MODULE_LIMIT,
    SEEDED,
    TRAINED,
    FrameDifference,
    Limits,
    ModuleDifference,
    compare_modules,
    compare_videos,
    trivialities,
)
from sam2_ros.parity.demo import demo_scenarios
from sam2_ros.parity.images import ImageDifference, compare_images, our_images
from sam2_ros.parity.reference import Reference
from sam2_ros.parity.scenarios import Scenario, absence_scenario, module_inputs, synthetic_frames, video_scenarios
from sam2_ros.tracking.preprocess import preprocess

from .options import whole_number

_STRIDE = 3  # every third frame of a video: consecutive ones are too similar


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser(
        "parity",
        help="compare with the reference implementation",
        description="Runs facebookresearch/sam2 and this package on the same weights, frames and prompts, in float32 "
        "on the CPU. Fails where they differ, and where outputs are so trivial that equality means nothing.",
    )
    parser.add_argument(
        "--reference", type=Path, required=True, metavar="DIR", help="a checkout of facebookresearch/sam2"
    )
    parser.add_argument(
        "--models", nargs="+", choices=CONFIGS, default=list(CONFIGS), metavar="NAME", help="default: all"
    )
    parser.add_argument(
        "--image-size",
        type=whole_number,
        default=CONFIGS["nano"].image_size,
        metavar="PIXELS",
        help="default: %(default)s",
    )
    parser.add_argument("--frames", type=whole_number, default=18, metavar="N", help="default: 18")
    parser.add_argument(
        "--video",
        type=Path,
        metavar="FILE",
        help="use every third frame of it (default: synthetic frames, or the demo clip)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the random weights, default: 0")
    parser.add_argument(
        "--weights",
        metavar="NAME|FILE",
        help="trained weights, of the model NAME or of a checkpoint: tracks the demo clip with its absences, too",
    )
    parser.add_argument(
        "--record", type=Path, metavar="NPZ", help="only write the outputs that the test suite compares"
    )


def run(args: argparse.Namespace) -> int:
    """Compare every model; 1 where one differs from the reference."""
    if args.record:
        golden.record(args.reference, args.record)
        print(f"{args.record}: {args.record.stat().st_size / 1000:.0f} kB")
        return 0
    reports = [_compare(model, args) for model in _models(args)]
    print(f"\n{'model':24} {'modules':>10} {'logits':>10} {'mask IoU':>10} {'in view':>10} {'seconds':>8}")
    for report in reports:
        print(report.line())
    limits = _limits(args)
    print(f"{'limits':24} {MODULE_LIMIT:10.0e} {limits.logits:10.0e} {limits.mask_iou:10.3f}")
    return 0 if all(report.ok for report in reports) else 1


@dataclass(frozen=True)
class _Report:
    """One model."""

    model: str
    modules: list[ModuleDifference]
    frames: list[FrameDifference]
    images: list[ImageDifference]
    problems: list[str]  # why equality would prove nothing
    limits: Limits
    seconds: float

    @property
    def ok(self) -> bool:
        outputs: list[FrameDifference | ImageDifference] = [*self.frames, *self.images]
        return not self.problems and all(d.ok for d in self.modules) and all(d.within(self.limits) for d in outputs)

    def line(self) -> str:
        """The largest differences, as a line of the table."""
        present = sum(frame.score > 0 for frame in self.frames)
        outputs: list[FrameDifference | ImageDifference] = [*self.frames, *self.images]
        return (
            f"{self.model:24} {max(d.difference for d in self.modules):10.1e} "
            f"{max(d.difference for d in outputs):10.1e} {min(d.mask_iou for d in outputs):10.5f} "
            f"{f'{present}/{len(self.frames)}':>10} {self.seconds:8.0f}  {'equal' if self.ok else 'NOT EQUAL'}"
        )


def _limits(args: argparse.Namespace) -> Limits:
    return TRAINED if args.weights else SEEDED


def _models(args: argparse.Namespace) -> Iterator[Sam2]:
    if args.weights in CONFIGS:
        yield load_model(args.weights, None, args.image_size)
        return
    for name in args.models:
        if args.weights:
            yield load_model(name, args.weights, args.image_size)
        else:
            yield seeded_model(named_config(name, args.image_size), args.seed)


def _compare(model: Sam2, args: argparse.Namespace) -> _Report:
    start = time.perf_counter()
    config = model.config
    print(f"\n{config.name}, {config.image_size} x {config.image_size} pixels", flush=True)
    reference = Reference(args.reference, config)
    reference.load(model)
    model.encode_image = ours.EncodeOnce(model.encode_image)  # type: ignore[method-assign]
    videos = _Videos(model, reference, _limits(args))
    image_differences = _compare_images(model, reference, args)
    if args.weights:
        scenarios = demo_scenarios(config.image_size)
        modules = _compare_modules(model, reference, scenarios[0].images[0])
        for scenario in scenarios:
            videos.compare(scenario)
        if all(frame.score > 0 for frame in videos.frames):
            videos.note("the demo clip: no object is ever out of view")
        if args.video:
            for scenario in video_scenarios(_images(args.video, args.frames, config.image_size)):
                videos.compare(scenario)
    else:
        images = _images(args.video, args.frames, config.image_size)
        modules = _compare_modules(model, reference, images[0])
        for scenario in video_scenarios(images):
            videos.compare(scenario)
        absence = absence_scenario(images)
        shift = ours.balance_occlusion(model, absence)
        reference.load(model)
        print(f"  occlusion score shifted by {shift:.4f}")
        videos.compare(absence, absence=True)
    return _Report(
        model=config.name,
        modules=modules,
        frames=videos.frames,
        images=image_differences,
        problems=videos.problems,
        limits=videos.limits,
        seconds=time.perf_counter() - start,
    )


def _compare_images(model: Sam2, reference: Reference, args: argparse.Namespace) -> list[ImageDifference]:
    picture = next(iter(read_frames(args.video or DEMO_CLIP)))[0]
    differences = compare_images(our_images(model, picture), reference.images(picture))
    print(f"  {'single image':34}   logits mask IoU predicted IoU   area")
    for d in differences:
        print(
            f"  {d.name:34} {d.difference:8.1e} {d.mask_iou:8.5f} {d.predicted_iou:13.1e} {d.area:6.1%} "
            f"{_verdict(d.within(_limits(args)))}",
            flush=True,
        )
    return differences


def _images(video: Path | None, count: int, image_size: int) -> list[Tensor]:
    if video is None:
        frames = synthetic_frames(count, image_size)
    else:
        frames = [rgb for rgb, _ in islice(read_frames(video), 0, count * _STRIDE, _STRIDE)]
    return [preprocess(frame, image_size, torch.device("cpu")) for frame in frames]


def _compare_modules(model: Sam2, reference: Reference, image: Tensor) -> list[ModuleDifference]:
    inputs = module_inputs(model.config, image)
    differences = compare_modules(ours.modules(model, inputs), reference.modules(inputs))
    print(f"  {'module':34} difference")
    for difference in differences:
        print(f"  {difference.name:34} {difference.difference:10.1e} {_verdict(difference.ok)}", flush=True)
    return differences


class _Videos:
    """Compares whole videos of both implementations, and prints the differences frame by frame."""

    def __init__(self, model: Sam2, reference: Reference, limits: Limits) -> None:
        self._model = model
        self._reference = reference
        self.limits = limits
        self.frames: list[FrameDifference] = []
        self.problems: list[str] = []

    def compare(self, scenario: Scenario, absence: bool = False) -> None:
        """With `absence` the object must go out of view."""
        if not self.frames:
            print(f"\n  {'video':20} object frame   logits mask IoU     score reference   area")
        outputs = ours.track(self._model, scenario)
        frames = compare_videos(outputs, self._reference.track(scenario), scenario.image_size)
        for f in frames:
            print(
                f"  {scenario.name:20} {f.object:6} {f.frame:5} {f.difference:8.1e} {f.mask_iou:8.5f} "
                f"{f.our_score:+9.4f} {f.score:+9.4f} {f.area:6.1%} {_verdict(f.within(self.limits))}",
                flush=True,
            )
        for problem in trivialities(frames, absence):
            self.note(f"{scenario.name}: {problem}")
        self.frames += frames

    def note(self, problem: str) -> None:
        """Record why equality would prove nothing."""
        print(f"  {problem}; this proves nothing, try another --seed, --video or --weights")
        self.problems.append(problem)


def _verdict(ok: bool) -> str:
    return "" if ok else "DIFFERS"
