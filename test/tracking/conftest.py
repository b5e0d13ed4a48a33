"""Networks for tests of the tracker, with random weights that give non-trivial masks."""

import pytest

from sam2_ros.model import Sam2, seeded_model
from sam2_ros.model.config import named_config


@pytest.fixture(scope="module")
def model() -> Sam2:
    return seeded_model(named_config("nano", 64), seed=4)


@pytest.fixture(scope="module")
def blind_model() -> Sam2:
    """Every object is absent on every frame."""
    return seeded_model(named_config("nano", 64), seed=1, occlusion_bias=-50.0)
