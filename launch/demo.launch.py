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
from launch.substitutions import EnvironmentVariable
from launch_ros.actions import Node
from launch_ros.event_handlers import OnStateTransition

from sam2_ros.node.launching import demo
from sam2_ros.node.launching.values import as_written

TRACK = Path(__file__).resolve().parent / "track.launch.py"


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
            OpaqueFunction(function=start_tracker),
            OpaqueFunction(function=start_camera_and_recorder),
        ]
    )


def start_tracker(context: LaunchContext) -> list:
    """Scoped, because in track.launch.py the argument `detections` is a topic."""
    arguments = demo.tracker_arguments(context.launch_configurations)
    source = PythonLaunchDescriptionSource(str(TRACK))
    return [GroupAction([IncludeLaunchDescription(source, launch_arguments=arguments.items())])]


def start_camera_and_recorder(context: LaunchContext) -> list:
    """The player, which waits for the tracker, and the recorder, which exits after the last image."""
    arguments = context.launch_configurations
    return [
        Node(
            package="sam2_ros",
            executable="recorder",
            parameters=[as_written(demo.recorder_parameters(arguments))],
            remappings=demo.recorder_remappings(),
            output="screen",
            emulate_tty=sys.stderr.isatty(),  # a progress bar on a terminal, lines in a log
        ),
        Node(
            package="sam2_ros",
            executable="player",
            parameters=[as_written(demo.player_parameters(arguments))],
            remappings=demo.player_remappings(),
            output="screen",
        ),
    ]


def end(event: ProcessExited, context: LaunchContext) -> list:
    """Shut down when the recorder exits, or any process fails."""
    reason = demo.failure(event.process_name, event.returncode)
    return [Shutdown(reason=reason)] if reason and not context.is_shutdown else []
