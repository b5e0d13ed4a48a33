"""Starts the tracker and brings it to active.

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
from launch_ros.parameter_descriptions import ParameterValue
from lifecycle_msgs.msg import Transition

from sam2_ros.node.parameters.unknown_names import misspelled
from sam2_ros.node.parameters.values import boolean, class_names, integer

CONFIG = Path(__file__).resolve().parent.parent / "config"
NODE = "sam2_tracker"
FROM_FILE = " (empty: as in the parameter files)"

# Arguments that stand for the parameter of the same name, with its type; they count only where they are given.
PARAMETERS = {
    "model": (str, "the network, such as nano or sam2.1_hiera_tiny" + FROM_FILE),
    "checkpoint": (str, "file with the network's weights" + FROM_FILE),
    "image_size": (int, "side of the square that the network sees, in pixels" + FROM_FILE),
    "preset": (str, "quality, balanced or fast" + FROM_FILE),
    "device": (str, "auto, cpu, cuda or cuda:N" + FROM_FILE),
    "image_transport": (str, "raw or compressed" + FROM_FILE),
    "image_bit_depth": (int, "bits that the camera uses of 16, 8 to 16; 0: as the images show it" + FROM_FILE),
    "target_frame": (str, "frame of reference of positions and points, through tf2" + FROM_FILE),
    "clicked_point": (bool, "true: RViz' Publish Point starts objects" + FROM_FILE),
    "detection_classes": (str, "classes whose boxes count, separated by commas, such as cup,bowl" + FROM_FILE),
    "use_sim_time": (bool, "true: the clock is the topic /clock" + FROM_FILE),
}

# Arguments that stand for a topic that the node reads and knows by the same name, with or without `~/`.
TOPICS = {
    "image": ("image", "the camera's image topic"),
    "camera_info": ("", "its calibration (empty: the topic camera_info beside the image)"),
    "detections": ("", "a detector's boxes, vision_msgs/Detection2DArray (empty: detections beside the node's topics)"),
    "depth": ("", "depth that is registered to the image; turns 3-D on (empty: as in the parameter files)"),
}

# Where Isaac's manipulation bring-up looks for a segmentation.
ISAAC = {
    "~/target_mask": "/segment_anything2/binary_segmentation_mask",
    "~/detections_out": "/segment_anything2/detections",
}

# What config/track.rviz shows: topics that the node reads, and its own.
READ, PUBLISHED = ("image", "depth", "camera_info"), ("overlay", "masks", "markers", "points")


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            *(
                DeclareLaunchArgument(name, default_value="", description=text)
                for name, (_, text) in PARAMETERS.items()
            ),
            *(
                DeclareLaunchArgument(name, default_value=topic, description=text)
                for name, (topic, text) in TOPICS.items()
            ),
            DeclareLaunchArgument(
                "params_file",
                default_value="",
                description="a file of parameters; what it leaves out is as in config/track.yaml",
            ),
            DeclareLaunchArgument("namespace", default_value="", description="namespace of the node and its topics"),
            DeclareLaunchArgument(
                "respawn", default_value="false", description="true: start the node again when it has died"
            ),
            DeclareLaunchArgument(
                "log_level", default_value="info", description="debug, info, warn, error or fatal, for the node"
            ),
            DeclareLaunchArgument("rviz", default_value="false", description="true: show the results in RViz"),
            DeclareLaunchArgument(
                "fixed_frame",
                default_value="",
                description="RViz' Fixed Frame (empty: target_frame, or without one as in config/track.rviz)",
            ),
            DeclareLaunchArgument(
                "isaac",
                default_value="false",
                description="true: publish under the names that Isaac's manipulation reads",
            ),
            # Fast DDS's default transport loses nearly every best-effort camera image.
            SetEnvironmentVariable(
                "FASTDDS_BUILTIN_TRANSPORTS",
                EnvironmentVariable("FASTDDS_BUILTIN_TRANSPORTS", default_value="LARGE_DATA"),
            ),
            OpaqueFunction(function=refuse_misspelt),
            OpaqueFunction(function=start_tracker),
            OpaqueFunction(function=start_rviz),
        ]
    )


def refuse_misspelt(context: LaunchContext) -> None:
    """Raises ValueError for an argument that launch would ignore because of a slip of the pen."""
    known = [argument.name for argument in generate_launch_description().get_launch_arguments()]
    for name in context.launch_configurations:
        if name not in known and (meant := misspelled(name, known)):
            raise ValueError(f"there is no argument {name}, did you mean {meant}?")


def start_tracker(context: LaunchContext) -> list:
    """The node, and what brings it to active each time its process starts."""
    arguments = context.launch_configurations
    namespace = arguments["namespace"]
    tracker = LifecycleNode(
        package="sam2_ros",
        executable="tracker",
        name=NODE,
        namespace=namespace,
        parameters=parameters(arguments),
        remappings=remappings(arguments),
        ros_arguments=["--log-level", f"{logger(namespace)}:={arguments['log_level']}"],
        respawn=boolean("respawn", arguments["respawn"]),
        respawn_delay=2.0,
        output="screen",
        emulate_tty=True,
    )

    bring_up = BringUp(tracker)
    return [
        RegisterEventHandler(OnProcessStart(target_action=tracker, on_start=bring_up.process_started)),
        RegisterEventHandler(
            OnStateTransition(
                target_lifecycle_node=tracker,
                goal_state="configuring",
                entities=[OpaqueFunction(function=bring_up.heard)],
            )
        ),
        RegisterEventHandler(
            OnStateTransition(
                target_lifecycle_node=tracker,
                start_state="configuring",
                goal_state="inactive",
                entities=[change(tracker, Transition.TRANSITION_ACTIVATE)],
            )
        ),
        tracker,
    ]


class BringUp:
    """Asks each process of the node to configure.

    One that was killed stays visible for up to 20 s, and what is asked of its successor in that time can get
    lost: a respawned process is asked until it is heard.
    """

    PERIOD = 5.0  # seconds

    def __init__(self, tracker: LifecycleNode) -> None:
        self._tracker = tracker
        self._processes = 0
        self._waiting = 0  # the process that is yet to be heard, counted from 1

    def process_started(self, event: ProcessStarted, context: LaunchContext) -> list:
        self._processes += 1
        self._waiting = self._processes
        return self._ask(self._processes)

    def heard(self, context: LaunchContext) -> None:
        self._waiting = 0

    def _ask(self, process: int) -> list:
        if process != self._waiting:
            return []
        configure = change(self._tracker, Transition.TRANSITION_CONFIGURE)
        if process == 1:
            return [configure]
        again = OpaqueFunction(function=lambda context: self._ask(process))
        return [configure, TimerAction(period=self.PERIOD, actions=[again])]


def change(tracker: LifecycleNode, transition: int) -> EmitEvent:
    """Asks the node for a lifecycle transition."""
    return EmitEvent(event=ChangeState(lifecycle_node_matcher=matches_action(tracker), transition_id=transition))


def parameters(arguments: dict[str, str]) -> list:
    """Later ones win: the package's file, the user's file, the command line."""
    given = {name: convert(name, kind, arguments[name]) for name, (kind, _) in PARAMETERS.items() if arguments[name]}
    if arguments["depth"]:
        given["depth"] = True
    files = [str(CONFIG / "track.yaml")]
    if file := arguments["params_file"]:
        if not Path(file).is_file():
            raise ValueError(f"params_file:={file}: expected a YAML file of parameters")
        files.append(file)
    return [*files, given] if given else files


def convert(name: str, kind: type, text: str) -> ParameterValue | int | bool:
    """The argument's text as a value of the parameter's type; raises ValueError with what was expected."""
    if kind is bool:
        return boolean(name, text)
    if kind is int:
        return integer(name, text)
    if name == "detection_classes":
        text = class_names(text)
    return ParameterValue(text, value_type=str)  # launch reads bare text as YAML: 22 as a number, `on` as true


def remappings(arguments: dict[str, str]) -> list[tuple[str, str]]:
    """The node's names of topics, and what they are to be."""
    image = arguments["image"]
    raw = image.removesuffix("/compressed")  # either topic of an image transport may be given
    topics = {name: arguments[name] for name in TOPICS} | {"image/compressed": f"{raw}/compressed"}
    if detections := topics.pop("detections"):
        topics["~/detections"] = detections
    topics["depth"] = topics["depth"] or "depth"
    topics["camera_info"] = topics["camera_info"] or "/".join([*raw.split("/")[:-1], "camera_info"])
    if boolean("isaac", arguments["isaac"]):
        topics |= ISAAC
    return list(topics.items())


