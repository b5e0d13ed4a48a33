"""Streaming tracking: frames and prompts in, tracks out; no ROS."""

from .lifting import DepthImage, Intrinsics, LiftingError, Surface, lift
from .tracker import StreamingTracker, TrackerConfig
from .types import (
    Box,
    Click,
    Event,
    EventKind,
    FrameResult,
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
