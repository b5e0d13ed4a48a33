"""Prompts as tokens and maps."""

import pytest
import torch

from sam2_ros.model import PointLabel, PromptTensors, Sam2


def points(*labelled: tuple[int, float, float]) -> PromptTensors:
    places = torch.tensor([[(x, y) for _, x, y in labelled]])
    return PromptTensors(places, torch.tensor([[label for label, _, _ in labelled]]))


def test_a_click_is_encoded_at_the_centre_of_its_pixel_with_its_label(model: Sam2) -> None:
    encoder = model.sam_prompt_encoder
    tokens = encoder.encode_points(points((PointLabel.POSITIVE, 15.5, 31.5)))
    position = encoder.pe_layer(torch.tensor([16 / 64, 32 / 64]))
    positive = encoder.get_parameter("point_embeddings.1.weight")[0]
    assert torch.allclose(tokens[0, 0], position + positive, atol=1e-6)


@pytest.mark.parametrize("label", [label for label in PointLabel if label >= 0])
def test_every_label_has_its_own_embedding(model: Sam2, label: PointLabel) -> None:
    token = model.sam_prompt_encoder.encode_points(points((label, 3.0, 4.0)))[0, 0]
    others = [
        model.sam_prompt_encoder.encode_points(points((other, 3.0, 4.0)))[0, 0]
        for other in PointLabel
        if other != label
    ]
    assert all(not torch.equal(token, other) for other in others)


def test_padding_has_no_position(model: Sam2) -> None:
    encoder = model.sam_prompt_encoder
    tokens = encoder.encode_points(points((PointLabel.PADDING, 3.0, 4.0)))
    assert torch.equal(tokens[0, 0], encoder.not_a_point_embed.weight[0])


def test_a_padding_token_ends_every_prompt(model: Sam2) -> None:
    encoder = model.sam_prompt_encoder
    tokens = encoder.encode_points(points((PointLabel.POSITIVE, 3.0, 4.0), (PointLabel.NEGATIVE, 5.0, 6.0)))
    assert tokens.shape == (1, 3, 128)
    assert torch.equal(tokens[0, 2], encoder.not_a_point_embed.weight[0])


def test_no_points_are_two_padding_tokens(model: Sam2) -> None:
    tokens = model.sam_prompt_encoder.no_points(3)
    assert tokens.shape == (3, 2, 128)
    assert (tokens == model.sam_prompt_encoder.not_a_point_embed.weight).all()


def test_prompts_of_unequal_length_are_padded_without_effect_on_the_others(model: Sam2) -> None:
    encoder = model.sam_prompt_encoder
    one, padded = points((PointLabel.POSITIVE, 3.0, 4.0)), points((PointLabel.POSITIVE, 3.0, 4.0), (-1, 0.0, 0.0))
    assert torch.equal(encoder.encode_points(one)[:, :1], encoder.encode_points(padded)[:, :1])


def test_mask_logits_become_a_dense_embedding(model: Sam2) -> None:
    assert model.sam_prompt_encoder.encode_mask(torch.zeros(2, 1, 16, 16)).shape == (2, 128, 4, 4)


def test_no_mask_is_the_same_embedding_everywhere(model: Sam2) -> None:
    dense = model.sam_prompt_encoder.encode_mask(None)
    assert dense.shape == (1, 128, 4, 4)
    assert (dense == model.sam_prompt_encoder.no_mask_embed.weight[0][:, None, None]).all()


def test_some_objects_of_a_batch_may_have_no_mask_logits(model: Sam2) -> None:
    encoder, masks = model.sam_prompt_encoder, torch.full((2, 1, 16, 16), 5.0)
    dense = encoder.encode_mask(masks, torch.tensor([True, False]))
    assert torch.equal(dense[0], encoder.encode_mask(masks)[0])
    assert torch.equal(dense[1], encoder.encode_mask(None)[0])


def test_a_mask_alone_has_no_tokens(model: Sam2) -> None:
    prompts = PromptTensors(torch.empty(2, 0, 2), torch.empty(2, 0, dtype=torch.long), torch.zeros(2, 1, 16, 16))
    assert model.sam_prompt_encoder.encode_points(prompts).shape == (2, 0, model.config.width)
