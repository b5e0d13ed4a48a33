"""The network compiled for a few fixed shapes, so that nothing is compiled while a stream runs.

Objects are processed in batches of fixed sizes; memories and prompts are padded, and the padding is masked out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .config import ModelConfig
from .download import cache_folder
from .image_encoder import ImageFeatures
from .mask_decoder import TransformedPrompts, choose_by_iou
from .memory import Memory, PooledMemory
from .prompt_encoder import PointLabel, PromptTensors
from .sam2 import Choice, Decoded, Sam2
from .trees import mapped

_BATCHES = (1, 2, 4, 8)  # objects; more are processed in several batches
_SHAPES = 64  # the most that one operation is compiled for


class MemorySize(NamedTuple):
    """The number of entries of each kind in a memory."""

    spatial: int
    pooled: int
    pointers: int

    def has_room_for(self, other: MemorySize) -> bool:
        """Whether none of the other's numbers is greater."""
        return all(ours >= theirs for ours, theirs in zip(self, other))


class CompiledSam2:
    """The operations of a `Sam2` that a tracker needs, with its parameters, on one image at a time.

    `memory_sizes` are sorted, and the last one has room for every memory; `points` is the most that a prompt has;
    `batch` is the most objects that are processed at once.
    """

    def __init__(
        self,
        model: Sam2,
        memory_sizes: Sequence[MemorySize],
        points: int,
        batch: int = _BATCHES[-1],
        backend: str = "inductor",
    ) -> None:
        _set_cache_folder()
        _allow_shapes()
        self._model = model
        self._memory_sizes = tuple(memory_sizes)
        self._points = points
        # On a CPU, chunked memory attention is faster than compiled memory attention.
        self.reads_compiled = model.device.type != "cpu"
        self.batches = _BATCHES[: 1 + sum(size < batch for size in _BATCHES)]
        self._encode = _compiled(model.encode_image, backend)
        self._read = _compiled(model.read_memory, backend)
        self._candidates = _compiled(model.candidates, backend)
        self._decode_mask = _compiled(model.decode_mask_prompt, backend)
        self._write = _compiled(model.write_memory, backend)

    @property
    def config(self) -> ModelConfig:
        """The configuration of the network."""
        return self._model.config

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self._model.device

    def encode_image(self, image: Tensor) -> ImageFeatures:
        """Like `Sam2.encode_image`"""
        features: ImageFeatures = self._encode(image)
        return features

    def without_memory(self, features: ImageFeatures) -> Tensor:
        """Like `Sam2.without_memory`"""
        return self._model.without_memory(features)

    def transform(self, conditioned: Tensor, prompts: PromptTensors) -> TransformedPrompts:
        """Like `Sam2.transform`; not compiled."""
        return self._model.transform(conditioned, prompts)

    def predict_masks(self, features: ImageFeatures, transformed: TransformedPrompts) -> Tensor:
        """Like `Sam2.predict_masks`; not compiled."""
        return self._model.predict_masks(features, transformed)

    def read_memory(self, features: ImageFeatures, memory: Memory) -> Tensor:
        """Like `Sam2.read_memory`"""
        if not self.reads_compiled:
            return self._model.read_memory(features, memory)
        count = len(memory.pointers)
        conditioned: Tensor = self._in_batches(
            lambda batch: self._read(features, batch), self._padded_memory(memory), count
        )
        return conditioned

    def decode(
        self,
        conditioned: Tensor,
        features: ImageFeatures,
        prompts: PromptTensors | None,
        multimask: bool,
        choose: Choice = choose_by_iou,
    ) -> Decoded:
        """Like `Sam2.decode`; `choose` may be any function and is not compiled."""
        objects = (conditioned, None if prompts is None else self._padded_prompts(prompts))
        candidates = self._in_batches(
            lambda batch: self._candidates(batch[0], features, batch[1]), objects, conditioned.shape[0]
        )
        return self._model.select_mask(candidates, multimask, choose)

    def decode_mask_prompt(self, features: ImageFeatures, mask: Tensor) -> Decoded:
        """Like `Sam2.decode_mask_prompt`"""
        decoded: Decoded = self._in_batches(lambda batch: self._decode_mask(features, batch), mask, mask.shape[0])
        return decoded

    def write_memory(self, features: ImageFeatures, logits: Tensor, occlusion_score: Tensor, binarise: bool) -> Tensor:
        """Like `Sam2.write_memory`"""
        written: Tensor = self._in_batches(
            lambda batch: self._write(features, *batch, binarise), (logits, occlusion_score), logits.shape[0]
        )
        return written

    def _in_batches(self, operation: Callable[[Any], Any], objects: Any, count: int) -> Any:
        """`operation` of tensors with `count` objects each; batches are padded with copies of their last object."""
        outputs = []
        for start in range(0, count, self.batches[-1]):
            stop = min(count, start + self.batches[-1])
            size = next(size for size in self.batches if size >= stop - start)
            output = operation(mapped(partial(_rows, start=start, stop=stop, size=size), objects))
            outputs.append(mapped(itemgetter(slice(stop - start)), output))
        return outputs[0] if len(outputs) == 1 else _joined(outputs)

    def _padded_memory(self, memory: Memory) -> Memory:
        """Padded to the smallest of the sizes that has room; nothing is masked where the very smallest is full."""
        pooled = memory.pooled
        entries = MemorySize(memory.spatial.shape[1], pooled.tokens.shape[1] if pooled else 0, memory.pointers.shape[1])
        size = next(size for size in self._memory_sizes if size.has_room_for(entries))
        known = (memory.spatial_valid, memory.pointer_valid, pooled.valid if pooled else None)
        if size == entries == self._memory_sizes[0] and all(valid is None for valid in known):
            return memory
        return Memory(
            _padded(memory.spatial, size.spatial),
            _padded(memory.spatial_row, size.spatial),
            _padded(memory.pointers, size.pointers),
            _padded(memory.pointer_age, size.pointers),
            _valid(memory.spatial_valid, memory.spatial_row, size.spatial),
            _valid(memory.pointer_valid, memory.pointer_age, size.pointers),
            self._padded_pooled(pooled, memory, size.pooled) if size.pooled else None,
        )

    def _padded_pooled(self, pooled: PooledMemory | None, memory: Memory, entries: int) -> PooledMemory:
        if pooled is None:  # no entry is old enough yet
            count, _, tokens, width = memory.spatial.shape
            pooled = PooledMemory(
                memory.spatial.new_zeros(count, 0, tokens // 4, width), memory.spatial_row.new_zeros(count, 0)
            )
        valid = _valid(pooled.valid, pooled.row, entries)
        return PooledMemory(_padded(pooled.tokens, entries), _padded(pooled.row, entries), valid)

    def _padded_prompts(self, prompts: PromptTensors) -> PromptTensors:
        """Padded to the most points that a prompt may have, with mask logits, which are valid or not."""
        side = self.config.image_size // 4
        count = prompts.points.shape[0]
        mask_logits, mask_valid = prompts.mask_logits, prompts.mask_valid
        if mask_logits is None:
            mask_logits = prompts.points.new_zeros(count, 1, side, side)
            mask_valid = torch.zeros_like(prompts.labels[:, 0], dtype=torch.bool)
        elif mask_valid is None:
            mask_valid = torch.ones_like(prompts.labels[:, 0], dtype=torch.bool)
        return PromptTensors(
            _padded(prompts.points, self._points),
            _padded(prompts.labels, self._points, PointLabel.PADDING),
            mask_logits,
            _valid(prompts.valid, prompts.labels, self._points),
            mask_valid,
        )


def _set_cache_folder() -> None:
    """Keeps compiled code for the next start; must run before torch._dynamo is imported."""
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache_folder() / "compiled"))


