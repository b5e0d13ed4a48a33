"""What track.launch.py makes of its arguments for the text detector."""

import pytest

from sam2_ros.node.launching import text_detector, track
from sam2_ros.node.parameters.table import Parameters

NO_ARGUMENTS = dict.fromkeys([*track.PARAMETERS, *text_detector.PARAMETERS, "text"], "")


def test_words_and_own_arguments_are_its_parameters() -> None:
    given = {"text": "22", "text_threshold": "0.25", "text_rate": "1"}
    assert text_detector.parameters(NO_ARGUMENTS | given) == {"words": "22", "threshold": 0.25, "rate": 1.0}


def test_it_shares_device_transport_and_time_with_the_tracker() -> None:
    given = {"text": "cup", "device": "cpu", "image_transport": "compressed", "use_sim_time": "yes", "preset": "fast"}
    expected = {"words": "cup", "device": "cpu", "image_transport": "compressed", "use_sim_time": True}
    assert text_detector.parameters(NO_ARGUMENTS | given) == expected


def test_an_argument_of_another_type_is_refused() -> None:
    with pytest.raises(ValueError, match="text_rate:=often: expected a number"):
        text_detector.parameters(NO_ARGUMENTS | {"text": "cup", "text_rate": "often"})


def test_the_tracker_keeps_more_frames_for_late_boxes_only_with_words() -> None:
    assert text_detector.tracker_parameters(NO_ARGUMENTS) == {}
    assert text_detector.tracker_parameters(NO_ARGUMENTS | {"text": "cup"})["history"] == 64 != Parameters().history
