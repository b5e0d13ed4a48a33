#!/usr/bin/env python3
"""Times the exported networks under OpenVINO beside PyTorch, on one CPU thread: what a tracked frame takes.

sam2_ros export --model nano --out exported
python3 -m pip install openvino
python3 openvino_times.py exported
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import openvino
import torch
from torch import Tensor

from sam2_ros.export.networks import ExportedNetwork, TensorSpec, exported_networks
from sam2_ros.model import load_model
from sam2_ros.tracking.device import PRECISIONS, autocast

FRAME = ("image_encoder", "memory_attention", "tracking_decoder", "memory_encoder")  # what a tracked frame runs
NOT_BFLOAT16 = ("tracking_decoder",)  # OpenVINO 2026.4 crashes
SIZES = {"N": 1, "K": 7, "P": 16}  # one object with a full memory


def values(network: ExportedNetwork) -> Iterator[Tensor]:
    """Noise of the network's inputs; all entries are valid."""
    for spec in network.inputs:
        yield value(spec, [SIZES[size] if isinstance(size, str) else size for size in spec.shape])


def value(spec: TensorSpec, shape: list[int]) -> Tensor:
    if spec.dtype is torch.bool:
        return torch.ones(shape, dtype=torch.bool)
    return torch.randint(0, 7, shape) if spec.dtype is torch.int64 else torch.randn(shape)


def under_openvino(file: Path, inputs: list[Tensor], precision: str) -> Callable[[], list[Tensor]]:
    core = openvino.Core()
    network = core.read_model(file)
    network.reshape({port.any_name: list(x.shape) for port, x in zip(network.inputs, inputs)})
    is_short = precision == "bfloat16" and file.stem not in NOT_BFLOAT16
    kind = openvino.Type.bf16 if is_short else openvino.Type.f32
    request = core.compile_model(
        network, "CPU", {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": kind, "PERFORMANCE_HINT": "LATENCY"}
    ).create_infer_request()
    arrays = [x.numpy() for x in inputs]
    return lambda: [torch.from_numpy(x) for x in request.infer(arrays).values()]


def under_pytorch(network: ExportedNetwork, inputs: list[Tensor], precision: str) -> Callable[[], list[Tensor]]:
    def run() -> list[Tensor]:
        with torch.inference_mode(), autocast(torch.device("cpu"), precision):
            outputs = network.module(*inputs)
        return [outputs] if isinstance(outputs, Tensor) else list(outputs)

    return run


def difference(outputs: list[Tensor], expected: list[Tensor]) -> float:
    """The largest of any output, relative to its largest value."""
    return max(float((x.float() - y).abs().max() / y.abs().max()) for x, y in zip(outputs, expected))


def milliseconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return 1e3 * (time.perf_counter() - start)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Times the networks of a tracked frame under OpenVINO and PyTorch.")
    parser.add_argument("folder", type=Path, help="of sam2_ros export")
    parser.add_argument("--repetitions", type=int, default=30)
    args = parser.parse_args()
    torch.set_num_threads(1)
    manifest = json.loads((args.folder / "model.json").read_text())
    model = load_model(manifest["model"], image_size=manifest["image_size"])
    networks = [network for network in exported_networks(model) if network.name in FRAME]
    print("precision network           OpenVINO    PyTorch  times as fast  difference from float32 of each")
    for precision in PRECISIONS:
        total = (0.0, 0.0)
        for network in networks:
            inputs = list(values(network))
            expected = under_pytorch(network, inputs, "float32")()
            file = args.folder / f"{network.name}.onnx"
            runs = under_openvino(file, inputs, precision), under_pytorch(network, inputs, precision)
            differences = [difference(run(), expected) for run in 3 * runs][-2:]  # also warms up
            theirs, ours = map(median, zip(*([milliseconds(run) for run in runs] for _ in range(args.repetitions))))
            total = (total[0] + theirs, total[1] + ours)
            errors = "  ".join(f"{x:.1e}" for x in differences)
            print(f"{precision:9} {network.name:16} {theirs:6.1f} ms  {ours:6.1f} ms  {ours / theirs:13.2f}  {errors}")
        theirs, ours = total
        print(f"{precision:9} {'frame':16} {theirs:6.1f} ms  {ours:6.1f} ms  {ours / theirs:13.2f}", flush=True)
