"""First weights for training from nothing: a network that already passes its memory on.

Drawn at random, every layer between a remembered mask and the answer hides it from the others, and a short training
is over before they have found together. So a few weights are laid out by hand, out of many drawn at random: rotary
attention looks at what is near, places match in the mask decoder, and one channel carries what a memory or a click
says of a place through to the answer. From the first step on the answer is a blurred copy of the last mask; training
makes it a good one.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..model import ModelConfig, PointLabel, Sam2
from ..model.config import STRIDE
from ..model.layers import Attention
from ..model.memory_encoder import ConvNextBlock

_LOOK_NEAR = 1.6  # bias of queries and keys in the channels that tell neighbouring tokens apart
_PLACE_GAIN = 1.4  # of the shared projection of queries and keys in the mask decoder
_CHANNEL = 0  # carries the mask everywhere
_READ = 8.0  # how loud the channel is read from memory, where others are about 1
_HEADS = 8  # of attention in the mask decoder
_COARSE = 0.3  # what the coarse frequencies of places are multiplied with
_POINT = 3.0  # the channel in the token of a click on the object or of a corner of its box
_HEARD = 2.0  # how loud the image hears it
_ANSWER = 3.0  # logits per unit of the channel
_THRESHOLD = 1.0  # of the channel, above which the answer is yes
_FEATURE_SHARE = 0.3  # of the image features in a memory, against the mask
_FEATURE_NOISE = 0.03  # their variance there
_MEMORY_LOGIT = 10.0


@torch.no_grad()
def first_model(config: ModelConfig, seed: int) -> Sam2:
    """A model whose weights are drawn from `seed`, with the path of the mask laid out."""
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
            _look_near(module)
        elif isinstance(module, Attention):
            _match_places(module)
    # Half of the places are told apart coarsely, so that the inside of a box is near its corners.
    frequencies = model.sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix
    frequencies[:, : frequencies.shape[1] // 2] *= _COARSE
    _write_mask_to_memory(model)
    _read_mask_from_memory(model)
    _mark_clicks(model)
    _answer_what_was_read(model)
    return model


def _look_near(attention: Attention) -> None:
    """Equal query and key biases make rotary attention a function of distance; only its high frequencies are local."""
    width = len(attention.q_proj.bias)
    high = torch.zeros(2, width // 4, 2)  # x and y, frequencies from the highest, pairs
    high[:, : width // 16] = 1
    bias = _LOOK_NEAR * high.flatten()
    attention.q_proj.bias.copy_(bias)
    attention.k_proj.bias.copy_(bias)


def _match_places(attention: Attention) -> None:
    """One projection for queries and keys: what has the same place matches best."""
    nn.init.orthogonal_(attention.q_proj.weight, gain=_PLACE_GAIN)
    attention.k_proj.weight.copy_(attention.q_proj.weight)


def _write_mask_to_memory(model: Sam2) -> None:
    """The channel of a memory is the covered share of each token, as well as a projection can tell among features."""
    encoder, weight = model.memory_encoder, model.get_parameter
    encoder.pix_feat_proj.weight.mul_(_FEATURE_SHARE)
    masks = _random_discs(model.config.image_size)
    made = encoder.mask_downsampler(masks * 2 * _MEMORY_LOGIT - _MEMORY_LOGIT).flatten(2).transpose(1, 2).flatten(0, 1)
    share = F.avg_pool2d(masks, STRIDE).flatten()
    middle = made.mean(dim=0)
    spread = (made - middle).T @ (made - middle) / len(made) + _FEATURE_NOISE * torch.eye(made.shape[1])
    projection = torch.linalg.solve(spread, (made - middle).T @ (share - share.mean()) / len(made))
    weight("memory_encoder.out_proj.weight")[_CHANNEL, :, 0, 0] = projection
    weight("memory_encoder.out_proj.bias")[_CHANNEL] = share.mean() - projection @ middle


def _random_discs(side: int) -> Tensor:
    """(64, 1, side, side) masks of ones and zeros, small to large."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    centre, radius = torch.rand(64, 2, 1, 1) * side, (0.03 + 0.3 * torch.rand(64, 1, 1)) * side
    inside = (x - centre[:, 0]) ** 2 + (y - centre[:, 1]) ** 2 < radius**2
    return inside.unsqueeze(1).float()


def _read_mask_from_memory(model: Sam2) -> None:
    """Memory attention adds the remembered channel to the conditioned one, and nothing else does."""
    weight = model.get_parameter
    for i in range(len(model.memory_attention.layers)):
        layer = f"memory_attention.layers.{i}"
        for linear in (
            *(f"{layer}.cross_attn_image.v_proj", f"{layer}.cross_attn_image.out_proj"),
            *(f"{layer}.self_attn.out_proj", f"{layer}.linear2"),
        ):
            weight(f"{linear}.weight")[_CHANNEL] = 0
        weight(f"{layer}.cross_attn_image.v_proj.weight")[_CHANNEL, _CHANNEL] = 1
        weight(f"{layer}.cross_attn_image.out_proj.weight")[_CHANNEL, _CHANNEL] = _READ
    for conv in ("image_encoder.neck.convs.0.conv", "image_encoder.neck.convs.1.conv"):
        weight(f"{conv}.weight")[_CHANNEL] = 0


def _mark_clicks(model: Sam2) -> None:
    """Every token of the mask decoder keeps to itself, and those of points tell the image around them what they are."""
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
        for name, loudness in ((f"{layer}.self_attn", 1.0), (f"{layer}.cross_attn_image_to_token", _HEARD)):
            value, out = weight(f"{name}.v_proj.weight"), weight(f"{name}.out_proj.weight")
            firsts = slice(None, None, len(value) // _HEADS)  # the first channel of every head
            value[firsts] = 0
            value[firsts, _CHANNEL] = 1
            out[_CHANNEL] = 0
            out[_CHANNEL, firsts] = loudness / _HEADS


def _answer_what_was_read(model: Sam2) -> None:
    """The upscaling passes the channel, once as it is and once negated, and every mask is their difference."""
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
        filters[plus], filters[minus] = _ANSWER, -_ANSWER
