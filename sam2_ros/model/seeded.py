"""Random weights with which the network does something: for parity, benchmarks and tests.

Freshly initialised, SAM 2 predicts empty masks and constant scores, whatever the prompt and the memory; equal
numbers would prove nothing.
"""

from __future__ import annotations

import torch

from .config import ModelConfig, named_config
from .sam2 import Sam2

# Gains that make the output depend on the prompt and on the memory, by the ending of the parameter's name.
_GAINS = {
    "cross_attn_image.q_proj.weight": 3.0,
    "cross_attn_image.out_proj.weight": 10.0,
    "cross_attn_token_to_image.out_proj.weight": 10.0,
    "cross_attn_image_to_token.out_proj.weight": 10.0,
    "point_embeddings.0.weight": 30.0,
    "point_embeddings.1.weight": 30.0,
    "point_embeddings.2.weight": 30.0,
    "point_embeddings.3.weight": 30.0,
}
# Parameters that are initialised with zeros or nearly so, with the standard deviation that they get instead.
_DEVIATIONS = {"trunk.pos_embed": 0.02, "trunk.pos_embed_window": 0.02, ".gamma": 0.1}


def seeded_model(config: str | ModelConfig, seed: int = 0, occlusion_bias: float = 5.0) -> Sam2:
    """A model whose every parameter is drawn from `seed`.

    `occlusion_bias` shifts the occlusion score: objects are in view well above zero, absent well below, and
    both occur near zero.
    """
    torch.manual_seed(seed)
    model = Sam2(named_config(config) if isinstance(config, str) else config)
    with torch.no_grad():
        for name, value in model.named_parameters():
            for ending, gain in _GAINS.items():
                if name.endswith(ending):
                    value.mul_(gain)
            for ending, deviation in _DEVIATIONS.items():
                if name.endswith(ending):
                    value.normal_(std=deviation)
            if name == "sam_mask_decoder.pred_obj_score_head.layers.2.bias":
                value.fill_(occlusion_bias)
    return model.freeze()
