"""A small network with random weights that answers with real masks."""

import numpy as np
import pytest

from sam2_ros.model import CONFIGS, Sam2, seeded_model
from sam2_ros.parity.scenarios import synthetic_frames


@pytest.fixture(scope="session")
def model() -> Sam2:
    return seeded_model(CONFIGS["nano"].resized(64))


@pytest.fixture(scope="session")
def rgb() -> np.ndarray:
    """(72, 96, 3) uint8"""
    return np.ascontiguousarray(synthetic_frames(1, 96)[0][:72])
