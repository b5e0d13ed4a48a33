"""Memory attention: a memory is a set of entries, of which only the valid ones count."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F

from sam2_ros.model import CONFIGS, ImageFeatures, Memory, PooledMemory, Sam2, load_model, pool, seeded_model
from sam2_ros.model.config import NUM_MASKMEM
from sam2_ros.model.memory_attention import RotaryProjection
from sam2_ros.model.position_encoding import axial_rotary_table

TOKENS = 16  # 4 x 4


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def memory(objects: int = 1) -> Memory:
    """Three spatial memories and four pointers of each object."""
    return Memory(
        random(objects, 3, TOKENS, 64),
        torch.tensor([[6, 1, 0]]).expand(objects, -1),
        random(objects, 4, 128, seed=1),
        torch.tensor([[9.0, 3.0, 2.0, 1.0]]).expand(objects, -1),
    )


def read(model: Sam2, memory: Memory) -> torch.Tensor:
    image = random(1, 128, 4, 4, seed=2)
    return model.read_memory(ImageFeatures(image, image, image), memory)


def test_every_object_gets_its_own_features(model: Sam2) -> None:
    conditioned = read(model, memory(objects=2))
    assert conditioned.shape == (2, 128, 4, 4)
    assert not torch.allclose(conditioned[0], conditioned[1])
    both = memory(objects=2)
    first = Memory(both.spatial[:1], both.spatial_row[:1], both.pointers[:1], both.pointer_age[:1])
    assert torch.allclose(conditioned[:1], read(model, first), atol=1e-5)


def test_the_order_of_entries_does_not_matter(model: Sam2) -> None:
    m = memory()
    spatial, pointers = [2, 0, 1], [3, 1, 0, 2]
    shuffled = Memory(
        m.spatial[:, spatial], m.spatial_row[:, spatial], m.pointers[:, pointers], m.pointer_age[:, pointers]
    )
    assert torch.allclose(read(model, m), read(model, shuffled), atol=1e-5)


def test_invalid_entries_are_ignored(model: Sam2) -> None:
    m = memory()
    spatial_valid, pointer_valid = torch.tensor([[True, False, True]]), torch.tensor([[True, True, False, True]])
    masked = m._replace(spatial_valid=spatial_valid, pointer_valid=pointer_valid)
    left_out = Memory(
        m.spatial[:, [0, 2]], m.spatial_row[:, [0, 2]], m.pointers[:, [0, 1, 3]], m.pointer_age[:, [0, 1, 3]]
    )
    assert torch.allclose(read(model, masked), read(model, left_out), atol=1e-5)
    assert not torch.allclose(read(model, m), read(model, left_out), atol=1e-3)


@pytest.mark.parametrize(
    "valid",
    [
        {"spatial_valid": torch.ones(1, 3, dtype=torch.bool)},
        {"pointer_valid": torch.ones(1, 4, dtype=torch.bool)},
    ],
)
def test_all_entries_are_valid_by_default(model: Sam2, valid: dict[str, Any]) -> None:
    assert torch.allclose(read(model, memory()._replace(**valid)), read(model, memory()), atol=1e-5)


@pytest.mark.parametrize("row", range(NUM_MASKMEM - 1))
def test_the_age_of_a_spatial_memory_matters(model: Sam2, row: int) -> None:
    m = memory()
    aged = m._replace(spatial_row=torch.tensor([[row, 1, 0]]))
    assert not torch.allclose(read(model, m), read(model, aged), atol=1e-6)


def test_the_age_of_a_pointer_matters_since_2_1(model: Sam2, older_model: Sam2) -> None:
    m = memory()
    aged = m._replace(pointer_age=m.pointer_age + 1)
    assert not torch.allclose(read(model, m), read(model, aged), atol=1e-6)
    assert torch.equal(read(older_model, m), read(older_model, aged))


def test_the_position_in_a_spatial_memory_matters(model: Sam2) -> None:
    m = memory()
    rolled = m._replace(spatial=m.spatial.roll(1, dims=2))
    assert not torch.allclose(read(model, m), read(model, rolled), atol=1e-4)


def test_memories_may_be_kept_in_bfloat16(model: Sam2) -> None:
    m = memory()
    conditioned = read(model, m._replace(spatial=m.spatial.bfloat16()))
    assert conditioned.dtype == torch.float32
    assert torch.allclose(conditioned, read(model, m), atol=0.05)


def with_pooled(m: Memory, valid: torch.Tensor | None = None) -> Memory:
    """Two pooled memories besides."""
    tokens = random(len(m.spatial), 2, TOKENS // 4, 64, seed=3)
    return m._replace(pooled=PooledMemory(tokens, torch.tensor([[2, 3]]).expand(len(tokens), -1), valid))


def test_pooled_memories_are_further_entries_unless_they_are_invalid(model: Sam2) -> None:
    plain, more = read(model, memory()), read(model, with_pooled(memory()))
    assert not torch.allclose(plain, more, atol=1e-3)
    none_valid = with_pooled(memory(), torch.zeros(1, 2, dtype=torch.bool))
    assert torch.allclose(plain, read(model, none_valid), atol=1e-5)
    one_valid = with_pooled(memory(), torch.tensor([[True, False]]))
    assert not torch.allclose(more, read(model, one_valid), atol=1e-4)


def test_pooling_keeps_what_does_not_change_within_a_cell() -> None:
    cells = random(1, 2, 2, 64)
    tokens = cells.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    assert torch.allclose(pool(tokens.flatten(1, 2)), cells.flatten(1, 2))


def test_a_pooled_token_is_rotated_as_the_centre_of_its_cell() -> None:
    whole, pooled = axial_rotary_table(4, 128), axial_rotary_table(2, 128, pooling=2)
    angle = torch.atan2(whole.sin, whole.cos)[:, -1]  # the lowest frequency of y
    middle = torch.atan2(pooled.sin, pooled.cos)[:, -1]
    assert torch.allclose(middle, pool(angle.view(1, 16, 1)).flatten(), atol=1e-6)


@pytest.mark.parametrize("frozen", [False, True])
def test_rotary_partners_are_adjacent_in_checkpoints(frozen: bool) -> None:
    projection = RotaryProjection(3, 8)
    if frozen:
        projection.freeze()
    x = random(5, 3)
    expected = F.linear(x, projection.weight, projection.bias)
    assert torch.equal(projection(x), torch.cat((expected[:, 0::2], expected[:, 1::2]), dim=1))


def test_a_frozen_projection_is_permuted_once_and_follows_a_loaded_state_dict() -> None:
    projection, other = RotaryProjection(3, 8), RotaryProjection(3, 8)
    projection.freeze()
    weight = projection._frozen_weight
    projection(random(5, 3))
    assert projection._frozen_weight is weight
    assert projection.state_dict().keys() == {"weight", "bias"}
    projection.load_state_dict(other.state_dict())
    assert torch.equal(projection(random(5, 3)), other(random(5, 3)))


def test_gradients_reach_the_parameters_of_a_projection_that_is_not_frozen() -> None:
    projection = RotaryProjection(3, 8)
    projection(random(5, 3)).sum().backward()
    assert projection.weight.grad is not None and projection.bias.grad is not None


def test_models_are_frozen_for_inference_and_not_for_training() -> None:
    def frozen(model: Sam2) -> set[bool]:
        projections = (module for module in model.modules() if isinstance(module, RotaryProjection))
        return {projection._frozen_weight is not None for projection in projections}

    assert frozen(Sam2(CONFIGS["nano"])) == {False}
    assert frozen(load_model("nano")) == frozen(seeded_model("nano")) == {True}
