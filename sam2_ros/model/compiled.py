"""The network compiled for a few fixed shapes, so that nothing has to be compiled once a stream runs.

Objects are taken in batches of fixed sizes; memories and prompts are filled up with entries that are not seen.
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
from .mask_decoder import choose_by_iou
from .memory import Memory, PooledMemory
from .prompt_encoder import PointLabel, PromptTensors
from .sam2 import Choice, Decoded, Sam2

_BATCHES = (1, 2, 4, 8)  # objects; more are taken in several batches
_SHAPES = 64  # that one operation may be compiled for


class MemorySize(NamedTuple):
    """How many entries of each kind a memory has."""

    spatial: int
    pooled: int
    pointers: int

    def has_room_for(self, other: MemorySize) -> bool:
        """Whether none of the other's numbers is greater."""
        return all(ours >= theirs for ours, theirs in zip(self, other))


class CompiledSam2:
    """The operations of a `Sam2` that a tracker needs, with its parameters, on one image at a time.

    `memory_sizes` go from the smallest to one that has room for everything; `points` is the most that a prompt has,
    `batch` the number of objects at a time that is worth a shape of its own.
    """

    def __init__(
        self,
        model: Sam2,
        memory_sizes: Sequence[MemorySize],
        points: int,
        batch: int = _BATCHES[-1],
        backend: str = "inductor",
    ) -> None:
        _keep_what_is_compiled()
        _allow_shapes()
        self._model = model
        self._memory_sizes = tuple(memory_sizes)
        self._points = points
        # A CPU reads memories in pieces, sooner than what the compiler makes of reading them whole.
        self.reads_compiled = model.device.type != "cpu"
        self.batches = _BATCHES[: 1 + sum(size < batch for size in _BATCHES)]
        self._encode = _compiled(model.encode_image, backend)
        self._read = _compiled(model.read_memory, backend)
        self._candidates = _compiled(model.candidates, backend)
        self._decode_mask = _compiled(model.decode_mask_prompt, backend)
        self._write = _compiled(model.write_memory, backend)

    @property
    def config(self) -> ModelConfig:
        """Of the network."""
        return self._model.config

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self._model.device

    def encode_image(self, image: Tensor) -> ImageFeatures:
        """Like `Sam2.encode_image`"""
        return self._encode(image)

    def without_memory(self, features: ImageFeatures) -> Tensor:
        """Like `Sam2.without_memory`"""
        return self._model.without_memory(features)

    def read_memory(self, features: ImageFeatures, memory: Memory) -> Tensor:
        """Like `Sam2.read_memory`"""
        if not self.reads_compiled:
            return self._model.read_memory(features, memory)
        count = len(memory.pointers)
        return self._in_batches(lambda batch: self._read(features, batch), self._filled_memory(memory), count)

    def decode(
        self,
        conditioned: Tensor,
        features: ImageFeatures,
        prompts: PromptTensors | None,
        multimask: bool,
        choose: Choice = choose_by_iou,
    ) -> Decoded:
        """Like `Sam2.decode`; which mask is the answer is not compiled, for `choose` may be anything."""
        objects = (conditioned, None if prompts is None else self._filled_prompts(prompts))
        candidates = self._in_batches(
            lambda batch: self._candidates(batch[0], features, batch[1]), objects, conditioned.shape[0]
        )
        return self._model.select_mask(candidates, multimask, choose)

    def decode_mask_prompt(self, features: ImageFeatures, mask: Tensor) -> Decoded:
        """Like `Sam2.decode_mask_prompt`"""
        return self._in_batches(lambda batch: self._decode_mask(features, batch), mask, mask.shape[0])

    def write_memory(self, features: ImageFeatures, logits: Tensor, occlusion_score: Tensor, binarise: bool) -> Tensor:
        """Like `Sam2.write_memory`"""
        return self._in_batches(
            lambda batch: self._write(features, *batch, binarise), (logits, occlusion_score), logits.shape[0]
        )

    def _in_batches(self, operation: Callable[[Any], Any], objects: Any, count: int) -> Any:
        """`operation` of tensors with `count` objects each; a batch of an odd size is filled up with its last one."""
        answers = []
        for start in range(0, count, self.batches[-1]):
            stop = min(count, start + self.batches[-1])
            size = next(size for size in self.batches if size >= stop - start)
            answer = operation(_mapped(partial(_rows, start=start, stop=stop, size=size), objects))
            answers.append(_mapped(itemgetter(slice(stop - start)), answer))
        return answers[0] if len(answers) == 1 else _joined(answers)

    def _filled_memory(self, memory: Memory) -> Memory:
        """With as many entries as the smallest of the sizes that has room; where that is full, nothing is masked."""
        pooled = memory.pooled
        entries = MemorySize(memory.spatial.shape[1], pooled.tokens.shape[1] if pooled else 0, memory.pointers.shape[1])
        size = next(size for size in self._memory_sizes if size.has_room_for(entries))
        known = (memory.spatial_valid, memory.pointer_valid, pooled.valid if pooled else None)
        if size == entries == self._memory_sizes[0] and all(valid is None for valid in known):
            return memory
        return Memory(
            _longer(memory.spatial, size.spatial),
            _longer(memory.spatial_row, size.spatial),
            _longer(memory.pointers, size.pointers),
            _longer(memory.pointer_distance, size.pointers),
            _valid(memory.spatial_valid, memory.spatial_row, size.spatial),
            _valid(memory.pointer_valid, memory.pointer_distance, size.pointers),
            self._filled_pooled(pooled, memory, size.pooled) if size.pooled else None,
        )

    def _filled_pooled(self, pooled: PooledMemory | None, memory: Memory, entries: int) -> PooledMemory:
        if pooled is None:  # nothing has been pooled yet
            count, _, tokens, width = memory.spatial.shape
            pooled = PooledMemory(
                memory.spatial.new_zeros(count, 0, tokens // 4, width), memory.spatial_row.new_zeros(count, 0)
            )
        valid = _valid(pooled.valid, pooled.row, entries)
        return PooledMemory(_longer(pooled.tokens, entries), _longer(pooled.row, entries), valid)

    def _filled_prompts(self, prompts: PromptTensors) -> PromptTensors:
        """With all the points that a prompt may have, and an earlier answer, seen or not."""
        side = self.config.image_size // 4
        count = prompts.points.shape[0]
        earlier, is_earlier = prompts.mask_logits, prompts.mask_valid
        if earlier is None:
            earlier = prompts.points.new_zeros(count, 1, side, side)
            is_earlier = torch.zeros_like(prompts.labels[:, 0], dtype=torch.bool)
        elif is_earlier is None:
            is_earlier = torch.ones_like(prompts.labels[:, 0], dtype=torch.bool)
        return PromptTensors(
            _longer(prompts.points, self._points),
            _longer(prompts.labels, self._points, PointLabel.PADDING),
            earlier,
            _valid(prompts.valid, prompts.labels, self._points),
            is_earlier,
        )


def _keep_what_is_compiled() -> None:
    """For the next start, where the system does not clean up; to be called before torch._dynamo is imported."""
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(cache_folder() / "compiled"))


