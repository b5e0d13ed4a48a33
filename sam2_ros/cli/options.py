"""Options that several commands share: model, device and presets."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from sam2_ros.model import CONFIGS
from sam2_ros.tracking.model_choice import ModelChoice
from sam2_ros.tracking.presets import PRESETS, Preset


def add_model_options(parser: argparse.ArgumentParser, several_sizes: bool = False) -> None:
    """Add --device and the options of `add_network_options`."""
    options = add_network_options(parser, several_sizes)
    options.add_argument("--device", default="auto", help="auto (a GPU if there is one), cpu, cuda or cuda:N")


def add_network_options(parser: argparse.ArgumentParser, several_sizes: bool = False) -> argparse._ArgumentGroup:
    """Add --model, --checkpoint and --image-size (a list with `several_sizes`)."""
    options = parser.add_argument_group("model")
    options.add_argument("--model", choices=CONFIGS, default="nano", metavar="NAME", help=", ".join(CONFIGS))
    options.add_argument(
        "--checkpoint", type=utf8_path, metavar="FILE", help="weights (default: bundled or downloaded)"
    )
    options.add_argument(
        "--image-size",
        type=whole_numbers if several_sizes else int,
        metavar="PIXELS",
        help=f"side of the model's input{', or several: 256,512' if several_sizes else ''} (default: its own)",
    )
    return options


def add_preset_options(parser: argparse.ArgumentParser, several: bool = False) -> None:
    """Add --preset (a list with `several`) and an option for each of its values."""
    options = parser.add_argument_group("quality against speed")
    names = ", ".join(PRESETS)
    options.add_argument(
        "--preset",
        type=_presets if several else _preset,
        default=["quality"] if several else "quality",
        metavar="NAME",
        help=f"{names}{', or several, separated by commas' if several else ''} (default: quality)",
    )
    as_preset = "(default: by the preset)"
    options.add_argument(
        "--recent-memories", type=whole_number, default=0, metavar="N", help=f"spatial memories, 1 to 6 {as_preset}"
    )
    options.add_argument(
        "--memory-pooling",
        type=whole_number,
        default=0,
        metavar="N",
        help=f"2: pool 2 x 2 tokens, 1: none {as_preset}",
    )
    options.add_argument(
        "--encode-every", type=whole_number, default=0, metavar="N", help=f"encode every N-th frame {as_preset}"
    )


def chosen_preset(args: argparse.Namespace, name: str) -> Preset:
    """The preset of that name, with the values that were given as options."""
    return PRESETS[name].changed(args.recent_memories, args.memory_pooling, args.encode_every)


def model_choice(args: argparse.Namespace, preset: str, precision: str = "auto") -> ModelChoice:
    """What the options of `add_model_options` and `add_preset_options` choose."""
    return ModelChoice(
        args.model, args.checkpoint, args.image_size, args.device, chosen_preset(args, preset), precision
    )


def _preset(text: str) -> str:
    if text not in PRESETS:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(PRESETS)}, not {text!r}")
    return text


def _presets(text: str) -> list[str]:
    return [_preset(name) for name in text.split(",")]


def utf8_path(text: str) -> Path:
    """A path in UTF-8, for safetensors, PyTorch and ONNX Runtime; raises argparse.ArgumentTypeError."""
    return Path(utf8_text(text))


def utf8_text(text: str) -> str:
    """A name in UTF-8, which can be written to files and screens; raises argparse.ArgumentTypeError."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise argparse.ArgumentTypeError(f"the name {text!a} is not valid UTF-8, rename it") from None
    return text


def whole_number(text: str) -> int:
    """An integer of at least 1; raises argparse.ArgumentTypeError."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, not {text!r}")
    return int(text)


def whole_numbers(text: str) -> list[int]:
    """Integers of at least 1, separated by commas; raises argparse.ArgumentTypeError."""
    return [whole_number(piece) for piece in text.split(",")]


def rate(text: str) -> float:
    """Pictures per second; raises argparse.ArgumentTypeError."""
    return _above_zero(text, "pictures per second, such as 25")


def positive(text: str) -> float:
    """A number above 0; raises argparse.ArgumentTypeError."""
    return _above_zero(text, "a number above 0")


def _above_zero(text: str, expected: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"expected {expected}, not {text!r}")
    return value
