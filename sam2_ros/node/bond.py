"""The bond to nav2's lifecycle manager, which deactivates its nodes when one of them dies. Needs bondpy."""

from __future__ import annotations

from typing import Any

from rclpy.node import Node

_TOPIC = "bond"  # of nav2, in the namespace of both
_HEARTBEAT_TIMEOUT = 4.0  # seconds, that of nav2


def heartbeat(node: Node, period: float) -> Bond | None:
    """A started bond with a heartbeat every `period` seconds; None where that is 0 or bondpy is not installed."""
    if not period:
        return None
    try:
        from bondpy.bondpy import Bond as BondpyBond
    except ImportError:  # not installed, or without the package bond
        return None
    return Bond(node, period, BondpyBond)


class Bond:
    """Formed by a manager that waits for it, and without effect where there is none."""

    def __init__(self, node: Node, period: float, bond_type: Any) -> None:
        self._node = node
        self._is_closed = False
        self._bond = bond_type(_TOPIC, node.get_name(), node, on_broken=self._on_broken)
        self._was_formed = False
        self._bond.set_formed_callback(self._on_formed)
        self._bond.set_heartbeat_period(period)
        self._bond.set_heartbeat_timeout(_HEARTBEAT_TIMEOUT)
        self._bond.start()

    def close(self) -> None:
        """Tell the manager that the node is deactivated."""
        self._is_closed = True
        self._bond.shutdown()
        self._node.destroy_subscription(self._bond.sub)  # bondpy leaves both in the node's lists
        self._node.destroy_publisher(self._bond.pub)

    def _on_formed(self) -> None:
        self._was_formed = True

    def _on_broken(self) -> None:
        """On a thread of bondpy; also where no manager formed the bond in time."""
        if self._was_formed and not self._is_closed:
            self._node.get_logger().warning("the bond to the lifecycle manager is broken: is it running?")
