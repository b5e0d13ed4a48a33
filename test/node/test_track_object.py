"""The action ~/track_object of the real node, from another process."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from action_msgs.msg import GoalStatus
from rclpy.action import ActionClient
from sam2_ros.action import TrackObject
from sam2_ros.msg import Prompt, Track, TrackEvent
from sam2_ros.srv import RemoveObject
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from std_srvs.srv import SetBool, Trigger

from sam2_ros.model import save_weights, seeded_model
from sam2_ros.node import qos
from sam2_ros.node.conversions.messages import image_message, nearest_time, seconds

HEIGHT, WIDTH = 96, 128
Result: TypeAlias = TrackObject.Result
CANCELED, SUCCEEDED, ABORTED = GoalStatus.STATUS_CANCELED, GoalStatus.STATUS_SUCCEEDED, GoalStatus.STATUS_ABORTED


class SentGoal:
    """A goal that the server has accepted."""

    def __init__(self, robot: Any, client: ActionClient, goal: TrackObject.Goal) -> None:
        self._robot = robot
        self.feedback: list[TrackObject.Feedback] = []
        sent = client.send_goal_async(goal, feedback_callback=lambda message: self.feedback.append(message.feedback))
        robot.wait_for(sent.done, "answer to a goal")
        self._handle = sent.result()
        assert self._handle.accepted
        self._result = self._handle.get_result_async()

    @property
    def has_ended(self) -> bool:
        return self._result.done()

    def cancel(self) -> None:
        answer = self._handle.cancel_goal_async()
        self._robot.wait_for(answer.done, "answer to the cancellation")
        assert len(answer.result().goals_canceling) == 1

    def result(self) -> tuple[int, Result]:
        """Its status and result."""
        self._robot.wait_for(self._result.done, "result of a goal")
        return self.answer

    @property
    def answer(self) -> tuple[int, Result]:
        """Its status and result, after it has ended."""
        return self._result.result().status, self._result.result().result

    def feedback_of(self, header: Header) -> TrackObject.Feedback:
        """What was sent for an image."""
        found = lambda: [entry for entry in list(self.feedback) if entry.header == header]  # noqa: E731
        return self._robot.wait_for(found, "feedback")[0]


def connected(robot: Any) -> ActionClient:
    name = f"/{robot.node.get_name().removeprefix('robot_of_')}/track_object"
    many = qos.profile("reliable", 200)
    client = ActionClient(robot.node, TrackObject, name, feedback_sub_qos_profile=many, result_service_qos_profile=many)
    robot.wait_for(client.server_is_ready, "action server")
    time.sleep(2.0)  # DDS loses responses to a client that is not connected yet
    return client


@pytest.fixture(scope="module")
def client(shared_robot: Any) -> ActionClient:
    return connected(shared_robot)


@pytest.fixture
def send(robot: Any, client: ActionClient) -> Callable[..., SentGoal]:
    """Send a goal with these options and a prompt of the others; a click in the middle where none are given."""

    def run(prompt: dict[str, Any] | None = None, **options: Any) -> SentGoal:
        fields = {"clicks": [robot.middle]} if prompt is None else prompt
        return SentGoal(robot, client, TrackObject.Goal(prompt=Prompt(**fields), **options))

    return run


def show_until(robot: Any, condition: Callable[[], Any], what: str) -> None:
    """Shows images until the condition holds."""

    def shown() -> Any:
        robot.show()
        return condition()

    robot.wait_for(shown, what)


# ---- feedback


def test_every_processed_image_gives_feedback_on_the_object(robot: Any, send: Callable[..., SentGoal]) -> None:
    goal = send({"clicks": [robot.middle], "label": "cup"})
    robot.wait_for(lambda: goal.feedback, "feedback on the newest image, which the prompt was applied to")
    for _ in range(3):
        tracks = robot.show()
        feedback = goal.feedback_of(tracks.header)
        assert feedback.track == tracks.tracks[0]
        assert (feedback.track.label, feedback.track.state, feedback.absence) == ("cup", Track.VISIBLE, 0.0)
        assert 0.0 < feedback.track.presence <= 1.0 and feedback.track.box.x_max > feedback.track.box.x_min
    goal.cancel()
    goal.result()


def test_feedback_does_not_need_a_subscriber_of_the_tracks(start_process: Any, make_robot: Any) -> None:
    robot = make_robot(start_process("lone_tracker"), "lone_tracker")
    try:
        robot.bring_up()
        robot.show()
        for subscription in list(robot.node.subscriptions):
            if subscription.topic_name.endswith("/tracks"):
                robot.node.destroy_subscription(subscription)
        sent = SentGoal(robot, connected(robot), TrackObject.Goal(prompt=Prompt(clicks=[robot.middle])))
        robot.wait_for(lambda: not robot.node.count_subscribers("/lone_tracker/tracks"), "end of the subscription")

        def given() -> bool:
            header = robot.send(robot.next_stamp())
            time.sleep(0.2)
            return any(feedback.header == header for feedback in list(sent.feedback))

        robot.wait_for(given, "feedback")
    finally:
        robot.close()
        robot.tracker.end()


# ---- the object


def test_a_canceled_goal_reports_the_last_sighting_and_leaves_the_object_tracked(
    robot: Any, send: Callable[..., SentGoal]
) -> None:
    goal = send()
    robot.wait_for(lambda: goal.feedback, "feedback")
    tracks = robot.show()
    goal.feedback_of(tracks.header)
    goal.cancel()
    status, result = goal.result()
    assert (status, result.ended, result.reason) == (CANCELED, Result.CANCELED, "canceled by the client")
    assert result.has_sighting and result.header == tracks.header and result.last_sighting == tracks.tracks[0]
    assert [track.id for track in robot.show().tracks] == [result.object_id]


def test_the_object_is_removed_at_the_end_where_the_goal_says_so(robot: Any, send: Callable[..., SentGoal]) -> None:
    goal = send(remove_object=True)
    robot.wait_for(lambda: goal.feedback, "feedback")
    goal.cancel()
    object_id = goal.result()[1].object_id
    assert object_id
    assert len(robot.show().tracks) == 0
    assert robot.wait_for_event(TrackEvent.REMOVED).object_id == object_id


def test_a_goal_adopts_a_tracked_object(robot: Any, send: Callable[..., SentGoal]) -> None:
    tracked = robot.add(label="cup", clicks=[robot.middle]).object_id
    goal = send({"object_id": tracked})
    show_until(robot, lambda: goal.feedback, "feedback")
    assert {feedback.track.id for feedback in goal.feedback} == {tracked}
    assert len(robot.show().tracks) == 1
    goal.cancel()
    assert goal.result()[1].object_id == tracked


def test_a_goal_corrects_a_tracked_object(robot: Any, send: Callable[..., SentGoal]) -> None:
    tracked = robot.add(label="cup", clicks=[robot.middle]).object_id
    goal = send({"object_id": tracked, "clicks": [robot.middle], "label": "bowl"})
    robot.wait_for(lambda: any(feedback.track.label == "bowl" for feedback in goal.feedback), "corrected label")
    goal.cancel()
    assert goal.result()[1].object_id == tracked


def test_several_goals_at_once_track_their_own_objects(robot: Any, send: Callable[..., SentGoal]) -> None:
    goals = [send({"clicks": [robot.middle], "label": label}) for label in ("one", "two", "three")]
    show_until(robot, lambda: all(goal.feedback for goal in goals), "feedback to all")
    ids = [goal.feedback[0].track.id for goal in goals]
    assert len({*ids}) == 3
    assert [goal.feedback[0].track.label for goal in goals] == ["one", "two", "three"]
    goals[1].cancel()
    assert goals[1].result()[1].object_id == ids[1]
    tracks = robot.show()
    assert [goals[i].feedback_of(tracks.header).track.id for i in (0, 2)] == [ids[0], ids[2]]
    assert not goals[0].has_ended and not goals[2].has_ended
    for goal in (goals[0], goals[2]):
        goal.cancel()
        goal.result()


# ---- time


def test_a_late_prompt_starts_the_object_on_its_own_image(robot: Any, send: Callable[..., SentGoal]) -> None:
    first = robot.show().header
    for _ in range(4):
        newest = robot.show().header
    goal = send({"header": first, "clicks": [robot.middle]})
    assert robot.wait_for_event(TrackEvent.STARTED).header.stamp == first.stamp
    show_until(robot, lambda: goal.feedback, "feedback")
    assert seconds(goal.feedback[0].header.stamp) >= seconds(newest.stamp)
    goal.cancel()
    goal.result()


def test_an_early_prompt_waits_for_its_image(robot: Any, send: Callable[..., SentGoal]) -> None:
    robot.show()
    stamp = robot.next_stamp()
    header = Header(stamp=nearest_time(stamp), frame_id="optical")
    goal = send({"header": header, "clicks": [robot.middle]})
    time.sleep(0.3)
    assert not goal.feedback
    robot.show(stamp=stamp)
    assert goal.feedback_of(header).track.state == Track.VISIBLE
    goal.cancel()
    goal.result()


def test_a_goal_that_is_canceled_before_its_image_starts_no_object(robot: Any, send: Callable[..., SentGoal]) -> None:
    robot.show()
    stamp = robot.next_stamp()
    goal = send({"header": Header(stamp=nearest_time(stamp), frame_id="optical"), "clicks": [robot.middle]})
    goal.cancel()
    status, result = goal.result()
    assert (status, result.ended, result.object_id, result.has_sighting) == (CANCELED, Result.CANCELED, 0, False)
    assert len(robot.show(stamp=stamp).tracks) == 0
    assert len(robot.show().tracks) == 0


def test_a_time_limit_ends_the_goal_also_without_images(robot: Any, send: Callable[..., SentGoal]) -> None:
    goal = send(time_limit=0.5)
    status, result = goal.result()
    assert (status, result.ended) == (SUCCEEDED, Result.TIME_LIMIT)
    assert result.reason == "time_limit of 0.5 s has passed"
    assert result.object_id and result.has_sighting


# ---- ends by others


def test_a_goal_ends_where_its_object_is_removed_by_others(robot: Any, send: Callable[..., SentGoal]) -> None:
    goal, other = send(), send()
    show_until(robot, lambda: goal.feedback and other.feedback, "feedback")
    object_id = goal.feedback[0].track.id
    assert robot.call("remove_object", RemoveObject.Request(object_id=object_id)).success
    status, result = goal.result()
    assert (status, result.ended) == (ABORTED, Result.REMOVED)
    assert result.reason == f"object {object_id} was removed"
    assert result.has_sighting and result.last_sighting.id == object_id
    assert not other.has_ended
    other.cancel()
    other.result()


def test_a_reset_ends_all_goals(robot: Any, send: Callable[..., SentGoal]) -> None:
    goals = [send(remove_object=True), send()]
    show_until(robot, lambda: all(goal.feedback for goal in goals), "feedback")
    assert robot.call("reset", Trigger.Request()).success
    for goal in goals:
        status, result = goal.result()
        assert (status, result.ended) == (ABORTED, Result.RESET)
        assert result.reason == "tracker reset: ~/reset was called"


def test_a_jump_of_the_image_stamps_ends_goals_with_the_reason(robot: Any, send: Callable[..., SentGoal]) -> None:
    goal = send()
    show_until(robot, lambda: goal.feedback, "feedback")
    robot.jump(robot.next_stamp() - 500)
    status, result = goal.result()
    assert (status, result.ended) == (ABORTED, Result.RESET)
    assert result.reason.startswith("tracker reset: image stamps jumped back from ")
    robot.jump(robot.next_stamp() + 1000)


def test_deactivation_ends_goals_and_removes_their_objects_where_they_say_so(
    robot: Any, send: Callable[..., SentGoal]
) -> None:
    kept, removed = send({"clicks": [robot.middle], "label": "kept"}), send(remove_object=True)
    show_until(robot, lambda: kept.feedback and removed.feedback, "feedback")
    waiting = send({"header": Header(stamp=nearest_time(robot.next_stamp() + 50)), "clicks": [robot.middle]})
    assert robot.change("deactivate") == [True]
    for goal in (kept, removed, waiting):
        status, result = goal.result()
        assert (status, result.ended) == (ABORTED, Result.DEACTIVATED)
        assert "the node was deactivated" in result.reason
    assert kept.result()[1].has_sighting and not waiting.result()[1].object_id
    refused = send()
    assert refused.result()[1].ended == Result.REFUSED
    assert refused.result()[1].reason == "activate the node first: `ros2 lifecycle set /sam2_tracker activate`"
    assert robot.change("activate") == [True]
    robot.connect()
    assert [track.label for track in robot.show().tracks] == ["kept"]


# ---- refusals


def refusal(goal: SentGoal) -> str:
    status, result = goal.result()
    assert (status, result.ended, result.object_id) == (ABORTED, Result.REFUSED, 0)
    return result.reason


def test_a_goal_without_a_prompt_or_an_object_is_refused(robot: Any, send: Callable[..., SentGoal]) -> None:
    assert "click" in refusal(send({}))
    assert refusal(send({"object_id": 99})) == "there is no object 99; the objects are: none"
    assert len(robot.show().tracks) == 0


@pytest.mark.parametrize("option", ["max_absence", "time_limit"])
@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf])
def test_an_option_that_is_no_duration_is_refused(send: Callable[..., SentGoal], option: Any, value: Any) -> None:
    assert refusal(send(**{option: value})) == f"{option} is {value:g}, expected 0 (never) to 1e+09 seconds"


def test_a_prompt_whose_image_is_not_buffered_any_more_is_refused_with_the_span(
    robot: Any, send: Callable[..., SentGoal]
) -> None:
    header = Header(stamp=nearest_time(robot.next_stamp() - 100), frame_id="optical")
    assert "no buffered frame is stamped" in refusal(send({"header": header, "clicks": [robot.middle]}))


def test_a_prompt_whose_image_does_not_come_is_refused_after_prompt_timeout(
    robot: Any, send: Callable[..., SentGoal]
) -> None:
    assert robot.set_parameter("prompt_timeout", 0.2).successful
    header = Header(stamp=nearest_time(robot.next_stamp() + 50), frame_id="optical")
    reason = refusal(send({"header": header, "clicks": [robot.middle]}))
    assert robot.set_parameter("prompt_timeout", 5.0).successful
    assert "did not arrive within prompt_timeout" in reason


def test_goals_beyond_the_limit_are_refused_and_the_others_go_on(robot: Any, send: Callable[..., SentGoal]) -> None:
    tracked = robot.add().object_id
    goals = [send({"object_id": tracked}) for _ in range(32)]
    assert refusal(send({"object_id": tracked})) == "32 goals are active already: cancel some"
    header = robot.show().header
    for goal in goals:
        goal.feedback_of(header)
    assert robot.call("remove_object", RemoveObject.Request(object_id=tracked)).success
    assert {goal.result()[1].ended for goal in goals} == {Result.REMOVED}


def test_diagnostics_count_goals(robot: Any, send: Callable[..., SentGoal]) -> None:
    def count() -> str:
        values = {entry.key: entry.value for entry in robot.diagnostics[-1].status[0].values}
        return values["goals of ~/track_object"]

    goal = send()
    robot.wait_for(lambda: count() == "1", "goal in the diagnostics")
    goal.cancel()
    robot.wait_for(lambda: count() == "0", "end of the goal in the diagnostics")


def test_a_paused_node_keeps_its_goals(robot: Any, send: Callable[..., SentGoal]) -> None:
    goal = send()
    show_until(robot, lambda: goal.feedback, "feedback")
    assert robot.call("enable", SetBool.Request(data=False)).success
    robot.send(robot.next_stamp())
    time.sleep(0.3)
    assert not goal.has_ended
    assert robot.call("enable", SetBool.Request(data=True)).success
    header = robot.show().header
    assert goal.feedback_of(header)
    goal.cancel()
    goal.result()


# ---- absence


@pytest.fixture(scope="module")
def blind_robot(start: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An active node whose objects are absent from the image after that of their prompt on."""
    weights: Path = tmp_path_factory.mktemp("blind") / "nano.safetensors"
    save_weights(seeded_model("nano", seed=0, occlusion_bias=-50.0), weights)
    robot = start("blind_tracker", checkpoint=weights, lost_after=0.5, remove_after=5.0)
    robot.bring_up()
    robot.show()
    return robot


