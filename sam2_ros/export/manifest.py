"""What lies beside the files: their names, shapes and meanings, the constants of the tracker, commands for TensorRT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..model import ModelConfig
from ..model.config import IMAGE_MEAN, IMAGE_STD, NUM_MASKMEM, NUM_RECENT, NUM_RECENT_POINTERS
from .networks import Network, Port

# Fewest, usual and most of what may differ from call to call; most is for 4 prompted frames.
_RANGES = {"N": (1, 1, 8), "K": (1, 7, 4 + NUM_RECENT), "P": (1, 16, 4 + NUM_RECENT_POINTERS), "L": (1, 2, 8)}


def manifest(config: ModelConfig, networks: Sequence[Network], differences: Mapping[str, float]) -> dict[str, Any]:
    """Contents of model.json."""
    return {
        "model": config.name,
        "image_size": config.image_size,
        "mean": _of_pixels(IMAGE_MEAN),
        "std": _of_pixels(IMAGE_STD),
        "recent_memories": NUM_RECENT,
        "prompted_row": NUM_MASKMEM - 1,
        "recent_pointers": NUM_RECENT_POINTERS,
        "sizes": {"N": "objects", "K": "memories of each", "P": "pointers of each", "L": "points of each prompt"},
        "files": {
            f"{network.name}.onnx": {
                "inputs": [_described(port) for port in network.inputs],
                "outputs": [_described(port) for port in network.outputs],
                "difference_from_pytorch": differences[network.name],
            }
            for network in networks
        },
    }


def tensorrt_script(networks: Sequence[Network]) -> str:
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
            f" \\\n    --{kind}Shapes={','.join(_shape(port, i) for port in network.inputs if _is_dynamic(port))}"
            for i, kind in enumerate(("min", "opt", "max"))
        )
        options = shapes if any(map(_is_dynamic, network.inputs)) else ""
        command = f'"$trtexec" --onnx={network.name}.onnx --saveEngine={network.name}.engine --skipInference "$@"'
        lines += ["", command + options]
    return "\n".join(lines) + "\n"


def _of_pixels(values: tuple[float, ...]) -> list[float]:
    """From 0 to 255 instead of 0 to 1."""
    return [round(255 * value, 3) for value in values]


def _described(port: Port) -> dict[str, Any]:
    dtype = str(port.dtype).removeprefix("torch.")
    return {"name": port.name, "dtype": dtype, "shape": port.shape, "meaning": port.meaning}


def _is_dynamic(port: Port) -> bool:
    return any(isinstance(size, str) for size in port.shape)


def _shape(port: Port, i: int) -> str:
    return f"{port.name}:" + "x".join(str(_RANGES[size][i] if isinstance(size, str) else size) for size in port.shape)
