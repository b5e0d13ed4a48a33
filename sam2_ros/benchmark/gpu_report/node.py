"""Part: the node on the GPU, from a published image to tracks, masks and overlay, over DDS between two processes."""

from __future__ import annotations

from collections.abc import Iterator

from ..overhead import measure
from .parts import Extent, LeftOutError, Row

_SIZE = (640, 480)  # pixels
_OBJECTS = 3


def rows(device: str, extent: Extent) -> Iterator[Row]:
    """One row. Raises LeftOutError where there is no ROS 2."""
    try:
        (measured,) = measure([_SIZE], extent.node_frames, _OBJECTS, device)
    except ImportError as error:
        raise LeftOutError(f"ROS 2 is missing ({error}): source its setup.bash, or carry its wheels along") from error
    yield {
        "objects": _OBJECTS,
        "frames per second": measured.rate,
        "round trip (ms)": measured.round_trip,
        "latency median (ms)": measured.latency,
        "latency p99 (ms)": measured.latency_p99,
        "of these outside the tracker (ms)": measured.median,
    }
