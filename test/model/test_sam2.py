"""The four operations, and what an absent object is to each of them."""

import pytest
import torch

from sam2_ros.model import ImageFeatures, PointLabel, PromptTensors, Sam2, seeded_model
from sam2_ros.model.config import ABSENT_LOGIT


def clicks(*places: tuple[float, float]) -> PromptTensors:
    return PromptTensors(torch.tensor([places]), torch.full((1, len(places)), int(PointLabel.POSITIVE)))


@pytest.fixture(scope="module")
def blind_model() -> Sam2:
    """A model to which every object is out of view; otherwise the same."""
    return seeded_model("nano", occlusion_bias=-5.0)


@pytest.fixture(scope="module")
def square() -> torch.Tensor:
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 16:48, 8:40] = 1
    return mask


def test_an_image_is_encoded_at_three_strides(features: ImageFeatures) -> None:
    assert [tuple(map_.shape) for map_ in features] == [(1, 128, 4, 4), (1, 32, 8, 8), (1, 16, 16, 16)]


def test_without_memory_the_same_embedding_is_added_everywhere(model: Sam2, features: ImageFeatures) -> None:
    added = model.without_memory(features) - features.stride16
    assert torch.allclose(added, model.no_mem_embed[0, 0][:, None, None].expand_as(added), atol=1e-5)


def test_an_ambiguous_prompt_gets_mask_and_pointer_of_the_best_predicted_iou(
    model: Sam2, features: ImageFeatures
) -> None:
    decoded = model.decode(model.without_memory(features), features, clicks((20.0, 30.0)), multimask=True)
    best = int(decoded.candidates.predicted_iou[0, 1:].argmax()) + 1
    assert torch.equal(decoded.logits[0, 0], decoded.candidates.logits[0, best])
    assert decoded.predicted_iou[0] == decoded.candidates.predicted_iou[0, best]
    assert torch.equal(decoded.pointer[0], model.obj_ptr_proj(decoded.candidates.tokens[0, best]))


def test_a_fallback_keeps_the_pointer_of_the_single_mask(model: Sam2, features: ImageFeatures) -> None:
    prompts = clicks((20.0, 30.0), (40.0, 30.0))
    decoded = model.decode(model.without_memory(features), features, prompts, multimask=False)
    assert not torch.equal(decoded.logits[0, 0], decoded.candidates.logits[0, 0])  # seeded masks are unstable
    assert torch.equal(decoded.pointer[0], model.obj_ptr_proj(decoded.candidates.tokens[0, 0]))


def test_earlier_mask_logits_change_the_mask(model: Sam2, features: ImageFeatures) -> None:
    conditioned, prompts = model.without_memory(features), clicks((20.0, 30.0), (40.0, 30.0))
    earlier = prompts._replace(mask_logits=torch.full((1, 1, 16, 16), 5.0))
    first = model.decode(conditioned, features, prompts, multimask=False)
    assert not torch.allclose(first.logits, model.decode(conditioned, features, earlier, multimask=False).logits)


@pytest.mark.parametrize("multimask", [True, False])
def test_padded_points_change_nothing(model: Sam2, features: ImageFeatures, multimask: bool) -> None:
    conditioned, prompts = model.without_memory(features), clicks((20.0, 30.0), (40.0, 30.0))
    filled_up = PromptTensors(
        torch.cat((prompts.points, torch.full((1, 5, 2), 50.0)), dim=1),
        torch.cat((prompts.labels, torch.full((1, 5), int(PointLabel.POSITIVE))), dim=1),
        valid=torch.arange(7)[None] < 2,
    )
    plain = model.decode(conditioned, features, prompts, multimask)
    filled = model.decode(conditioned, features, filled_up, multimask)
    assert torch.allclose(plain.candidates.logits, filled.candidates.logits, rtol=0, atol=1e-5)
    assert torch.allclose(plain.candidates.predicted_iou, filled.candidates.predicted_iou, rtol=0, atol=1e-5)
    assert torch.allclose(plain.pointer, filled.pointer, rtol=0, atol=1e-5)
    unmasked = model.decode(conditioned, features, filled_up._replace(valid=None), multimask)
    assert not torch.allclose(plain.pointer, unmasked.pointer, atol=1e-2)


def test_an_absent_object_has_no_mask_and_a_pointer_of_its_own(blind_model: Sam2) -> None:
    features = blind_model.encode_image(torch.zeros(1, 3, blind_model.config.image_size, blind_model.config.image_size))
    decoded = blind_model.decode(blind_model.without_memory(features), features, None, multimask=True)
    assert decoded.occlusion_score.item() < 0
    assert (decoded.logits == ABSENT_LOGIT).all()
    assert torch.equal(decoded.pointer, blind_model.no_obj_ptr)
    assert decoded.candidates.logits.abs().max() < 100  # what it would have looked like stays known


