"""Opens bags where the libraries for them are installed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sam2_ros.optional import require

if TYPE_CHECKING:
    from .bags import Bag


def open_bag(path: Path) -> Bag:
    """Raises BagError, MissingLibraryError."""
    for module in ("rosbags.rosbag2", "mcap.stream_reader"):
        require(module, "reading a ROS 2 bag", "recordings")
    from .bags import Bag

    return Bag(path)
