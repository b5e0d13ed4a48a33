"""Part: CUDA graphs of the compiled network, last because compiling may take all of the time."""

from __future__ import annotations

from collections.abc import Iterator

from .parts import Extent, Row
from .speed import Variant, measured


def rows(device: str, extent: Extent) -> Iterator[Row]:
    """A row for each model and number of objects."""
    return measured(device, extent, (Variant("compiled, CUDA graphs", cuda_graphs=True, backend=extent.backend),))
