"""What moves the weights: AdamW, as SAM 2 was trained, or Muon for the matrices inside the network.

Sources: Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019); Jordan et al., "Muon" (2024); Liu et
al., "Muon is Scalable for LLM Training" (2025), whose scale of Muon's steps lets both share a learning rate.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

_LEAST_SIDE = 16  # matrices with a shorter side are heads: little more than a few vectors
_MOMENTA = (0.9, 0.98)  # a short training cannot wait for long memories of its first, large gradients


class Optimizers:
    """One learning rate and one step for all weights of a model, whichever optimizer they are given to.

    Raises ValueError where PyTorch has no Muon and it is asked for.
    """

    def __init__(self, model: nn.Module, weight_decay: float, with_muon: bool) -> None:
        if with_muon and not hasattr(torch.optim, "Muon"):
            raise ValueError(f"PyTorch {torch.__version__} has no Muon, as the recipe wants: install 2.9 or later")
        self._kernels = _kernels(model) if with_muon else []
        chosen = {id(kernel) for kernel in self._kernels}
        others = [parameter for parameter in model.parameters() if id(parameter) not in chosen]
        self._all: list[torch.optim.Optimizer] = [torch.optim.AdamW(others, 0.0, _MOMENTA, weight_decay=weight_decay)]
        # Muon takes matrices only: it sees a convolution's kernel as one, in the same memory.
        self._matrices = [nn.Parameter(kernel.data.flatten(1)) for kernel in self._kernels]
        if self._matrices:
            self._all.append(torch.optim.Muon(self._matrices, 0.0, weight_decay, adjust_lr_fn="match_rms_adamw"))

    def step(self, learning_rate: float) -> None:
        """Move every weight that has a gradient."""
        for kernel, matrix in zip(self._kernels, self._matrices):
            matrix.grad = None if kernel.grad is None else kernel.grad.flatten(1)
        for optimizer in self._all:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate
            optimizer.step()

    def state(self) -> list[dict[str, Any]]:
        """All that they remember."""
        return [optimizer.state_dict() for optimizer in self._all]

    def restore(self, state: list[dict[str, Any]]) -> None:
        """Go on from a `state()` of the same model and the same optimizers."""
        for optimizer, remembered in zip(self._all, state):
            optimizer.load_state_dict(remembered)


def _kernels(model: nn.Module) -> list[nn.Parameter]:
    """What linear layers and convolutions multiply by; a convolution of every channel alone is no matrix."""
    layers: list[Any] = [
        module for module in model.modules() if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d))
    ]
    weights: list[nn.Parameter] = [layer.weight for layer in layers if getattr(layer, "groups", 1) == 1]
    return [weight for weight in weights if min(weight.flatten(1).shape) >= _LEAST_SIDE]
