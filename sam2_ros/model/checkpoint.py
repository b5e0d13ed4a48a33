"""Weights in and out: official SAM 2 checkpoints by one table of names, our own as safetensors."""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from .config import named_config
from .download import DOWNLOADS, cached_path
from .sam2 import Sam2

BUNDLED = Path(__file__).parent.parent / "weights"

_DECODER = "sam_mask_decoder.transformer"


def _attention(ours: str, theirs: str) -> list[tuple[str, str]]:
    parts = (("query", "q_proj"), ("key", "k_proj"), ("value", "v_proj"), ("out", "out_proj"))
    return [(f"{ours}.{a}", f"{theirs}.{b}") for a, b in parts]


# Ours on the left, the official checkpoints' on the right; {} is a number.
_NAMES: tuple[tuple[str, str], ...] = (
    ("trunk.patches", "image_encoder.trunk.patch_embed.proj"),
    ("trunk.position", "image_encoder.trunk.pos_embed"),
    ("trunk.window_position", "image_encoder.trunk.pos_embed_window"),
    ("trunk.blocks.{}.norm1", "image_encoder.trunk.blocks.{}.norm1"),
    ("trunk.blocks.{}.norm2", "image_encoder.trunk.blocks.{}.norm2"),
    ("trunk.blocks.{}.attention.qkv", "image_encoder.trunk.blocks.{}.attn.qkv"),
    ("trunk.blocks.{}.attention.out", "image_encoder.trunk.blocks.{}.attn.proj"),
    ("trunk.blocks.{}.mlp.layers.{}", "image_encoder.trunk.blocks.{}.mlp.layers.{}"),
    ("trunk.blocks.{}.widen", "image_encoder.trunk.blocks.{}.proj"),
    ("neck.lateral.0", "image_encoder.neck.convs.3.conv"),
    ("neck.lateral.1", "image_encoder.neck.convs.2.conv"),
    ("neck.lateral.2", "image_encoder.neck.convs.1.conv"),
    ("neck.lateral.3", "image_encoder.neck.convs.0.conv"),
    ("neck.to_half", "sam_mask_decoder.conv_s1"),
    ("neck.to_fine", "sam_mask_decoder.conv_s0"),
    ("memory_attention.time", "maskmem_tpos_enc"),
    ("memory_attention.pointer_time", "obj_ptr_tpos_proj"),
    ("memory_attention.norm", "memory_attention.norm"),
    *_attention("memory_attention.layers.{}.within", "memory_attention.layers.{}.self_attn"),
    *_attention("memory_attention.layers.{}.to_memory", "memory_attention.layers.{}.cross_attn_image"),
    ("memory_attention.layers.{}.norm1", "memory_attention.layers.{}.norm1"),
    ("memory_attention.layers.{}.norm2", "memory_attention.layers.{}.norm2"),
    ("memory_attention.layers.{}.norm3", "memory_attention.layers.{}.norm3"),
    ("memory_attention.layers.{}.expand", "memory_attention.layers.{}.linear1"),
    ("memory_attention.layers.{}.shrink", "memory_attention.layers.{}.linear2"),
    (
        "prompt_encoder.position.frequencies",
        "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
    ),
    ("prompt_encoder.kinds.{}", "sam_prompt_encoder.point_embeddings.{}.weight"),
    ("prompt_encoder.padding", "sam_prompt_encoder.not_a_point_embed.weight"),
    ("prompt_encoder.no_mask", "sam_prompt_encoder.no_mask_embed.weight"),
    ("prompt_encoder.mask.{}", "sam_prompt_encoder.mask_downscaling.{}"),
    ("mask_decoder.occlusion_token", "sam_mask_decoder.obj_score_token.weight"),
    ("mask_decoder.iou_token", "sam_mask_decoder.iou_token.weight"),
    ("mask_decoder.mask_tokens", "sam_mask_decoder.mask_tokens.weight"),
    *_attention("mask_decoder.layers.{}.among_tokens", f"{_DECODER}.layers.{{}}.self_attn"),
    *_attention("mask_decoder.layers.{}.to_image", f"{_DECODER}.layers.{{}}.cross_attn_token_to_image"),
    *_attention("mask_decoder.layers.{}.from_image", f"{_DECODER}.layers.{{}}.cross_attn_image_to_token"),
    ("mask_decoder.layers.{}.norm1", f"{_DECODER}.layers.{{}}.norm1"),
    ("mask_decoder.layers.{}.norm2", f"{_DECODER}.layers.{{}}.norm2"),
    ("mask_decoder.layers.{}.norm3", f"{_DECODER}.layers.{{}}.norm3"),
    ("mask_decoder.layers.{}.norm4", f"{_DECODER}.layers.{{}}.norm4"),
    ("mask_decoder.layers.{}.mlp.layers.{}", f"{_DECODER}.layers.{{}}.mlp.layers.{{}}"),
    *_attention("mask_decoder.last_look", f"{_DECODER}.final_attn_token_to_image"),
    ("mask_decoder.norm", f"{_DECODER}.norm_final_attn"),
    ("mask_decoder.to_half", "sam_mask_decoder.output_upscaling.0"),
    ("mask_decoder.half_norm", "sam_mask_decoder.output_upscaling.1"),
    ("mask_decoder.to_fine", "sam_mask_decoder.output_upscaling.3"),
    ("mask_decoder.mask_heads.{}.layers.{}", "sam_mask_decoder.output_hypernetworks_mlps.{}.layers.{}"),
    ("mask_decoder.iou_head.layers.{}", "sam_mask_decoder.iou_prediction_head.layers.{}"),
    ("mask_decoder.occlusion_head.layers.{}", "sam_mask_decoder.pred_obj_score_head.layers.{}"),
    ("memory_encoder.mask.{}", "memory_encoder.mask_downsampler.encoder.{}"),
    ("memory_encoder.features", "memory_encoder.pix_feat_proj"),
    ("memory_encoder.fuse.{}.spatial", "memory_encoder.fuser.layers.{}.dwconv"),
    ("memory_encoder.fuse.{}.norm", "memory_encoder.fuser.layers.{}.norm"),
    ("memory_encoder.fuse.{}.expand", "memory_encoder.fuser.layers.{}.pwconv1"),
    ("memory_encoder.fuse.{}.shrink", "memory_encoder.fuser.layers.{}.pwconv2"),
    ("memory_encoder.fuse.{}.scale", "memory_encoder.fuser.layers.{}.gamma"),
    ("memory_encoder.out", "memory_encoder.out_proj"),
    ("pointer.layers.{}", "obj_ptr_proj.layers.{}"),
    ("absent_pointer", "no_obj_ptr"),
    ("no_memory", "no_mem_embed"),
    ("mask_to_logits", "mask_downsample"),
    ("absent_memory", "no_obj_embed_spatial"),
)
# In every official checkpoint, read by nothing in SAM 2.
UNUSED_OFFICIAL = "no_mem_pos_enc"


