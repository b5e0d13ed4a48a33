"""Presets that trade quality for speed; `sam2_ros evaluate` measures the loss of quality.

The input size is an option of the model; halving it saves most time and costs most quality.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..model.config import NUM_RECENT


@dataclass(frozen=True)
class Preset:
    """Options of `TrackerConfig` of the same names; the defaults are those of best quality."""

    recent_memories: int = NUM_RECENT
    memory_pooling: int = 1
    encode_every: int = 1

    def changed(self, recent_memories: int = 0, memory_pooling: int = 0, encode_every: int = 0) -> Preset:
        """The preset with other values; 0 keeps the preset's own."""
        given = {"recent_memories": recent_memories, "memory_pooling": memory_pooling, "encode_every": encode_every}
        return replace(self, **{name: value for name, value in given.items() if value})


PRESETS = {
    "quality": Preset(),  # as in the reference
    "balanced": Preset(recent_memories=3, memory_pooling=2, encode_every=2),
    "fast": Preset(recent_memories=2, memory_pooling=2, encode_every=4),
}
