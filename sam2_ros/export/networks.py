"""The exported networks: operations on plain tensors, with the name, shape and meaning of each tensor.

Tensors have the names of the fields of `ImageFeatures`, `Memory`, `PromptTensors` and `Decoded`. S is the side of the
square input in pixels, C the network's width. Dynamic sizes: N objects, K spatial memories and P pointers of each
object, L points of each prompt.
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
class TensorSpec:
    """An input or output."""

    name: str
    shape: tuple[int | str, ...]  # a letter where the size is dynamic
    meaning: str
    dtype: torch.dtype = torch.float32


@dataclass(frozen=True)
class ExportedNetwork:
    """One file."""

    name: str
    module: nn.Module
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


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
        stride16: Tensor,
        spatial: Tensor,
        spatial_row: Tensor,
        spatial_valid: Tensor,
        pointers: Tensor,
        pointer_age: Tensor,
        pointer_valid: Tensor,
    ) -> Tensor:
        memory = Memory(spatial, spatial_row, pointers, pointer_age, spatial_valid, pointer_valid)
        return self.model.read_memory(_only_stride16(stride16), memory)


class _TrackingDecoder(_Operation):
    def forward(self, conditioned: Tensor, stride8: Tensor, stride4: Tensor) -> tuple[Tensor, ...]:
        features = ImageFeatures(conditioned, stride8, stride4)
        return _outputs(self.model.decode(conditioned, features, None, multimask=True))


class _PromptDecoder(_Operation):
    def forward(
        self,
        conditioned: Tensor,
        stride8: Tensor,
        stride4: Tensor,
        points: Tensor,
        labels: Tensor,
        valid: Tensor,
        mask_logits: Tensor,
        mask_valid: Tensor,
    ) -> tuple[Tensor, ...]:
        prompts = PromptTensors(points, labels, mask_logits, valid, mask_valid)
        candidates = self.model.candidates(conditioned, ImageFeatures(conditioned, stride8, stride4), prompts)
        multi, single = (_outputs(self.model.select_mask(candidates, multimask)) for multimask in (True, False))
        is_ambiguous = valid.long().sum(dim=1) <= 1
        return tuple(torch.where(_like(is_ambiguous, a), a, b) for a, b in zip(multi, single))


class _MaskPromptDecoder(_Operation):
    def __init__(self, model: Sam2) -> None:
        super().__init__(model)
        # The output is the mask itself at a quarter of its size. TensorRT cannot resize with antialiasing; a linear map
        # of rows and of columns is the same.
        size = model.config.image_size
        rows = F.interpolate(torch.eye(size)[None, None], (size // 4, size), mode="bilinear", antialias=True)
        self.shrink: Tensor
        self.register_buffer("shrink", rows[0, 0], persistent=False)

    def forward(self, stride16: Tensor, stride8: Tensor, stride4: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
        decoded = self.model.decode_mask_prompt(ImageFeatures(stride16, stride8, stride4), mask)
        return as_logits(self.shrink @ mask @ self.shrink.T), *_outputs(decoded)[1:]


class _MemoryEncoder(_Operation):
    def forward(self, stride16: Tensor, logits: Tensor, occlusion_score: Tensor, is_prompted: Tensor) -> Tensor:
        full = resize(logits, self.model.config.image_size)
        probability = torch.where(_like(is_prompted, full), (full > 0).float(), full.sigmoid())
        return self.model.write_probability(_only_stride16(stride16), probability, occlusion_score)


def _only_stride16(stride16: Tensor) -> ImageFeatures:
    """For operations that read no other map."""
    return ImageFeatures(stride16, stride16, stride16)


def exported_networks(model: Sam2) -> tuple[ExportedNetwork, ...]:
    """All files of a model; the inputs of each are outputs of files before it, or come from outside."""
    config = model.config
    image = TensorSpec(
        "image", (1, 3, config.image_size, config.image_size), "RGB, resized and normalised by mean and std"
    )
    stride16, stride8, stride4, without_memory, conditioned = _feature_specs(config)
    decoded = _decoded_specs(config)
    logits, _, occlusion_score, _ = decoded
    memory = TensorSpec("memory", ("N", config.grid**2, config.memory_width), "one spatial memory of each object")
    return (
        ExportedNetwork("image_encoder", _ImageEncoder(model), (image,), (stride16, stride8, stride4, without_memory)),
        ExportedNetwork(
            "memory_attention", _MemoryAttention(model), (stride16, *_memory_specs(config)), (conditioned,)
        ),
        ExportedNetwork("tracking_decoder", _TrackingDecoder(model), (conditioned, stride8, stride4), decoded),
        ExportedNetwork(
            "prompt_decoder", _PromptDecoder(model), (conditioned, stride8, stride4, *_prompt_specs(config)), decoded
        ),
        ExportedNetwork(
            "mask_prompt_decoder", _MaskPromptDecoder(model), (stride16, stride8, stride4, _mask_spec(config)), decoded
        ),
        ExportedNetwork(
            "memory_encoder",
            _MemoryEncoder(model),
            (
                stride16,
                logits,
                occlusion_score,
                TensorSpec("is_prompted", ("N",), "whether the mask is the output for a prompt", torch.bool),
            ),
            (memory,),
        ),
    )


def _feature_specs(config: ModelConfig) -> tuple[TensorSpec, ...]:
    grid, width = config.grid, config.width
    return (
        TensorSpec("stride16", (1, width, grid, grid), "features at stride 16"),
        TensorSpec("stride8", (1, width // 4, 2 * grid, 2 * grid), "features at stride 8"),
        TensorSpec("stride4", (1, width // 8, 4 * grid, 4 * grid), "features at stride 4"),
        TensorSpec("without_memory", (1, width, grid, grid), "`conditioned` for an object without memory"),
        TensorSpec("conditioned", ("N", width, grid, grid), "features conditioned on each object's memory"),
    )


def _memory_specs(config: ModelConfig) -> tuple[TensorSpec, ...]:
    return (
        TensorSpec("spatial", ("N", "K", config.grid**2, config.memory_width), "`memory` of earlier frames"),
        TensorSpec("spatial_row", ("N", "K"), "0 for the previous frame, 5 for six ago, 6 if prompted", torch.int64),
        TensorSpec("spatial_valid", ("N", "K"), "false where an object has fewer memories", torch.bool),
        TensorSpec("pointers", ("N", "P", config.width), "`pointer` of earlier frames"),
        TensorSpec("pointer_age", ("N", "P"), "how many frames ago, 1 for the previous one"),
        TensorSpec("pointer_valid", ("N", "P"), "false where an object has fewer pointers", torch.bool),
    )


def _prompt_specs(config: ModelConfig) -> tuple[TensorSpec, ...]:
    side = 4 * config.grid
    return (
        TensorSpec("points", ("N", "L", 2), "x, y in pixels of the square input; the corners of a box first"),
        TensorSpec(
            "labels",
            ("N", "L"),
            "0 background, 1 object, 2 top left and 3 bottom right corner of a box",
            torch.int64,
        ),
        TensorSpec("valid", ("N", "L"), "false where an object has fewer points", torch.bool),
        TensorSpec("mask_logits", ("N", 1, side, side), "`logits` to correct, clipped to -32..32, else anything"),
        TensorSpec("mask_valid", ("N",), "whether `mask_logits` is to be corrected", torch.bool),
    )


def _mask_spec(config: ModelConfig) -> TensorSpec:
    return TensorSpec("mask", ("N", 1, config.image_size, config.image_size), "1 on the object, else 0")


def _decoded_specs(config: ModelConfig) -> tuple[TensorSpec, ...]:
    side = 4 * config.grid
    return (
        TensorSpec("logits", ("N", 1, side, side), "positive on the object; resize bilinearly, then compare with 0"),
        TensorSpec("predicted_iou", ("N",), "predicted IoU of the mask with the object, 0..1"),
        TensorSpec("occlusion_score", ("N", 1), "logit, positive where the object is in view"),
        TensorSpec("pointer", ("N", config.width), "object pointer, to be kept with the memory"),
    )


def _outputs(decoded: Decoded) -> tuple[Tensor, ...]:
    return decoded.logits, decoded.predicted_iou, decoded.occlusion_score, decoded.pointer


def _like(flags: Tensor, x: Tensor) -> Tensor:
    """(N,) -> (N, 1, ...) with as many axes as x has."""
    expanded: Tensor = flags.unflatten(0, (-1, *[1] * (x.dim() - 1)))
    return expanded
