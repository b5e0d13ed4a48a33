"""Streaming tracking: frames and prompts in, tracks out; no ROS."""

from .config import TrackerConfig
from .track_state import TrackStateConfig
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
    "Event",
    "EventKind",
    "FrameResult",
    "Preview",
    "Prompt",
    "PromptError",
    "StampError",
    "StreamingTracker",
    "Track",
    "TrackState",
    "TrackStateConfig",
    "TrackerConfig",
]
