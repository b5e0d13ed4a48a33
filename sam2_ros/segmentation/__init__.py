"""Single images: masks from prompts, and masks of everything; and objects that are discovered. No ROS."""

from .discovery import Discovery, DiscoveryConfig
from .image_predictor import ImagePredictor, Prediction
from .mask_generator import MaskGenerator
from .mask_generator_config import MaskGeneratorConfig
from .segment import PackedMask, Segment

__all__ = [
    "Discovery",
    "DiscoveryConfig",
    "ImagePredictor",
    "MaskGenerator",
    "MaskGeneratorConfig",
    "PackedMask",
    "Prediction",
    "Segment",
]