def logger(namespace: str) -> str:
    """The name of the node's logger."""
    return ".".join([*filter(None, namespace.split("/")), NODE])


def start_rviz(context: LaunchContext) -> list:
    """RViz where it is asked for, with what the tracker reads and publishes."""
    arguments = context.launch_configurations
    if not boolean("rviz", arguments["rviz"]):
        return []
    frame = arguments["fixed_frame"] or arguments["target_frame"]
    return [
        Node(
            package="rviz2",
            executable="rviz2",
            arguments=["-d", str(CONFIG / "track.rviz"), *(["-f", frame] if frame else [])],
            parameters=[{"use_sim_time": boolean("use_sim_time", arguments["use_sim_time"] or "false")}],
            remappings=rviz_remappings(arguments),
        )
    ]


def rviz_remappings(arguments: dict[str, str]) -> list[tuple[str, str]]:
    """From the topics of config/track.rviz, which are those of a node without namespace."""
    prefix = "".join(f"/{part}" for part in arguments["namespace"].split("/") if part)
    topics = dict(remappings(arguments))
    read = [(f"/{name}", topics[name] if topics[name].startswith("/") else f"{prefix}/{topics[name]}") for name in READ]
    return [*read, *((f"/{NODE}/{name}", f"{prefix}/{NODE}/{name}") for name in PUBLISHED)]
