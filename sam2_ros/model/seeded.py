"""Random weights under which the network does something: for parity, benchmarks and tests.

Freshly initialised, SAM 2 answers with empty masks and constant scores, whatever it is asked and remembers; equality
of nothing proves nothing.
"""

from __future__ import annotations

import torch

from .config import ModelConfig, named_config
from .sam2 import Sam2

# Gains that make the answer depend on the prompt and on the memory, by the ending of the parameter's name.
_GAINS = {
    "to_memory.query.weight": 3.0,
    "to_memory.out.weight": 10.0,
    "to_image.out.weight": 10.0,
    "from_image.out.weight": 10.0,
    "kinds.0": 30.0,
    "kinds.1": 30.0,
    "kinds.2": 30.0,
    "kinds.3": 30.0,
}
# Parameters that start at nothing, with the spread that they are given instead.
_SPREADS = {"trunk.position": 0.02, "trunk.window_position": 0.02, ".scale": 0.1}


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
            for ending, spread in _SPREADS.items():
                if name.endswith(ending):
                    value.normal_(std=spread)
            if name == "mask_decoder.occlusion_head.layers.2.bias":
                value.fill_(occlusion_bias)
    return model.eval().requires_grad_(False)
