"""`sam2_ros train`: trains a model on synthetic clips, from nothing; goes on where it was left."""

from __future__ import annotations

import argparse
from pathlib import Path

from sam2_ros.tracking.device import choose_device
from sam2_ros.training.data import ClipStore
from sam2_ros.training.engine import train
from sam2_ros.training.recipe import RECIPES
from sam2_ros.training.textures import load_photographs


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command's arguments."""
    parser = subparsers.add_parser(
        "train",
        help="train a model on synthetic clips",
        description="Runs a named training to its end, or on from where it was stopped. Writes the state, TensorBoard "
        "curves, curve.csv and the averaged weights. With several devices: torchrun --nproc-per-node N -m sam2_ros "
        "train CONFIG.",
    )
    parser.add_argument("config", metavar="CONFIG", choices=RECIPES, help=", ".join(RECIPES))
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: runs/CONFIG")
    parser.add_argument(
        "--photographs", type=Path, metavar="FOLDER", help="textures beside those that scikit-image brings along"
    )
    parser.add_argument("--device", default="auto", help="auto (a GPU if there is one), cpu, cuda or cuda:N")


def run(args: argparse.Namespace) -> int:
    """Train. Raises TrainingError for what the user can put right."""
    recipe = RECIPES[args.config]
    folder = args.out or Path("runs") / args.config
    if args.photographs is not None and not args.photographs.is_dir():
        raise ValueError(f"{args.photographs} is no folder; expected one with photographs")
    photographs = load_photographs(args.photographs, folder / "photographs.npz")
    store = ClipStore(folder / "clips", photographs, recipe.seed, recipe.synthetic_clips)
    weights = train(recipe, store, folder, choose_device(args.device))
    print(f"{weights}: the averaged weights; `sam2_ros track VIDEO --checkpoint {weights}` tries them")
    return 0
