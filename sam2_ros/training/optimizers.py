"""AdamW, as SAM 2 was trained with, optionally with Muon for the matrices of hidden layers.

Sources: Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019); Jordan et al., "Muon" (2024); Liu et
al., "Muon is Scalable for LLM Training" (2025), whose scale of Muon's steps lets both share a learning rate.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

_MIN_SIDE = 16  # matrices with a shorter side are output heads, which AdamW trains
_BETAS = (0.9, 0.98)  # a short training should forget its first, large gradients soon


class Optimizers:
    """AdamW, or AdamW and Muon, behind one step and one learning rate.

    Raises ValueError if `use_muon` and PyTorch has no Muon.
    """

    def __init__(self, model: nn.Module, weight_decay: float, use_muon: bool) -> None:
        if use_muon and not hasattr(torch.optim, "Muon"):
            raise ValueError(f"PyTorch {torch.__version__} has no Muon, which the recipe uses: install 2.9 or later")
        self._kernels = _kernels(model) if use_muon else []
        chosen = {id(kernel) for kernel in self._kernels}
        others = [parameter for parameter in model.parameters() if id(parameter) not in chosen]
        self._all: list[torch.optim.Optimizer] = [torch.optim.AdamW(others, 0.0, _BETAS, weight_decay=weight_decay)]
        # Muon takes matrices only: it sees a convolution's kernel as one, in the same memory.
        self._matrices = [nn.Parameter(kernel.data.flatten(1)) for kernel in self._kernels]
        if self._matrices:
            self._all.append(torch.optim.Muon(self._matrices, 0.0, weight_decay, adjust_lr_fn="match_rms_adamw"))

    def step(self, learning_rate: float) -> None:
        """Update every parameter that has a gradient."""
        for kernel, matrix in zip(self._kernels, self._matrices):
            matrix.grad = None if kernel.grad is None else kernel.grad.flatten(1)
        for optimizer in self._all:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate
            optimizer.step()

    def state(self) -> list[dict[str, Any]]:
        """State dictionaries of all optimizers."""
        return [optimizer.state_dict() for optimizer in self._all]

    def restore(self, state: list[dict[str, Any]]) -> None:
        """Restore the `state()` of the same optimizers of the same model."""
        for optimizer, saved in zip(self._all, state):
            optimizer.load_state_dict(saved)


def _kernels(model: nn.Module) -> list[nn.Parameter]:
    """Weights of linear layers and convolutions, without depthwise convolutions and narrow output heads."""
    layers: list[Any] = [
        module for module in model.modules() if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d))
    ]
    weights: list[nn.Parameter] = [layer.weight for layer in layers if getattr(layer, "groups", 1) == 1]
    return [weight for weight in weights if min(weight.flatten(1).shape) >= _MIN_SIDE]
