"""The table of the node's parameters."""

from __future__ import annotations

from dataclasses import dataclass

from sam2_ros.node.parameters.table import parameter
from sam2_ros.node.qos import RELIABILITIES
from sam2_ros.text.detector import DetectorConfig
from sam2_ros.text.loading import DEFAULT_MODEL
from sam2_ros.text.schedule import SearchRates


@dataclass(frozen=True)
class TextParameters:
    """Every parameter with its default, description and limits."""

    words: str = parameter(
        "",
        "What is searched for: phrases separated by full stops or commas, such as `red cup. screwdriver`; also by the "
        "topic ~/words. Empty: nothing.",
        at_run_time=True,
        section="text detector",
    )
    model: str = parameter(
        DEFAULT_MODEL,
        "OWLv2 or Grounding DINO: a name on huggingface.co, which is downloaded once, or a folder.",
    )
    device: str = parameter(
        "auto",
        "Device of the model: cpu, cuda, cuda:N, or auto: the GPU if there is one.",
        pattern=r"auto|cpu|cuda(:\d+)?",
        expected="auto, cpu, cuda or cuda:N",
    )
    threshold: float = parameter(
        0.0,
        "Lowest score of a box. 0: 0.2 for OWLv2, 0.3 for Grounding DINO.",
        limits=(0.0, 0.999),
        at_run_time=True,
    )
    max_overlap: float = parameter(
        DetectorConfig.max_overlap,
        "IoU with a better box of the same phrase, above which a box is a duplicate.",
        limits=(0.01, 1.0),
        at_run_time=True,
    )
    rate: float = parameter(
        SearchRates.rate,
        "Images per second that are searched, at most; between them SAM 2 follows the objects.",
        limits=(0.001, 1000.0),
        at_run_time=True,
    )
    lost_rate: float = parameter(
        SearchRates.lost_rate,
        "The same while an object with one of the words as its label is lost. The first image after the loss is always "
        "searched.",
        limits=(0.001, 1000.0),
        at_run_time=True,
    )
    image_transport: str = parameter(
        "raw",
        "raw: sensor_msgs/Image on `image`. compressed: sensor_msgs/CompressedImage on `image/compressed`.",
        choices=("raw", "compressed"),
    )
    image_reliability: str = parameter(
        "best_effort",
        "Requested reliability of images: best_effort is compatible with every publisher, reliable only with reliable "
        "ones.",
        choices=RELIABILITIES,
    )
    image_depth: int = parameter(1, "QoS history depth of images; only the newest is searched.", limits=(1, 100))
    image_timeout: float = parameter(
        3.0,
        "Seconds without an image after which a warning is logged and published on /diagnostics.",
        limits=(0.1, 3600.0),
        at_run_time=True,
    )

    @property
    def detector(self) -> DetectorConfig:
        """Which boxes are kept."""
        return DetectorConfig(self.threshold, self.max_overlap)

    @property
    def rates(self) -> SearchRates:
        """How often is searched."""
        return SearchRates(self.rate, self.lost_rate)
