"""Starts the tracker and activates it.

ros2 launch sam2_ros track.launch.py image:=/camera/image_raw
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
    TimerAction,
)
from launch.event_handlers import OnProcessStart
from launch.events import matches_action
from launch.events.process import ProcessStarted
from launch.substitutions import EnvironmentVariable
from launch_ros.actions import LifecycleNode, Node
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from lifecycle_msgs.msg import Transition

from sam2_ros.node.launching import panel, text_detector, track
from sam2_ros.node.launching.values import as_written
from sam2_ros.node.parameters.values import boolean

CONFIG = Path(__file__).resolve().parent.parent / "config"


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value="", description=text)
                for name, (_, text) in track.PARAMETERS.items()
            ),
            *(
                DeclareLaunchArgument(name, default_value=topic, description=text)
                for name, (topic, text) in track.TOPICS.items()
            ),
            DeclareLaunchArgument(
                "text",
                default_value="",
                description="words for what to track, such as `red cup. screwdriver` (empty: no text detector)",
            ),
            *(
                DeclareLaunchArgument(name, default_value="", description=text)
                for name, (_, text) in text_detector.PARAMETERS.items()
            ),
            DeclareLaunchArgument(
                "params_file",
                default_value="",
                description="a file of parameters; others are as in config/track.yaml",
            ),
            DeclareLaunchArgument("namespace", default_value="", description="namespace of the node and its topics"),
            DeclareLaunchArgument("respawn", default_value="false", description="true: restart the node when it dies"),
            DeclareLaunchArgument(
                "log_level", default_value="info", description="of the node: debug, info, warn, error or fatal"
            ),
            DeclareLaunchArgument("rviz", default_value="false", description="true: start RViz"),
            DeclareLaunchArgument(
                "fixed_frame",
                default_value="",
                description="RViz' Fixed Frame (empty: target_frame, or without one as in config/track.rviz)",
            ),
            DeclareLaunchArgument(
                "isaac",
                default_value="false",
                description="true: publish on the topics that Isaac's manipulation reads",
            ),
            DeclareLaunchArgument(
                "panel", default_value="false", description="true: serve the page to see and click in a browser"
            ),
            DeclareLaunchArgument(
                "host",
                default_value="127.0.0.1",
                description="where the panel listens: 127.0.0.1, this machine only, or 0.0.0.0, also other machines, "
                "which need the token in the address that it prints",
            ),
            DeclareLaunchArgument("port", default_value="8080", description="the panel's port"),
            # Fast DDS loses nearly every best-effort camera image on its default transport.
            SetEnvironmentVariable(
                "FASTDDS_BUILTIN_TRANSPORTS",
                EnvironmentVariable("FASTDDS_BUILTIN_TRANSPORTS", default_value="LARGE_DATA"),
            ),
            OpaqueFunction(function=check_arguments),
            OpaqueFunction(function=start_tracker),
            OpaqueFunction(function=start_text_detector),
            OpaqueFunction(function=start_rviz),
            OpaqueFunction(function=start_panel),
        ]
    )


def check_arguments(context: LaunchContext) -> None:
    """Raises ValueError for a misspelled argument, which launch would ignore."""
    declared = [argument.name for argument in generate_launch_description().get_launch_arguments()]
    track.check_names(context.launch_configurations, declared)


def start_tracker(context: LaunchContext) -> list:
    """The node, and the handlers that activate it each time its process starts."""
    arguments = context.launch_configurations
    default, *user = track.parameter_files(arguments, CONFIG / "track.yaml")
    for_text, overrides = text_detector.tracker_parameters(arguments), track.overrides(arguments)
    tracker = LifecycleNode(
        package="sam2_ros",
        executable="tracker",
        name=track.NODE,
        namespace=arguments["namespace"],
        parameters=[
            default,
            *([as_written(for_text)] if for_text else []),
            *user,
            *([as_written(overrides)] if overrides else []),
        ],
        remappings=track.remappings(arguments),
        ros_arguments=["--log-level", track.log_level(arguments, track.NODE)],
        respawn=boolean("respawn", arguments["respawn"]),
        respawn_delay=2.0,
        output="screen",
        emulate_tty=True,
    )

    bring_up = BringUp(tracker)
    return [
        RegisterEventHandler(OnProcessStart(target_action=tracker, on_start=bring_up.on_start)),
        RegisterEventHandler(
            OnStateTransition(
                target_lifecycle_node=tracker,
                goal_state="configuring",
                entities=[OpaqueFunction(function=bring_up.on_configuring)],
            )
        ),
        RegisterEventHandler(
            OnStateTransition(
                target_lifecycle_node=tracker,
                start_state="configuring",
                goal_state="inactive",
                entities=[change_state(tracker, Transition.TRANSITION_ACTIVATE)],
            )
        ),
        tracker,
    ]


class BringUp:
    """Requests the transition `configure` of each process of the node.

    A process that was killed stays discoverable for up to 20 s, in which requests to its successor can get lost. So for
    a respawned process the request is repeated until it configures.
    """

    RETRY_PERIOD = 5.0  # seconds

    def __init__(self, tracker: LifecycleNode) -> None:
        self._tracker = tracker
        self._processes = 0
        self._waiting = 0  # number of the process that has not configured yet, counted from 1; 0: none

    def on_start(self, event: ProcessStarted, context: LaunchContext) -> list:
        self._processes += 1
        self._waiting = self._processes
        return self._configure(self._processes)

    def on_configuring(self, context: LaunchContext) -> None:
        self._waiting = 0

    def _configure(self, process: int) -> list:
        if process != self._waiting:
            return []
        configure = change_state(self._tracker, Transition.TRANSITION_CONFIGURE)
        if process == 1:
            return [configure]
        retry = OpaqueFunction(function=lambda context: self._configure(process))
        return [configure, TimerAction(period=self.RETRY_PERIOD, actions=[retry])]


def change_state(tracker: LifecycleNode, transition: int) -> EmitEvent:
    """Requests a lifecycle transition."""
    return EmitEvent(event=ChangeState(lifecycle_node_matcher=matches_action(tracker), transition_id=transition))


def start_text_detector(context: LaunchContext) -> list:
    """The node that turns `text` into boxes, where it is given."""
    arguments = context.launch_configurations
    if not arguments["text"]:
        return []
    return [
        Node(
            package="sam2_ros",
            executable="text_detector",
            name=track.TEXT_DETECTOR,
            namespace=arguments["namespace"],
            parameters=[as_written(text_detector.parameters(arguments))],
            remappings=track.image_remappings(arguments),
            ros_arguments=["--log-level", track.log_level(arguments, track.TEXT_DETECTOR)],
            output="screen",
            emulate_tty=True,
        )
    ]


def start_rviz(context: LaunchContext) -> list:
    """RViz with the tracker's topics, where `rviz` is true."""
    arguments = context.launch_configurations
    if not boolean("rviz", arguments["rviz"]):
        return []
    return [
        Node(
            package="rviz2",
            executable="rviz2",
            arguments=track.rviz_arguments(arguments, CONFIG / "track.rviz"),
            parameters=[{"use_sim_time": boolean("use_sim_time", arguments["use_sim_time"] or "false")}],
            remappings=track.rviz_remappings(arguments),
        )
    ]


def start_panel(context: LaunchContext) -> list:
    """The web page, where `panel` is true."""
    arguments = context.launch_configurations
    if not boolean("panel", arguments["panel"]):
        return []
    return [
        Node(
            package="sam2_ros",
            executable="panel",
            name="sam2_panel",
            namespace=arguments["namespace"],
            parameters=[as_written(panel.parameters(arguments))],
            remappings=track.image_remappings(arguments),
            respawn=boolean("respawn", arguments["respawn"]),
            respawn_delay=2.0,
            output="screen",
            emulate_tty=True,
        )
    ]
