"""The topics /tf and /tf_static."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from geometry_msgs.msg import TransformStamped
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from tf2_msgs.msg import TFMessage

from .buffer import Buffer


class TransformListener:
    """Puts what is received on /tf and /tf_static into a buffer, from construction to `unregister`."""

    def __init__(self, buffer: Buffer, node: Node) -> None:
        self._node = node
        group = ReentrantCallbackGroup()
        self._subscriptions = [
            node.create_subscription(TFMessage, topic, partial(_store, store), profile, callback_group=group)
            for topic, store, profile in (
                ("/tf", buffer.set_transform, _profile(is_static=False)),
                ("/tf_static", buffer.set_transform_static, _profile(is_static=True)),
            )
        ]

    def unregister(self) -> None:
        """Unsubscribe."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)


def _store(store: Callable[[TransformStamped, str], None], message: TFMessage) -> None:
    for transform in message.transforms:
        store(transform, "")


def _profile(is_static: bool) -> QoSProfile:
    """Static transforms also reach those who subscribe later."""
    return QoSProfile(
        depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL if is_static else DurabilityPolicy.VOLATILE
    )


class TransformBroadcaster:
    """Publishes on /tf."""

    def __init__(self, node: Node) -> None:
        self._publisher = node.create_publisher(TFMessage, "/tf", _profile(is_static=False))

    def sendTransform(self, transform: TransformStamped | list[TransformStamped]) -> None:  # noqa: N802
        """Publish one or more."""
        transforms = transform if isinstance(transform, list) else [transform]
        self._publisher.publish(TFMessage(transforms=transforms))


class StaticTransformBroadcaster:
    """Publishes on /tf_static all transforms that it was given, so that the newest message is enough."""

    def __init__(self, node: Node) -> None:
        self._publisher = node.create_publisher(TFMessage, "/tf_static", _profile(is_static=True))
        self._transforms: dict[str, TransformStamped] = {}  # by child frame

    def sendTransform(self, transform: TransformStamped | list[TransformStamped]) -> None:  # noqa: N802
        """Publish one or more."""
        for entry in transform if isinstance(transform, list) else [transform]:
            self._transforms[entry.child_frame_id] = entry
        self._publisher.publish(TFMessage(transforms=list(self._transforms.values())))
