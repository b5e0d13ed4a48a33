"""`sam2_ros train`: trains a model on synthetic clips or recordings; goes on where it was left."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch

from sam2_ros.synthetic.pictures import load_pictures
from sam2_ros.tracking.device import choose_device
from sam2_ros.training.data import Clips, ClipStore, DavisClips
from sam2_ros.training.engine import train
from sam2_ros.training.recipe import RECIPES, Recipe
from sam2_ros.training.sav import SavClips, is_sav


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser(
        "train",
        help="train a model on synthetic clips or recordings",
        description="Runs a named training to its end, or on from where it was stopped. Writes the state, TensorBoard "
        "curves, curve.csv and the averaged weights. With several devices: torchrun --nproc-per-node N -m sam2_ros "
        "train CONFIG.",
    )
    parser.add_argument("config", metavar="CONFIG", choices=RECIPES, help=", ".join(RECIPES))
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: runs/CONFIG")
    parser.add_argument(
        "--pictures",
        type=Path,
        metavar="FOLDER",
        help="photographs, beside those that scikit-image brings along, and objects that are cut out (transparency), "
        "still or animated",
    )
    parser.add_argument(
        "--data", type=Path, metavar="FOLDER", help="recordings in DAVIS' layout or SA-V's, in place of synthetic clips"
    )
    parser.add_argument("--checkpoint", type=Path, metavar="FILE", help="weights to start from (default: from nothing)")
    parser.add_argument("--device", default="auto", help="auto (a GPU if there is one), cpu, cuda or cuda:N")


def run(args: argparse.Namespace) -> int:
    """Train. Raises ValueError, OSError or CheckpointError for what the user can put right."""
    recipe = RECIPES[args.config]
    if recipe.needs_checkpoint and args.checkpoint is None:
        raise ValueError(f"{args.config} goes on from trained weights; give them with --checkpoint")
    folder = args.out or Path("runs") / args.config
    clips = _recordings(args.data) if args.data else _synthetic_clips(recipe, folder, args.pictures)
    weights = train(recipe, clips, folder, _device(args.device), args.checkpoint)
    print(f"{weights}: the averaged weights; `sam2_ros track VIDEO --checkpoint {weights}` tries them")
    return 0


def _recordings(folder: Path) -> Clips:
    return SavClips(folder) if is_sav(folder) else DavisClips(folder)


def _synthetic_clips(recipe: Recipe, folder: Path, picture_folder: Path | None) -> Clips:
    if picture_folder is not None and not picture_folder.is_dir():
        raise ValueError(f"{picture_folder} is no folder; expected one with pictures")
    pictures = load_pictures(picture_folder, folder / "pictures.npz")
    return ClipStore(
        folder / "clips",
        pictures,
        recipe.seed,
        recipe.synthetic_clips,
        recipe.clip_frames,
        recipe.clip_size,
        recipe.plain_clips,
    )


def _device(name: str) -> torch.device:
    """The device that was asked for; under torchrun the processes share out the GPUs that there are."""
    device = choose_device(name)
    if device.type == "cuda" and "LOCAL_RANK" in os.environ:
        return torch.device("cuda", int(os.environ["LOCAL_RANK"]) % torch.cuda.device_count())
    return device
