"""Attention and MLPs in chunks that stay in a CPU's caches: the same results, faster.

As a whole, an intermediate result of hundreds of megabytes goes to main memory and back for every operation. The
kernels of a GPU see to that themselves, and training needs the intermediate results: neither works in chunks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_CHUNK_NUMBERS = 2**22  # in the widest intermediate result of a chunk
_CHUNK_QUERIES = 2048
_SMALL_SCORE = 30.0  # far from overflow and underflow


class Chunkable(nn.Module):
    """A module that works in chunks on a CPU once `is_chunked` is set."""

    is_chunked = False

    def works_in_chunks(self, x: Tensor) -> bool:
        """Whether to work on `x` in chunks; a compiler gets the plain operations."""
        return self.is_chunked and x.device.type == "cpu" and not torch.compiler.is_compiling()


def in_chunks(function: Callable[[Tensor], Tensor], x: Tensor, width: int, step: int = 1) -> Tensor:
    """`function` of (B, L, ..., C), applied to chunks along L whose lengths are multiples of `step`.

    `width` is that of the widest intermediate result.
    """
    numbers = x.shape[0] * x.shape[2:-1].numel() * width
    length = max(1, round(_CHUNK_NUMBERS / (step * numbers))) * step
    chunks = [function(chunk) for chunk in x.split(length, dim=1)]
    return chunks[0] if len(chunks) == 1 else torch.cat(chunks, dim=1)


def in_batches(function: Callable[..., Tensor], inputs: tuple[Tensor, ...], numbers: int) -> Tensor:
    """`function` of tensors (N, ...), applied to batches of their rows.

    `numbers` is how many the widest intermediate result of a row has.
    """
    size = max(1, _CHUNK_NUMBERS // numbers)
    batches = [function(*batch) for batch in zip(*(x.split(size) for x in inputs))]
    return batches[0] if len(batches) == 1 else torch.cat(batches)


def attend(query: Tensor, key: Tensor, value: Tensor, chunked: bool = False) -> Tensor:
    """Attention of every head: (B, heads, L, D), (B, heads, M, D) and (B, heads, M, E) -> (B, heads, L, E)

    On a CPU, PyTorch's own kernel is no faster in bfloat16 than in float32, and its backward pass is far slower than
    that of matrix products.
    """
    if _trains_in_bfloat16(query):
        return _weights(query * query.shape[-1] ** -0.5, key) @ value
    if not chunked or query.dtype is not torch.bfloat16:
        return F.scaled_dot_product_attention(query, key, value)
    heads = query.shape[:2]
    query, key, value = (x.flatten(0, 1) for x in (query * query.shape[-1] ** -0.5, key, value))
    size = max(1, _CHUNK_NUMBERS // (query.shape[1] * key.shape[1]))
    mixed = [_mix(*batch) for batch in zip(*(x.split(size) for x in (query, key, value)))]
    outputs: Tensor = torch.cat(mixed).unflatten(0, heads)
    return outputs


def _trains_in_bfloat16(x: Tensor) -> bool:
    return x.device.type == "cpu" and x.requires_grad and torch.is_autocast_enabled("cpu")


def _weights(query: Tensor, key: Tensor) -> Tensor:
    """(..., L, D) and (..., M, D) -> (..., L, M)"""
    return (query @ key.transpose(-2, -1)).softmax(dim=-1)


def _mix(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """(G, L, D), (G, M, D) and (G, M, E) -> (G, L, E)"""
    rows = max(1, _CHUNK_NUMBERS // (len(key) * key.shape[1]))
    parts = [_weights(part, key) @ value for part in query.split(rows, dim=1)]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def chunked_attention(query: Tensor, chunks: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    """One head of attention: queries (L, D), chunks (M, D) of keys and (M, E) of values -> (L, E) float32

    An online softmax (Milakov and Gimelshein, 2018; Rabe and Staats, 2021) that does not rescale: the exponentials are
    of scores minus the best score in the first chunk, unless scores are small anyway, so that their sum cannot vanish.
    Where a later score is much better they overflow, and the result is not finite.
    """
    chunks = iter(chunks)
    first = next(chunks)
    query = query * query.shape[-1] ** -0.5
    best = (query @ first[0].T).amax(dim=1, keepdim=True)
    is_small = best.abs().max() < _SMALL_SCORE
    mixed = query.new_zeros((len(query), first[1].shape[1]), dtype=torch.float32)
    total = torch.zeros_like(mixed[:, :1])
    parts = [x.split(_CHUNK_QUERIES) for x in (query, best, mixed, total)]
    for key, value in chain((first,), chunks):
        for query_, best_, mixed_, total_ in zip(*parts):
            scores = query_ @ key.T
            weights = (scores if is_small else scores.sub_(best_)).exp_()
            mixed_ += weights @ value
            total_ += weights.sum(dim=1, keepdim=True, dtype=torch.float32)
    return mixed / total
