"""Quality-of-service profiles: image subscriptions match any publisher, results are published reliably."""

from __future__ import annotations

from typing import Any

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

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


def has_subscribers(publisher: Any) -> bool:
    """Whether the publisher has a matching subscription."""
    count: int = publisher.get_subscription_count()
    return count > 0
