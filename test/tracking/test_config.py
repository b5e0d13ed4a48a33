"""The tracker's configuration is checked."""

from typing import Any

import pytest

from sam2_ros.tracking import TrackerConfig
from sam2_ros.tracking.memory_policy import POLICIES


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_objects": 0},
        {"max_objects": 255},
        {"history": 0},
        {"max_prompted": 0},
        {"stamp_tolerance": -1.0},
        {"stamp_tolerance": float("nan")},
        {"target_fps": float("nan")},
        {"memory_policy": "elephant"},
        {"precision": "int4"},
        {"recent_memories": 0},
        {"recent_memories": 7},
        {"encode_every": 0},
        {"target_fps": -1.0},
        {"memory_pooling": 3},
    ],
)
def test_impossible_configurations_are_rejected(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TrackerConfig(**wrong)


@pytest.mark.parametrize("name", POLICIES)
def test_every_memory_policy_can_be_chosen_by_name(name: str) -> None:
    assert TrackerConfig(memory_policy=name).policy is POLICIES[name]
