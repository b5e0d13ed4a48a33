"""Images, prompts and results as they pass between the parts of the node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sam2_ros.depth.lifting import Surface
from sam2_ros.node.conversions.depth import CameraInfos, PendingDepth
from sam2_ros.node.inputs.stamp_filter import TimeJump
from sam2_ros.segmentation import PackedMask
from sam2_ros.tracking.types import Event, FrameResult, Prompt, Track


@dataclass(frozen=True)
class ReceivedImage:
    """An image message that is to be processed."""

    stamp: float  # of its header, seconds
    message: Any  # sensor_msgs/Image or CompressedImage
    received: float  # when it was received, seconds on the steady clock
    depth: PendingDepth | None = None  # None where the parameter `depth` is false
    jump: TimeJump | None = None  # the last jump back of the image stamps
    camera_infos: CameraInfos | None = None  # None where no output needs them


@dataclass(frozen=True)
class ProcessedImage:
    """An image that the tracker has processed."""

    rgb: np.ndarray  # (H, W, 3) uint8
    header: Any  # std_msgs/Header of the message
    stamp: float  # of the header, seconds
    depth: PendingDepth | None = None  # None where the parameter `depth` is false
    camera_infos: CameraInfos | None = None  # None where no output needs them


@dataclass(frozen=True)
class PromptRequest:
    """A prompt, its object and the image that it belongs to."""

    prompt: Prompt
    object_id: int = 0  # 0: starts a new object
    stamp: float | None = None  # of the image, seconds; None: the newest
    clicked_at: float | None = None  # when a user clicked, seconds on the steady clock; None: a program's prompt


@dataclass(frozen=True)
class AppliedPrompt:
    """A prompt that has started or corrected an object."""

    prompt: Prompt
    object_id: int
    header: Any  # std_msgs/Header of its image


@dataclass(frozen=True)
class SegmentRequest:
    """Masks that are requested on a single image: of prompts, or of everything."""

    stamp: float | None = None  # of the image, seconds; None: the newest
    prompts: Sequence[Prompt] = ()
    multimask: bool = False  # three masks of each prompt
    everything: bool = False
    changes: Mapping[str, Any] = field(default_factory=dict)  # of the parameters of MaskGeneratorConfig
    max_masks: int = 256  # of everything, the best ones


@dataclass(frozen=True)
class FoundMask:
    """A mask on a single image."""

    prompt: int  # index of its prompt
    mask: PackedMask | None  # None: empty
    predicted_iou: float
    stability: float = 0.0  # 0 for prompts


@dataclass(frozen=True)
class TrackingOutput:
    """Everything to publish for one image."""

    image: ProcessedImage
    result: FrameResult
    target: Track | None  # the selected object
    events: Sequence[Event] = ()
    labels: Mapping[int, str] = field(default_factory=dict)  # by object id, objects that are catching up included
    prompts: Sequence[AppliedPrompt] = ()  # since the last output


@dataclass(frozen=True)
class LiftedObjects:
    """The objects that depth measures on one image."""

    header: Any  # std_msgs/Header: the image's stamp and the frame_id of the surfaces
    surfaces: Mapping[int, Surface]  # by object id
