"""Trees of tensors: a tensor, a tuple of trees, or anything else, which is left as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor


def mapped(function: Callable[[Tensor], Any], tree: Any) -> Any:
    """The tree with `function` applied to every tensor."""
    if isinstance(tree, Tensor):
        return function(tree)
    if not isinstance(tree, tuple):
        return tree
    parts = [mapped(function, part) for part in tree]
    return tree._make(parts) if hasattr(tree, "_make") else tuple(parts)


def leaves(tree: Any) -> Iterator[Tensor]:
    """Every tensor, in order."""
    if isinstance(tree, Tensor):
        yield tree
    elif isinstance(tree, tuple):
        for part in tree:
            yield from leaves(part)