def _compiled(operation: Callable[..., Any], backend: str) -> Callable[..., Any]:
    return torch.compile(operation, fullgraph=True, dynamic=False, backend=backend)


def _allow_shapes() -> None:
    """PyTorch takes more than eight shapes of one operation for a mistake."""
    limit = "recompile_limit" if hasattr(torch._dynamo.config, "recompile_limit") else "cache_size_limit"
    setattr(torch._dynamo.config, limit, max(_SHAPES, getattr(torch._dynamo.config, limit)))


def _mapped(function: Callable[[Tensor], Tensor], tree: Any) -> Any:
    """A tensor, None, or a tuple of such trees, with `function` applied to every tensor."""
    if tree is None:
        return None
    if isinstance(tree, Tensor):
        return function(tree)
    parts = [_mapped(function, part) for part in tree]
    return tree._make(parts) if hasattr(tree, "_make") else tuple(parts)


def _joined(trees: Sequence[Any]) -> Any:
    """Trees of one kind with the objects of all of them."""
    if isinstance(trees[0], Tensor):
        return torch.cat(list(trees))
    parts = [_joined(parts) for parts in zip(*trees)]
    return trees[0]._make(parts) if hasattr(trees[0], "_make") else tuple(parts)


def _rows(x: Tensor, start: int, stop: int, size: int) -> Tensor:
    """(N, ...) -> (size, ...): from `start` to `stop`, the last one several times."""
    rows = x[start:stop]
    if missing := size - len(rows):
        return torch.cat((rows, rows[-1:].expand(missing, *rows.shape[1:]))).contiguous()
    # Shapes are compiled with their usual strides, which `contiguous` does not give to dimensions of a single entry.
    return rows.clone(memory_format=torch.contiguous_format)


def _longer(x: Tensor, length: int, value: int = 0) -> Tensor:
    """(N, K, ...) -> (N, length, ...)"""
    return F.pad(x, (*[0] * 2 * (x.dim() - 2), 0, length - x.shape[1]), value=value)


def _valid(valid: Tensor | None, entries: Tensor, length: int) -> Tensor:
    """(N, length) bool: what was valid of (N, K) entries; all of them by default."""
    known = torch.ones_like(entries, dtype=torch.bool) if valid is None else valid
    return _longer(known, length)


Network = Sam2 | CompiledSam2  # what a tracker runs on