@pytest.fixture(scope="module")
def blind_client(blind_robot: Any) -> ActionClient:
    return connected(blind_robot)


def square() -> Image:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[30:60, 40:80] = 255
    return image_message(mask, "mono8", Header())


def test_an_absent_object_gives_feedback_until_its_goal_ends_as_lost(blind_robot: Any, blind_client: Any) -> None:
    blind_robot.drop_objects()
    prompted = blind_robot.show().header
    goal = SentGoal(
        blind_robot,
        blind_client,
        TrackObject.Goal(prompt=Prompt(header=prompted, mask=square()), max_absence=1.0, remove_object=True),
    )
    goal.feedback_of(prompted)
    at = seconds(prompted.stamp)
    for offset, state in ((0.25, Track.OCCLUDED), (0.75, Track.LOST)):
        feedback = goal.feedback_of(blind_robot.show(stamp=round(at + offset, 3)).header)
        assert feedback.track.state == state
        assert feedback.absence == pytest.approx(offset, abs=1e-3)
        assert not goal.has_ended
    blind_robot.send(round(at + 1.25, 3))
    status, result = goal.result()
    assert (status, result.ended) == (ABORTED, Result.LOST)
    assert result.reason == f"object {result.object_id} was not seen for 1.25 s, max_absence is 1 s"
    assert result.header == prompted and result.last_sighting.state == Track.VISIBLE and result.last_sighting.area
    assert len(blind_robot.show().tracks) == 0


