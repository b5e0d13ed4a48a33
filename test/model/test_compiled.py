"""The compiled network answers as the plain one does, whatever has to be filled up for a shape that it knows."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from sam2_ros.model import CompiledSam2, ImageFeatures, Memory, MemorySize, PooledMemory, PromptTensors, Sam2

SIZES = (MemorySize(3, 0, 4), MemorySize(5, 0, 6))
MOST_POINTS = 6


@pytest.fixture(scope="module")
def compiled(model: Sam2) -> CompiledSam2:
    """Traced as for a GPU; what a backend makes of the trace is its own matter."""
    return traced(model, SIZES)


def traced(model: Sam2, sizes: Sequence[MemorySize]) -> CompiledSam2:
    compiled = CompiledSam2(model, sizes, MOST_POINTS, batch=4, backend="eager")
    compiled.reads_compiled = True
    return compiled


def remembered(count: int, spatial: int, pointers: int) -> Memory:
    """Noise, of which the first object's oldest entries are not valid."""
    noise = torch.Generator().manual_seed(count + spatial)
    valid = torch.ones(count, spatial, dtype=torch.bool)
    valid[0, 2:] = False
    return Memory(
        torch.randn(count, spatial, 16, 64, generator=noise).bfloat16(),
        torch.randint(0, 7, (count, spatial), generator=noise),
        torch.randn(count, pointers, 128, generator=noise),
        torch.randint(1, 15, (count, pointers), generator=noise).float(),
        None if valid.all() else valid,
    )


def tensors(tree: Any) -> list[Tensor]:
    return [tree] if isinstance(tree, Tensor) else [tensor for part in tree for tensor in tensors(part)]


def assert_same(found: Any, expected: Any) -> None:
    for ours, theirs in zip(tensors(found), tensors(expected), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.fixture(autouse=True)
def inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


def test_compiled_image_features_are_equal(compiled: CompiledSam2, model: Sam2, image: Tensor) -> None:
    assert_same(compiled.encode_image(image), model.encode_image(image))


@pytest.mark.parametrize("count", [1, 3, 5])
@pytest.mark.parametrize(("spatial", "pointers"), [(1, 1), (2, 4), (3, 4), (4, 2)])
def test_padded_memories_give_equal_features(
    compiled: CompiledSam2, model: Sam2, features: ImageFeatures, count: int, spatial: int, pointers: int
) -> None:
    memory = remembered(count, spatial, pointers)
    assert_same(compiled.read_memory(features, memory), model.read_memory(features, memory))


def test_memories_with_and_without_pooled_entries_give_equal_features(model: Sam2, features: ImageFeatures) -> None:
    compiled = traced(model, [MemorySize(2, 3, 4)])
    memory = remembered(1, 1, 2)
    assert_same(compiled.read_memory(features, memory), model.read_memory(features, memory))
    memory = memory._replace(pooled=PooledMemory(torch.randn(1, 2, 4, 64).bfloat16(), torch.tensor([[0, 1]])))
    assert_same(compiled.read_memory(features, memory), model.read_memory(features, memory))


@pytest.mark.parametrize("count", [1, 3, 5])
def test_masks_and_memories_of_several_objects_are_equal(
    compiled: CompiledSam2, model: Sam2, features: ImageFeatures, count: int
) -> None:
    conditioned = torch.randn(count, 128, 4, 4, generator=torch.Generator().manual_seed(count))
    expected = model.decode(conditioned, features, None, multimask=True)
    assert_same(compiled.decode(conditioned, features, None, multimask=True), expected)
    given = (features, expected.logits, expected.occlusion_score)
    assert_same(compiled.write_memory(*given, binarise=False), model.write_memory(*given, binarise=False))


@pytest.mark.parametrize(
    "prompts",
    [
        PromptTensors(torch.tensor([[[10.0, 20.0]]]), torch.tensor([[1]])),
        PromptTensors(torch.tensor([[[5.0, 5.0], [40.0, 50.0], [9.0, 9.0]]]), torch.tensor([[2, 3, 0]])),
        PromptTensors(
            torch.tensor([[[10.0, 20.0]]]), torch.tensor([[0]]), torch.linspace(-9, 9, 256).view(1, 1, 16, 16)
        ),
    ],
    ids=["click", "box and click", "correction"],
)
def test_every_kind_of_prompt_gives_equal_masks(
    compiled: CompiledSam2, model: Sam2, features: ImageFeatures, prompts: PromptTensors
) -> None:
    conditioned = model.without_memory(features)
    for multimask in (False, True):
        expected = model.decode(conditioned, features, prompts, multimask)
        assert_same(compiled.decode(conditioned, features, prompts, multimask), expected)


def test_a_mask_prompt_gives_equal_outputs(compiled: CompiledSam2, model: Sam2, features: ImageFeatures) -> None:
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 20:40, 10:50] = 1
    assert_same(compiled.decode_mask_prompt(features, mask), model.decode_mask_prompt(features, mask))


@pytest.mark.slow
def test_inductor_gives_equal_memories(
    model: Sam2, features: ImageFeatures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))  # whatever other machines have compiled
    compiled = CompiledSam2(model, SIZES, MOST_POINTS)
    given = (features, torch.linspace(-9, 9, 3 * 256).view(3, 1, 16, 16), torch.tensor([[3.0], [-3.0], [1.0]]))
    assert_same(compiled.write_memory(*given, binarise=False), model.write_memory(*given, binarise=False))


@pytest.mark.slow
def test_compiled_code_is_cached_for_the_next_start(tmp_path: Path) -> None:
    code = """
import os
from sam2_ros.model import CONFIGS, CompiledSam2, MemorySize, seeded_model
CompiledSam2(seeded_model(CONFIGS["nano"].resized(64)), (MemorySize(1, 0, 1),), 2)
print(os.environ["TORCHINDUCTOR_CACHE_DIR"])
"""
    environment = {name: value for name, value in os.environ.items() if name != "TORCHINDUCTOR_CACHE_DIR"}
    environment["SAM2_ROS_CACHE"] = str(tmp_path)
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == str(tmp_path / "compiled")


def test_batches_are_no_larger_than_the_number_of_objects(model: Sam2) -> None:
    batches = [CompiledSam2(model, SIZES, MOST_POINTS, batch=count).batches for count in (1, 2, 3, 5, 17)]
    assert batches == [(1,), (1, 2), (1, 2, 4), (1, 2, 4, 8), (1, 2, 4, 8)]
