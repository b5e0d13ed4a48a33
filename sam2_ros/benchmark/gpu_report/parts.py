"""The parts of the report, the most important first, with their time limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]  # of a part's table: text and numbers by the heading of their column

TOTAL = 420.0  # seconds, of all limits together


@dataclass(frozen=True)
class Part:
    """A module of this package whose function `rows` measures."""

    name: str
    title: str
    limit: float  # seconds


PARTS = (
    Part("environment", "Machine", 20),
    Part("suite", "CUDA tests", 45),
    Part("equality", "The GPU beside the CPU: bundled clip, late prompts", 50),
    Part("speed", "Eager and CUDA graphs", 90),
    Part("reference", "Beside the reference with vos_optimized", 105),
    Part("node", "Node over DDS: 640 x 480, three objects", 40),
    Part("compiled", "CUDA graphs of the compiled network", 70),
)


class LeftOutError(RuntimeError):
    """A part that cannot run here; the message says what it needs."""


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    models: tuple[tuple[str, int], ...] = (("sam2.1_hiera_tiny", 1024), ("nano", 1024))  # with their input sizes
    objects: tuple[int, ...] = (1, 8)
    frames: int = 200
    warm_up: int = 30  # frames
    clip_size: int = 384  # input size on the bundled clip
    clip_frames: int = 75  # the target is occluded in frames 25 to 58
    node_frames: int = 150
    backend: str = "inductor"  # of torch.compile


FULL = Extent()
# Shows in seconds, also on a CPU, that every part runs.
SMOKE = Extent(
    models=(("nano", 64),),
    objects=(2,),
    frames=3,
    warm_up=2,
    clip_size=64,
    clip_frames=13,
    node_frames=3,
    backend="eager",
)
