"""The arguments of track.launch.py as parameters and remappings of the tracker and RViz."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from sam2_ros.node.parameters.unknown_names import misspelled
from sam2_ros.node.parameters.values import boolean, class_names, integer, number

NODE = "sam2_tracker"
TEXT_DETECTOR = "sam2_text_detector"
FROM_FILE = " (empty: as in the parameter files)"

# Arguments that set the parameter of the same name, with its type, where they are not empty.
PARAMETERS: Mapping[str, tuple[type, str]] = {
    "model": (str, "the model, such as nano or sam2.1_hiera_tiny" + FROM_FILE),
    "checkpoint": (str, "file with the model's weights" + FROM_FILE),
    "image_size": (int, "input size of the model, the side of a square in pixels" + FROM_FILE),
    "preset": (str, "quality, balanced or fast" + FROM_FILE),
    "device": (str, "auto, cpu, cuda or cuda:N" + FROM_FILE),
    "image_transport": (str, "raw or compressed" + FROM_FILE),
    "image_bit_depth": (int, "bits that the camera uses of 16, 8 to 16; 0: detected" + FROM_FILE),
    "target_frame": (str, "frame of positions and points, through tf2" + FROM_FILE),
    "clicked_point": (bool, "true: RViz' Publish Point starts objects" + FROM_FILE),
    "detection_classes": (str, "classes whose boxes are used, separated by commas, such as cup,bowl" + FROM_FILE),
    "discover": (float, "seconds between two searches for objects that are not tracked, 0: never" + FROM_FILE),
    "use_sim_time": (bool, "true: use the time of the topic /clock" + FROM_FILE),
}

# Arguments that remap the subscribed topic of the same name, with or without `~/`.
TOPICS: Mapping[str, tuple[str, str]] = {
    "image": ("image", "the camera's image topic"),
    "camera_info": ("", "its camera_info topic (empty: camera_info in the namespace of the image)"),
    "detections": ("", "a detector's topic, vision_msgs/Detection2DArray (empty: detections in the node's namespace)"),
    "depth": ("", "depth that is registered to the image; enables 3-D (empty: as in the parameter files)"),
}

# Topics from which Isaac's manipulation bring-up reads a segmentation.
_ISAAC = {
    "~/target_mask": "/segment_anything2/binary_segmentation_mask",
    "~/detections_out": "/segment_anything2/detections",
}

# Topics in config/track.rviz: those that the node subscribes to, and those that it publishes.
_SUBSCRIBED, _PUBLISHED = ("image", "depth", "camera_info"), ("overlay", "masks", "markers", "points")


def check_names(given: Collection[str], declared: Collection[str]) -> None:
    """Raises ValueError for a misspelled argument, which launch would ignore."""
    for name in given:
        if name not in declared and (intended := misspelled(name, declared)):
            raise ValueError(f"there is no argument {name}, did you mean {intended}?")


def parameter_files(arguments: Mapping[str, str], default: Path) -> list[str]:
    """The package's file and the user's, which overrides it. Raises ValueError where that is missing."""
    file = arguments["params_file"]
    if file and not Path(file).is_file():
        raise ValueError(f"params_file:={file}: expected a YAML file of parameters")
    return [str(default), *filter(None, [file])]


def overrides(arguments: Mapping[str, str]) -> dict[str, str | int | float | bool]:
    """Parameters that the command line sets. Raises ValueError for a value of another type."""
    values = {name: convert(name, kind, arguments[name]) for name, (kind, _) in PARAMETERS.items() if arguments[name]}
    return values | {"depth": True} if arguments["depth"] else values


def convert(name: str, kind: type, text: str) -> str | int | float | bool:
    """The argument as a value of the parameter's type. Raises ValueError with what was expected."""
    if kind is bool:
        return boolean(name, text)
    if kind is int:
        return integer(name, text)
    if kind is float:
        return number(name, text)
    return class_names(text) if name == "detection_classes" else text


def remappings(arguments: Mapping[str, str]) -> list[tuple[str, str]]:
    """From the node's topics to those of the arguments. Raises ValueError for two detectors."""
    image = arguments["image"]
    raw = image.removesuffix("/compressed")  # the topic of either image transport is accepted
    topics = {name: arguments[name] for name in TOPICS} | {"image/compressed": f"{raw}/compressed"}
    if arguments["text"]:
        if arguments["detections"]:
            raise ValueError(f"detections:={arguments['detections']} and text are two detectors, expected one of them")
        topics["detections"] = f"{TEXT_DETECTOR}/detections"
    if detections := topics.pop("detections"):
        topics["~/detections"] = detections
    topics["depth"] = topics["depth"] or "depth"
    topics["camera_info"] = topics["camera_info"] or "/".join([*raw.split("/")[:-1], "camera_info"])
    if boolean("isaac", arguments["isaac"]):
        topics |= _ISAAC
    return list(topics.items())


def image_remappings(arguments: Mapping[str, str]) -> list[tuple[str, str]]:
    """Those of the image, for other nodes that read it."""
    return [(name, topic) for name, topic in remappings(arguments) if name in ("image", "image/compressed")]


def log_level(arguments: Mapping[str, str], node: str) -> str:
    """For --log-level: that of the node's logger alone."""
    logger = ".".join([*filter(None, arguments["namespace"].split("/")), node])
    return f"{logger}:={arguments['log_level']}"


def rviz_arguments(arguments: Mapping[str, str], config: Path) -> list[str]:
    """RViz' command line."""
    frame = arguments["fixed_frame"] or arguments["target_frame"]
    return ["-d", str(config), *(["-f", frame] if frame else [])]


def rviz_remappings(arguments: Mapping[str, str]) -> list[tuple[str, str]]:
    """From the topics of config/track.rviz, which have no namespace, to those of the node."""
    prefix = "".join(f"/{part}" for part in arguments["namespace"].split("/") if part)
    topics = dict(remappings(arguments))
    read = [
        (f"/{name}", topics[name] if topics[name].startswith("/") else f"{prefix}/{topics[name]}")
        for name in _SUBSCRIBED
    ]
    return [*read, *((f"/{NODE}/{name}", f"{prefix}/{NODE}/{name}") for name in _PUBLISHED)]
