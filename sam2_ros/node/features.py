"""Features that need ROS packages which are not part of every installation."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from sam2_ros.node.parameters import Parameters


@dataclass(frozen=True)
class Feature:
    """Enabled by a parameter that is neither false nor empty."""

    parameter: str
    package: str
    description: str


FEATURES: tuple[Feature, ...] = (
    Feature("detections", "vision_msgs", "detector boxes"),
    Feature("depth", "message_filters", "3-D"),
    Feature("target_frame", "tf2_ros", "positions in another frame than the camera's"),
    Feature("clicked_point", "tf2_ros", "clicking in RViz in another frame than the camera's"),
)


def import_error(package: str) -> str:
    """Why a package cannot be imported; empty where it can."""
    try:
        importlib.import_module(package)
    except ImportError as error:  # not installed, or built against another Python or NumPy
        return str(error)
    return ""


def missing(parameters: Parameters, by_default: bool = False) -> list[str]:
    """One message for each unavailable feature: of those that the user enabled, or of those enabled by default."""
    defaults = Parameters()
    return [
        f"{feature.description} ({feature.parameter}) needs the ROS package {feature.package}, which cannot be "
        f"imported ({error}): `sudo apt install ros-$ROS_DISTRO-{feature.package.replace('_', '-')}`; everything else "
        "works"
        for feature in FEATURES
        if (value := getattr(parameters, feature.parameter))
        and by_default == (value == getattr(defaults, feature.parameter))
        and (error := import_error(feature.package))
    ]
