"""The bond to nav2's lifecycle manager, with a stand-in of bondpy that has its interface."""

import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any, ClassVar

import pytest
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.node import Node
from rclpy.parameter import Parameter
from std_msgs.msg import Empty

from sam2_ros.node.tracker_node import TrackerNode

SUCCESS = TransitionCallbackReturn.SUCCESS


class Bond:
    """bondpy.bondpy.Bond as far as it is used: signatures, and the entities that it makes in the node."""

    made: ClassVar[list["Bond"]] = []

    def __init__(
        self,
        topic: str,
        id: str,
        node: Node,
        on_broken: Callable[[], Any] | None = None,
        on_formed: Callable[[], Any] | None = None,
    ) -> None:
        self.topic, self.id, self.node = topic, id, node
        self.on_broken = on_broken or (lambda: None)
        self.on_formed = on_formed or (lambda: None)
        self.state = "made"
        self.pub = node.create_publisher(Empty, topic, 1)
        Bond.made.append(self)

    def set_formed_callback(self, on_formed: Callable[[], Any]) -> None:
        self.on_formed = on_formed

    def set_heartbeat_period(self, dur: float) -> None:
        assert self.state == "made"
        self.period = dur

    def set_heartbeat_timeout(self, dur: float) -> None:
        assert self.state == "made"
        self.timeout = dur

    def start(self) -> None:
        self.sub = self.node.create_subscription(Empty, self.topic, print, 1)
        self.state = "started"

    def shutdown(self) -> None:
        assert self.state == "started"
        self.sub.destroy()
        self.pub.destroy()
        self.state = "shut down"
        self.on_broken()


@pytest.fixture
def bonds(monkeypatch: pytest.MonkeyPatch) -> list[Bond]:
    """Those that nodes have made."""
    package, module = ModuleType("bondpy"), ModuleType("bondpy.bondpy")
    vars(module)["Bond"] = Bond
    monkeypatch.setitem(sys.modules, "bondpy", package)
    monkeypatch.setitem(sys.modules, "bondpy.bondpy", module)
    Bond.made.clear()
    return Bond.made


def test_an_active_node_holds_a_bond_under_its_name(
    node: TrackerNode, bonds: list[Bond], capfd: pytest.CaptureFixture[str]
) -> None:
    assert node.trigger_configure() is SUCCESS
    assert not bonds
    before = len(list(node.subscriptions)), len(list(node.publishers))
    assert node.trigger_activate() is SUCCESS
    (bond,) = bonds
    assert (bond.topic, bond.id, bond.node, bond.state) == ("bond", "sam2_tracker", node, "started")
    assert bond.period < bond.timeout == 4.0
    bond.on_formed()
    assert node.trigger_deactivate() is SUCCESS
    assert bond.state == "shut down"
    assert (len(list(node.subscriptions)), len(list(node.publishers))) == before
    assert "bond to the lifecycle manager is broken" not in capfd.readouterr().err
    assert node.trigger_activate() is SUCCESS
    assert len(bonds) == 2


def test_a_manager_that_dies_is_reported_and_one_that_never_was_is_not(
    node: TrackerNode, bonds: list[Bond], capfd: pytest.CaptureFixture[str]
) -> None:
    node.trigger_configure()
    node.trigger_activate()
    bonds[0].on_broken()
    assert "is broken" not in capfd.readouterr().err
    bonds[0].on_formed()
    bonds[0].on_broken()
    assert "the bond to the lifecycle manager is broken: is it running?" in capfd.readouterr().err


def test_a_period_of_0_holds_no_bond(node: TrackerNode, bonds: list[Bond]) -> None:
    node.set_parameters([Parameter("bond_heartbeat_period", value=0.0)])
    node.trigger_configure()
    assert node.trigger_activate() is SUCCESS
    assert not bonds


def test_the_stand_in_has_the_signatures_of_bondpy() -> None:
    real = pytest.importorskip("bondpy.bondpy").Bond
    for name in (
        "__init__",
        "set_formed_callback",
        "set_heartbeat_period",
        "set_heartbeat_timeout",
        "start",
        "shutdown",
    ):
        assert [*inspect.signature(getattr(Bond, name)).parameters] == [
            *inspect.signature(getattr(real, name)).parameters
        ], name
