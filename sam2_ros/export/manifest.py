"""Files beside the networks: model.json with names, shapes, meanings and constants, and commands for TensorRT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..model import ModelConfig
from ..model.config import IMAGE_MEAN, IMAGE_STD, NUM_MASKMEM, NUM_RECENT, NUM_RECENT_POINTERS
from .networks import ExportedNetwork, TensorSpec

# Minimum, optimum and maximum of the dynamic sizes; the maximum is for 4 prompted frames.
_RANGES = {"N": (1, 1, 8), "K": (1, 7, 4 + NUM_RECENT), "P": (1, 16, 4 + NUM_RECENT_POINTERS), "L": (1, 2, 8)}


def manifest(
    config: ModelConfig, networks: Sequence[ExportedNetwork], differences: Mapping[str, float]
) -> dict[str, Any]:
    """Contents of model.json; `differences` from PyTorch by the name of the network."""
    return {
        "model": config.name,
        "image_size": config.image_size,
        "mean": _in_bytes(IMAGE_MEAN),
        "std": _in_bytes(IMAGE_STD),
        "recent_memories": NUM_RECENT,
        "prompted_row": NUM_MASKMEM - 1,
        "recent_pointers": NUM_RECENT_POINTERS,
        "sizes": {
            "N": "objects",
            "K": "spatial memories of each",
            "P": "pointers of each",
            "L": "points of each prompt",
        },
        "files": {
            f"{network.name}.onnx": {
                "inputs": [_described(spec) for spec in network.inputs],
                "outputs": [_described(spec) for spec in network.outputs],
                "difference_from_pytorch": differences[network.name],
            }
            for network in networks
        },
    }


def tensorrt_script(networks: Sequence[ExportedNetwork]) -> str:
    """A shell script that builds an engine beside each file."""
    lines = [
        "#!/usr/bin/env bash",
        "# Builds TensorRT engines from these files: bash build_tensorrt.sh [options of trtexec, such as --fp16]",
        "set -euo pipefail",
        'cd "$(dirname "${BASH_SOURCE[0]}")"',
        "trtexec=$(command -v trtexec || echo /usr/src/tensorrt/bin/trtexec)",
    ]
    for network in networks:
        shapes = "".join(
            f" \\\n    --{bound}Shapes={','.join(_shape(spec, i) for spec in network.inputs if _is_dynamic(spec))}"
            for i, bound in enumerate(("min", "opt", "max"))
        )
        options = shapes if any(map(_is_dynamic, network.inputs)) else ""
        command = f'"$trtexec" --onnx={network.name}.onnx --saveEngine={network.name}.engine --skipInference "$@"'
        lines += ["", command + options]
    return "\n".join(lines) + "\n"


def _in_bytes(values: tuple[float, ...]) -> list[float]:
    """From 0..1 to 0..255."""
    return [round(255 * value, 3) for value in values]


def _described(spec: TensorSpec) -> dict[str, Any]:
    dtype = str(spec.dtype).removeprefix("torch.")
    return {"name": spec.name, "dtype": dtype, "shape": spec.shape, "meaning": spec.meaning}


def _is_dynamic(spec: TensorSpec) -> bool:
    return any(isinstance(size, str) for size in spec.shape)


def _shape(spec: TensorSpec, i: int) -> str:
    return f"{spec.name}:" + "x".join(str(_RANGES[size][i] if isinstance(size, str) else size) for size in spec.shape)
