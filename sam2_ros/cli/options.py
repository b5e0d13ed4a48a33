"""Options that several commands share: which model runs, and where."""

from __future__ import annotations

import argparse
from pathlib import Path

from sam2_ros.model import CONFIGS


def add_model_options(parser: argparse.ArgumentParser, several_sizes: bool = False) -> None:
    """--model, --checkpoint, --image-size (a list, where there may be several) and --device"""
    options = parser.add_argument_group("model")
    options.add_argument("--model", choices=CONFIGS, default="nano", metavar="NAME", help=", ".join(CONFIGS))
    options.add_argument("--checkpoint", type=Path, metavar="FILE", help="weights (default: bundled or downloaded)")
    options.add_argument(
        "--image-size",
        type=whole_numbers if several_sizes else int,
        metavar="PIXELS",
        help=f"side of the model's input{', or several: 256,512' if several_sizes else ''} (default: its own)",
    )
    options.add_argument("--device", default="auto", help="auto (a GPU if there is one), cpu, cuda or cuda:N")


def whole_number(text: str) -> int:
    """An argument that counts something, at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1 on, not {text!r}")
    return int(text)


def whole_numbers(text: str) -> list[int]:
    """Several, with commas between them."""
    return [whole_number(piece) for piece in text.split(",")]
