"""Options that several commands share: which model runs, and where."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from sam2_ros.model import CONFIGS


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """--model, --checkpoint, --image-size and --device"""
    options = parser.add_argument_group("model")
    options.add_argument("--model", choices=CONFIGS, default="nano", metavar="NAME", help=", ".join(CONFIGS))
    options.add_argument("--checkpoint", type=Path, metavar="FILE", help="weights (default: bundled or downloaded)")
    options.add_argument(
        "--image-size", type=int, metavar="PIXELS", help="side of the model's input (default: its own)"
    )
    options.add_argument("--device", default="auto", help="auto (a GPU if there is one), cpu, cuda or cuda:N")


def choose_device(name: str) -> torch.device:
    """`auto`, `cpu`, `cuda` or `cuda:N`; raises ValueError for anything else, and for a GPU that is not there."""
    count = torch.cuda.device_count()
    if name == "auto":
        return torch.device("cuda:0" if count else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdecimal()):
        raise ValueError(f"unknown device {name!r}, expected auto, cpu, cuda or cuda:N")
    if kind == "cuda" and int(number or 0) >= count:
        raise ValueError(
            f"device is {name}, but PyTorch {torch.__version__} sees {count} CUDA devices; use auto or cpu"
        )
    return torch.device(name)


def choose_precision(device: torch.device) -> str:
    """bfloat16 where it is faster, which is on a GPU."""
    return "bfloat16" if device.type == "cuda" else "float32"


def whole_number(text: str) -> int:
    """An argument that counts something, at least 1."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1 on, not {text!r}")
    return int(text)
