"""Tracks what a YOLO detector finds: the node of the package ros2_yolos_cpp, and the tracker.

ros2 launch sam2_ros yolo.launch.py image:=/camera/image_raw yolo:=yolo11n.onnx labels:=coco.names

Few YOLO nodes for ROS 2 publish vision_msgs/Detection2DArray with the header and in pixels of their image;
https://github.com/Geekgineer/ros2_yolos_cpp does, for ONNX models from YOLOv5 on.
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    IncludeLaunchDescription,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
)
from launch.event_handlers import OnProcessStart
from launch.events import matches_action
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import EnvironmentVariable
from launch_ros.actions import LifecycleNode
from launch_ros.event_handlers import OnStateTransition
from launch_ros.events.lifecycle import ChangeState
from lifecycle_msgs.msg import Transition

from sam2_ros.node.launching import yolo
from sam2_ros.node.launching.values import as_written

TRACK = Path(__file__).resolve().parent / "track.launch.py"


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            DeclareLaunchArgument("yolo", default_value="", description="the detector's model, an ONNX file"),
            DeclareLaunchArgument("labels", default_value="", description="file with its class names, one per line"),
            DeclareLaunchArgument("use_gpu", default_value="false", description="true: the detector uses the GPU"),
            DeclareLaunchArgument("conf_threshold", default_value="0.4", description="lowest score of a box, 0..1"),
            DeclareLaunchArgument(
                "image", default_value="/camera/image_raw", description="the camera's image topic, for both"
            ),
            DeclareLaunchArgument("namespace", default_value="", description="namespace of both nodes"),
            DeclareLaunchArgument(
                "model", default_value="", description="the tracker's model (empty: as in config/track.yaml)"
            ),
            DeclareLaunchArgument(
                "checkpoint", default_value="", description="its weights (empty: as in config/track.yaml)"
            ),
            DeclareLaunchArgument(
                "detection_classes",
                default_value="",
                description="classes that are tracked, separated by commas (empty: as in config/track.yaml)",
            ),
            DeclareLaunchArgument("rviz", default_value="false", description="true: start RViz"),
            # The detector subscribes to the same best-effort camera as the tracker.
            SetEnvironmentVariable(
                "FASTDDS_BUILTIN_TRANSPORTS",
                EnvironmentVariable("FASTDDS_BUILTIN_TRANSPORTS", default_value="LARGE_DATA"),
            ),
            OpaqueFunction(function=start_detector),
            OpaqueFunction(function=start_tracker),
        ]
    )


def start_detector(context: LaunchContext) -> list:
    """The detector, activated when its process starts; raises ValueError for a missing file."""
    arguments = context.launch_configurations
    detector = LifecycleNode(
        package="ros2_yolos_cpp",
        executable="yolos_detector_node",
        name=yolo.DETECTOR,
        namespace=arguments["namespace"],
        parameters=[as_written(yolo.detector_parameters(arguments))],
        remappings=yolo.detector_remappings(arguments),
        output="screen",
    )
    configure = change_state(detector, Transition.TRANSITION_CONFIGURE)
    activate = change_state(detector, Transition.TRANSITION_ACTIVATE)
    return [
        RegisterEventHandler(OnProcessStart(target_action=detector, on_start=[configure])),
        RegisterEventHandler(
            OnStateTransition(
                target_lifecycle_node=detector,
                start_state="configuring",
                goal_state="inactive",
                entities=[activate],
            )
        ),
        detector,
    ]


def start_tracker(context: LaunchContext) -> list:
    """The tracker, which subscribes to the detector's boxes."""
    arguments = yolo.tracker_arguments(context.launch_configurations)
    return [IncludeLaunchDescription(PythonLaunchDescriptionSource(str(TRACK)), launch_arguments=arguments.items())]


def change_state(node: LifecycleNode, transition: int) -> EmitEvent:
    """Requests a lifecycle transition."""
    return EmitEvent(event=ChangeState(lifecycle_node_matcher=matches_action(node), transition_id=transition))
