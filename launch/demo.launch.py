"""Tracks an object in a video that is published as a camera topic: a player, the tracker and a recorder.

ros2 launch sam2_ros demo.launch.py video:=file.mp4 click:=320,240
"""

import sys
from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.event_handlers import OnProcessExit
from launch.events.process import ProcessExited
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import EnvironmentVariable, LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.event_handlers import OnStateTransition
from launch_ros.parameter_descriptions import ParameterValue

from sam2_ros.node.parameters.values import number

TRACK = Path(__file__).resolve().parent / "track.launch.py"
TRACKER = "/sam2_tracker"


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            DeclareLaunchArgument("video", default_value="", description="any video file (empty: the bundled clip)"),
            DeclareLaunchArgument(
                "click",
                default_value="",
                description="X,Y of the object in pixels of the first frame (empty: see detections)",
            ),
            DeclareLaunchArgument(
                "detections",
                default_value="",
                description="JSON file of a detector's boxes for the video (empty: those of the bundled clip)",
            ),
            DeclareLaunchArgument(
                "rate", default_value="30.0", description="frames per second of overlay.mp4, usually the video's"
            ),
            DeclareLaunchArgument("model", default_value="", description="the model (empty: as in config/track.yaml)"),
            DeclareLaunchArgument(
                "output", default_value="demo_out", description="folder for the video, the plot and the table"
            ),
            RegisterEventHandler(OnProcessExit(on_exit=end)),
            RegisterEventHandler(
                OnStateTransition(
                    goal_state="unconfigured",
                    entities=[Shutdown(reason="the tracker could not be configured, see its message above")],
                )
            ),
            # The player and the recorder have to use the tracker's transport.
            SetEnvironmentVariable(
                "FASTDDS_BUILTIN_TRANSPORTS",
                EnvironmentVariable("FASTDDS_BUILTIN_TRANSPORTS", default_value="LARGE_DATA"),
            ),
            # Scoped, because there the argument `detections` is a topic.
            GroupAction(
                [
                    IncludeLaunchDescription(
                        PythonLaunchDescriptionSource(str(TRACK)),
                        launch_arguments={"model": LaunchConfiguration("model"), "detections": ""}.items(),
                    )
                ]
            ),
            OpaqueFunction(function=start_camera_and_recorder),
        ]
    )


def start_camera_and_recorder(context: LaunchContext) -> list:
    """The player, which waits for the tracker, and the recorder, which exits after the last image."""
    arguments = context.launch_configurations

    def text(name: str) -> ParameterValue:
        return ParameterValue(arguments[name], value_type=str)  # else launch parses it as YAML: 2024 as a number

    return [
        Node(
            package="sam2_ros",
            executable="recorder",
            parameters=[{"output": text("output"), "rate": number("rate", arguments["rate"])}],
            remappings=[
                (topic, f"{TRACKER}/{topic}") for topic in ("tracks", "events", "overlay", "prompt", "detections")
            ],
            output="screen",
            emulate_tty=sys.stderr.isatty(),  # a progress bar on a terminal, lines in a log
        ),
        Node(
            package="sam2_ros",
            executable="player",
            parameters=[{name: text(name) for name in ("video", "click", "detections")}],
            remappings=[(topic, f"{TRACKER}/{topic}") for topic in ("prompt", "detections")],
            output="screen",
        ),
    ]


def end(event: ProcessExited, context: LaunchContext) -> list:
    """Shut down when the recorder exits, or any process fails."""
    if context.is_shutdown or (event.process_name.startswith("player") and event.returncode == 0):
        return []
    return [Shutdown(reason=f"{event.process_name} ended with exit code {event.returncode}")]
