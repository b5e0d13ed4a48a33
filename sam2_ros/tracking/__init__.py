"""Streaming tracking: frames and prompts in, tracks out; no ROS."""

from .config import TrackerConfig
from .lifting import DepthImage, Intrinsics, LiftingError, Surface, lift
from .presence import PresenceRules
from .tracker import StreamingTracker
from .types import (
    Box,
    Click,
    Event,
    EventKind,
    FrameResult,
    Preview,
    Prompt,
    PromptError,
    StampError,
    Track,
    TrackState,
)

__all__ = [
    "Box",
    "Click",
    "DepthImage",
    "Event",
    "EventKind",
    "FrameResult",
    "Intrinsics",
    "LiftingError",
    "PresenceRules",
    "Preview",
    "Prompt",
    "PromptError",
    "StampError",
    "StreamingTracker",
    "Surface",
    "Track",
    "TrackState",
    "TrackerConfig",
    "lift",
]
