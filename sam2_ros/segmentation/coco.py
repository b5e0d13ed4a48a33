"""Masks in COCO's format: run-length encoding (RLE), column by column."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np

from ..optional import require


def run_lengths(mask: np.ndarray) -> dict[str, Any]:
    """A mask (H, W) bool as {"size": [H, W], "counts": [...]}: lengths of runs off and on the mask in turn."""
    flat = mask.ravel(order="F")
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    counts = np.diff(np.concatenate(([0], changes, [flat.size]))).tolist()
    return {"size": list(mask.shape), "counts": [0, *counts] if flat[0] else counts}


def compressed_rle(mask: np.ndarray) -> dict[str, Any]:
    """A mask (H, W) bool as {"size": [H, W], "counts": "..."}. Raises MissingLibraryError without pycocotools."""
    coco = require("pycocotools.mask", "compressed RLE", "coco")
    rle = coco.encode(np.asfortranarray(mask.view(np.uint8)))
    return {"size": list(mask.shape), "counts": rle["counts"].decode("ascii")}


def shortest_rle(mask: np.ndarray) -> dict[str, Any]:
    """`compressed_rle` where pycocotools is installed, else `run_lengths`; programs that read COCO read both."""
    return compressed_rle(mask) if importlib.util.find_spec("pycocotools") else run_lengths(mask)
