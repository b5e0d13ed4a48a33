"""Features that need ROS packages which not every installation has."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from sam2_ros.node.parameters import Parameters


@dataclass(frozen=True)
class Feature:
    """What the parameter `wanted_by` asks for (anything but false or empty), and the package that it needs."""

    wanted_by: str
    package: str
    what: str


FEATURES: tuple[Feature, ...] = (
    Feature("detections", "vision_msgs", "detector boxes"),
    Feature("depth", "message_filters", "3-D"),
    Feature("target_frame", "tf2_ros", "positions in another frame than the camera's"),
    Feature("clicked_point", "tf2_ros", "clicking in RViz in another frame than the camera's"),
)


def problem_with(package: str) -> str:
    """Why a package cannot be imported; empty where it can."""
    try:
        importlib.import_module(package)
    except ImportError as error:  # absent, or built against another Python or NumPy
        return str(error)
    return ""


def missing(parameters: Parameters, by_default: bool = False) -> list[str]:
    """What cannot be had and what to do about it, of what the user asked for, or of what is on by default."""
    usual = Parameters()
    return [
        f"{feature.what} ({feature.wanted_by}) needs the ROS package {feature.package}, which cannot be imported "
        f"({problem}): `sudo apt install ros-$ROS_DISTRO-{feature.package.replace('_', '-')}`; everything else runs"
        for feature in FEATURES
        if (wanted := getattr(parameters, feature.wanted_by))
        and by_default == (wanted == getattr(usual, feature.wanted_by))
        and (problem := problem_with(feature.package))
    ]