def test_a_goal_ends_where_the_tracker_removes_a_lost_object(blind_robot: Any, blind_client: Any) -> None:
    blind_robot.drop_objects()
    prompted = blind_robot.show().header
    goal = SentGoal(
        blind_robot, blind_client, TrackObject.Goal(prompt=Prompt(header=prompted, mask=square()), max_absence=0.0)
    )
    goal.feedback_of(prompted)
    for offset in (0.3, 0.9, 5.5):
        blind_robot.show(stamp=round(seconds(prompted.stamp) + offset, 3))
    status, result = goal.result()
    assert (status, result.ended) == (ABORTED, Result.REMOVED)
    assert result.reason.endswith("was removed: lost: not seen for longer than remove_after (5 s)")


# ---- the end of the process


def test_an_interrupt_ends_goals_before_the_process(start: Any) -> None:
    robot = start("interrupted_tracker")
    robot.bring_up()
    robot.show()
    goal = SentGoal(robot, connected(robot), TrackObject.Goal(prompt=Prompt(clicks=[robot.middle])))
    robot.wait_for(lambda: goal.feedback, "feedback")
    assert robot.tracker.end() == 0
    deadline = time.monotonic() + 20
    while not goal.has_ended and time.monotonic() < deadline:
        time.sleep(0.01)
    assert goal.has_ended
    assert goal.answer[1].ended == Result.DEACTIVATED
    assert "Traceback" not in robot.tracker.log
