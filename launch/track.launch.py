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
from launch_ros.parameter_descriptions import ParameterValue
from lifecycle_msgs.msg import Transition

from sam2_ros.node.parameters.unknown_names import misspelled
from sam2_ros.node.parameters.values import boolean, class_names, integer, number

CONFIG = Path(__file__).resolve().parent.parent / "config"
NODE = "sam2_tracker"
TEXT_DETECTOR = "sam2_text_detector"
FROM_FILE = " (empty: as in the parameter files)"

# Arguments that set the parameter of the same name, with its type, where they are not empty.
PARAMETERS = {
    "model": (str, "the model, such as nano or sam2.1_hiera_tiny" + FROM_FILE),
    "checkpoint": (str, "file with the model's weights" + FROM_FILE),
    "image_size": (int, "input size of the model, the side of a square in pixels" + FROM_FILE),
    "preset": (str, "quality, balanced or fast" + FROM_FILE),
    "device": (str, "auto, cpu, cuda or cuda:N" + FROM_FILE),
    "image_transport": (str, "raw or compressed" + FROM_FILE),
    "image_bit_depth": (int, "bits that the camera uses of 16, 8 to 16; 0: detected" + FROM_FILE),
    "target_frame": (str, "frame of positions and points, through tf2" + FROM_FILE),
    "clicked_point": (bool, "true: RViz' Publish Point starts objects" + FROM_FILE),
    "detection_classes": (str, "classes whose boxes are used, separated by commas, such as cup,bowl" + FROM_FILE),
    "use_sim_time": (bool, "true: use the time of the topic /clock" + FROM_FILE),
}

# Arguments that remap the subscribed topic of the same name, with or without `~/`.
TOPICS = {
    "image": ("image", "the camera's image topic"),
    "camera_info": ("", "its camera_info topic (empty: camera_info in the namespace of the image)"),
    "detections": ("", "a detector's topic, vision_msgs/Detection2DArray (empty: detections in the node's namespace)"),
    "depth": ("", "depth that is registered to the image; enables 3-D (empty: as in the parameter files)"),
}

# Arguments that set the text detector's parameter without `text_`, where they are not empty.
TEXT = {
    "text_model": (str, "OWLv2 or Grounding DINO: a name on huggingface.co, or a folder (empty: OWLv2)"),
    "text_threshold": (float, "lowest score of its boxes, 0..1 (empty: by the model)"),
    "text_rate": (float, "images per second that it searches (empty: 2)"),
}

# Of the tracker, with `text`: the words are the classes, the detector has a threshold of its own, its second box
# confirms the first, and its boxes may come seconds late. A params_file overrides them.
TEXT_TRACKER = {
    "detection_classes": "",
    "detection_min_score": 0.0,
    "detection_min_hits": 2,
    "history": 64,
}

# Topics from which Isaac's manipulation bring-up reads a segmentation.
ISAAC = {
    "~/target_mask": "/segment_anything2/binary_segmentation_mask",
    "~/detections_out": "/segment_anything2/detections",
}

# Topics in config/track.rviz: those that the node subscribes to, and those that it publishes.
SUBSCRIBED, PUBLISHED = ("image", "depth", "camera_info"), ("overlay", "masks", "markers", "points")


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
                "text",
                default_value="",
                description="words for what to track, such as `red cup. screwdriver` (empty: no text detector)",
            ),
            *(DeclareLaunchArgument(name, default_value="", description=text) for name, (_, text) in TEXT.items()),
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
            # Fast DDS loses nearly every best-effort camera image on its default transport.
            SetEnvironmentVariable(
                "FASTDDS_BUILTIN_TRANSPORTS",
                EnvironmentVariable("FASTDDS_BUILTIN_TRANSPORTS", default_value="LARGE_DATA"),
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
            OpaqueFunction(function=check_arguments),
            OpaqueFunction(function=start_tracker),
            OpaqueFunction(function=start_text_detector),
            OpaqueFunction(function=start_rviz),
            OpaqueFunction(function=start_panel),
        ]
    )


def check_arguments(context: LaunchContext) -> None:
    """Raises ValueError for a misspelled argument, which launch would ignore."""
    known = [argument.name for argument in generate_launch_description().get_launch_arguments()]
    for name in context.launch_configurations:
        if name not in known and (intended := misspelled(name, known)):
            raise ValueError(f"there is no argument {name}, did you mean {intended}?")


def start_tracker(context: LaunchContext) -> list:
    """The node, and the handlers that activate it each time its process starts."""
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


