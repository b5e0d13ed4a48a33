"""Initial weights for training from nothing: a network that already propagates a mask through its memory.

With purely random weights every layer between a memory and the predicted mask blocks the gradients of the others, and
a short training does not get past that. So a few weights are set: rotary attention attends to near tokens, equal
positions match in the mask decoder, and one channel carries the mask of a memory or the label of a click to the
prediction. Before the first step the prediction is a blurred copy of the last mask.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..model import ModelConfig, PointLabel, Sam2
from ..model.config import STRIDE
from ..model.layers import Attention
from ..model.memory_encoder import ConvNextBlock

_LOCALITY_BIAS = 1.6  # of queries and keys in the channels of high rotary frequencies
_MATCHING_GAIN = 1.4  # of the shared projection of queries and keys in the mask decoder
_CHANNEL = 0  # carries the mask through all layers
_MEMORY_GAIN = 8.0  # of the channel in the output of memory attention; other channels have about 1
_HEADS = 8  # of attention in the mask decoder
_COARSE = 0.3  # factor of the lower half of position frequencies
_POINT = 3.0  # value of the channel in the token of a positive click or a box corner
_PROMPT_GAIN = 2.0  # of the channel from tokens to the image
_LOGITS = 3.0  # mask logits per unit of the channel
_THRESHOLD = 1.0  # value of the channel with logit 0
_FEATURE_SHARE = 0.3  # scale of the image features in a memory, relative to the mask
_FEATURE_NOISE = 0.03  # their variance there
_MEMORY_LOGIT = 10.0


@torch.no_grad()
def initial_model(config: ModelConfig, seed: int) -> Sam2:
    """A model with random weights from `seed` that propagates a mask through its memory."""
    torch.manual_seed(seed)
    model = Sam2(config)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, ConvNextBlock):
            nn.init.constant_(module.gamma, 0.1)
    nn.init.trunc_normal_(model.image_encoder.trunk.pos_embed, std=0.02)
    nn.init.trunc_normal_(model.image_encoder.trunk.pos_embed_window, std=0.02)
    for name, module in model.named_modules():
        if isinstance(module, Attention) and name.startswith("memory_attention."):
            _attend_locally(module)
        elif isinstance(module, Attention):
            _match_positions(module)
    # Lower frequencies in half of the position encoding: the inside of a box is similar to its corners.
    frequencies = model.sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix
    frequencies[:, : frequencies.shape[1] // 2] *= _COARSE
    _write_mask_to_memory(model)
    _read_mask_from_memory(model)
    _propagate_prompts(model)
    _predict_memory_channel(model)
    return model


def _attend_locally(attention: Attention) -> None:
    """Equal biases of queries and keys make rotary attention a function of distance; high frequencies make it local."""
    width = len(attention.q_proj.bias)
    high = torch.zeros(2, width // 4, 2)  # x and y, frequencies from the highest, pairs
    high[:, : width // 16] = 1
    bias = _LOCALITY_BIAS * high.flatten()
    attention.q_proj.bias.copy_(bias)
    attention.k_proj.bias.copy_(bias)


def _match_positions(attention: Attention) -> None:
    """One projection for queries and keys: tokens of the same position match best."""
    nn.init.orthogonal_(attention.q_proj.weight, gain=_MATCHING_GAIN)
    attention.k_proj.weight.copy_(attention.q_proj.weight)


def _write_mask_to_memory(model: Sam2) -> None:
    """Set the memory's channel to the covered share of each token, by linear regression over random discs."""
    encoder, weight = model.memory_encoder, model.get_parameter
    encoder.pix_feat_proj.weight.mul_(_FEATURE_SHARE)
    masks = _random_discs(model.config.image_size)
    logits = masks * 2 * _MEMORY_LOGIT - _MEMORY_LOGIT
    embedded = encoder.mask_downsampler(logits).flatten(2).transpose(1, 2).flatten(0, 1)
    share = F.avg_pool2d(masks, STRIDE).flatten()
    mean = embedded.mean(dim=0)
    spread = (embedded - mean).T @ (embedded - mean) / len(embedded) + _FEATURE_NOISE * torch.eye(embedded.shape[1])
    projection = torch.linalg.solve(spread, (embedded - mean).T @ (share - share.mean()) / len(embedded))
    weight("memory_encoder.out_proj.weight")[_CHANNEL, :, 0, 0] = projection
    weight("memory_encoder.out_proj.bias")[_CHANNEL] = share.mean() - projection @ mean