def test_a_mask_prompt_is_its_own_output(model: Sam2, features: ImageFeatures, square: torch.Tensor) -> None:
    decoded = model.decode_mask_prompt(features, square)
    assert torch.equal(decoded.logits > 0, square[..., ::4, ::4] > 0)
    assert decoded.logits[0, 0, 8, 5].item() == pytest.approx(10)
    assert decoded.logits[0, 0, 0, 15].item() == pytest.approx(-10)
    assert decoded.occlusion_score.item() == 10
    assert decoded.predicted_iou.item() == 1


def test_the_pointer_of_a_mask_depends_on_the_mask(model: Sam2, features: ImageFeatures, square: torch.Tensor) -> None:
    pointer = model.decode_mask_prompt(features, square).pointer
    assert not torch.allclose(pointer, model.decode_mask_prompt(features, square.flip(-1)).pointer, atol=1e-6)


def test_an_empty_mask_says_that_the_object_is_absent(model: Sam2, features: ImageFeatures) -> None:
    decoded = model.decode_mask_prompt(features, torch.zeros(1, 1, 64, 64))
    assert decoded.occlusion_score.item() == -10
    assert torch.equal(decoded.pointer, model.no_obj_ptr)


def test_the_memory_of_a_prompted_frame_is_of_the_binarised_mask(
    model: Sam2, features: ImageFeatures, square: torch.Tensor
) -> None:
    logits = square[..., ::4, ::4] * 2 - 1
    seen = torch.ones(1, 1)

    def write(scale: float, binarise: bool) -> torch.Tensor:
        return model.write_memory(features, scale * logits, seen, binarise)

    assert write(1, binarise=True).shape == (1, 16, 64)
    assert torch.equal(write(1, binarise=True), write(3, binarise=True))
    assert not torch.allclose(write(1, binarise=False), write(3, binarise=False), atol=1e-4)
    assert torch.allclose(write(100, binarise=False), write(1, binarise=True), atol=0.3)


def test_memories_without_the_object_are_marked_since_2_1(
    model: Sam2, older_model: Sam2, features: ImageFeatures
) -> None:
    logits = torch.full((2, 1, 16, 16), ABSENT_LOGIT)
    score = torch.tensor([[1.0], [-1.0]])
    seen, absent = model.write_memory(features, logits, score, binarise=False)
    assert model.no_obj_embed_spatial is not None
    assert torch.allclose(absent - seen, model.no_obj_embed_spatial.expand_as(seen), atol=1e-5)
    seen, absent = older_model.write_memory(features, logits, score, binarise=False)
    assert torch.equal(seen, absent)


def test_objects_in_a_batch_are_independent(model: Sam2, features: ImageFeatures) -> None:
    conditioned = torch.cat((features.stride16, features.stride16.flip(-1)))
    together = model.decode(conditioned, features, None, multimask=True)
    for i in range(2):
        alone = model.decode(conditioned[i : i + 1], features, None, multimask=True)
        assert torch.allclose(together.logits[i], alone.logits[0], atol=1e-5)
        assert torch.allclose(together.pointer[i], alone.pointer[0], atol=1e-5)


def test_what_is_predicted_before_the_masks_belongs_to_them(model: Sam2, features: ImageFeatures) -> None:
    prompts = PromptTensors(torch.rand(3, 1, 2) * 60, torch.ones(3, 1, dtype=torch.long))
    conditioned = model.without_memory(features)
    whole = model.candidates(conditioned, features, prompts)
    transformed = model.transform(conditioned, prompts)
    assert torch.equal(transformed.predicted_iou, whole.predicted_iou)
    assert torch.equal(transformed.occlusion_score, whole.occlusion_score)
    some = transformed.of(torch.tensor([2, 0]))
    assert torch.allclose(model.predict_masks(features, some), whole.logits[[2, 0]], atol=1e-5)


def test_an_image_that_objects_share_is_as_good_as_one_for_each(model: Sam2, features: ImageFeatures) -> None:
    prompts = PromptTensors(torch.rand(3, 1, 2) * 60, torch.ones(3, 1, dtype=torch.long))
    shared = model.without_memory(features)
    together = model.candidates(shared, features, prompts)
    each = model.candidates(shared.expand(3, -1, -1, -1), features, prompts)
    assert torch.allclose(together.logits, each.logits, atol=1e-4)
    assert torch.allclose(together.predicted_iou, each.predicted_iou, atol=1e-5)
