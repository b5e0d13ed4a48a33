"""The parameters discover*, as they are when a search starts."""

from __future__ import annotations

from collections.abc import Sequence

from rclpy.node import Node
from rclpy.parameter import Parameter

from sam2_ros.node.parameters import ParameterError
from sam2_ros.segmentation import DiscoveryConfig, MaskGeneratorConfig
from sam2_ros.tracking import Box

_PREFIX = "discover_"
_NAMES = ("max_objects", "min_area", "max_area", "min_predicted_iou", "min_stability", "region", "points_per_side")


class DiscoveryParameters:
    """See `background.DiscoverySettings`; the parameters were checked when they were set."""

    def __init__(self, node: Node) -> None:
        self._node = node

    @property
    def period(self) -> float:
        """Seconds of image time between two searches; 0: none."""
        return float(self._node.get_parameter("discover").value)

    def config(self) -> DiscoveryConfig:
        """The limits of the next search."""
        return _config(self._node, ())


def check_discovery(node: Node, changes: Sequence[Parameter] = ()) -> None:
    """Raises ParameterError where the parameters, with these changes, contradict each other."""
    try:
        _config(node, changes)
    except ValueError as error:
        raise ParameterError(f"parameters discover_*: {error}") from error


def _config(node: Node, changes: Sequence[Parameter]) -> DiscoveryConfig:
    """Raises ValueError."""
    changed = {parameter.name: parameter.value for parameter in changes}
    value = {name: changed.get(_PREFIX + name, node.get_parameter(_PREFIX + name).value) for name in _NAMES}
    defaults = MaskGeneratorConfig.for_model(changed.get("model", node.get_parameter("model").value))
    value["min_predicted_iou"] = value["min_predicted_iou"] or defaults.pred_iou_thresh
    value["min_stability"] = value["min_stability"] or defaults.stability_score_thresh
    value["region"] = Box(*(float(edge) for edge in value["region"].split(",")))
    return DiscoveryConfig(**value)