def _random_discs(side: int) -> Tensor:
    """(64, 1, side, side) masks of ones and zeros, small to large."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    centre, radius = torch.rand(64, 2, 1, 1) * side, (0.03 + 0.3 * torch.rand(64, 1, 1)) * side
    inside = (x - centre[:, 0]) ** 2 + (y - centre[:, 1]) ** 2 < radius**2
    return inside.unsqueeze(1).float()


def _read_mask_from_memory(model: Sam2) -> None:
    """Memory attention adds the channel of memory to that of the features; all other paths leave it alone."""
    weight = model.get_parameter
    for i in range(len(model.memory_attention.layers)):
        layer = f"memory_attention.layers.{i}"
        for linear in (
            *(f"{layer}.cross_attn_image.v_proj", f"{layer}.cross_attn_image.out_proj"),
            *(f"{layer}.self_attn.out_proj", f"{layer}.linear2"),
        ):
            weight(f"{linear}.weight")[_CHANNEL] = 0
        weight(f"{layer}.cross_attn_image.v_proj.weight")[_CHANNEL, _CHANNEL] = 1
        weight(f"{layer}.cross_attn_image.out_proj.weight")[_CHANNEL, _CHANNEL] = _MEMORY_GAIN
    for lateral in ("image_encoder.neck.convs.0.conv", "image_encoder.neck.convs.1.conv"):
        weight(f"{lateral}.weight")[_CHANNEL] = 0


def _propagate_prompts(model: Sam2) -> None:
    """Tokens of clicks and box corners add their label to the channel of the image around them."""
    prompts, decoder, weight = model.sam_prompt_encoder, model.sam_mask_decoder, model.get_parameter
    for token in (
        *(decoder.obj_score_token, decoder.iou_token, decoder.mask_tokens, prompts.not_a_point_embed),
        *prompts.point_embeddings,
    ):
        nn.init.normal_(token.weight)
        token.weight[:, _CHANNEL] = 0
    for label in PointLabel:
        if label is not PointLabel.PADDING:
            prompts.point_embeddings[label].get_parameter("weight")[0, _CHANNEL] = (
                -_POINT if label is PointLabel.NEGATIVE else _POINT
            )
    for i in range(len(decoder.transformer.layers)):
        layer = f"sam_mask_decoder.transformer.layers.{i}"
        weight(f"{layer}.cross_attn_token_to_image.out_proj.weight")[_CHANNEL] = 0
        weight(f"{layer}.mlp.layers.1.weight")[_CHANNEL] = 0
        for name, gain in ((f"{layer}.self_attn", 1.0), (f"{layer}.cross_attn_image_to_token", _PROMPT_GAIN)):
            value, out = weight(f"{name}.v_proj.weight"), weight(f"{name}.out_proj.weight")
            firsts = slice(None, None, len(value) // _HEADS)  # the first channel of every head
            value[firsts] = 0
            value[firsts, _CHANNEL] = 1
            out[_CHANNEL] = 0
            out[_CHANNEL, firsts] = gain / _HEADS


def _predict_memory_channel(model: Sam2) -> None:
    """Upscaling passes the channel on, once as it is and once negated; every mask is their difference."""
    weight = model.get_parameter
    plus, minus = _CHANNEL, _CHANNEL + 1
    for layer in ("output_upscaling.0", "output_upscaling.3"):
        weight(f"sam_mask_decoder.{layer}.weight")[:, [plus, minus]] = 0
        weight(f"sam_mask_decoder.{layer}.bias")[[plus, minus]] = 0
    for layer in ("conv_s1", "conv_s0"):
        weight(f"sam_mask_decoder.{layer}.weight")[[plus, minus]] = 0
        weight(f"sam_mask_decoder.{layer}.bias")[[plus, minus]] = 0
    half, fine = (weight(f"sam_mask_decoder.output_upscaling.{i}.weight") for i in (0, 3))
    half[_CHANNEL, plus] = 1
    half[_CHANNEL, minus] = -1
    weight("sam_mask_decoder.output_upscaling.0.bias")[plus] = -_THRESHOLD
    weight("sam_mask_decoder.output_upscaling.0.bias")[minus] = _THRESHOLD
    fine[plus, plus] = fine[minus, minus] = 1
    fine[minus, plus] = fine[plus, minus] = -1
    for i in range(len(model.sam_mask_decoder.output_hypernetworks_mlps)):
        filters = weight(f"sam_mask_decoder.output_hypernetworks_mlps.{i}.layers.2.bias")
        filters[plus], filters[minus] = _LOGITS, -_LOGITS
