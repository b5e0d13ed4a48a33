"""What track.launch.py makes of its arguments for the panel."""

import pytest

from sam2_ros.node.launching import panel

ARGUMENTS = {"host": "127.0.0.1", "port": "8080", "image_transport": ""}


def test_the_panel_chooses_the_image_transport_unless_it_is_given() -> None:
    assert panel.parameters(ARGUMENTS) == {"host": "127.0.0.1", "port": 8080, "image_transport": "auto"}
    assert panel.parameters(ARGUMENTS | {"image_transport": "raw"})["image_transport"] == "raw"


def test_a_port_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="port:=web: expected an integer"):
        panel.parameters(ARGUMENTS | {"port": "web"})
