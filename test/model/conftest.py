"""A model that is small enough to run in every test."""

from dataclasses import replace

import pytest
import torch

from sam2_ros.model import CONFIGS, ImageFeatures, ModelConfig, Sam2, seeded_model

SMALL = CONFIGS["nano"].resized(64)  # 4 x 4 tokens


@pytest.fixture(scope="session")
def config() -> ModelConfig:
    return SMALL


@pytest.fixture(scope="session")
def model() -> Sam2:
    return seeded_model(SMALL)


@pytest.fixture(scope="session")
def older_model() -> Sam2:
    """The architecture of SAM 2.0."""
    return seeded_model(replace(SMALL, version="2.0"))


@pytest.fixture(scope="session")
def image() -> torch.Tensor:
    return torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="session")
def features(model: Sam2, image: torch.Tensor) -> ImageFeatures:
    return model.encode_image(image)
