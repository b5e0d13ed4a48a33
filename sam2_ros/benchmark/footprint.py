"""The memory that a tracker's tensors take by its configuration, computed without allocating them.

python3 -m sam2_ros.benchmark.footprint [--max-objects N] [--history N] [--image-size PIXELS]

It leaves out what depends on PyTorch and the device: the CUDA context, kernels, intermediate results and CUDA graphs.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..model import ModelConfig, Sam2
from ..model.config import CONFIGS, named_config
from ..tracking import StreamingTracker, TrackerConfig
from ..tracking.device import PRECISIONS
from .memory import MEGABYTE

_META = torch.device("meta")  # tensors with a shape and no memory
_HEADER = "| model | input | parameters | memory bank | features of buffered frames | masks on these | sum |"


@dataclass(frozen=True)
class Footprint:
    """Bytes by what they hold."""

    parameters: int  # float32, and constants
    bank: int  # the preallocated memories of all objects
    features: int  # of the buffered frames, for late prompts
    masks: int  # logits of all objects on the buffered frames

    @property
    def total(self) -> int:
        """All of these."""
        return self.parameters + self.bank + self.features + self.masks


def footprint(model: ModelConfig, config: TrackerConfig) -> Footprint:
    """What a tracker of this configuration takes with as many objects as it may have."""
    with _META:
        network = Sam2(model)
    tracker = StreamingTracker(network, config)
    image = torch.empty(1, 3, model.image_size, model.image_size, device=_META)
    numbers = sum(x.numel() for x in network.encode_image(image))
    mask = torch.empty(model.image_size // 4, model.image_size // 4, device=_META)  # of float32
    return Footprint(
        parameters=_bytes([*network.parameters(), *network.buffers()]),
        bank=_bytes(x for x in vars(tracker._propagation._bank).values() if isinstance(x, Tensor)),
        features=config.history * numbers * PRECISIONS[config.precision].itemsize,
        masks=config.history * config.max_objects * mask.nbytes,
    )


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(x.nbytes for x in tensors)


def main() -> None:
    """Print a table of all models."""
    default = TrackerConfig()
    parser = argparse.ArgumentParser("footprint", description="Memory of a tracker's tensors by model, in bfloat16.")
    parser.add_argument("--max-objects", type=int, default=default.max_objects)
    parser.add_argument("--history", type=int, default=default.history, help="buffered frames")
    parser.add_argument("--image-size", type=int, metavar="PIXELS", help="default: the model's own")
    args = parser.parse_args()
    config = TrackerConfig(max_objects=args.max_objects, history=args.history, precision="bfloat16")
    print(f"{_HEADER}\n{'|-' * (_HEADER.count('|') - 1)}|")
    for name in (name for name in CONFIGS if not name.startswith("sam2_")):  # SAM 2.0 takes the same
        model = named_config(name, args.image_size)
        part = footprint(model, config)
        sizes = (part.parameters, part.bank, part.features, part.masks, part.total)
        cells = [f"`{name}`", str(model.image_size), *(f"{size / MEGABYTE:.0f} MB" for size in sizes)]
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
