"""`sam2_ros train`: trains a model on synthetic clips or recordings, and resumes where it was stopped."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path

import torch

from sam2_ros.synthetic.pictures import load_pictures
from sam2_ros.tracking.device import choose_device
from sam2_ros.training.data import Clips, ClipStore, DavisClips
from sam2_ros.training.engine import train
from sam2_ros.training.errors import TrainingStopped
from sam2_ros.training.recipe import RECIPES, Recipe
from sam2_ros.training.sav import SavClips, is_sav
from sam2_ros.training.state import state_file

from .options import whole_number

_REMOVED = {
    *("nano_on", "nano_pictures", "nano_photographed", "nano_films", "nano_muon", "nano_sharp", "nano_stills"),
    *("nano_asked_twice", "nano_at_384", "nano_on_a_gpu", "nano_on_two_cores", "nano_in_small_steps"),
}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser(
        "train",
        help="train a model on synthetic clips or recordings",
        description="Runs a recipe to its end. Ctrl-C and SIGTERM save its state; the same command continues. Writes "
        "state.pt, TensorBoard curves, curve.csv and the averaged weights. With several devices: torchrun "
        "--nproc-per-node N -m sam2_ros train RECIPE.",
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
        "--data", type=Path, metavar="FOLDER", help="recordings in DAVIS' layout or SA-V's, instead of synthetic clips"
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
    clips = _recordings(args.data) if args.data else _synthetic_clips(recipe, folder, args.pictures)
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


def _recordings(folder: Path) -> Clips:
    return SavClips(folder) if is_sav(folder) else DavisClips(folder)


def _synthetic_clips(recipe: Recipe, folder: Path, picture_folder: Path | None) -> Clips:
    if picture_folder is not None and not picture_folder.is_dir():
        raise ValueError(f"{picture_folder} is not a folder; expected one with pictures")
    return ClipStore(
        folder / "clips",
        load_pictures(picture_folder, folder / "pictures.npz"),
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
        "--data": args.data,
        "--clips": args.clips,
        "--batch-scale": args.batch_scale if args.batch_scale > 1 else None,
        "--device": args.device if args.device != "auto" else None,
    }
    given = [text for name, value in options.items() if value is not None for text in (name, str(value))]
    return shlex.join([*start, "train", args.recipe, *given])
