"""Names of parameters in the checkpoints that people have, translated to the official ones.

Wrappers (DistributedDataParallel, torch.compile, Lightning, ...) put components before or between the names.
Hugging Face Transformers and earlier versions of this package have names of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

_WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
UNUSED = "no_mem_pos_enc"  # in every official checkpoint, used by nothing in SAM 2

# One parameter by which each kind of checkpoint is recognised.
OFFICIAL_KEY = "image_encoder.trunk.pos_embed"
_HUGGING_FACE_KEY = "vision_encoder.backbone.pos_embed"
_FORMER_KEY = "trunk.position"

_Rules = tuple[tuple[str, str], ...]

_HEADS = r"object_pointer_proj|mask_decoder\.(?:output_hypernetworks_mlps\.\d|iou_prediction_head|pred_obj_score_head)"

# Substitutions, applied one after the other.
_HUGGING_FACE: _Rules = (
    (r"^vision_encoder\.backbone\.", "image_encoder.trunk."),
    (r"^vision_encoder\.neck\.convs\.(\d)", r"image_encoder.neck.convs.\1.conv"),
    (r"\.patch_embed\.projection\.", ".patch_embed.proj."),
    (r"\.mlp\.proj_in\.", ".mlp.layers.0."),
    (r"\.mlp\.proj_out\.", ".mlp.layers.1."),
    # Heads of three layers
    (rf"^({_HEADS})\.layers\.0\.(weight|bias)$", r"\1.layers.1.\2"),
    (rf"^({_HEADS})\.proj_in\.", r"\1.layers.0."),
    (rf"^({_HEADS})\.proj_out\.", r"\1.layers.2."),
    (r"\.o_proj\.", ".out_proj."),
    (r"^mask_decoder\.upscale_conv1\.", "mask_decoder.output_upscaling.0."),
    (r"^mask_decoder\.upscale_layer_norm\.", "mask_decoder.output_upscaling.1."),
    (r"^mask_decoder\.upscale_conv2\.", "mask_decoder.output_upscaling.3."),
    (r"^mask_decoder\.", "sam_mask_decoder."),
    (r"^prompt_encoder\.shared_embedding\.positional_embedding$", "pe_layer.positional_encoding_gaussian_matrix"),
    (r"^pe_layer\.", "sam_prompt_encoder.pe_layer."),
    (r"^prompt_encoder\.mask_embed\.conv1\.", "prompt_encoder.mask_downscaling.0."),
    (r"^prompt_encoder\.mask_embed\.layer_norm1\.", "prompt_encoder.mask_downscaling.1."),
    (r"^prompt_encoder\.mask_embed\.conv2\.", "prompt_encoder.mask_downscaling.3."),
    (r"^prompt_encoder\.mask_embed\.layer_norm2\.", "prompt_encoder.mask_downscaling.4."),
    (r"^prompt_encoder\.mask_embed\.conv3\.", "prompt_encoder.mask_downscaling.6."),
    (r"^prompt_encoder\.", "sam_prompt_encoder."),
    (r"^memory_encoder\.mask_downsampler\.final_conv\.", "memory_encoder.mask_downsampler.encoder.12."),
    *(
        (rf"\.mask_downsampler\.layers\.{i}\.{name}\.", f".mask_downsampler.encoder.{3 * i + offset}.")
        for i in range(4)
        for offset, name in enumerate(("conv", "layer_norm"))
    ),
    (r"^memory_encoder\.feature_projection\.", "memory_encoder.pix_feat_proj."),
    (r"^memory_encoder\.projection\.", "memory_encoder.out_proj."),
    (r"^memory_encoder\.memory_fuser\.", "memory_encoder.fuser."),
    (r"\.depthwise_conv\.", ".dwconv."),
    (r"\.pointwise_conv(\d)\.", r".pwconv\1."),
    (r"^(memory_encoder\.fuser\.layers\.\d)\.scale$", r"\1.gamma"),
    (r"\.layer_norm_final_attn\.", ".norm_final_attn."),
    (r"\.layer_norm(\d?)\.", r".norm\1."),
    (r"^object_pointer_proj\.", "obj_ptr_proj."),
    (r"^no_object_pointer$", "no_obj_ptr"),
    (r"^no_memory_embedding$", "no_mem_embed"),
    (r"^no_memory_positional_encoding$", UNUSED),
    (r"^memory_temporal_positional_encoding$", "maskmem_tpos_enc"),
    (r"^temporal_positional_encoding_projection_layer\.", "obj_ptr_tpos_proj."),
    (r"^occlusion_spatial_embedding_parameter$", "no_obj_embed_spatial"),
)

# Weights that this package saved before its parameters had the official names
_FORMER: _Rules = (
    (r"\.query\.", ".q_proj."),
    (r"\.key\.", ".k_proj."),
    (r"\.value\.", ".v_proj."),
    (r"^trunk\.", "image_encoder.trunk."),
    (r"\.patches\.", ".patch_embed.proj."),
    (r"\.trunk\.position$", ".trunk.pos_embed"),
    (r"\.window_position$", ".pos_embed_window"),
    (r"\.attention\.qkv\.", ".attn.qkv."),
    (r"\.attention\.out\.", ".attn.proj."),
    (r"\.widen\.", ".proj."),
    *((rf"^neck\.lateral\.{i}\.", f"image_encoder.neck.convs.{3 - i}.conv.") for i in range(4)),
    (r"^neck\.to_half\.", "sam_mask_decoder.conv_s1."),
    (r"^neck\.to_fine\.", "sam_mask_decoder.conv_s0."),
    (r"^memory_encoder\.out\.", "memory_encoder.out_proj."),
    (r"\.out\.", ".out_proj."),
    (r"^memory_attention\.time$", "maskmem_tpos_enc"),
    (r"^memory_attention\.pointer_time\.", "obj_ptr_tpos_proj."),
    (r"\.within\.", ".self_attn."),
    (r"\.to_memory\.", ".cross_attn_image."),
    (r"^(memory_attention\.layers\.\d)\.expand\.", r"\1.linear1."),
    (r"^(memory_attention\.layers\.\d)\.shrink\.", r"\1.linear2."),
    (r"^prompt_encoder\.position\.frequencies$", "pe_layer.positional_encoding_gaussian_matrix"),
    (r"^pe_layer\.", "sam_prompt_encoder.pe_layer."),
    (r"^prompt_encoder\.kinds\.(\d)$", r"sam_prompt_encoder.point_embeddings.\1.weight"),
    (r"^prompt_encoder\.padding$", "sam_prompt_encoder.not_a_point_embed.weight"),
    (r"^prompt_encoder\.no_mask$", "sam_prompt_encoder.no_mask_embed.weight"),
    (r"^prompt_encoder\.mask\.", "sam_prompt_encoder.mask_downscaling."),
    (r"^mask_decoder\.occlusion_token$", "sam_mask_decoder.obj_score_token.weight"),
    (r"^mask_decoder\.(iou_token|mask_tokens)$", r"sam_mask_decoder.\1.weight"),
    (r"\.among_tokens\.", ".self_attn."),
    (r"\.to_image\.", ".cross_attn_token_to_image."),
    (r"\.from_image\.", ".cross_attn_image_to_token."),
    (r"^mask_decoder\.layers\.", "sam_mask_decoder.transformer.layers."),
    (r"^mask_decoder\.last_look\.", "sam_mask_decoder.transformer.final_attn_token_to_image."),
    (r"^mask_decoder\.norm\.", "sam_mask_decoder.transformer.norm_final_attn."),
    (r"^mask_decoder\.to_half\.", "sam_mask_decoder.output_upscaling.0."),
    (r"^mask_decoder\.half_norm\.", "sam_mask_decoder.output_upscaling.1."),
    (r"^mask_decoder\.to_fine\.", "sam_mask_decoder.output_upscaling.3."),
    (r"^mask_decoder\.mask_heads\.", "sam_mask_decoder.output_hypernetworks_mlps."),
    (r"^mask_decoder\.iou_head\.", "sam_mask_decoder.iou_prediction_head."),
    (r"^mask_decoder\.occlusion_head\.", "sam_mask_decoder.pred_obj_score_head."),
    (r"^memory_encoder\.mask\.", "memory_encoder.mask_downsampler.encoder."),
    (r"^memory_encoder\.features\.", "memory_encoder.pix_feat_proj."),
    (r"^memory_encoder\.fuse\.", "memory_encoder.fuser.layers."),
    (r"(fuser\.layers\.\d)\.spatial\.", r"\1.dwconv."),
    (r"(fuser\.layers\.\d)\.expand\.", r"\1.pwconv1."),
    (r"(fuser\.layers\.\d)\.shrink\.", r"\1.pwconv2."),
    (r"(fuser\.layers\.\d)\.scale$", r"\1.gamma"),
    (r"^pointer\.layers\.", "obj_ptr_proj.layers."),
    (r"^absent_pointer$", "no_obj_ptr"),
    (r"^no_memory$", "no_mem_embed"),
    (r"^mask_to_logits\.", "mask_downsample."),
    (r"^absent_memory$", "no_obj_embed_spatial"),
)


def is_sam2(names: Iterable[object]) -> bool:
    """Whether these are names of parameters of SAM 2, of any of the kinds that `official_names` translates."""
    return any(_prefix(_unwrapped(name)) is not None for name in names if isinstance(name, str))


def official_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of SAM 2 by the official names. Names that are not known are kept."""
    named = {_unwrapped(name): value for name, value in weights.items()}
    # What is outside of the prefix belongs to other modules, such as a loss.
    prefix = min((found for name in named if (found := _prefix(name)) is not None), key=len, default="")
    named = {name.removeprefix(prefix): value for name, value in named.items() if name.startswith(prefix)}
    if _HUGGING_FACE_KEY in named:
        named = _from_hugging_face(named)
    elif _FORMER_KEY in named:
        named = _renamed(named, _FORMER)
    named.pop(UNUSED, None)
    return named


def _from_hugging_face(named: dict[str, Tensor]) -> dict[str, Tensor]:
    named = _renamed(named, _HUGGING_FACE)
    named.pop("shared_image_embedding.positional_embedding", None)  # the same as the prompt encoder's
    points = named.pop("sam_prompt_encoder.point_embed.weight", None)
    for label, embedding in enumerate(() if points is None else points.split(1)):
        named[f"sam_prompt_encoder.point_embeddings.{label}.weight"] = embedding
    return named


def _unwrapped(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in _WRAPPERS)


def _prefix(name: str) -> str | None:
    """What is before one of the keys by which a checkpoint is recognised, None where there is none."""
    for key in (OFFICIAL_KEY, _HUGGING_FACE_KEY, _FORMER_KEY):
        if name == key or name.endswith("." + key):
            return name.removesuffix(key)
    return None


def _renamed(named: Mapping[str, Tensor], rules: _Rules) -> dict[str, Tensor]:
    result = {}
    for name, value in named.items():
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        result[name] = value
    return result
