"""Follows what a YOLO detector finds: the node of the package ros2_yolos_cpp, and the tracker.

ros2 launch sam2_ros yolo.launch.py image:=/camera/image_raw yolo:=yolo11n.onnx labels:=coco.names

Of the YOLO nodes for ROS 2 few publish vision_msgs/Detection2DArray with the header and in the pixels of their image;
https://github.com/Geekgineer/ros2_yolos_cpp does, for models from v5 on as ONNX files.
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
from launch_ros.parameter_descriptions import ParameterValue
from lifecycle_msgs.msg import Transition

from sam2_ros.node.parameters.values import boolean, number

TRACK = Path(__file__).resolve().parent / "track.launch.py"
DETECTOR = "yolos_detector"
FOR_THE_TRACKER = ("image", "namespace", "model", "checkpoint", "detection_classes", "rviz")


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            DeclareLaunchArgument("yolo", default_value="", description="the detector's network, an ONNX file"),
            DeclareLaunchArgument("labels", default_value="", description="file with its classes, one a line"),
            DeclareLaunchArgument("use_gpu", default_value="false", description="true: the detector uses the GPU"),
            DeclareLaunchArgument("conf_threshold", default_value="0.4", description="lowest score of a box, 0..1"),
            DeclareLaunchArgument(
                "image", default_value="/camera/image_raw", description="the camera's image topic, for both"
            ),
            DeclareLaunchArgument("namespace", default_value="", description="namespace of both nodes"),
            DeclareLaunchArgument(
                "model", default_value="", description="the tracker's network (empty: as in config/track.yaml)"
            ),
            DeclareLaunchArgument(
                "checkpoint", default_value="", description="its weights (empty: as in config/track.yaml)"
            ),
            DeclareLaunchArgument(
                "detection_classes",
                default_value="",
                description="classes that are followed, separated by commas (empty: as in config/track.yaml)",
            ),
            DeclareLaunchArgument("rviz", default_value="false", description="true: show the results in RViz"),
            # The detector reads the same best-effort camera as the tracker.
            SetEnvironmentVariable(
                "FASTDDS_BUILTIN_TRANSPORTS",
                EnvironmentVariable("FASTDDS_BUILTIN_TRANSPORTS", default_value="LARGE_DATA"),
            ),
            OpaqueFunction(function=start_detector),
            OpaqueFunction(function=start_tracker),
        ]
    )


def start_detector(context: LaunchContext) -> list:
    """The detector, brought to active as soon as it can be; raises ValueError for a file that is not there."""
    arguments = context.launch_configurations
    for name, what in (("yolo", "an ONNX file of a YOLO network"), ("labels", "a file with its classes, one a line")):
        if not Path(arguments[name]).is_file():
            raise ValueError(f"{name}:={arguments[name]}: expected {what}")
    detector = LifecycleNode(
        package="ros2_yolos_cpp",
        executable="yolos_detector_node",
        name=DETECTOR,
        namespace=arguments["namespace"],
        parameters=[
            {
                "model_path": ParameterValue(str(Path(arguments["yolo"]).resolve()), value_type=str),
                "labels_path": ParameterValue(str(Path(arguments["labels"]).resolve()), value_type=str),
                "use_gpu": boolean("use_gpu", arguments["use_gpu"]),
                "conf_threshold": number("conf_threshold", arguments["conf_threshold"]),
            }
        ],
        remappings=[("~/image_raw", arguments["image"])],
        output="screen",
    )
    configure = change(detector, Transition.TRANSITION_CONFIGURE)
    activate = change(detector, Transition.TRANSITION_ACTIVATE)
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
    """The tracker, which reads the detector's boxes."""
    arguments = {name: context.launch_configurations[name] for name in FOR_THE_TRACKER}
    arguments["detections"] = f"{DETECTOR}/detections"
    return [IncludeLaunchDescription(PythonLaunchDescriptionSource(str(TRACK)), launch_arguments=arguments.items())]


def change(node: LifecycleNode, transition: int) -> EmitEvent:
    """Asks the node for a lifecycle transition."""
    return EmitEvent(event=ChangeState(lifecycle_node_matcher=matches_action(node), transition_id=transition))
