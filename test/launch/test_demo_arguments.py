"""What demo.launch.py makes of its arguments."""

import pytest

from sam2_ros.node.launching import demo

ARGUMENTS = {
    "video": "2024",
    "click": "320,240",
    "detections": "boxes.json",
    "rate": "15",
    "model": "nano",
    "output": "007",
}


def test_names_that_look_like_numbers_stay_strings() -> None:
    assert demo.player_parameters(ARGUMENTS) == {"video": "2024", "click": "320,240", "detections": "boxes.json"}
    assert demo.recorder_parameters(ARGUMENTS) == {"output": "007", "rate": 15.0}


def test_a_rate_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="rate:=fast: expected a number"):
        demo.recorder_parameters(ARGUMENTS | {"rate": "fast"})


def test_the_detections_file_is_passed_to_the_player_only() -> None:
    assert demo.tracker_arguments(ARGUMENTS) == {"model": "nano", "detections": ""}


def test_player_and_recorder_are_connected_to_the_tracker() -> None:
    assert dict(demo.player_remappings())["prompt"] == "/sam2_tracker/prompt"
    recorded = dict(demo.recorder_remappings())
    assert recorded["tracks"] == "/sam2_tracker/tracks"
    assert recorded.keys() > dict(demo.player_remappings()).keys()


@pytest.mark.parametrize(
    ("process", "exit_code", "reason"),
    [
        ("player-2", 0, ""),
        ("player-2", 1, "player-2 ended with exit code 1"),
        ("recorder-1", 0, "recorder-1 ended with exit code 0"),
        ("tracker-3", -9, "tracker-3 ended with exit code -9"),
    ],
)
def test_the_demo_ends_with_any_process_but_a_player_that_has_played_all(
    process: str, exit_code: int, reason: str
) -> None:
    assert demo.failure(process, exit_code) == reason