def parameters(arguments: dict[str, str]) -> list:
    """The package's file, the user's file and the command line; later ones override earlier ones."""
    overrides = {
        name: convert(name, kind, arguments[name]) for name, (kind, _) in PARAMETERS.items() if arguments[name]
    }
    if arguments["depth"]:
        overrides["depth"] = True
    files: list = [str(CONFIG / "track.yaml")]
    if arguments["text"]:
        files.append(TEXT_TRACKER)
    if file := arguments["params_file"]:
        if not Path(file).is_file():
            raise ValueError(f"params_file:={file}: expected a YAML file of parameters")
        files.append(file)
    return [*files, overrides] if overrides else files


def convert(name: str, kind: type, text: str) -> ParameterValue | int | float | bool:
    """The argument as a value of the parameter's type; raises ValueError with what was expected."""
    if kind is bool:
        return boolean(name, text)
    if kind is int:
        return integer(name, text)
    if kind is float:
        return number(name, text)
    if name == "detection_classes":
        text = class_names(text)
    return ParameterValue(text, value_type=str)  # else launch parses it as YAML: 22 as a number, `on` as true


def remappings(arguments: dict[str, str]) -> list[tuple[str, str]]:
    """From the node's topics to those of the arguments."""
    image = arguments["image"]
    raw = image.removesuffix("/compressed")  # the topic of either image transport is accepted
    topics = {name: arguments[name] for name in TOPICS} | {"image/compressed": f"{raw}/compressed"}
    if arguments["text"]:
        if arguments["detections"]:
            raise ValueError(f"detections:={arguments['detections']} and text are two detectors, expected one of them")
        topics["detections"] = f"{TEXT_DETECTOR}/detections"
    if detections := topics.pop("detections"):
        topics["~/detections"] = detections
    topics["depth"] = topics["depth"] or "depth"
    topics["camera_info"] = topics["camera_info"] or "/".join([*raw.split("/")[:-1], "camera_info"])
    if boolean("isaac", arguments["isaac"]):
        topics |= ISAAC
    return list(topics.items())


def logger(namespace: str, node: str = NODE) -> str:
    """The name of a node's logger."""
    return ".".join([*filter(None, namespace.split("/")), node])


def start_text_detector(context: LaunchContext) -> list:
    """The node that turns `text` into boxes, where it is given."""
    arguments = context.launch_configurations
    if not arguments["text"]:
        return []
    topics = dict(remappings(arguments))
    namespace, logger_name = arguments["namespace"], logger(arguments["namespace"], TEXT_DETECTOR)
    return [
        Node(
            package="sam2_ros",
            executable="text_detector",
            name=TEXT_DETECTOR,
            namespace=namespace,
            parameters=[text_parameters(arguments)],
            remappings=[(name, topics[name]) for name in ("image", "image/compressed")],
            ros_arguments=["--log-level", f"{logger_name}:={arguments['log_level']}"],
            output="screen",
            emulate_tty=True,
        )
    ]


def text_parameters(arguments: dict[str, str]) -> dict:
    """The text detector's parameters: its own arguments, and those of the tracker that are about the same."""
    own = {
        name.removeprefix("text_"): convert(name, kind, arguments[name])
        for name, (kind, _) in TEXT.items()
        if arguments[name]
    }
    shared = {
        name: convert(name, PARAMETERS[name][0], arguments[name])
        for name in ("device", "image_transport", "use_sim_time")
        if arguments[name]
    }
    return {"words": convert("text", str, arguments["text"]), **own, **shared}


def start_rviz(context: LaunchContext) -> list:
    """RViz with the tracker's topics, where `rviz` is true."""
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
    """From the topics of config/track.rviz, which have no namespace, to those of the node."""
    prefix = "".join(f"/{part}" for part in arguments["namespace"].split("/") if part)
    topics = dict(remappings(arguments))
    read = [
        (f"/{name}", topics[name] if topics[name].startswith("/") else f"{prefix}/{topics[name]}")
        for name in SUBSCRIBED
    ]
    return [*read, *((f"/{NODE}/{name}", f"{prefix}/{NODE}/{name}") for name in PUBLISHED)]


def start_panel(context: LaunchContext) -> list:
    """The web page, where `panel` is true."""
    arguments = context.launch_configurations
    if not boolean("panel", arguments["panel"]):
        return []
    topics = remappings(arguments)
    return [
        Node(
            package="sam2_ros",
            executable="panel",
            name="sam2_panel",
            namespace=arguments["namespace"],
            parameters=[
                {
                    "host": ParameterValue(arguments["host"], value_type=str),
                    "port": integer("port", arguments["port"]),
                    "image_transport": arguments["image_transport"] or "auto",
                }
            ],
            remappings=[(name, topic) for name, topic in topics if name in ("image", "image/compressed")],
            respawn=boolean("respawn", arguments["respawn"]),
            respawn_delay=2.0,
            output="screen",
            emulate_tty=True,
        )
    ]