def _compiled(operation: Callable[..., Any], backend: str) -> Callable[..., Any]:
    return torch.compile(operation, fullgraph=True, dynamic=False, backend=backend)


def _allow_shapes() -> None:
    """By default PyTorch stops compiling after eight shapes of one operation."""
    limit = "recompile_limit" if hasattr(torch._dynamo.config, "recompile_limit") else "cache_size_limit"
    setattr(torch._dynamo.config, limit, max(_SHAPES, getattr(torch._dynamo.config, limit)))


def _joined(trees: Sequence[Any]) -> Any:
    """Concatenates trees of the same structure along the objects."""
    if isinstance(trees[0], Tensor):
        return torch.cat(list(trees))
    parts = [_joined(parts) for parts in zip(*trees)]
    return trees[0]._make(parts) if hasattr(trees[0], "_make") else tuple(parts)


def _rows(x: Tensor, start: int, stop: int, size: int) -> Tensor:
    """(N, ...) -> (size, ...): from `start` to `stop`, padded with copies of the last row."""
    rows = x[start:stop]
    if missing := size - len(rows):
        return torch.cat((rows, rows[-1:].expand(missing, *rows.shape[1:]))).contiguous()
    # Compiled code expects the usual strides, which `contiguous` does not give to dimensions of size 1.
    return rows.clone(memory_format=torch.contiguous_format)


def _padded(x: Tensor, length: int, value: int = 0) -> Tensor:
    """(N, K, ...) -> (N, length, ...)"""
    return F.pad(x, (*[0] * 2 * (x.dim() - 2), 0, length - x.shape[1]), value=value)


def _valid(valid: Tensor | None, entries: Tensor, length: int) -> Tensor:
    """(N, length) bool: the valid ones of (N, K) entries, by default all, then padding."""
    known = torch.ones_like(entries, dtype=torch.bool) if valid is None else valid
    return _padded(known, length)


Network = Sam2 | CompiledSam2
