"""The table of the node's parameters. `python3 -m sam2_ros.node.parameters` writes config/track.yaml from it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from sam2_ros.model.config import CONFIGS
from sam2_ros.node.qos import RELIABILITIES
from sam2_ros.tracking import TrackerConfig
from sam2_ros.tracking.memory_policy import POLICIES
from sam2_ros.tracking.presets import PRESETS


@dataclass(frozen=True)
class Rule:
    """What a parameter means and which values it takes."""

    description: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    pattern: str = ""  # regular expression
    expected: str = ""  # the pattern in words
    at_run_time: bool = False  # else only while the node is unconfigured
    section: str = ""  # of config/track.yaml, that begins with this parameter


def _parameter(default: Any, description: str, **rule: Any) -> Any:
    return field(default=default, metadata={"rule": Rule(description, **rule)})


@dataclass(frozen=True)
class Parameters:
    """The table: every parameter with its default, its meaning and its limits."""

    model: str = _parameter(
        "nano",
        "The network. Bigger is better and slower: nano (bundled), sam2.1_hiera_tiny, _small, _base_plus, _large, "
        "and the same of SAM 2.0 as sam2_hiera_tiny and so on. `sam2_ros download NAME` gets the official weights.",
        choices=tuple(CONFIGS),
        section="the network",
    )
    checkpoint: str = _parameter(
        "",
        "File with the network's weights. Empty: the bundled nano, or what `sam2_ros download` fetched.",
    )
    image_size: int = _parameter(
        0,
        "Side in pixels of the square that the network sees: 1024, 512 and 256 for the official models; smaller is "
        "faster. 0: the model's own.",
        low=0,
        high=4096,
    )
    device: str = _parameter(
        "auto",
        "Where the network runs. auto: the GPU if there is one; else cpu, cuda or cuda:N.",
        pattern=r"auto|cpu|cuda(:\d+)?",
        expected="auto, cpu, cuda or cuda:N",
    )
    precision: str = _parameter(
        "auto",
        "Number format of the network: auto (bfloat16 on a GPU of compute capability 8.0 or later and, for inputs from "
        "384 pixels, on a CPU with bfloat16 instructions; else float32), float32 or bfloat16.",
        choices=("auto", "float32", "bfloat16"),
    )
    compile: bool = _parameter(
        False,
        "Compile the network for this device when the node is configured: minutes the first time, then faster "
        "images. Needs a C++ compiler.",
    )
    preset: str = _parameter(
        "quality",
        "How much is saved for speed: quality (as the reference), balanced or fast. Sets the three parameters that "
        "follow, where they are 0.",
        choices=tuple(PRESETS),
        section="quality for speed: see docs/guides/performance.md",
    )
    recent_memories: int = _parameter(
        0,
        "Recent images that are in the memory bank besides the prompted ones, 1 to 6. 0: as the preset says.",
        low=0,
        high=6,
    )
    memory_pooling: int = _parameter(
        0,
        "1: all memory tokens of these images; 2: a quarter, means of 2 x 2 tokens. 0: as the preset says.",
        low=0,
        high=2,
    )
    encode_every: int = _parameter(
        0,
        "The network sees every N-th image; on the skipped ones masks are moved along with the picture. 1: every "
        "image. 0: as the preset says.",
        low=0,
        high=30,
    )
    target_fps: float = _parameter(
        0.0,
        "Images per second to keep up: the network sees as many of them as it has time for, at least every eighth; "
        "on the skipped ones masks are moved along. 0: no such aim.",
        low=0.0,
        high=1000.0,
    )
    max_objects: int = _parameter(
        16,
        "Objects tracked at a time; their memory is preallocated. At most 254, the values of ~/masks.",
        low=1,
        high=254,
        section="objects and prompts",
    )
    max_prompted: int = _parameter(
        4,
        "Prompted images that are in the memory bank of each object, besides the recent ones.",
        low=1,
        high=32,
    )
    history: int = _parameter(
        16,
        "Processed images that are kept, so that a late prompt still finds its own.",
        low=1,
        high=256,
    )
    stamp_tolerance: float = _parameter(
        0.1,
        "Seconds by which a prompt's stamp may miss a processed image. A camera that outruns the network shows "
        "people images that were never processed; their clicks go to the nearest one.",
        low=0.0,
        high=10.0,
    )
    prompt_timeout: float = _parameter(
        5.0,
        "Seconds that a prompt waits for its image before it is rejected.",
        low=0.1,
        high=3600.0,
        at_run_time=True,
    )
    vanish_below: float = _parameter(
        0.5,
        "An object in view counts as absent below this presence (0..1; the network itself says 0.5).",
        low=0.5,
        high=1.0,
        section="lost and reacquired: durations are in seconds of image time",
    )
    appear_above: float = _parameter(
        0.6,
        "An absent object counts as in view from this presence on; not less than vanish_below.",
        low=0.5,
        high=1.0,
    )
    occluded_after: float = _parameter(
        0.2,
        "Seconds since an object was last seen after which it is reported as occluded; shorter absences are in "
        "~/tracks only.",
        low=0.0,
        high=3600.0,
    )
    lost_after: float = _parameter(
        1.0,
        "Seconds since an object was last seen after which it counts as lost instead of occluded.",
        low=0.0,
        high=3600.0,
    )
    remove_after: float = _parameter(
        0.0,
        "Seconds since an object was last seen after which a lost one is removed and its mask value is free again. "
        "0: never.",
        low=0.0,
        high=86400.0,
    )
    return_frames: int = _parameter(
        3,
        "Images in a row on which a lost object has to be found, plausibly, until its return is confirmed; its mask"
        " is empty until then. 0: every return counts, also after a short absence.",
        low=0,
        high=100,
    )
    memory_policy: str = _parameter(
        TrackerConfig.memory_policy,
        "Which images enter an object's memory bank. reference: every image, as SAM 2 does; guarded: those on which"
        " it is surely in view; distractor_aware, motion_aware: see docs/guides/lost_and_reacquired.md.",
        choices=tuple(POLICIES),
    )
    detections: bool = _parameter(
        True,
        "Detector boxes: subscribe to ~/detections and publish ~/detections_out (vision_msgs/Detection2DArray).",
        section="detector boxes",
    )
    detection_classes: str = _parameter(
        "",
        "Classes whose boxes count, separated by commas, as the detector calls them. Empty: all.",
        at_run_time=True,
    )
    detection_min_score: float = _parameter(
        0.5,
        "Score from which a box counts.",
        low=0.0,
        high=1.0,
        at_run_time=True,
    )
    detection_min_hits: int = _parameter(
        3,
        "Arrays of detections in which an object has to be seen before it is tracked.",
        low=1,
        high=100,
        at_run_time=True,
    )
    detection_max_per_class: int = _parameter(
        0,
        "Objects of one class that are tracked, lost ones not counted. 0: any number.",
        low=0,
        high=254,
        at_run_time=True,
    )
    detection_retire_after: float = _parameter(
        0.0,
        "Seconds of image time without a box after which an object that a box started is removed. 0: never.",
        low=0.0,
        high=3600.0,
        at_run_time=True,
    )
    image_transport: str = _parameter(
        "raw",
        "raw: sensor_msgs/Image on `image`. compressed: sensor_msgs/CompressedImage on `image/compressed`.",
        choices=("raw", "compressed"),
        section="topics",
    )
    image_reliability: str = _parameter(
        "best_effort",
        "Reliability asked of the camera: best_effort matches every camera, reliable only reliable ones.",
        choices=RELIABILITIES,
    )
    image_bit_depth: int = _parameter(
        0,
        "Bits that the camera uses of samples of 16 bits (mono16, bayer_*16, rgb16, 16-bit PNG), from the lowest "
        "on: 8 to 16. 0: as the images show it.",
        pattern=r"0|[89]|1[0-6]",
        expected="0 or 8 to 16",
    )
    image_depth: int = _parameter(
        1,
        "Images kept by the transport while the node is busy; only the newest is processed.",
        low=1,
        high=100,
    )
    clicked_point: bool = _parameter(
        True,
        "Start objects by /clicked_point, the topic of RViz' tool Publish Point. false: it is for others, such as "
        "another camera's tracker or navigation.",
    )
    publish_reliability: str = _parameter(
        "reliable",
        "Reliability of the results: reliable matches every subscriber, best_effort never waits for one.",
        choices=RELIABILITIES,
    )
    publish_depth: int = _parameter(
        5,
        "Results kept by the transport for slow subscribers.",
        low=1,
        high=1000,
    )
    publish_cropped_masks: bool = _parameter(
        False,
        "Put the mask of each object, cropped to its box, into ~/tracks.",
        at_run_time=True,
    )
    depth: bool = _parameter(
        False,
        "3-D: subscribe to `depth` (registered to the image) and `camera_info`; publish ~/points, ~/target_depth "
        "and positions.",
        section="3-D",
    )
    depth_slop: float = _parameter(
        0.0,
        "Milliseconds by which the stamps of image and depth may differ where none are equal; less than half the "
        "time between two images. 0: they have to be equal.",
        low=0.0,
        high=1000.0,
    )
    target_frame: str = _parameter(
        "",
        "Frame of reference of positions and ~/points, through tf2. Empty: the camera's optical frame.",
    )
    image_timeout: float = _parameter(
        3.0,
        "Seconds without an image after which the camera is reported as silent.",
        low=0.1,
        high=3600.0,
        at_run_time=True,
        section="health",
    )
    diagnostics_period: float = _parameter(
        1.0,
        "Seconds between two messages on /diagnostics.",
        low=0.1,
        high=60.0,
    )


TABLE = {entry.name: entry for entry in fields(Parameters)}


def rule_of(name: str) -> Rule:
    """The rule of a parameter of the table."""
    return TABLE[name].metadata["rule"]


def kind_of(name: str) -> type:
    """The type of its values: bool, int, float or str."""
    return type(TABLE[name].default)
