"""What fleets expect of every node: QoS overrides, diagnostics for the aggregator, descriptions of parameters."""

import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from diagnostic_msgs.msg import DiagnosticStatus
from rcl_interfaces.srv import DescribeParameters, ListParameters
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, CompressedImage

from sam2_ros.node.parameters import qos_overrides
from sam2_ros.node.parameters.values import ParameterError

ROOT = Path(__file__).resolve().parents[2]
OVERRIDES = {
    "qos_overrides./hooked_tracker/target_mask.publisher.reliability": "best_effort",
    "qos_overrides./hooked_tracker/masks.publisher.depth": 17,
    "qos_overrides./hooked_tracker/events.publisher.durability": "transient_local",
    "qos_overrides./image.subscription.reliability": "reliable",
    "qos_overrides./nowhere.publisher.depth": 3,
}


@pytest.fixture(scope="module")
def robot(start: Any) -> Any:
    robot = start("hooked_tracker", image_timeout=1.0, **OVERRIDES)
    assert robot.change("configure", "activate") == [True, True], robot.tracker.log
    return robot


def ask(robot: Any, kind: type, service: str, request: Any) -> Any:
    client = robot.connected_client(kind, service)
    answer = client.call_async(request)
    robot.wait_for(answer.done, service)
    return answer.result()


# ---- QoS


def offered(robot: Any, topic: str) -> Any:
    find = lambda: robot.node.get_publishers_info_by_topic(f"/hooked_tracker/{topic}")  # noqa: E731
    return robot.wait_for(find, topic)[0].qos_profile


def test_parameters_override_the_qos_of_single_topics(robot: Any) -> None:
    assert offered(robot, "target_mask").reliability is ReliabilityPolicy.BEST_EFFORT
    assert offered(robot, "masks").reliability is ReliabilityPolicy.RELIABLE
    assert offered(robot, "events").durability is DurabilityPolicy.TRANSIENT_LOCAL
    assert offered(robot, "masks").durability is DurabilityPolicy.VOLATILE
    images = robot.node.get_subscriptions_info_by_topic("/image")
    assert [info.qos_profile.reliability for info in images] == [ReliabilityPolicy.RELIABLE]


def test_every_subscription_and_publisher_of_the_active_node_can_be_overridden(robot: Any) -> None:
    names = set(ask(robot, ListParameters, "list_parameters", ListParameters.Request()).result.names)
    own = ("hooked_tracker", "/")
    kinds = {
        "publisher": dict(robot.node.get_publisher_names_and_types_by_node(*own)),
        "subscription": dict(robot.node.get_subscriber_names_and_types_by_node(*own)),
    }
    of_rclpy = ("/rosout", "/parameter_events", "/clock", "_action/", "/transition_event")
    for kind, topics in kinds.items():
        for topic in topics:
            if not any(part in topic for part in of_rclpy):
                assert f"qos_overrides.{topic}.{kind}.depth" in names
    assert len(kinds["subscription"]) > 5 and len(kinds["publisher"]) > 5


def test_an_override_of_a_topic_that_does_not_exist_is_reported(robot: Any) -> None:
    robot.wait_for_log("QoS overrides of topics that this node does not have: qos_overrides./nowhere.publisher.depth")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [("reliability", "fast", "reliable, best_effort"), ("depth", "3", "an integer"), ("history", 1, "keep_last")],
)
def test_an_override_that_is_no_policy_is_refused_with_the_choices(name: Any, value: Any, expected: Any) -> None:
    with pytest.raises(ParameterError, match=expected):
        qos_overrides.check({f"qos_overrides./image.subscription.{name}": value})
    qos_overrides.check({f"other./image.subscription.{name}": value})


# ---- compressed images and calibration


