"""config/track.rviz displays the topics that the node publishes; checked without RViz."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rclpy
import yaml
from rclpy.lifecycle import LifecycleNode

from sam2_ros.node.inputs.transforms import Transforms
from sam2_ros.node.outputs.lifter import Lifter
from sam2_ros.node.outputs.publishers import Publishers
from sam2_ros.node.parameters import Parameters
from sam2_ros.node.statistics import Statistics

CONFIG = Path(__file__).parents[2] / "config" / "track.rviz"

# Of RViz' own plugins, those that are used, with the type of message that they show
DISPLAYS = {
    "rviz_default_plugins/DepthCloud": "",
    "rviz_default_plugins/Image": "sensor_msgs/msg/Image",
    "rviz_default_plugins/MarkerArray": "visualization_msgs/msg/MarkerArray",
    "rviz_default_plugins/PointCloud2": "sensor_msgs/msg/PointCloud2",
    "rviz_default_plugins/TF": "",
}
OTHERS = {
    "rviz_common/Displays",
    "rviz_common/Time",
    "rviz_common/Tool Properties",
    "rviz_default_plugins/MoveCamera",
    "rviz_default_plugins/Orbit",
    "rviz_default_plugins/PublishPoint",
    "rviz_default_plugins/Select",
    "rviz_default_plugins/TF",
}


@pytest.fixture
def config() -> dict[str, Any]:
    return yaml.safe_load(CONFIG.read_text())


@pytest.fixture
def manager(config: dict[str, Any]) -> dict[str, Any]:
    return config["Visualization Manager"]


@pytest.fixture
def published() -> Iterator[dict[str, str]]:
    """The type of each topic of a node with depth."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = LifecycleNode("sam2_tracker", context=context)
    Publishers(node, Parameters(depth=True), Lifter("", Transforms(node), Statistics(), node.get_logger()))
    names = node.get_publisher_names_and_types_by_node("sam2_tracker", "/")
    yield {name: types[0] for name, types in names}
    node.destroy_node()
    rclpy.shutdown(context=context)


def test_every_plugin_comes_with_rviz(config: dict[str, Any], manager: dict[str, Any]) -> None:
    assert {display["Class"] for display in manager["Displays"]} <= set(DISPLAYS)
    others = [*config["Panels"], *manager["Tools"], manager["Views"]["Current"], manager["Transformation"]["Current"]]
    assert {other["Class"] for other in others} <= OTHERS


def test_every_topic_of_the_node_is_displayed_with_its_type(manager: dict[str, Any], published: dict[str, str]) -> None:
    shown = {d["Topic"]["Value"]: DISPLAYS[d["Class"]] for d in manager["Displays"] if "Topic" in d}
    own = {topic: kind for topic, kind in shown.items() if topic.startswith("/sam2_tracker/")}
    assert own.keys() >= {f"/sam2_tracker/{name}" for name in ("overlay", "masks", "points", "markers")}
    assert own == {topic: published.get(topic) for topic in own}


def test_every_image_display_has_a_panel(config: dict[str, Any], manager: Any) -> None:
    """An image has a panel of its own, by the name of its display."""
    images = {d["Name"] for d in manager["Displays"] if d["Class"] == "rviz_default_plugins/Image"}
    assert images <= config["Window Geometry"].keys()


def test_the_marker_namespaces_of_the_node_are_enabled(manager: dict[str, Any]) -> None:
    (markers,) = [d for d in manager["Displays"] if d["Class"] == "rviz_default_plugins/MarkerArray"]
    assert markers["Namespaces"] == {"boxes": True, "captions": True}


def test_publish_point_publishes_on_the_trackers_topic(manager: dict[str, Any]) -> None:
    (tool,) = [tool for tool in manager["Tools"] if tool["Class"] == "rviz_default_plugins/PublishPoint"]
    assert tool["Topic"]["Value"] == "/clicked_point"
    assert tool["Topic"]["Reliability Policy"] == "Reliable"
