"""Random weights under which the network does something: for parity, benchmarks and tests.

Freshly initialised, SAM 2 answers with empty masks and constant scores, and equality of nothing proves nothing.
"""

from __future__ import annotations

import torch

from .config import ModelConfig, named_config
from .sam2 import Sam2


def seeded_model(config: str | ModelConfig, seed: int = 0, occlusion_bias: float = 5.0) -> Sam2:
    """A model whose every parameter is drawn from `seed`.

    `occlusion_bias` shifts the occlusion score: objects are in view well above zero, absent well below, and
    both occur near zero.
    """
    torch.manual_seed(seed)
    model = Sam2(named_config(config) if isinstance(config, str) else config)
    with torch.no_grad():
        model.trunk.position.normal_(std=0.02)
        model.trunk.window_position.normal_(std=0.02)
        parameters = dict(model.named_parameters())
        for name, value in parameters.items():
            if name.endswith("to_memory.query.weight"):
                value.mul_(3.0)
            elif name.startswith("memory_encoder.fuse") and name.endswith("scale"):
                value.normal_(std=0.1)
        parameters["mask_decoder.occlusion_head.layers.2.bias"].fill_(occlusion_bias)
    return model.eval().requires_grad_(False)
