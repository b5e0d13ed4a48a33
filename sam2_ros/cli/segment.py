"""`sam2_ros segment`: masks in pictures, of what is clicked on or of everything, without ROS."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from sam2_ros.media.pictures import picture_files, read_pictures
from sam2_ros.model import Sam2, load_model
from sam2_ros.segmentation import ImagePredictor, MaskGenerator, MaskGeneratorConfig
from sam2_ros.segmentation.segment import PackedMask
from sam2_ros.tracking import Prompt, PromptError
from sam2_ros.tracking.device import choose_device, choose_precision
from sam2_ros.tracking.prompts import check_first_prompt

from .interruption import Interruption
from .options import add_model_options, whole_number
from .segment_outputs import Found, Outputs, check_folder
from .track_prompts import InOrder, box, click, collect_prompts

_DEFAULTS = MaskGeneratorConfig()
_NANO = MaskGeneratorConfig.for_model("nano")

_EXPLANATION = """\
Prompts hold for every picture. Each belongs to the object of the last --object before it.

examples:
  one object, by one click, and another by a box:
    sam2_ros segment desk.jpg --object cup --click 620,340 --object --box 400,250,490,350
  everything in all pictures of a folder:
    sam2_ros segment pictures/ --everything
"""

Finder = Callable[[np.ndarray], Generator[float, None, list[Found]]]  # yields the part that is done, 0..1


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser(
        "segment",
        help="masks in pictures, of what is clicked on or of everything",
        description="Writes masks/ (a PNG for every picture: 0 is the background, N the N-th object, small ones in "
        "front), overlays/ and annotations.json (COCO, with whole masks as RLE).",
        epilog=_EXPLANATION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("pictures", nargs="+", type=Path, metavar="IMAGE", help="pictures, and folders of them")
    parser.add_argument("--everything", action="store_true", help="find everything, without prompts")
    prompts = parser.add_argument_group("prompts, in pixels of the picture (x right, y down)")
    prompts.add_argument(
        "--click", type=click, metavar="X,Y[,0]", action=InOrder, help="on the object; with 0: beside it"
    )
    prompts.add_argument("--box", type=box, metavar="X0,Y0,X1,Y1", action=InOrder, help="left, top, right, bottom")
    prompts.add_argument(
        "--object", nargs="?", const="", metavar="LABEL", action=InOrder, help="what follows is for another object"
    )
    search = parser.add_argument_group("everything")
    search.add_argument(
        "--points-per-side",
        type=whole_number,
        default=_DEFAULTS.points_per_side,
        metavar="N",
        help="of the grid of clicks (default: %(default)s)",
    )
    search.add_argument(
        "--crop-n-layers",
        type=_count,
        default=_DEFAULTS.crop_n_layers,
        metavar="N",
        help="look closer in 4, 20, ... crops, too: finds smaller objects (default: %(default)s)",
    )
    search.add_argument(
        "--pred-iou-thresh",
        type=_fraction,
        metavar="0..1",
        help=f"least predicted IoU (default: {_DEFAULTS.pred_iou_thresh}, nano: {_NANO.pred_iou_thresh})",
    )
    search.add_argument(
        "--stability-score-thresh",
        type=_fraction,
        metavar="0..1",
        help=f"least stability (default: {_DEFAULTS.stability_score_thresh}, nano: {_NANO.stability_score_thresh})",
    )
    search.add_argument(
        "--min-mask-region-area",
        type=_count,
        default=_DEFAULTS.min_mask_region_area,
        metavar="PIXELS",
        help="fill smaller holes, remove smaller islands (default: %(default)s)",
    )
    add_model_options(parser)
    parser.add_argument("--out", type=Path, default=Path("segment_out"), metavar="FOLDER", help="default: segment_out")


def run(args: argparse.Namespace) -> int:
    """Segment, write and sum up. Raises ValueError, OSError or CheckpointError for what the user can put right.

    A picture that cannot be segmented is reported, and the others are still written. Returns 0; 1 where there was
    such a picture, or nothing was found in any; or 128 plus the number of the signal that ended it.
    """
    prompts = _prompts(args)
    files = _files(args.pictures)
    check_folder(args.out, files.values())
    device = choose_device(args.device)
    model = load_model(args.model, args.checkpoint, args.image_size, device)
    precision = choose_precision("auto", device, model.config.image_size).name
    find = _everything(model, _config(args), precision) if args.everything else _prompted(model, prompts, precision)
    failures = done = objects = 0
    form = "{l_bar}{bar}| {n:.1f}/{total} [{elapsed}<{remaining}]"
    with (
        Interruption() as interruption,
        Outputs(args.out) as outputs,
        tqdm(total=len(files), bar_format=form, disable=None) as bar,
    ):
        for index, (name, file) in enumerate(files.items()):
            try:
                (rgb,) = read_pictures([file])
                found = _finish(find(rgb), partial(_show, bar, index), interruption)
            except (OSError, ValueError) as error:
                failures += 1
                _report(str(error) if str(file) in str(error) else f"{file}: {error}")
                continue
            if found is None:
                break
            if not found:
                _report(f"{file}: nothing found; {_advice(args)}")
            outputs.write(name, file, rgb, found)
            done += 1
            objects += len(found)
            _show(bar, index, 1.0)
            if interruption.signal:
                break
    print(f"{objects} objects in {done} pictures")
    print(outputs)
    if interruption.signal:
        _report(f"stopped by {interruption.signal.name} after {done} of {len(files)} pictures")
        return 128 + interruption.signal
    return 1 if failures or not objects else 0


def _report(problem: str) -> None:
    tqdm.write(f"sam2_ros segment: {problem}", file=sys.stderr)


def _show(bar: Any, before: int, part: float) -> None:
    """So many pictures, and a part of the next one, are done."""
    bar.update(before + part - bar.n)


def _finish(
    steps: Generator[float, None, list[Found]], show: Callable[[float], None], interruption: Interruption
) -> list[Found] | None:
    """What the steps find, None if they were interrupted."""
    while not interruption.signal:
        try:
            show(next(steps))
        except StopIteration as end:
            return list(end.value)
    return None


def _prompts(args: argparse.Namespace) -> list[Prompt]:
    """One for each object; none for everything. Raises PromptError."""
    arguments = getattr(args, "prompts", ())
    if args.everything:
        if arguments:
            raise PromptError(f"--everything beside --{arguments[0][0]}, expected one of them: leave one out")
        return []
    prompts = list(collect_prompts(arguments).values())
    if not prompts:
        raise PromptError("nothing to segment, expected --everything, --click X,Y or --box X0,Y0,X1,Y1")
    return prompts


def _files(given: Sequence[Path]) -> dict[str, Path]:
    """All pictures, each under a name of its own. Raises ValueError."""
    files: list[Path] = []
    for path in given:
        if not path.exists():
            raise ValueError(f"picture {path} does not exist, expected a picture or a folder of pictures")
        files += picture_files(path) if path.is_dir() else [path]
    stems = Counter(file.stem for file in files)
    named = [(file.stem if stems[file.stem] == 1 else file.name, file) for file in files]
    (name, count), *_ = Counter(name for name, _ in named).most_common(1)
    if count > 1:
        raise ValueError(f"{count} pictures are named {name}, expected different names: segment them one at a time")
    return dict(named)


def _config(args: argparse.Namespace) -> MaskGeneratorConfig:
    thresholds = {name: getattr(args, name) for name in ("pred_iou_thresh", "stability_score_thresh")}
    return MaskGeneratorConfig.for_model(
        args.model,
        points_per_side=args.points_per_side,
        crop_n_layers=args.crop_n_layers,
        min_mask_region_area=args.min_mask_region_area,
        **{name: value for name, value in thresholds.items() if value is not None},
    )


def _advice(args: argparse.Namespace) -> str:
    if args.everything:
        return "lower --pred-iou-thresh or --stability-score-thresh"
    return "click elsewhere on the object, or give a --box"


def _everything(model: Sam2, config: MaskGeneratorConfig, precision: str) -> Finder:
    generator = MaskGenerator(model, config, precision)

    def find(rgb: np.ndarray) -> Generator[float, None, list[Found]]:
        segments = yield from generator.steps(rgb)
        return [Found(segment.packed, segment.predicted_iou) for segment in segments]

    return find


def _prompted(model: Sam2, prompts: Sequence[Prompt], precision: str) -> Finder:
    predictor = ImagePredictor(model, precision)

    def find(rgb: np.ndarray) -> Generator[float, None, list[Found]]:
        checked = [check_first_prompt(prompt, rgb.shape[:2]) for prompt in prompts]
        predictor.set_image(rgb)
        found = []
        for number, prompt in enumerate(checked, start=1):
            yield number / (len(checked) + 1)
            # One click may mean a part or the whole; more say what is meant.
            is_ambiguous = len(prompt.clicks) == 1 and prompt.box is None
            prediction = predictor.predict(prompt, multimask=is_ambiguous)
            mask = prediction.masks[prediction.best]
            if mask.any():
                packed = PackedMask.of(mask, rgb.shape[:2])
                found.append(Found(packed, float(prediction.predicted_iou[prediction.best]), prompt.label))
        return found

    return find


def _count(text: str) -> int:
    """Parses a number from 0 on; raises argparse.ArgumentTypeError."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a number from 0 on, not {text!r}")
    return int(text)


def _fraction(text: str) -> float:
    """Parses a number 0..1; raises argparse.ArgumentTypeError."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 1, not {text!r}")
    return value
