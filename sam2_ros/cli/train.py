"""`sam2_ros train`: trains a model on synthetic clips, pictures and recordings, and resumes where it was stopped."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from sam2_ros.synthetic.pictures import load_pictures
from sam2_ros.tracking.device import choose_device
from sam2_ros.training.data import Clips, ClipStore
from sam2_ros.training.engine import train
from sam2_ros.training.errors import TrainingStopped
from sam2_ros.training.recipe import RECIPES, Recipe
from sam2_ros.training.sources import Source, WeightedClips, open_data, parse_source
from sam2_ros.training.state import state_file
from sam2_ros.training.still_clips import StillClips

from .options import whole_number

_RESOLUTION = 1.25  # of recordings, relative to the training's images: samples are crops
_CUT_OUT_PICTURES = 400  # whose objects join the synthetic clips: 64 kB each

_REMOVED = {
    *("nano_on", "nano_pictures", "nano_photographed", "nano_films", "nano_muon", "nano_sharp", "nano_stills"),
    *("nano_asked_twice", "nano_at_384", "nano_on_a_gpu", "nano_on_two_cores", "nano_in_small_steps"),
}


_DESCRIPTION = """\
Runs a recipe to its end. Ctrl-C and SIGTERM save its state; the same command continues. Writes state.pt,
TensorBoard curves, curve.csv and the averaged weights. With several devices:
torchrun --nproc-per-node N -m sam2_ros train RECIPE."""

_EXAMPLE = f"""\
To train the bundled weights on real pictures, three of four samples from them:

  sam2_ros train nano --checkpoint sam2_ros/weights/nano.safetensors --first-stage {len(RECIPES["nano"].stages)} \\
      --data pictures=3 --data synthetic

Pictures with masks become clips: they are warped, and objects move, occlude one another, leave and return. Their
objects join the synthetic clips, too. A picture may have masks of only some of its objects."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser(
        "train",
        help="train a model on synthetic clips, pictures and recordings",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=_DESCRIPTION,
        epilog=_EXAMPLE,
    )
    parser.add_argument("recipe", metavar="RECIPE", type=_recipe_name, help=", ".join(RECIPES))
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: runs/RECIPE")
    parser.add_argument(
        "--pictures",
        type=Path,
        metavar="FOLDER",
        help="photographs, beside those of scikit-image, and objects with a transparent background, still or animated",
    )
    parser.add_argument(
        "--data",
        type=_source,
        action="append",
        metavar="PATH[=WEIGHT]",
        help="pictures with masks (JPEGImages/*.jpg and Annotations/*.png with object numbers, SA-1B, or COCO's "
        "instances_*.json), recordings in DAVIS' layout or SA-V's, or `synthetic`; may be repeated, samples are then "
        "drawn by weight (default: synthetic)",
    )
    parser.add_argument("--clips", type=whole_number, metavar="N", help="synthetic clips (default: as the recipe says)")
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="weights to start from (default: random ones)")
    parser.add_argument(
        "--first-stage",
        type=whole_number,
        default=1,
        metavar="N",
        help=f"start with this stage of the recipe; nano has {len(RECIPES['nano'].stages)} (default: 1)",
    )
    parser.add_argument(
        "--batch-scale", type=whole_number, default=1, metavar="N", help="N times as many clips in a batch, for a GPU"
    )
    parser.add_argument("--device", default="auto", help="auto (a GPU if there is one), cpu, cuda or cuda:N")


def run(args: argparse.Namespace) -> int:
    """Train. Raises ValueError, OSError or CheckpointError for errors that the user can correct."""
    recipe = _recipe(args)
    folder = args.out or Path("runs") / args.recipe
    if args.checkpoint is None and not state_file(folder).exists():
        if recipe.needs_checkpoint:
            raise ValueError(f"{args.recipe} starts from trained weights: give them with --checkpoint")
        if args.first_stage > 1:
            raise ValueError(f"stage {args.first_stage} starts from trained weights: give them with --checkpoint")
    clips = _clips(args, recipe, folder)
    try:
        weights = train(recipe, clips, folder, _device(args.device), args.checkpoint, args.first_stage - 1)
    except TrainingStopped as stopped:
        print(
            f"stopped after step {stopped.step} of {recipe.steps}, saved in {stopped.file}; "
            f"continue with: {_command(args)}"
        )
        return 128 + stopped.signal  # as a shell reports it
    print(f"{weights}: the averaged weights; `sam2_ros track VIDEO --checkpoint {weights}` tries them")
    return 0


