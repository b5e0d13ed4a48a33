"""The arguments of yolo.launch.py as parameters of the detector and arguments of track.launch.py."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sam2_ros.node.parameters.values import boolean, number

DETECTOR = "yolos_detector"
_TRACKER_ARGUMENTS = ("image", "namespace", "model", "checkpoint", "detection_classes", "rviz")


def detector_parameters(arguments: Mapping[str, str]) -> dict[str, str | bool | float]:
    """With absolute paths. Raises ValueError for a missing file or a value of another type."""
    return {
        "model_path": _file(arguments, "yolo", "an ONNX file of a YOLO model"),
        "labels_path": _file(arguments, "labels", "a file with its class names, one per line"),
        "use_gpu": boolean("use_gpu", arguments["use_gpu"]),
        "conf_threshold": number("conf_threshold", arguments["conf_threshold"]),
    }


def _file(arguments: Mapping[str, str], name: str, expected: str) -> str:
    path = Path(arguments[name])
    if not path.is_file():
        raise ValueError(f"{name}:={arguments[name]}: expected {expected}")
    return str(path.resolve())


def detector_remappings(arguments: Mapping[str, str]) -> list[tuple[str, str]]:
    """The detector subscribes to the tracker's camera."""
    return [("~/image_raw", arguments["image"])]


def tracker_arguments(arguments: Mapping[str, str]) -> dict[str, str]:
    """Those of track.launch.py: the tracker subscribes to the detector's boxes."""
    return {name: arguments[name] for name in _TRACKER_ARGUMENTS} | {"detections": f"{DETECTOR}/detections"}
