"""Quality for speed, as the user's choice: how much of its work the tracker saves. `sam2_ros evaluate` tells the price.

The size of the image is the model's own matter; halving it saves most, and costs most.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..model.config import NUM_RECENT


@dataclass(frozen=True)
class Preset:
    """Options of `TrackerConfig`; the defaults save nothing."""

    recent_memories: int = NUM_RECENT
    memory_pooling: int = 1
    encode_every: int = 1

    def changed(self, recent_memories: int = 0, memory_pooling: int = 0, encode_every: int = 0) -> Preset:
        """With what is given in place of the preset's own; 0 leaves it as it is."""
        given = {"recent_memories": recent_memories, "memory_pooling": memory_pooling, "encode_every": encode_every}
        return replace(self, **{name: value for name, value in given.items() if value})


PRESETS = {
    "quality": Preset(),  # what the reference does
    "balanced": Preset(recent_memories=3, memory_pooling=2, encode_every=2),
    "fast": Preset(recent_memories=2, memory_pooling=2, encode_every=4),
}
