"""What is exported: the network's operations on plain tensors, with the name, shape and meaning of each tensor.

S is the side of the square input in pixels, C the network's width. Sizes that may differ from call to call: N objects,
K memories and P pointers of each object, L points of each prompt.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..model import Decoded, ImageFeatures, Memory, ModelConfig, PromptTensors, Sam2
from ..model.layers import resize
from ..model.sam2 import as_logits


@dataclass(frozen=True)
class Port:
    """An input or output."""

    name: str
    shape: tuple[int | str, ...]  # a letter where the size may differ from call to call
    meaning: str
    dtype: torch.dtype = torch.float32


@dataclass(frozen=True)
class Network:
    """One file."""

    name: str
    module: nn.Module
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]


class _Operation(nn.Module):
    def __init__(self, model: Sam2) -> None:
        super().__init__()
        self.model = model


class _ImageEncoder(_Operation):
    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        features = self.model.encode_image(image)
        return (*features, self.model.without_memory(features))


class _MemoryAttention(_Operation):
    def forward(
        self,
        coarse: Tensor,
        memories: Tensor,
        memory_rows: Tensor,
        memory_valid: Tensor,
        pointers: Tensor,
        pointer_ages: Tensor,
        pointer_valid: Tensor,
    ) -> Tensor:
        memory = Memory(memories, memory_rows, pointers, pointer_ages, memory_valid, pointer_valid)
        return self.model.read_memory(ImageFeatures(coarse, coarse, coarse), memory)


class _TrackingDecoder(_Operation):
    def forward(self, conditioned: Tensor, half: Tensor, fine: Tensor) -> tuple[Tensor, ...]:
        return _answer(self.model.decode(conditioned, ImageFeatures(conditioned, half, fine), None, multimask=True))


class _PromptDecoder(_Operation):
    def forward(
        self,
        conditioned: Tensor,
        half: Tensor,
        fine: Tensor,
        points: Tensor,
        labels: Tensor,
        point_valid: Tensor,
        earlier: Tensor,
        earlier_valid: Tensor,
    ) -> tuple[Tensor, ...]:
        prompts = PromptTensors(points, labels, earlier, point_valid, earlier_valid)
        candidates = self.model.candidates(conditioned, ImageFeatures(conditioned, half, fine), prompts)
        ambiguous, clear = (_answer(self.model.select_mask(candidates, multimask)) for multimask in (True, False))
        is_ambiguous = point_valid.long().sum(dim=1) <= 1
        return tuple(torch.where(_like(is_ambiguous, a), a, b) for a, b in zip(ambiguous, clear))


class _MaskPromptDecoder(_Operation):
    def __init__(self, model: Sam2) -> None:
        super().__init__(model)
        # The answer is the mask itself, a quarter of its size. TensorRT cannot resize with antialias; as a linear map
        # of rows and of columns it is the same.
        size = model.config.image_size
        rows = F.interpolate(torch.eye(size)[None, None], (size // 4, size), mode="bilinear", antialias=True)
        self.shrink: Tensor
        self.register_buffer("shrink", rows[0, 0], persistent=False)

    def forward(self, coarse: Tensor, half: Tensor, fine: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        decoded = self.model.decode_mask_prompt(ImageFeatures(coarse, half, fine), mask)
        return as_logits(self.shrink @ mask @ self.shrink.T), *_answer(decoded)[1:]


class _MemoryEncoder(_Operation):
    def forward(self, coarse: Tensor, logits: Tensor, occlusion_score: Tensor, is_prompted: Tensor) -> Tensor:
        full = resize(logits, self.model.config.image_size)
        probability = torch.where(_like(is_prompted, full), (full > 0).float(), full.sigmoid())
        # The other two maps play no part in it.
        return self.model.write_probability(ImageFeatures(coarse, coarse, coarse), probability, occlusion_score)


def networks(model: Sam2) -> tuple[Network, ...]:
    """All files of a model, in an order in which the inputs of each are outputs of those before it, or given."""
    config = model.config
    image = Port("image", (1, 3, config.image_size, config.image_size), "RGB, resized and normalised by mean and std")
    coarse, half, fine, fresh, conditioned = _feature_ports(config)
    answer = _answer_ports(config)
    logits, _, occlusion_score, _ = answer
    memory = Port("memory", ("N", config.grid**2, config.memory_width), "one memory of each object")
    return (
        Network("image_encoder", _ImageEncoder(model), (image,), (coarse, half, fine, fresh)),
        Network("memory_attention", _MemoryAttention(model), (coarse, *_memory_ports(config)), (conditioned,)),
        Network("tracking_decoder", _TrackingDecoder(model), (conditioned, half, fine), answer),
        Network("prompt_decoder", _PromptDecoder(model), (conditioned, half, fine, *_prompt_ports(config)), answer),
        Network("mask_prompt_decoder", _MaskPromptDecoder(model), (coarse, half, fine, _mask_port(config)), answer),
        Network(
            "memory_encoder",
            _MemoryEncoder(model),
            (
                coarse,
                logits,
                occlusion_score,
                Port("is_prompted", ("N",), "whether the mask answers a prompt", torch.bool),
            ),
            (memory,),
        ),
    )


def _feature_ports(config: ModelConfig) -> tuple[Port, ...]:
    grid, width = config.grid, config.width
    return (
        Port("coarse", (1, width, grid, grid), "features at stride 16"),
        Port("half", (1, width // 4, 2 * grid, 2 * grid), "features at stride 8"),
        Port("fine", (1, width // 8, 4 * grid, 4 * grid), "features at stride 4"),
        Port("fresh", (1, width, grid, grid), "`conditioned` for an object of which nothing is remembered"),
        Port("conditioned", ("N", width, grid, grid), "features conditioned on each object's memory"),
    )


def _memory_ports(config: ModelConfig) -> tuple[Port, ...]:
    return (
        Port("memories", ("N", "K", config.grid**2, config.memory_width), "`memory` of remembered frames"),
        Port("memory_rows", ("N", "K"), "0 for the last remembered frame, 5 for six ago, 6 if prompted", torch.int64),
        Port("memory_valid", ("N", "K"), "false where an object has fewer memories", torch.bool),
        Port("pointers", ("N", "P", config.width), "`pointer` of remembered frames"),
        Port("pointer_ages", ("N", "P"), "how many frames ago, 1 for the last one"),
        Port("pointer_valid", ("N", "P"), "false where an object has fewer pointers", torch.bool),
    )


def _prompt_ports(config: ModelConfig) -> tuple[Port, ...]:
    side = 4 * config.grid
    return (
        Port("points", ("N", "L", 2), "x, y in pixels of the square input; the corners of a box first"),
        Port(
            "labels",
            ("N", "L"),
            "0 background, 1 object, 2 top left and 3 bottom right corner of a box",
            torch.int64,
        ),
        Port("point_valid", ("N", "L"), "false where an object has fewer points", torch.bool),
        Port("earlier", ("N", 1, side, side), "`logits` that this corrects, clipped to -32..32, else anything"),
        Port("earlier_valid", ("N",), "whether `earlier` is to be corrected", torch.bool),
    )


def _mask_port(config: ModelConfig) -> Port:
    return Port("mask", ("N", 1, config.image_size, config.image_size), "1 on the object, else 0")


def _answer_ports(config: ModelConfig) -> tuple[Port, ...]:
    side = 4 * config.grid
    return (
        Port("logits", ("N", 1, side, side), "positive on the object; resize bilinearly, then compare with 0"),
        Port("predicted_iou", ("N",), "how good the network thinks its mask is, 0..1"),
        Port("occlusion_score", ("N", 1), "logit, positive where the object is in view"),
        Port("pointer", ("N", config.width), "object pointer, to be remembered beside the memory"),
    )


def _answer(decoded: Decoded) -> tuple[Tensor, ...]:
    return decoded.logits, decoded.predicted_iou, decoded.occlusion_score, decoded.pointer


def _like(flags: Tensor, x: Tensor) -> Tensor:
    """(N,) -> (N, 1, ...) with as many axes as x has."""
    return flags.unflatten(0, (-1, *[1] * (x.dim() - 1)))
