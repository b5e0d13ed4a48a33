"""The arguments of demo.launch.py as parameters and remappings of the player and the recorder."""

from __future__ import annotations

from collections.abc import Mapping

from sam2_ros.node.launching.track import NODE
from sam2_ros.node.parameters.values import number

_RECORDED = ("tracks", "events", "overlay", "prompt", "detections")
_PLAYED = ("prompt", "detections")


def tracker_arguments(arguments: Mapping[str, str]) -> dict[str, str]:
    """Those of track.launch.py, where `detections` is a topic."""
    return {"model": arguments["model"], "detections": ""}


def player_parameters(arguments: Mapping[str, str]) -> dict[str, str]:
    """As they were written."""
    return {name: arguments[name] for name in ("video", "click", "detections")}


def recorder_parameters(arguments: Mapping[str, str]) -> dict[str, str | float]:
    """Raises ValueError for a rate that is no number."""
    return {"output": arguments["output"], "rate": number("rate", arguments["rate"])}


def player_remappings() -> list[tuple[str, str]]:
    """To the tracker's topics."""
    return [(topic, f"/{NODE}/{topic}") for topic in _PLAYED]


def recorder_remappings() -> list[tuple[str, str]]:
    """To the tracker's topics."""
    return [(topic, f"/{NODE}/{topic}") for topic in _RECORDED]


def failure(process: str, exit_code: int | None) -> str:
    """Why the demo ends when a process does; empty: it continues, because the player has played everything."""
    if process.startswith("player") and exit_code == 0:
        return ""
    return f"{process} ended with exit code {exit_code}"
