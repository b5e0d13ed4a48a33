"""The table of the node's parameters. `python3 -m sam2_ros.node.parameters` generates config/track.yaml from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

from sam2_ros.model.config import CONFIGS
from sam2_ros.node.qos import RELIABILITIES
from sam2_ros.segmentation import DiscoveryConfig
from sam2_ros.tracking import TrackerConfig
from sam2_ros.tracking.memory_policy import POLICIES
from sam2_ros.tracking.presets import PRESETS

_SHARE = r"(0|1|[01]?\.\d+)"


@dataclass(frozen=True)
class Rule:
    """Description and valid values of a parameter."""

    description: str
    limits: tuple[float, float] | None = None  # smallest and largest valid value
    choices: tuple[str, ...] = ()
    pattern: str = ""  # regular expression
    expected: str = ""  # description of the pattern
    at_run_time: bool = False  # can be set at any time; else only while the node is unconfigured
    section: str = ""  # heading in config/track.yaml before this parameter


def parameter(default: Any, description: str, **rule: Any) -> Any:
    """An entry of a table; `rule` are fields of `Rule`."""
    return field(default=default, metadata={"rule": Rule(description, **rule)})


@dataclass(frozen=True)
class Parameters:
    """The table: every parameter with its default, description and limits."""

    model: str = parameter(
        "nano",
        "The model. Larger ones are more accurate and slower: nano (bundled), sam2.1_hiera_tiny, _small, _base_plus, "
        "_large, and those of SAM 2.0 as sam2_hiera_tiny and so on. `sam2_ros download NAME` gets official weights.",
        choices=tuple(CONFIGS),
        section="model",
    )
    checkpoint: str = parameter(
        "",
        "File with the model's weights. Empty: the bundled nano, or the file that `sam2_ros download` fetched.",
    )
    image_size: int = parameter(
        0,
        "Input size of the model, the side of a square in pixels: 1024, 512 or 256 for the official models; smaller is "
        "faster. 0: the model's own.",
        limits=(0, 4096),
    )
    device: str = parameter(
        "auto",
        "Device of the model: cpu, cuda, cuda:N, or auto: the GPU if there is one.",
        pattern=r"auto|cpu|cuda(:\d+)?",
        expected="auto, cpu, cuda or cuda:N",
    )
    precision: str = parameter(
        "auto",
        "Precision of the model: auto (bfloat16 on a GPU of compute capability 8.0 or later and, for inputs from "
        "384 pixels, on a CPU with bfloat16 instructions; else float32), float32 or bfloat16.",
        choices=("auto", "float32", "bfloat16"),
    )
    compile: bool = parameter(
        False,
        "Compile the model for the device when the node is configured: takes minutes the first time, then images are "
        "processed faster. CUDA graphs are captured from what was compiled. Needs a C++ compiler.",
    )
    cuda_graphs: bool = parameter(
        True,
        "On a CUDA GPU, launch the work of an image as two CUDA graphs, captured when the node is configured, not as "
        "hundreds of kernels. Switch it off to compare, or where GPU memory is short. No effect on a CPU.",
    )
    preset: str = parameter(
        "quality",
        "Speed at the cost of quality: quality (as the reference), balanced or fast. Sets the next three parameters "
        "where they are 0.",
        choices=tuple(PRESETS),
        section="quality for speed: see docs/guides/performance.md",
    )
    recent_memories: int = parameter(
        0,
        "Recent images in the memory bank besides the prompted ones, 1 to 6. 0: from the preset.",
        limits=(0, 6),
    )
    memory_pooling: int = parameter(
        0,
        "1: all memory tokens of these images; 2: a quarter of them, means of 2 x 2 tokens. 0: from the preset.",
        limits=(0, 2),
    )
    encode_every: int = parameter(
        0,
        "Encode every N-th image; on skipped images the masks are warped by optical flow. 1: every image. 0: from the "
        "preset.",
        limits=(0, 30),
    )
    target_fps: float = parameter(
        0.0,
        "Images per second to keep up with: as many of them are encoded as time permits, at least every eighth; on "
        "skipped images the masks are warped by optical flow. 0: no target.",
        limits=(0.0, 1000.0),
    )
    max_objects: int = parameter(
        16,
        "Objects tracked at a time; their memory is preallocated. At most 254, the values of ~/masks.",
        limits=(1, 254),
        section="objects and prompts",
    )
    max_prompted: int = parameter(
        4,
        "Prompted images in the memory bank of each object, besides the recent ones.",
        limits=(1, 32),
    )
    history: int = parameter(
        16,
        "Processed images that are buffered, so that a late prompt can be applied to its own image.",
        limits=(1, 256),
    )
    stamp_tolerance: float = parameter(
        0.1,
        "Seconds by which a prompt's stamp may differ from that of a processed image. Where the camera is faster than "
        "the model, users click on images that were dropped; the click is applied to the nearest processed image.",
        limits=(0.0, 10.0),
    )
    prompt_timeout: float = parameter(
        5.0,
        "Seconds that a prompt waits for its image before it is rejected.",
        limits=(0.1, 3600.0),
        at_run_time=True,
    )
    vanish_below: float = parameter(
        0.5,
        "A visible object becomes absent below this presence (0..1; the model itself uses 0.5).",
        limits=(0.5, 1.0),
        section="lost and reacquired: durations in seconds of image time",
    )
    appear_above: float = parameter(
        0.6,
        "An absent object becomes visible from this presence on; at least vanish_below.",
        limits=(0.5, 1.0),
    )
    occluded_after: float = parameter(
        0.2,
        "Seconds since an object was last seen after which it is reported as occluded; shorter absences are in "
        "~/tracks only.",
        limits=(0.0, 3600.0),
    )
    lost_after: float = parameter(
        1.0,
        "Seconds since an object was last seen after which it is lost instead of occluded.",
        limits=(0.0, 3600.0),
    )
    remove_after: float = parameter(
        0.0,
        "Seconds since an object was last seen after which a lost object is removed and its mask value is free again. "
        "0: never.",
        limits=(0.0, 86400.0),
    )
    return_frames: int = parameter(
        3,
        "Consecutive images on which a lost object has to be found plausibly until its return is confirmed; its mask "
        "is empty until then. 0: every return is confirmed, also after a short absence.",
        limits=(0, 100),
    )
    memory_policy: str = parameter(
        TrackerConfig.memory_policy,
        "Which images are added to an object's memory bank. reference: every image, as in SAM 2; guarded: those on "
        "which it is confidently visible; distractor_aware, motion_aware: see docs/guides/lost_and_reacquired.md.",
        choices=tuple(POLICIES),
    )
    detections: bool = parameter(
        True,
        "Detector boxes: subscribe to ~/detections and publish ~/detections_out (vision_msgs/Detection2DArray).",
        section="detector boxes",
    )
    detection_classes: str = parameter(
        "",
        "Classes whose boxes are used, separated by commas, as named by the detector. Empty: all.",
        at_run_time=True,
    )
    detection_min_score: float = parameter(
        0.5,
        "Minimum score of a box.",
        limits=(0.0, 1.0),
        at_run_time=True,
    )
    detection_min_hits: int = parameter(
        3,
        "Arrays of detections in which an object has to be detected before it is tracked.",
        limits=(1, 100),
        at_run_time=True,
    )
    detection_max_per_class: int = parameter(
        0,
        "Maximum number of tracked objects per class, without lost ones. 0: unlimited.",
        limits=(0, 254),
        at_run_time=True,
    )
    detection_retire_after: float = parameter(
        0.0,
        "Seconds of image time without a matching box after which an object that a box started is removed. 0: never.",
        limits=(0.0, 3600.0),
        at_run_time=True,
    )
    discover: float = parameter(
        0.0,
        "Seconds of image time between two searches for what is in view and not tracked; each find starts an object "
        "without a prompt. 0: never.",
        limits=(0.0, 3600.0),
        at_run_time=True,
        section="discovery: see docs/guides/discovery.md",
    )
    discover_max_objects: int = parameter(
        DiscoveryConfig.max_objects,
        "Discovery pauses while this many objects are tracked, whoever started them.",
        limits=(1, 254),
        at_run_time=True,
    )
    discover_min_area: float = parameter(
        DiscoveryConfig.min_area,
        "Smallest area of what is discovered, as a share of the image; at most discover_max_area.",
        limits=(0.0, 1.0),
        at_run_time=True,
    )
    discover_max_area: float = parameter(
        DiscoveryConfig.max_area,
        "Largest area of what is discovered, as a share of the image.",
        limits=(0.0, 1.0),
        at_run_time=True,
    )
    discover_min_predicted_iou: float = parameter(
        0.0,
        "Smallest predicted IoU of the mask of a discovered object. 0: 0.6 for nano, 0.8 for other models.",
        limits=(0.0, 1.0),
        at_run_time=True,
    )
    discover_min_stability: float = parameter(
        0.0,
        "Smallest stability of the mask of a discovered object: the IoU of the masks at a higher and at a lower "
        "threshold. 0: 0.7 for nano, 0.95 for other models.",
        limits=(0.0, 1.0),
        at_run_time=True,
    )
    discover_region: str = parameter(
        "0,0,1,1",
        "Where to look: left, top, right and bottom edge as shares of the image, separated by commas.",
        pattern=rf"\s*{_SHARE}\s*(,\s*{_SHARE}\s*){{3}}",
        expected="left,top,right,bottom as shares of the image, such as 0,0.5,1,1 for its lower half",
        at_run_time=True,
    )
    discover_points_per_side: int = parameter(
        DiscoveryConfig.points_per_side,
        "Clicks on each side of the grid by which the region is searched; more find smaller objects, and take longer.",
        limits=(1, 64),
        at_run_time=True,
    )
    image_transport: str = parameter(
        "raw",
        "raw: sensor_msgs/Image on `image`. compressed: sensor_msgs/CompressedImage on `image/compressed`.",
        choices=("raw", "compressed"),
        section="topics",
    )
    image_reliability: str = parameter(
        "best_effort",
        "Requested reliability of images: best_effort is compatible with every publisher, reliable only with reliable "
        "ones.",
        choices=RELIABILITIES,
    )
    image_bit_depth: int = parameter(
        0,
        "Bits that the camera uses of 16-bit samples (mono16, bayer_*16, rgb16, 16-bit PNG), counted from the lowest: "
        "8 to 16. 0: detected.",
        pattern=r"0|[89]|1[0-6]",
        expected="0 or 8 to 16",
    )
    image_depth: int = parameter(
        1,
        "QoS history depth of images; only the newest is processed.",
        limits=(1, 100),
    )
    clicked_point: bool = parameter(
        True,
        "Start objects by /clicked_point, the topic of RViz' tool Publish Point. Set it to false where that topic is "
        "meant for another node, such as another camera's tracker or navigation.",
    )
    publish_reliability: str = parameter(
        "reliable",
        "Offered reliability of results: reliable is compatible with every subscription, best_effort never "
        "retransmits.",
        choices=RELIABILITIES,
    )
    publish_depth: int = parameter(
        5,
        "QoS history depth of results.",
        limits=(1, 1000),
    )
    publish_cropped_masks: bool = parameter(
        False,
        "Include the mask of each object, cropped to its box, in ~/tracks.",
        at_run_time=True,
    )
    depth: bool = parameter(
        False,
        "3-D: subscribe to `depth` (registered to the image) and `camera_info`; publish ~/points, ~/target_depth "
        "and positions.",
        section="3-D",
    )
    depth_slop: float = parameter(
        0.0,
        "Milliseconds by which the stamps of image and depth may differ where none are equal; should be less than half "
        "the time between two images. 0: they have to be equal.",
        limits=(0.0, 1000.0),
    )
    target_frame: str = parameter(
        "",
        "Frame of reference of positions and ~/points, through tf2. Empty: the camera's optical frame.",
    )
    image_timeout: float = parameter(
        3.0,
        "Seconds without an image after which a warning is logged and published on /diagnostics.",
        limits=(0.1, 3600.0),
        at_run_time=True,
        section="diagnostics",
    )
    diagnostics_period: float = parameter(
        1.0,
        "Seconds between two messages on /diagnostics.",
        limits=(0.1, 60.0),
    )
    bond_heartbeat_period: float = parameter(
        0.25,
        "Seconds between two heartbeats to nav2's lifecycle manager, where the ROS package bondpy is installed. 0: no "
        "bond.",
        limits=(0.0, 4.0),
        section="lifecycle manager",
    )


def table_of(kind: type) -> dict[str, Field[Any]]:
    """The entries of a table by their names."""
    return {entry.name: entry for entry in fields(kind)}


TABLE = table_of(Parameters)


def rule_of(name: str, table: Mapping[str, Field[Any]] = TABLE) -> Rule:
    """The rule of a parameter of the table."""
    rule: Rule = table[name].metadata["rule"]
    return rule


def kind_of(name: str, table: Mapping[str, Field[Any]] = TABLE) -> type:
    """The type of its values: bool, int, float or str."""
    return type(table[name].default)
