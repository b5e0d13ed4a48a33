"""Quality-of-service profiles: image subscriptions match any publisher, results are published reliably."""

from __future__ import annotations

from copy import copy
from typing import Any

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

RELIABILITIES = ("best_effort", "reliable")

# History depths. DDS drops silently what does not fit, so prompts and service requests get a long queue.
PROMPT_QUEUE_SIZE = 1000
REQUEST_QUEUE_SIZE = 1000
EVENT_QUEUE_SIZE = 100


def profile(reliability: str, depth: int) -> QoSProfile:
    """Keep last `depth`, volatile."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy[reliability.upper()],
        durability=DurabilityPolicy.VOLATILE,
    )


def transient_local(depth: int) -> QoSProfile:
    """Keep last `depth`, also of the messages that were published before the subscription."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE,  # DDS delivers no history to best-effort subscriptions
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )


# Of every topic, by parameters such as qos_overrides./sam2_tracker/tracks.publisher.depth
OVERRIDABLE = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY, QoSPolicyKind.DURABILITY)


def overridable(default: QoSProfile, entity_id: str | None = None) -> dict[str, Any]:
    """Arguments of create_publisher and create_subscription: the profile that parameters may override."""
    options = QoSOverridingOptions(OVERRIDABLE, entity_id=entity_id)
    return {"qos_profile": copy(default), "qos_overriding_options": options}  # rclpy changes the profile


def has_subscribers(publisher: Any) -> bool:
    """Whether the publisher has a matching subscription."""
    count: int = publisher.get_subscription_count()
    return count > 0
