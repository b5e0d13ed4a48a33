"""The SAM 2 network: tensors in, tensors out."""

from .checkpoint import load_model, save_weights
from .checkpoint_files import CheckpointError
from .compiled import CompiledSam2, MemorySize, Network
from .config import CONFIGS, ModelConfig
from .image_encoder import ImageFeatures
from .mask_decoder import TransformedPrompts
from .memory import Memory, PooledMemory, pool
from .prompt_encoder import PointLabel, PromptTensors
from .sam2 import Decoded, Sam2
from .seeded import seeded_model

__all__ = [
    "CONFIGS",
    "CheckpointError",
    "CompiledSam2",
    "Decoded",
    "ImageFeatures",
    "Memory",
    "MemorySize",
    "ModelConfig",
    "Network",
    "PointLabel",
    "PooledMemory",
    "PromptTensors",
    "Sam2",
    "TransformedPrompts",
    "load_model",
    "pool",
    "save_weights",
    "seeded_model",
]
