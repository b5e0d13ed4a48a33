"""Work in pieces that stay in a CPU's caches: the same results, sooner.

Whole, an intermediate result of hundreds of megabytes goes to memory and back for every operation. A GPU's kernels see
to that themselves, and training needs the intermediate results: both take the plain path.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor

_NUMBERS = 2**22  # of the widest intermediate result of a piece
_QUERIES = 2048  # that read a piece of keys at a time
_SMALL_SCORE = 30.0  # far from overflow and underflow


def prefers_chunks(x: Tensor) -> bool:
    """Whether this is inference on a CPU."""
    return x.device.type == "cpu" and not torch.compiler.is_compiling() and torch.is_inference_mode_enabled()


def in_chunks(function: Callable[[Tensor], Tensor], x: Tensor, width: int, step: int = 1) -> Tensor:
    """`function` of (B, L, ..., C), which is applied to pieces of L; `step` of it must not be parted.

    `width` is that of the widest intermediate result.
    """
    if not prefers_chunks(x):
        return function(x)
    numbers = x.shape[0] * x.shape[2:-1].numel() * width
    length = max(1, round(_NUMBERS / (step * numbers))) * step
    pieces = [function(piece) for piece in x.split(length, dim=1)]
    return pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=1)


def in_batches(function: Callable[..., Tensor], rows: tuple[Tensor, ...], widest: int) -> Tensor:
    """`function` of tensors (N, ...), which is applied to groups of their rows.

    `widest` is how many numbers a row's widest intermediate result has.
    """
    if not prefers_chunks(rows[0]):
        return function(*rows)
    together = max(1, _NUMBERS // widest)
    groups = [function(*group) for group in zip(*(x.split(together) for x in rows))]
    return groups[0] if len(groups) == 1 else torch.cat(groups)


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention of every head: (B, heads, L, D), (B, heads, M, D) and (B, heads, M, E) -> (B, heads, L, E)

    PyTorch's own kernel for CPUs is no faster in bfloat16 than in float32, and slower by far to learn through; matrix
    products are.
    """
    if _learns_in_bfloat16(query):
        return _weights(query * query.shape[-1] ** -0.5, key) @ value
    if query.dtype is not torch.bfloat16 or not prefers_chunks(query):
        return F.scaled_dot_product_attention(query, key, value)
    heads = query.shape[:2]
    query, key, value = (x.flatten(0, 1) for x in (query * query.shape[-1] ** -0.5, key, value))
    together = max(1, _NUMBERS // (query.shape[1] * key.shape[1]))
    mixed = [_mix(*group) for group in zip(*(x.split(together) for x in (query, key, value)))]
    return torch.cat(mixed).unflatten(0, heads)


def _learns_in_bfloat16(x: Tensor) -> bool:
    """Whether this is training on a CPU in bfloat16."""
    return x.device.type == "cpu" and torch.is_grad_enabled() and torch.is_autocast_enabled("cpu")


def _weights(query: Tensor, key: Tensor) -> Tensor:
    """(..., L, D) and (..., M, D) -> (..., L, M)"""
    return (query @ key.transpose(-2, -1)).softmax(dim=-1)


def _mix(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """(G, L, D), (G, M, D) and (G, M, E) -> (G, L, E)"""
    rows = max(1, _NUMBERS // (len(key) * key.shape[1]))
    parts = [_weights(part, key) @ value for part in query.split(rows, dim=1)]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def read(query: Tensor, pieces: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    """One head of attention, for queries (L, D) and pieces (M, D) of keys and (M, E) of values -> (L, E) float32

    Weights are exponentials of scores, less the best score among the first piece unless that is small anyway: their
    sum, by which they are divided at last, cannot vanish. It overflows where a later score is better by far; the result
    is not finite then.
    """
    pieces = iter(pieces)
    first = next(pieces)
    query = query * query.shape[-1] ** -0.5
    best = (query @ first[0].T).amax(dim=1, keepdim=True)
    is_small = best.abs().max() < _SMALL_SCORE
    mixed = query.new_zeros((len(query), first[1].shape[1]), dtype=torch.float32)
    total = torch.zeros_like(mixed[:, :1])
    parts = [x.split(_QUERIES) for x in (query, best, mixed, total)]
    for key, value in chain((first,), pieces):
        for query_, best_, mixed_, total_ in zip(*parts):
            scores = query_ @ key.T
            weights = (scores if is_small else scores.sub_(best_)).exp_()
            mixed_ += weights @ value
            total_ += weights.sum(dim=1, keepdim=True, dtype=torch.float32)
    return mixed / total