def _recipe_name(name: str) -> str:
    if name in _REMOVED:
        raise argparse.ArgumentTypeError(
            f"{name} was removed; to continue from weights: `nano --checkpoint FILE --first-stage "
            f"{len(RECIPES['nano'].stages)}`, on a GPU with --batch-scale 8"
        )
    if name not in RECIPES:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(RECIPES)}, not {name!r}")
    return name


def _recipe(args: argparse.Namespace) -> Recipe:
    recipe = RECIPES[args.recipe].scaled(args.batch_scale)
    if args.first_stage > len(recipe.stages):
        raise ValueError(f"{args.recipe} has {len(recipe.stages)} stages; --first-stage {args.first_stage} is too high")
    return recipe.with_clips(args.clips) if args.clips else recipe


def _source(text: str) -> Source:
    try:
        return parse_source(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _clips(args: argparse.Namespace, recipe: Recipe, folder: Path) -> Clips:
    """The training data; the objects of its pictures are also cut out for the synthetic clips."""
    sources = args.data or [Source(None)]
    frames = max(spec.frames for stage in recipe.stages for spec in stage.batches)
    size = round(_RESOLUTION * max(stage.image_size for stage in recipe.stages))
    opened = {source: open_data(source.path, frames, size) for source in sources if source.path}
    for source, data in opened.items():
        unit = "pictures with masks" if isinstance(data, StillClips) else f"clips, {data.skipped} sequences skipped"
        print(f"{source}: {len(data)} {unit}", file=sys.stderr)
    cut_outs = [
        cut_out
        for data in opened.values()
        if isinstance(data, StillClips) and len(opened) < len(sources)
        for cut_out in data.cut_outs(recipe.seed, _CUT_OUT_PICTURES)
    ]
    weighted: list[tuple[Clips, float]] = [
        (opened[source] if source.path else _synthetic_clips(recipe, folder, args.pictures, cut_outs), source.weight)
        for source in sources
    ]
    return WeightedClips(weighted) if len(weighted) > 1 else weighted[0][0]


def _synthetic_clips(
    recipe: Recipe, folder: Path, picture_folder: Path | None, cut_outs: Sequence[np.ndarray]
) -> ClipStore:
    if picture_folder is not None and not picture_folder.is_dir():
        raise ValueError(f"{picture_folder} is not a folder; expected one with pictures")
    pictures = load_pictures(picture_folder, folder / "pictures.npz")
    return ClipStore(
        folder / "clips",
        replace(pictures, cut_outs=(*pictures.cut_outs, *cut_outs)),
        seed=recipe.seed,
        count=recipe.synthetic_clips,
        frames=recipe.clip_frames,
        size=recipe.clip_size,
        plain=recipe.plain_clips,
    )


def _device(name: str) -> torch.device:
    """The chosen device; under torchrun the ranks share the GPUs of the machine."""
    device = choose_device(name)
    if device.type == "cuda" and "LOCAL_RANK" in os.environ:
        return torch.device("cuda", int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    return device


def _command(args: argparse.Namespace) -> str:
    """The command line that continues the training."""
    ranks = os.environ.get("LOCAL_WORLD_SIZE")
    start = ["torchrun", "--nproc-per-node", ranks, "-m", "sam2_ros"] if ranks else ["sam2_ros"]
    options = {
        "--out": args.out,
        "--pictures": args.pictures,
        "--clips": args.clips,
        "--batch-scale": args.batch_scale if args.batch_scale > 1 else None,
        "--device": args.device if args.device != "auto" else None,
    }
    data = [text for source in args.data or () for text in ("--data", str(source))]
    given = [text for name, value in options.items() if value is not None for text in (name, str(value))]
    return shlex.join([*start, "train", args.recipe, *data, *given])