def test_masks_and_overlay_are_also_published_compressed_with_the_stamp_of_the_image(robot: Any) -> None:
    masks: list[CompressedImage] = []
    overlays: list[CompressedImage] = []
    infos: list[CameraInfo] = []
    for kind, topic, received in (
        (CompressedImage, "masks/compressed", masks),
        (CompressedImage, "overlay/compressed", overlays),
        (CameraInfo, "camera_info", infos),
    ):
        robot.node.create_subscription(kind, f"/hooked_tracker/{topic}", received.append, 100)
    calibration = robot.node.create_publisher(CameraInfo, "camera_info", 10)
    robot.connect()
    robot.show()
    assert robot.add(clicks=[robot.middle]).success

    def of(received: list[Any], header: Any) -> list[Any]:
        return [message for message in list(received) if message.header == header]

    def complete() -> Any:
        calibration.publish(CameraInfo(height=96, width=128, k=[100.0, 0.0, 64.0, 0.0, 100.0, 48.0, 0.0, 0.0, 1.0]))
        header = robot.show().header
        time.sleep(0.2)
        raw = of(robot.masks, header)
        found = [of(received, header) for received in (masks, overlays, infos)]
        return all(found) and raw and (raw[0], *(part[0] for part in found))

    raw, mask, overlay, info = robot.wait_for(complete, "all outputs of one image")
    assert (mask.format, overlay.format) == ("mono8; png compressed ", "rgb8; jpeg compressed bgr8")
    labels = np.frombuffer(raw.data, np.uint8).reshape(96, 128)
    assert labels.any()
    np.testing.assert_array_equal(cv2.imdecode(np.frombuffer(mask.data, np.uint8), cv2.IMREAD_UNCHANGED), labels)
    shown = cv2.cvtColor(cv2.imdecode(np.frombuffer(overlay.data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    drawn = next(message for message in list(robot.overlays) if message.header == overlay.header)
    exact = np.frombuffer(drawn.data, np.uint8).reshape(96, 128, 3)
    assert np.abs(shown.astype(int) - exact).mean() < np.abs(shown[..., ::-1].astype(int) - exact).mean()
    assert (info.height, info.width, info.k[0]) == (96, 128, 100.0)


# ---- parameters


def test_every_parameter_has_a_description(robot: Any) -> None:
    names = ask(robot, ListParameters, "list_parameters", ListParameters.Request()).result.names
    assert len(names) > 60
    described = ask(robot, DescribeParameters, "describe_parameters", DescribeParameters.Request(names=names))
    assert [found.name for found in described.descriptors if not found.description] == []


# ---- diagnostics


def statuses(robot: Any) -> dict[str, DiagnosticStatus]:
    found = [message for message in list(robot.diagnostics) if message.status[0].name.startswith("hooked_tracker")]
    return {status.name.removeprefix("hooked_tracker: "): status for status in found[-1].status} if found else {}


def values(status: DiagnosticStatus) -> dict[str, str]:
    return {entry.key: entry.value for entry in status.values}


def test_each_input_has_a_status_with_the_age_of_its_newest_message(robot: Any) -> None:
    silent = robot.wait_for(
        lambda: (s := statuses(robot)) and s["input image"].level == DiagnosticStatus.WARN and s, "silent image"
    )
    assert values(silent["input prompt"])["messages received"] == "0"
    assert silent["input prompt"].message == "nothing received"
    robot.connect()
    robot.show()

    def is_young() -> bool:
        robot.send(robot.next_stamp())
        image = statuses(robot)["input image"]
        return image.level == DiagnosticStatus.OK and float(values(image)["age (s)"]) < 1.0

    robot.wait_for(is_young, "young image")
    image = statuses(robot)["input image"]
    assert image.message.startswith("newest message ") and image.hardware_id == "/image"
    assert int(values(image)["messages received"]) >= 1 and values(image)["publishers"] == "1"


def test_tracking_has_the_device_as_hardware_id(robot: Any) -> None:
    assert robot.wait_for(lambda: statuses(robot).get("tracking"), "status").hardware_id == "cpu"


def test_the_example_for_the_aggregator_matches_the_names_of_the_node() -> None:
    analyzers = yaml.safe_load((ROOT / "config" / "diagnostics.yaml").read_text())["analyzers"]["ros__parameters"]
    found = analyzers["perception"]["analyzers"]
    assert found["tracking"]["startswith"] == found["tracking"]["expected"] == ["sam2_tracker: tracking"]
    assert found["inputs"]["startswith"] == ["sam2_tracker: input "]
