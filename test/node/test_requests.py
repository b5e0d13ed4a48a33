"""Every prompt and call takes effect or is refused, never both: in floods and across lifecycle transitions."""

import itertools
import time
from collections.abc import Callable
from typing import Any

import pytest
from geometry_msgs.msg import Point, PointStamped
from lifecycle_msgs.srv import ChangeState
from sam2_ros.msg import Click, Prompt, TrackEvent
from sam2_ros.srv import AddObject, RemoveObject, Segment, SelectObject
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger

from sam2_ros.node.conversions.messages import nearest_time

from .conftest import Robot

CLICKS, CALLS = 100, 20
TIMEOUT = 120.0  # seconds


@pytest.fixture(scope="module")
def roomy_robot(start: Callable[..., Robot]) -> Robot:
    """An active node with room for more objects than its queue has for requests."""
    robot = start("roomy_tracker", max_objects=CLICKS + CALLS, history=8, prompt_timeout=60.0)
    robot.bring_up()
    robot.show()
    return robot


@pytest.fixture
def robot(roomy_robot: Robot) -> Robot:
    """The module's node, active and without objects."""
    if roomy_robot.state == "inactive":
        assert roomy_robot.change("activate") == [True]
        roomy_robot.connect()
    roomy_robot.drop_objects()
    return roomy_robot


def results_of(calls: list[Any]) -> list[Any]:
    deadline = time.monotonic() + TIMEOUT
    while not all(call.done() for call in calls):
        assert time.monotonic() < deadline, f"{sum(call.done() for call in calls)} of {len(calls)} calls are answered"
        time.sleep(0.01)
    return [call.result() for call in calls]


def of_kind(robot: Robot, kind: int) -> list[TrackEvent]:
    return [event for event in list(robot.events) if event.type == kind]


def wait_for_verdicts(robot: Robot, prompts: int) -> None:
    """Until each of so many prompts has been started or rejected, and a moment more."""
    robot.wait_for(
        lambda: len(of_kind(robot, TrackEvent.STARTED)) + len(of_kind(robot, TrackEvent.PROMPT_REJECTED)) >= prompts,
        f"{prompts} outcomes",
    )
    time.sleep(1.0)


def test_each_prompt_of_a_flood_is_started_or_rejected_as_its_response_says(robot: Robot) -> None:
    header = robot.show().header
    for _ in range(3):
        robot.show()
    client = robot.connected_client(AddObject, "add_object")
    request = AddObject.Request(prompt=Prompt(header=header, clicks=[robot.middle]))
    calls = []
    for i in range(CLICKS):
        apart = Point(x=10.0 + 12 * (i % 10), y=10.0 + 8 * (i // 10))  # too far for a double click
        robot.click(PointStamped(header=header, point=apart))
        if i % (CLICKS // CALLS) == 0:
            calls.append(client.call_async(request))
    answers = results_of(calls)
    refused = sum(not answer.success for answer in answers)
    wait_for_verdicts(robot, CLICKS + CALLS - refused)

    started = [event.object_id for event in of_kind(robot, TrackEvent.STARTED)]
    rejected = of_kind(robot, TrackEvent.PROMPT_REJECTED)
    assert len(started) + len(rejected) + refused == CLICKS + CALLS
    other = {event.reason for event in rejected if "prompts and requests are waiting already" not in event.reason}
    assert not other
    assert len(started) == len(set(started)) >= 64
    tracks = {track.id for track in robot.show().tracks}
    assert tracks == set(started)
    answered = [answer.object_id for answer in answers if answer.success]
    assert set(answered) <= tracks and len(answered) == len(set(answered))
    assert "never retrieved" not in robot.tracker.log


def test_refused_calls_log_only_the_reason(robot: Robot) -> None:
    client = robot.connected_client(RemoveObject, "remove_object")
    answers = results_of([client.call_async(RemoveObject.Request(object_id=4711)) for _ in range(50)])
    assert not any(answer.success for answer in answers)
    assert "never retrieved" not in robot.tracker.log
    assert "request refused: there is no object 4711" in robot.tracker.log


def test_deactivation_rejects_waiting_prompts_by_events(robot: Robot) -> None:
    ahead = Header(stamp=nearest_time(robot.next_stamp() + 100.0), frame_id="optical")
    for _ in range(5):
        robot.prompt(Prompt(header=ahead, clicks=[robot.middle]))
    time.sleep(2.0)  # in which they are received
    assert robot.change("deactivate") == [True]
    wait_for_verdicts(robot, 5)
    reasons = [event.reason for event in of_kind(robot, TrackEvent.PROMPT_REJECTED)]
    assert len(reasons) == 5 and all("the node was deactivated" in reason for reason in reasons)


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.2, 0.5])
def test_a_call_that_took_effect_succeeds_though_the_node_is_deactivated_meanwhile(robot: Robot, delay: float) -> None:
    headers = [robot.show().header for _ in range(8)]
    adding = robot.connected_client(AddObject, "add_object")
    changing = robot.connected_client(ChangeState, "change_state")
    deactivate = ChangeState.Request()
    deactivate.transition.label = "deactivate"
    request = AddObject.Request(prompt=Prompt(header=headers[1], clicks=[robot.middle]))
    calls = [adding.call_async(request) for _ in range(CALLS)]
    time.sleep(delay)
    (change,) = results_of([changing.call_async(deactivate)])
    assert change.success
    answers = results_of(calls)
    assert all(answer.message for answer in answers if not answer.success)
    assert all(answer.object_id for answer in answers if answer.success)
    assert robot.change("activate") == [True]
    robot.connect()
    started = sorted(answer.object_id for answer in answers if answer.success)
    robot.wait_for(lambda: [track.id for track in robot.show().tracks] == started, f"tracks of {started}")


def test_every_call_gets_a_response_in_every_order_of_lifecycle_transitions(robot: Robot) -> None:
    transitions = ("configure", "activate", "deactivate", "cleanup")
    requests = {
        "add_object": (AddObject, AddObject.Request(prompt=Prompt(clicks=[Click(x=5.0, y=5.0)]))),
        "remove_object": (RemoveObject, RemoveObject.Request(object_id=1)),
        "select_object": (SelectObject, SelectObject.Request(object_id=1)),
        "segment": (Segment, Segment.Request(everything=True, points_per_side=4)),
        "reset": (Trigger, Trigger.Request()),
        "enable": (SetBool, SetBool.Request(data=True)),
    }
    clients = [(robot.connected_client(kind, name), request) for name, (kind, request) in requests.items()]
    changing = robot.connected_client(ChangeState, "change_state")
    calls, changes = [], []
    for order in itertools.islice(itertools.permutations(transitions), 0, None, 3):
        for label in order:
            calls += [client.call_async(request) for client, request in clients]
            request = ChangeState.Request()
            request.transition.label = label
            changes.append(changing.call_async(request))
            robot.send(robot.next_stamp())
            results_of(changes)
    answers = results_of(calls)
    assert all(answer.message for answer in answers if not answer.success)
    assert any(answer.success for answer in answers)
    for label in ("deactivate", "cleanup"):
        robot.change(label)
    robot.bring_up()
    assert robot.show().tracks == []
    assert "Traceback" not in robot.tracker.log and "never retrieved" not in robot.tracker.log
