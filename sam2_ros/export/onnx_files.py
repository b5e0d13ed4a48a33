"""Writes networks as ONNX files and compares each with PyTorch under ONNX Runtime."""

from __future__ import annotations

import importlib.util
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from .networks import ExportedNetwork, TensorSpec

OPSET = 18  # TensorRT 10 reads up to 20
LIMIT = 1e-3  # of a difference, relative to the output's largest absolute value

# Dynamic sizes while a network is traced, and those at which it is compared.
_TRACED = {"N": 2, "K": 3, "P": 5, "L": 4}
_COMPARED = ({"N": 1, "K": 1, "P": 1, "L": 1}, {"N": 3, "K": 2, "P": 7, "L": 3})


def check_packages() -> None:
    """Raises ValueError that names the missing packages."""
    missing = [name for name in ("onnx", "onnxruntime", "onnxscript") if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(f"missing: {', '.join(missing)}; install with: pip install -e '.[export]'")


def write(network: ExportedNetwork, path: Path) -> None:
    """Export a network to an ONNX file."""
    values = _values(network, _TRACED, {})
    sizes = {size: torch.export.Dim(size, min=1) for spec in network.inputs for size in _dynamic_sizes(spec)}
    shapes = tuple({i: sizes[size] for i, size in enumerate(spec.shape) if size in sizes} for spec in network.inputs)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.module.eval(),
            values,
            path,
            dynamo=True,
            opset_version=OPSET,
            input_names=[spec.name for spec in network.inputs],
            output_names=[spec.name for spec in network.outputs],
            dynamic_shapes=shapes,
            external_data=False,
            verbose=False,
        )


class OnnxComparison:
    """Compares files with PyTorch under ONNX Runtime; outputs of a network are inputs of those after it."""

    def __init__(self) -> None:
        self._known: list[dict[str, Tensor]] = [{} for _ in _COMPARED]

    def difference(self, network: ExportedNetwork, path: Path) -> float:
        """The largest difference of any output, relative to that output's largest absolute value."""
        import onnxruntime

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        worst = 0.0
        for sizes, known in zip(_COMPARED, self._known):
            values = _values(network, sizes, known)
            with torch.no_grad():
                expected = network.module(*values)
            expected = (expected,) if isinstance(expected, Tensor) else expected
            feed = {spec.name: value.numpy() for spec, value in zip(network.inputs, values)}
            actual = session.run([spec.name for spec in network.outputs], feed)
            for spec, ours, theirs in zip(network.outputs, expected, actual):
                known[spec.name] = ours
                distance = (ours - torch.from_numpy(theirs)).abs().max() / ours.abs().max().clamp(min=1e-9)
                worst = max(worst, float(distance))
        return worst


def _dynamic_sizes(spec: TensorSpec) -> list[str]:
    return [size for size in spec.shape if isinstance(size, str)]


def _values(network: ExportedNetwork, sizes: Mapping[str, int], known: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    return tuple(known[spec.name] if spec.name in known else _random(spec, sizes, generator) for spec in network.inputs)


def _random(spec: TensorSpec, sizes: Mapping[str, int], generator: torch.Generator) -> Tensor:
    shape = [sizes[size] if isinstance(size, str) else size for size in spec.shape]
    if spec.dtype is torch.int64:
        return torch.randint(0, 4, shape, generator=generator)
    x = torch.randn(shape, generator=generator)
    if spec.dtype is torch.bool:
        valid = x > 0
        if valid.dim() > 1:
            valid[:, 0] = True  # every object has at least one entry
        return valid
    if spec.name == "mask":
        return (x > 0).float()
    return x
