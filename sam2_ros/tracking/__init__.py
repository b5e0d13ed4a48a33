"""Streaming tracking: frames and prompts in, tracks out; no ROS."""

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
    "Event",
    "EventKind",
    "FrameResult",
    "Prompt",
    "PromptError",
    "StampError",
    "StreamingTracker",
    "Track",
    "TrackState",
    "TrackerConfig",
]
