"""Single images: masks from prompts, and masks of everything; no ROS."""

from .image_predictor import ImagePredictor, Prediction
from .mask_generator import MaskGenerator
from .mask_generator_config import MaskGeneratorConfig
from .segment import Segment

__all__ = ["ImagePredictor", "MaskGenerator", "MaskGeneratorConfig", "Prediction", "Segment"]
