"""Configuration of the tracker."""

from __future__ import annotations

from dataclasses import dataclass

from ..model import MemorySize
from ..model.config import NUM_RECENT, NUM_RECENT_POINTERS
from .arguments import check_types
from .device import PRECISIONS
from .memory_policy import POLICIES, MemoryPolicy
from .track_state import TrackStateConfig

MAX_OBJECTS = 254  # values 1..254 of the label image


@dataclass(frozen=True)
class TrackerConfig:
    """Options of the tracker. Memory use depends on the first three only. Raises TypeError and ValueError."""

    max_objects: int = 16
    max_prompted: int = 4  # prompted frames per object in the memory bank
    history: int = 16  # buffered frames, to which late prompts can be applied
    stamp_tolerance: float = 0.0  # seconds by which a prompt's stamp may differ from its frame's
    track_state: TrackStateConfig = TrackStateConfig()
    memory_policy: str = "guarded"
    # Whether corrected frames are written to memory as prompted ones: the reference trains so, but does not track so.
    corrections_are_prompted: bool = True
    # Whether late prompts are propagated at once; else by calls of `catch_up`, between which new frames can be tracked.
    catch_up_at_once: bool = True
    precision: str = "float32"
    cuda_graphs: bool = True  # on a CUDA device, launch each frame as CUDA graphs, see graphs.py
    # Quality against speed, see presets.py
    recent_memories: int = NUM_RECENT  # spatial memories of tracked frames that are read
    memory_pooling: int = 1  # 2: spatial memories of tracked frames are averaged over 2 x 2 tokens
    encode_every: int = 1  # encode every N-th frame, see frame_skipping.py
    target_fps: float = 0.0  # skip frames to reach this rate; 0: no target

    def __post_init__(self) -> None:
        check_types(self)
        if not 1 <= self.max_objects <= MAX_OBJECTS:
            raise ValueError(f"max_objects is {self.max_objects}, expected 1..{MAX_OBJECTS}")
        if self.max_prompted < 1 or self.history < 1:
            raise ValueError(f"max_prompted {self.max_prompted}, history {self.history}: expected at least 1")
        if self.stamp_tolerance < 0:
            raise ValueError(f"stamp_tolerance is {self.stamp_tolerance}, expected seconds, at least 0")
        if self.memory_policy not in POLICIES:
            raise ValueError(f"memory_policy is {self.memory_policy!r}, expected one of {', '.join(POLICIES)}")
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision is {self.precision!r}, expected one of {', '.join(PRECISIONS)}")
        if not 1 <= self.recent_memories <= NUM_RECENT:
            raise ValueError(f"recent_memories is {self.recent_memories}, expected 1..{NUM_RECENT}")
        if self.memory_pooling not in (1, 2):
            raise ValueError(f"memory_pooling is {self.memory_pooling}, expected 1 (none) or 2 (2 x 2 tokens)")
        if self.encode_every < 1:
            raise ValueError(f"encode_every is {self.encode_every}, expected at least 1")
        if self.target_fps < 0:
            raise ValueError(f"target_fps is {self.target_fps:g}, expected frames per second, 0 for none")

    @property
    def policy(self) -> MemoryPolicy:
        """The policy named `memory_policy`."""
        return POLICIES[self.memory_policy]

    @property
    def memory_sizes(self) -> tuple[MemorySize, ...]:
        """Of a full memory of an object that is prompted once, which most are, and of the largest memory."""
        pooled = self.recent_memories if self.memory_pooling > 1 else 0
        return tuple(
            MemorySize(prompted + self.recent_memories - pooled, pooled, prompted + NUM_RECENT_POINTERS)
            for prompted in sorted({1, self.max_prompted + self.policy.long_term})
        )
