"""Quality of service: images are taken as any publisher offers them, results are delivered for certain."""

from __future__ import annotations

from typing import Any

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

RELIABILITIES = ("best_effort", "reliable")
PROMPTS_KEPT = 1000  # clicks and prompts that wait for the node; DDS drops what is more without a word
REQUESTS_KEPT = 1000  # calls of a service, likewise
EVENTS_KEPT = 100


def profile(reliability: str, depth: int) -> QoSProfile:
    """Keeps the newest `depth` messages, for those who are there when they are sent."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy[reliability.upper()],
        durability=DurabilityPolicy.VOLATILE,
    )


def latched(depth: int) -> QoSProfile:
    """Receives the newest `depth` messages that were published before the subscription, too."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=ReliabilityPolicy.RELIABLE,  # best effort gets no history
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )


def is_wanted(publisher: Any) -> bool:
    """Whether anyone listens."""
    return publisher.get_subscription_count() > 0
