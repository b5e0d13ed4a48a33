"""The arguments of track.launch.py as parameters of the text detector, and of the tracker beside it."""

from __future__ import annotations

from collections.abc import Mapping

from sam2_ros.node.launching import track

# Arguments that set the text detector's parameter without `text_`, where they are not empty.
PARAMETERS: Mapping[str, tuple[type, str]] = {
    "text_model": (str, "OWLv2 or Grounding DINO: a name on huggingface.co, or a folder (empty: OWLv2)"),
    "text_threshold": (float, "lowest score of its boxes, 0..1 (empty: by the model)"),
    "text_rate": (float, "images per second that it searches (empty: 2)"),
}

_SHARED = ("device", "image_transport", "use_sim_time")  # with the tracker

# The words are the classes, the detector has a threshold of its own, its second box confirms the first, and its boxes
# may come seconds late.
_TRACKER_PARAMETERS: Mapping[str, str | int | float | bool] = {
    "detection_classes": "",
    "detection_min_score": 0.0,
    "detection_min_hits": 2,
    "history": 64,
}


def tracker_parameters(arguments: Mapping[str, str]) -> dict[str, str | int | float | bool]:
    """The tracker's with `text`, which a file of the user overrides."""
    return dict(_TRACKER_PARAMETERS) if arguments["text"] else {}


def parameters(arguments: Mapping[str, str]) -> dict[str, str | int | float | bool]:
    """Its own, and those that it shares with the tracker. Raises ValueError for a value of another type."""
    own = {
        name.removeprefix("text_"): track.convert(name, kind, arguments[name])
        for name, (kind, _) in PARAMETERS.items()
        if arguments[name]
    }
    shared = {
        name: track.convert(name, track.PARAMETERS[name][0], arguments[name]) for name in _SHARED if arguments[name]
    }
    return {"words": arguments["text"], **own, **shared}
