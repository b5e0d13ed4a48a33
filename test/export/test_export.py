"""`sam2_ros export` writes files that equal the network, and that suffice to track."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from sam2_ros.cli import main
from sam2_ros.export.networks import exported_networks
from sam2_ros.export.onnx_files import LIMIT, OnnxComparison, check_packages, write
from sam2_ros.model import (
    CONFIGS,
    Decoded,
    ImageFeatures,
    Memory,
    PromptTensors,
    load_model,
    seeded_model,
)
from sam2_ros.tracking import Click, Prompt, StreamingTracker
from sam2_ros.tracking.types import FrameResult

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

# What the parser of TensorRT 10 reads, of the operators that occur here.
READABLE = {
    *("Add", "And", "ArgMax", "Cast", "Clip", "Concat", "Constant", "Conv", "ConvTranspose", "Cos", "Div"),
    *(
        "Einsum",
        "Erf",
        "Expand",
        "Gather",
        "GatherND",
        "Gemm",
        "Greater",
        "GreaterOrEqual",
        "IsNaN",
        "LayerNormalization",
    ),
    *("LessOrEqual", "MatMul", "MaxPool", "Mul", "Pad", "Range", "ReduceMax", "ReduceSum", "Relu", "Reshape"),
    *("Resize", "Shape", "Sigmoid", "Sin", "Slice", "Softmax", "Split", "Squeeze", "Sub", "Transpose", "Unsqueeze"),
    "Where",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """nano, exported by the command."""
    out = tmp_path_factory.mktemp("exported")
    assert main(["export", "--format", "onnx", "--model", "nano", "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def graphs(folder: Path) -> dict[str, Any]:
    return {path.name: onnx.load(path).graph for path in folder.glob("*.onnx")}


def shapes(values: Any) -> dict[str, list[int | str]]:
    return {value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim] for value in values}


@pytest.mark.slow
def test_every_file_is_described_as_it_is(folder: Path, graphs: dict[str, Any]) -> None:
    described = json.loads((folder / "model.json").read_text())["files"]
    assert described.keys() == graphs.keys()
    for name, graph in graphs.items():
        assert {spec["name"]: spec["shape"] for spec in described[name]["inputs"]} == shapes(graph.input)
        assert {spec["name"]: spec["shape"] for spec in described[name]["outputs"]} == shapes(graph.output)
        assert described[name]["difference_from_pytorch"] <= LIMIT


@pytest.mark.slow
def test_tensorrt_10_reads_every_operator(graphs: dict[str, Any]) -> None:
    nodes = [node for graph in graphs.values() for node in graph.node]
    assert {node.op_type for node in nodes} <= READABLE
    resizes = [
        {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
        for node in nodes
        if node.op_type == "Resize"
    ]
    assert resizes
    assert all(not resize.get("antialias") and resize["mode"] in (b"nearest", b"linear") for resize in resizes)


@pytest.mark.slow
def test_shapes_for_tensorrt_fit_the_files(folder: Path, graphs: dict[str, Any]) -> None:
    commands = (folder / "build_tensorrt.sh").read_text().replace("\\\n", "").split("\n\n")[1:]
    assert len(commands) == len(graphs)
    for command in commands:
        options = dict(word[2:].split("=", 1) for word in command.split() if word.startswith("--") and "=" in word)
        inputs = shapes(graphs[options["onnx"]].input)
        dynamic = {name for name, shape in inputs.items() if any(isinstance(size, str) for size in shape)}
        ranges = [options[name] for name in ("minShapes", "optShapes", "maxShapes")] if dynamic else []
        for given in (dict(item.split(":") for item in text.split(",")) for text in ranges):
            assert given.keys() == dynamic
            for name, text in given.items():
                pairs = zip(text.split("x"), inputs[name], strict=True)
                assert all(isinstance(real, str) or int(size) == real for size, real in pairs)


@pytest.mark.slow
def test_the_files_alone_track_as_the_tracker_does(folder: Path) -> None:
    ground = np.random.default_rng(0).integers(60, 120, (16, 16, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    tracker, alone = StreamingTracker(load_model("nano")), example().OnnxTracker(folder)
    for i in range(12):
        frame = ground.copy()
        frame[100:150, 40 + 8 * i : 100 + 8 * i] = 220, 40, 40
        result: FrameResult | None = tracker.step(frame, i / 10)
        if i == 0:
            tracker.add(Prompt(clicks=[Click(70, 125)]))
            result = tracker.latest
        mask = alone.step(frame) if i else alone.start(frame, 70, 125)
        assert result is not None
        ours = result.tracks[0].mask
        assert ours.sum() > 1000
        assert (mask & ours).sum() / (mask | ours).sum() > 0.98


def test_the_example_labels_what_it_prints() -> None:
    mask = np.zeros((20, 30), bool)
    mask[5:8, 10:16] = True
    assert example().describe(mask) == "mask of 18 pixels, box at x 10, y 5, width 6, height 3"
    assert example().describe(np.zeros((20, 30), bool)) == "not in view"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["memory_attention", "memory_encoder"])
def test_sam_2_0_has_the_same_inputs(name: str, tmp_path: Path) -> None:
    path = tmp_path / "network.onnx"
    model = seeded_model(CONFIGS["sam2_hiera_tiny"].resized(64))
    (network,) = (network for network in exported_networks(model) if network.name == name)
    write(network, path)
    assert list(shapes(onnx.load(path).graph.input)) == [spec.name for spec in network.inputs]
    assert OnnxComparison().difference(network, path) <= LIMIT


@pytest.mark.slow
def test_a_file_with_other_weights_exceeds_the_limit(folder: Path) -> None:
    (network,) = (network for network in exported_networks(seeded_model("nano")) if network.name == "memory_encoder")
    assert OnnxComparison().difference(network, folder / "memory_encoder.onnx") > LIMIT


def test_a_mask_prompt_is_downsampled_as_by_the_network() -> None:
    model = seeded_model(CONFIGS["nano"].resized(64))
    (network,) = (network for network in exported_networks(model) if network.name == "mask_prompt_decoder")
    mask = (torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    features = model.encode_image(torch.zeros(1, 3, 64, 64))
    logits = network.module(*features, mask)[0]
    assert torch.allclose(logits, model.decode_mask_prompt(features, mask).logits, atol=1e-4)


def test_tensors_are_named_as_the_fields_of_the_model() -> None:
    networks = {network.name: network for network in exported_networks(seeded_model(CONFIGS["nano"].resized(64)))}
    names = {name: [spec.name for spec in network.inputs] for name, network in networks.items()}
    features, memory, prompts = ImageFeatures._fields, Memory._fields, PromptTensors._fields
    assert [spec.name for spec in networks["image_encoder"].outputs] == [*features, "without_memory"]
    assert set(names["memory_attention"]) == {"stride16", *memory} - {"pooled"}
    assert set(names["prompt_decoder"]) == {"conditioned", "stride8", "stride4", *prompts}
    assert [spec.name for spec in networks["tracking_decoder"].outputs] == list(Decoded._fields[:-1])


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else object())
    with pytest.raises(ValueError, match=r"missing: onnxruntime; install with: pip install .*\[export\]"):
        check_packages()


def example() -> ModuleType:
    """examples/onnx_tracker.py"""
    path = Path(__file__).parents[2] / "examples" / "onnx_tracker.py"
    spec = importlib.util.spec_from_file_location("onnx_tracker", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
