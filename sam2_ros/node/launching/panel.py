"""The arguments of track.launch.py as parameters of the panel."""

from __future__ import annotations

from collections.abc import Mapping

from sam2_ros.node.parameters.values import integer


def parameters(arguments: Mapping[str, str]) -> dict[str, str | int]:
    """Raises ValueError for a port that is no number."""
    return {
        "host": arguments["host"],
        "port": integer("port", arguments["port"]),
        "image_transport": arguments["image_transport"] or "auto",
    }
