"""Why no messages are received on a topic: no publisher, another message type, incompatible QoS, or the transport."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rclpy.node import Node
from rclpy.qos import ReliabilityPolicy
from rclpy.subscription import Subscription

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED_IMAGE = "sensor_msgs/msg/CompressedImage"
_COMPRESSED = "/compressed"
_MAX_SUGGESTIONS = 3  # topics

_DECOMPRESS = "expected uncompressed: remap it to the raw topic, or decompress it (image_transport republish)"
_ADVICE: Mapping[tuple[str, str], str] = {
    ("depth", COMPRESSED_IMAGE): _DECOMPRESS,
    ("depth", "sensor_msgs/msg/PointCloud2"): "remap `depth` to the depth image that the cloud is computed from",
    ("~/detections", "yolo_msgs/msg/DetectionArray"): (
        "run examples/yolo_msgs_to_vision_msgs.py (in share/sam2_ros) and remap `~/detections` to its output"
    ),
    ("~/detections", "vision_msgs/msg/Detection3DArray"): (
        "let the detector publish 2-D boxes (depthai: i_nn_type rgb instead of spatial)"
    ),
    ("~/detections", "vision_msgs/msg/Detection2D"): "let the detector publish all boxes of an image in one array",
    ("~/prompt", "geometry_msgs/msg/PointStamped"): "send clicks of this type to ~/click",
    ("~/prompt", "geometry_msgs/msg/Point"): "send clicks of this type to ~/click_point",
    ("~/click", "geometry_msgs/msg/Point"): "send clicks of this type to ~/click_point",
    ("~/click_point", "geometry_msgs/msg/PointStamped"): "send clicks of this type to ~/click",
}


def type_mismatch(node: Node, name: str, subscription: Subscription) -> str:
    """Why publishers of other message types are not received on the topic called `name` before remapping.

    Empty where there is a publisher of the expected type, or none at all.
    """
    topic, expected = subscription.topic_name, _type_of(subscription)
    found = sorted(_types(node, topic))
    if not found or expected in found:
        return ""
    advice = _advice(name, topic, found[0], expected)
    return f"{topic} is published as {', '.join(found)}, expected {expected}: {advice}"


def explain_silence(node: Node, name: str, subscription: Subscription, silence: float) -> str:
    """Why no message may have been received for `silence` seconds on the topic called `name` before remapping."""
    topic = subscription.topic_name
    symptom = f"no {name} on {topic} for {silence:.1f} s"
    if reason := type_mismatch(node, name, subscription):
        return f"{symptom}: {reason}"
    publishers = node.get_publishers_info_by_topic(topic)
    if not publishers:
        return f"{symptom}: {_sibling(node, name, subscription) or _no_publisher(node, name, subscription)}"
    offered = ", ".join(sorted({info.qos_profile.reliability.name.lower() for info in publishers}))
    requested = subscription.qos_profile.reliability
    if requested is ReliabilityPolicy.RELIABLE and "best_effort" in offered:
        advice = "the publisher does not offer reliable delivery: set image_reliability to best_effort"
    else:
        advice = (
            "is the camera running? Fast DDS loses large best-effort images on its default transport, and with "
            "ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST: set FASTDDS_BUILTIN_TRANSPORTS to LARGE_DATA for both "
            "processes, and the range to SUBNET"
        )
    count, plural = len(publishers), len(publishers) > 1
    return (
        f"{symptom}, although there {'are' if plural else 'is'} {count} publisher{'s' * plural} ({offered}, requested: "
        f"{requested.name.lower()}): {advice}"
    )


def _advice(name: str, topic: str, found: str, expected: str) -> str:
    """Which parameter to set or topic to remap."""
    if (expected, found) == (IMAGE, COMPRESSED_IMAGE) and name == "image":
        if topic.endswith(_COMPRESSED):
            return f"set image_transport to compressed and remap `image` to {topic.removesuffix(_COMPRESSED)}"
        return f"set image_transport to compressed and remap `image/compressed` to {topic}"
    if (expected, found) == (COMPRESSED_IMAGE, IMAGE):
        return f"set image_transport to raw and remap `image` to {topic}"
    if advice := _ADVICE.get((name, found)):
        return advice
    if name == "~/detections":
        return "choose a detector that publishes vision_msgs, or convert as examples/yolo_msgs_to_vision_msgs.py does"
    return f"remap `{name}` to a topic of this type (`ros2 topic list -t` lists them), or correct the publisher"


def _sibling(node: Node, name: str, subscription: Subscription) -> str:
    """What to set where the same images are published with another transport."""
    topic, expected = subscription.topic_name, _type_of(subscription)
    if name == "image" and expected == IMAGE:
        sibling = f"{topic}{_COMPRESSED}"
        if COMPRESSED_IMAGE in _types(node, sibling):
            return f"only compressed images are published, on {sibling}: set image_transport to compressed"
    elif name == "image":
        sibling = topic.removesuffix(_COMPRESSED)
        found = _types(node, sibling)
        if IMAGE in found:
            return f"only raw images are published, on {sibling}: set image_transport to raw"
        if COMPRESSED_IMAGE in found:
            return f"compressed images are published on {sibling} itself: remap `image/compressed` to it"
    elif name == "depth":
        for sibling in (f"{topic}/compressedDepth", f"{topic}{_COMPRESSED}"):
            if COMPRESSED_IMAGE in _types(node, sibling):
                return f"only compressed depth is published, on {sibling}: {_DECOMPRESS}"
    return ""


def _no_publisher(node: Node, name: str, subscription: Subscription) -> str:
    others = [topic for topic in _published(node, _type_of(subscription)) if topic != subscription.topic_name]
    more = f", ... ({len(others)} in all)" if len(others) > _MAX_SUGGESTIONS else ""
    known = f"; topics of its type are {', '.join(others[:_MAX_SUGGESTIONS])}{more}" if others else ""
    transport = " and choose image_transport to fit" if name == "image" else ""
    return (
        f"no publisher on {subscription.topic_name}. Start the camera, or remap `{name}` to its topic (`ros2 topic "
        f"list -t` lists them){transport}{known}"
    )


def _published(node: Node, type_name: str) -> Iterable[str]:
    """Topics of a type that other nodes publish."""
    own = node.get_name(), node.get_namespace()
    return [
        topic
        for topic, types in node.get_topic_names_and_types()
        if type_name in types
        and any((info.node_name, info.node_namespace) != own for info in node.get_publishers_info_by_topic(topic))
    ]


def _types(node: Node, topic: str) -> set[str]:
    return {info.topic_type for info in node.get_publishers_info_by_topic(topic)}


def _type_of(subscription: Subscription) -> str:
    """As `ros2 topic info` names it, such as sensor_msgs/msg/Image."""
    message_type = subscription.msg_type
    return f"{message_type.__module__.split('.')[0]}/msg/{message_type.__name__}"