class CheckpointError(RuntimeError):
    """Weights that cannot be used; the message says why and what to do."""


def load_model(
    name: str,
    checkpoint: str | os.PathLike[str] | None = None,
    image_size: int | None = None,
    device: str | torch.device = "cpu",
) -> Sam2:
    """The named model with its weights, ready to track.

    `checkpoint` is an official .pt file or a .safetensors file of ours; without it the bundled weights or the
    downloaded official ones are taken. Raises ValueError for an unknown name or size, CheckpointError for
    weights that are missing, damaged or of another model, TypeError for arguments of another type.
    """
    _check_places(checkpoint, device)
    model = Sam2(named_config(name, image_size))
    path = Path(checkpoint).expanduser() if checkpoint else _default_path(name)
    load_weights(model, read_checkpoint(path), path)
    return model.to(device).eval().requires_grad_(False)


def _check_places(checkpoint: str | os.PathLike[str] | None, device: str | torch.device) -> None:
    """Raises TypeError for a checkpoint that is no path, ValueError for a device that PyTorch does not know."""
    if checkpoint is not None and not isinstance(checkpoint, (str, os.PathLike)):
        raise TypeError(f"checkpoint is a {type(checkpoint).__name__}, expected the path of a file, or None")
    try:
        torch.device(device)
    except (RuntimeError, TypeError):
        raise ValueError(f"device is {device!r}, expected cpu, cuda or cuda:N") from None


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, by our own names; nothing in the file is executed."""
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path} does not exist, expected a .pt or .safetensors file")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise CheckpointError(
            f"checkpoint {path} cannot be read ({type(error).__name__}: {_first_line(error)}); it is damaged, cut "
            "off or not a checkpoint: delete it and fetch it again with `sam2_ros download`"
        ) from error
    weights = content.get("model") if isinstance(content, dict) else None
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise CheckpointError(f"checkpoint {path} has no state dict under 'model', as official ones have")
    return from_official(weights)


def load_weights(model: Sam2, weights: dict[str, Tensor], origin: object) -> None:
    """Copy weights into a model.

    Raises CheckpointError naming every key that is missing, unexpected or of another shape.
    """
    expected = model.state_dict()
    problems = [f"missing {key}" for key in expected.keys() - weights.keys()]
    problems += [f"unexpected {key}" for key in weights.keys() - expected.keys()]
    problems += [
        f"{key} has shape {tuple(weights[key].shape)}, expected {tuple(expected[key].shape)}"
        for key in expected.keys() & weights.keys()
        if weights[key].shape != expected[key].shape
    ]
    if problems:
        listing = "\n  ".join(sorted(problems))
        raise CheckpointError(
            f"checkpoint {origin} does not fit model {model.config.name} ({len(problems)} differences); name the "
            f"model that it was made for:\n  {listing}"
        )
    model.load_state_dict({key: value.float() for key, value in weights.items()})


def save_weights(model: Sam2, path: Path, dtype: torch.dtype = torch.float16) -> None:
    """Write a .safetensors file; the old file survives until the new one is complete."""
    weights = {key: value.detach().to("cpu", dtype).contiguous() for key, value in model.state_dict().items()}
    partial = path.with_suffix(".partial")
    save_file(weights, partial, metadata={"model": model.config.name})
    partial.replace(path)


def from_official(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """An official state dict by our names; names that the table lacks stay, for strict loading to report."""
    return {_renamed(key, _FROM_OFFICIAL): value for key, value in weights.items() if key != UNUSED_OFFICIAL}


def to_official(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `from_official`, but for what the official network carries and never reads."""
    return {_renamed(key, _TO_OFFICIAL): value for key, value in weights.items()}


def _rules(pairs: Iterable[tuple[str, str]]) -> list[tuple[re.Pattern[str], str]]:
    """A pattern for each name of the first kind, with a template of the second."""
    number, ending = r"(\d+)", r"((?:\.weight|\.bias)?)"
    return [
        (re.compile(re.escape(a).replace(r"\{\}", number) + ending), b.replace("{}", "%s") + "%s") for a, b in pairs
    ]


_TO_OFFICIAL = _rules(_NAMES)
_FROM_OFFICIAL = _rules((theirs, ours) for ours, theirs in _NAMES)


def _renamed(key: str, rules: list[tuple[re.Pattern[str], str]]) -> str:
    for pattern, template in rules:
        if match := pattern.fullmatch(key):
            return template % match.groups()
    return key


def _default_path(name: str) -> Path:
    bundled = BUNDLED / f"{name}.safetensors"
    if bundled.is_file() or name not in DOWNLOADS:
        return bundled
    path = cached_path(name)
    if not path.is_file():
        raise CheckpointError(
            f"no weights for {name}: expected {path}; fetch them with `sam2_ros download {name}`, or give the path "
            "of a checkpoint"
        )
    return path


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]
