"""Chunks that a CPU works in: the same results as the whole."""

from collections.abc import Iterator
from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F

from sam2_ros.model import CONFIGS, ImageFeatures, Memory, PooledMemory, Sam2, load_model, pool, seeded_model
from sam2_ros.model import chunked_attention as chunked_attention_module
from sam2_ros.model import memory_attention as memory_attention_module
from sam2_ros.model.chunked_attention import Chunkable, attend, chunked_attention, in_batches, in_chunks


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So small that the maps of a small model have many."""
    monkeypatch.setattr(chunked_attention_module, "_CHUNK_NUMBERS", 2**12)
    monkeypatch.setattr(chunked_attention_module, "_CHUNK_QUERIES", 7)
    monkeypatch.setattr(memory_attention_module, "_CHUNK_KEYS", 10)


def test_a_module_works_in_chunks_on_a_cpu_once_the_flag_is_set() -> None:
    module, x = Chunkable(), torch.ones(1)
    assert not module.works_in_chunks(x)
    module.is_chunked = True
    assert module.works_in_chunks(x)
    assert not module.works_in_chunks(torch.ones(1, device="meta"))


def test_a_model_is_chunked_for_inference_and_not_for_training() -> None:
    def chunked(model: Sam2) -> set[bool]:
        return {module.is_chunked for module in model.modules() if isinstance(module, Chunkable)}

    assert chunked(Sam2(CONFIGS["nano"])) == {False}
    assert chunked(load_model("nano")) == chunked(seeded_model("nano")) == {True}
    assert chunked(load_model("nano").set_chunked(False)) == {False}


def test_what_belongs_together_is_in_one_chunk(small_chunks: None) -> None:
    lengths = []

    def note(chunk: torch.Tensor) -> torch.Tensor:
        lengths.append(chunk.shape[1])
        return 2 * chunk

    x = random(1, 40, 32, 2)
    assert torch.equal(in_chunks(note, x, width=16, step=6), 2 * x)
    assert lengths == [6] * 6 + [4]  # 4096 numbers are 8 rows, of which six belong together


def test_rows_are_grouped_by_their_width(small_chunks: None) -> None:
    counts = []

    def note(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        counts.append((len(x), len(y)))
        return x + y

    x, y = random(5, 3), random(5, 3, seed=1)
    assert torch.equal(in_batches(note, (x, y), numbers=2000), x + y)
    assert counts == [(2, 2), (2, 2), (1, 1)]


def chunks_of(key: torch.Tensor, value: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    yield from zip(key.split(9), value.split(9))


@pytest.mark.parametrize(("batch", "length"), [(1, 40), (30, 5), (30, 200)])
def test_products_of_bfloat16_are_attention(small_chunks: None, batch: int, length: int) -> None:
    query, key, value = (random(batch, 2, length, 16, seed=seed).bfloat16() for seed in range(3))
    expected = F.scaled_dot_product_attention(query.float(), key.float(), value.float())
    assert torch.allclose(attend(query, key, value, chunked=True).float(), expected, atol=0.02)


def test_attention_is_learnt_in_products_of_bfloat16() -> None:
    def gradients(precise: bool) -> list[torch.Tensor]:
        query, key, value = (random(3, 2, 40, 16, seed=seed).requires_grad_() for seed in range(3))
        with torch.autocast("cpu", torch.bfloat16, enabled=not precise):
            mixed = attend(query, key, value)
        assert mixed.dtype is (torch.float32 if precise else torch.bfloat16)
        return [*torch.autograd.grad(mixed.float().square().sum(), (query, key, value))]

    for found, expected in zip(gradients(precise=False), gradients(precise=True)):
        assert torch.allclose(found, expected, atol=0.02 * float(expected.abs().max()))


@pytest.mark.parametrize("scale", [1.0, 15.0])  # the second one's best scores are beyond what is called small
def test_reading_is_attention(small_chunks: None, scale: float) -> None:
    query, key, value = scale * random(20, 64), random(50, 64, seed=1), random(50, 16, seed=2)
    expected = F.scaled_dot_product_attention(query[None], key[None], value[None])[0]
    assert torch.allclose(chunked_attention(query, chunks_of(key, value)), expected, atol=1e-5)


def test_a_score_that_overflows_is_not_hidden() -> None:
    query = torch.ones(1, 4)
    key = torch.tensor([[0.0] * 4] * 9 + [[1000.0] * 4])
    assert not chunked_attention(query, chunks_of(key, random(10, 2))).isfinite().all()


def plain(model: Sam2) -> Sam2:
    return deepcopy(model).set_chunked(False)


def test_images_are_encoded_the_same(small_chunks: None) -> None:
    # Its windows of 14 do not fill the map of 16.
    model, image = seeded_model(CONFIGS["sam2.1_hiera_tiny"].resized(256)), random(1, 3, 256, 256)
    chunked = model.encode_image(image)
    whole = plain(model).encode_image(image)
    for a, b in zip(whole, chunked):
        assert torch.allclose(a, b, atol=1e-5)


def a_memory(objects: int) -> Memory:
    """Entries of all kinds, some of them invalid."""
    spatial = random(objects, 3, 16, 64)
    return Memory(
        spatial,
        torch.tensor([[6, 1, 0]]).expand(objects, -1),
        random(objects, 4, 128, seed=1),
        torch.tensor([[9.0, 3.0, 2.0, 1.0]]).expand(objects, -1),
        torch.tensor([[True, False, True]]).expand(objects, -1),
        torch.tensor([[True, True, True, False]]).expand(objects, -1),
        PooledMemory(pool(spatial[:, 2]).unsqueeze(1), torch.tensor([[3]]).expand(objects, -1)),
    )


@pytest.mark.parametrize("factor", [1, 300], ids=["plain", "overflowing"])
def test_memories_are_read_the_same(small_chunks: None, model: Sam2, factor: int) -> None:
    memory, image = a_memory(objects=2), random(1, 128, 4, 4, seed=3)
    memory = memory._replace(spatial=factor * memory.spatial)
    chunked = model.read_memory(ImageFeatures(image, image, image), memory)
    whole = plain(model).read_memory(ImageFeatures(image, image, image), memory)
    assert torch.allclose(whole, chunked, atol=1e-4)


def test_memories_are_written_the_same(small_chunks: None, model: Sam2) -> None:
    image, masks = random(1, 128, 4, 4), random(5, 1, 64, 64, seed=1)
    chunked = model.memory_encoder(image, masks)
    whole = plain(model).memory_encoder(image, masks)
    assert torch.allclose(whole, chunked, atol=1e-5)


def test_an_overflow_is_reported_once(small_chunks: None, model: Sam2, caplog: pytest.LogCaptureFixture) -> None:
    memory, image = a_memory(objects=1), random(1, 128, 4, 4, seed=3)
    memory_attention_module._warn_of_overflow.cache_clear()
    for _ in range(2):
        model.read_memory(ImageFeatures(image, image, image), memory._replace(spatial=300 * memory.spatial))
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "overflowed" in caplog.text
