"""The reference on the scenarios: a checkout of facebookresearch/sam2, run by its own builder and video predictor."""

from __future__ import annotations

import dataclasses
import importlib
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..model import ModelConfig, PromptTensors, Sam2
from ..model.checkpoint_names import UNUSED
from ..tracking import Prompt
from .images import ImageOutput, ImageOutputs, answer, image_prompts
from .ours import EncodeOnce
from .scenarios import MODULE_FRAME, Action, FrameOutput, ModuleInputs, Scenario, VideoOutputs
from .torchvision_stand_in import ensure_torchvision

_LETTERS = {"tiny": "t", "small": "s", "base_plus": "b+", "large": "l"}
# What its builder adds for the video predictor, except for filling holes in masks, which we do not.
_POSTPROCESSING = (
    "++model.sam_mask_decoder_extra_args.dynamic_multimask_via_stability=true",
    "++model.sam_mask_decoder_extra_args.dynamic_multimask_stability_delta=0.05",
    "++model.sam_mask_decoder_extra_args.dynamic_multimask_stability_thresh=0.98",
    "++model.binarize_mask_from_pts_for_mem_enc=true",
)


class Reference:
    """One model of the reference; on a GPU built with `vos_optimized`, which compiles at first use."""

    def __init__(self, checkout: Path, config: ModelConfig, device: str = "cpu") -> None:
        """Raises ValueError where there is no checkout, or a library that it needs is missing."""
        overrides = [*_POSTPROCESSING, f"++model.image_size={config.image_size}"]
        size = config.name.rpartition("hiera_")[2]
        if size not in _LETTERS:
            size = "tiny"
            overrides += _dimensions(config)
        builder = _import(checkout)
        self._model = builder.build_sam2_video_predictor(
            _yaml(config.version, size),
            device=device,
            apply_postprocessing=False,
            vos_optimized=device.startswith("cuda"),
            hydra_overrides_extra=overrides,
        )
        self._model.forward_image = EncodeOnce(self._model.forward_image)
        self._model.requires_grad_(False)

    def load(self, model: Sam2) -> None:
        """Load all weights of our model."""
        self._model.load_state_dict({**model.state_dict(), UNUSED: self._model.state_dict()[UNUSED]})

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes by the keys of its state dict."""
        return {key: tuple(value.shape) for key, value in self._model.state_dict().items()}

    @torch.inference_mode()
    def track(self, scenario: Scenario) -> VideoOutputs:
        """Run a scenario through the video predictor."""
        state = self._state([image[0] for image in scenario.images], (scenario.image_size, scenario.image_size))
        self._model.add_all_frames_to_correct_as_cond = scenario.corrections_are_prompted
        following = 0
        for moment in sorted({action.moment for action in scenario.actions}):
            if moment > 0:
                self._propagate(state, following, moment)
                following = min(action.frame for action in scenario.applied_at(moment)) + 1
            for action in scenario.applied_at(moment):
                self._prompt(state, action)
        self._propagate(state, following, len(scenario.images) - 1)
        return _outputs(state)

    def _state(self, images: Sequence[Tensor], size: tuple[int, int]) -> dict[str, Any]:
        """Before the first prompt, from images (3, S, S) of frames of `size` (H, W)."""
        module: Any = importlib.import_module("sam2.sam2_video_predictor")
        # Frames are given, not read from a folder of JPEG files; and its progress bars would hide ours.
        module.load_video_frames = lambda **_: (images, *size)
        module.tqdm = _quiet
        state: dict[str, Any] = self._model.init_state("")
        # In short videos, the reference scales the age of pointers by their length; a stream has no length.
        state["num_frames"] = len(images) + self._model.max_obj_ptrs_in_encoder
        return state

    def _propagate(self, state: dict[str, Any], first: int, last: int) -> None:
        for _ in self._model.propagate_in_video(state, first, last - first):
            pass

    def _prompt(self, state: dict[str, Any], action: Action) -> None:
        prompt = action.prompt
        if prompt.mask is not None:
            self._model.add_new_mask(state, action.frame, action.object, torch.from_numpy(prompt.mask))
            return
        self._model.add_new_points_or_box(
            state,
            action.frame,
            action.object,
            [[click.x, click.y] for click in prompt.clicks] or None,
            [int(click.positive) for click in prompt.clicks] or None,
            clear_old_points=prompt.box is not None,
            box=prompt.box and dataclasses.astuple(prompt.box),
        )

    @torch.inference_mode()
    def images(self, rgb: np.ndarray) -> ImageOutputs:
        """Run `image_prompts` on an image (H, W, 3) uint8 through its image predictor."""
        predictor = self._fitted(self._module("sam2_image_predictor").SAM2ImagePredictor(self._model))
        predictor.set_image(rgb)

        def predict(prompt: Prompt, logits: np.ndarray | None, multimask: bool) -> ImageOutput:
            masks, predicted_iou, low_resolution = predictor.predict(
                np.array([[click.x, click.y] for click in prompt.clicks]) if prompt.clicks else None,
                np.array([int(click.positive) for click in prompt.clicks]) if prompt.clicks else None,
                np.array(dataclasses.astuple(prompt.box)) if prompt.box else None,
                None if logits is None else logits[None],
                multimask,
            )
            return ImageOutput(masks > 0, predicted_iou, low_resolution)

        return answer(predict, image_prompts(rgb.shape[:2]))

    @torch.inference_mode()
    def segments(self, rgb: np.ndarray, settings: dict[str, Any]) -> list[dict[str, Any]]:
        """What its mask generator finds in an image (H, W, 3) uint8, without masks of no pixel."""
        generator = self._module("automatic_mask_generator").SAM2AutomaticMaskGenerator(self._model, **settings)
        self._fitted(generator.predictor)
        return [segment for segment in generator.generate(rgb) if segment["area"]]

    def _module(self, name: str) -> Any:
        ensure_torchvision()
        return importlib.import_module(f"sam2.{name}")

    def _fitted(self, predictor: Any) -> Any:
        """Its image predictor, which is made for images of 1024 pixels, for those of the model."""
        predictor._bb_feat_sizes = [(self._model.image_size // stride,) * 2 for stride in (4, 8, 16)]
        return predictor

    @torch.inference_mode()
    def modules(self, inputs: ModuleInputs) -> dict[str, Tensor]:
        """The outputs of every module, by the same names as `ours.modules`."""
        model = self._model
        encoded = model.forward_image(inputs.image)
        stride4, stride8, stride16 = encoded["backbone_fpn"]
        first = self._read_memory(encoded, 1, None)
        later = self._read_memory(encoded, inputs.pointers.shape[1], _output_dict(inputs, model))
        outputs = {f"trunk stride {4 << i}": m for i, m in enumerate(model.image_encoder.trunk(inputs.image))}
        outputs |= {"neck stride 16": stride16, "neck stride 8": stride8, "neck stride 4": stride4}
        outputs["position of the grid"] = model.sam_prompt_encoder.get_dense_pe()[0].flatten(1).T
        outputs |= {"no memory": first, "memory attention": later}

        for name, prompts in inputs.prompts.items():
            outputs |= self._decoder(name, prompts, first, [stride4, stride8])
        correction = inputs.prompts["correction"]
        outputs["prompt map, correction"] = model.sam_prompt_encoder(
            points=_points(correction), boxes=None, masks=correction.mask_logits
        )[1]
        count = len(later)
        high_res = [stride4.expand(count, -1, -1, -1), stride8.expand(count, -1, -1, -1)]
        _, _, _, logits, full, pointer, score = model._forward_sam_heads(
            later, high_res_features=high_res, multimask_output=True
        )
        outputs |= {
            "decoder choice, tracking": logits,
            "occlusion score, tracking": score,
            "pointer, tracking": pointer,
        }
        _, _, _, prompted, _, prompted_pointer, _ = model._use_mask_as_output(stride16, [stride4, stride8], inputs.mask)
        outputs |= {"mask prompt logits": prompted, "mask prompt pointer": prompted_pointer}

        in_view = torch.ones(count, 1)
        outputs |= {
            "memory encoder, tracked": self._write_memory(encoded, full, in_view, False),
            "memory encoder, prompted": self._write_memory(encoded, full, in_view, True),
            "memory encoder, absent": self._write_memory(encoded, full, -in_view, False),
        }
        return outputs

    def _decoder(
        self, name: str, prompts: PromptTensors, conditioned: Tensor, high_res: list[Tensor]
    ) -> dict[str, Tensor]:
        model = self._model
        tokens, dense = model.sam_prompt_encoder(points=_points(prompts), boxes=None, masks=prompts.mask_logits)
        candidates, iou, _, score = model.sam_mask_decoder.predict_masks(
            image_embeddings=conditioned,
            image_pe=model.sam_prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=tokens,
            dense_prompt_embeddings=dense,
            repeat_image=False,
            high_res_features=high_res,
        )
        coordinates, labels = _points(prompts)
        _, _, _, choice, _, pointer, _ = model._forward_sam_heads(
            conditioned,
            {"point_coords": coordinates, "point_labels": labels},
            prompts.mask_logits,
            high_res,
            multimask_output=labels.shape[1] == 1,
        )
        return {
            f"prompt tokens, {name}": tokens,
            f"decoder candidates, {name}": candidates,
            f"decoder predicted IoU, {name}": iou,
            f"decoder choice, {name}": choice,
            f"occlusion score, {name}": score,
            f"pointer, {name}": pointer,
        }

    def _features(self, encoded: dict[str, Any], count: int) -> tuple[list[Tensor], list[Tensor], list[Any]]:
        """Image features in the layout of its tracking code, for `count` objects."""
        expanded = {
            key: [x.expand(count, -1, -1, -1) for x in encoded[key]] for key in ("backbone_fpn", "vision_pos_enc")
        }
        features: tuple[list[Tensor], list[Tensor], list[Any]] = self._model._prepare_backbone_features(expanded)[1:]
        return features

    def _read_memory(self, encoded: dict[str, Any], count: int, output_dict: dict[str, Any] | None) -> Tensor:
        features, positions, sizes = self._features(encoded, count)
        conditioned: Tensor = self._model._prepare_memory_conditioned_features(
            frame_idx=MODULE_FRAME,
            is_init_cond_frame=output_dict is None,
            current_vision_feats=features[-1:],
            current_vision_pos_embeds=positions[-1:],
            feat_sizes=sizes[-1:],
            output_dict=output_dict,
            num_frames=self._model.max_obj_ptrs_in_encoder,
        )
        return conditioned

    def _write_memory(self, encoded: dict[str, Any], full: Tensor, score: Tensor, prompted: bool) -> Tensor:
        features, _, sizes = self._features(encoded, len(full))
        memory, _ = self._model._encode_new_memory(features, sizes, full, score, is_mask_from_pts=prompted)
        tokens: Tensor = memory.flatten(2).transpose(1, 2)
        return tokens


def _import(checkout: Path) -> Any:
    """The checkout's module `build_sam`."""
    if not (checkout / "sam2" / "build_sam.py").is_file():
        raise ValueError(f"{checkout} is no checkout of facebookresearch/sam2: it has no sam2/build_sam.py")
    sys.path.insert(0, str(checkout.resolve()))
    try:
        return importlib.import_module("sam2.build_sam")
    except ImportError as error:
        raise ValueError(
            f"the reference cannot be imported ({error}); pip install hydra-core iopath pillow tqdm"
        ) from error
    finally:
        sys.path.pop(0)


def _yaml(version: str, size: str) -> str:
    stem = "sam2" if version == "2.0" else f"sam{version[0]}.{version[2]}"
    return f"configs/{stem}/{stem}_hiera_{_LETTERS[size]}.yaml"


def _dimensions(config: ModelConfig) -> list[str]:
    """Overrides that turn its tiny model into this configuration."""
    trunk, attention = config.trunk, "model.memory_attention.layer"
    values: dict[str, object] = {
        "model.image_encoder.trunk.embed_dim": trunk.width,
        "model.image_encoder.trunk.num_heads": trunk.heads,
        "model.image_encoder.trunk.stages": list(trunk.blocks),
        "model.image_encoder.trunk.global_att_blocks": list(trunk.global_blocks),
        "model.image_encoder.trunk.window_spec": list(trunk.windows),
        "model.image_encoder.trunk.window_pos_embed_bkg_spatial_size": list(trunk.position_grid),
        "model.image_encoder.neck.d_model": config.width,
        "model.image_encoder.neck.position_encoding.num_pos_feats": config.width,
        "model.image_encoder.neck.backbone_channel_list": list(reversed(trunk.widths)),
        "model.memory_attention.d_model": config.width,
        "model.memory_attention.num_layers": config.memory_layers,
        f"{attention}.d_model": config.width,
        f"{attention}.dim_feedforward": config.memory_feedforward,
        f"{attention}.self_attention.embedding_dim": config.width,
        f"{attention}.cross_attention.embedding_dim": config.width,
        f"{attention}.cross_attention.kv_in_dim": config.memory_width,
        "model.memory_encoder.in_dim": config.width,
        "model.memory_encoder.out_dim": config.memory_width,
        "model.memory_encoder.position_encoding.num_pos_feats": config.memory_width,
        "model.memory_encoder.mask_downsampler.embed_dim": config.width,
        "model.memory_encoder.fuser.layer.dim": config.width,
    }
    return [f"++{key}={value}" for key, value in values.items()]


def _points(prompts: PromptTensors) -> tuple[Tensor, Tensor]:
    return prompts.points, prompts.labels.int()


def _output_dict(inputs: ModuleInputs, model: Any) -> dict[str, Any]:
    """The memory in the layout of its tracking code: frame 0 is prompted, the others are tracked."""
    grid = model.sam_image_embedding_size
    spatial = inputs.spatial.transpose(2, 3).unflatten(3, (grid, grid))
    position = model.memory_encoder.position_encoding(spatial[0])
    entries = [
        {"maskmem_features": features, "maskmem_pos_enc": [position], "obj_ptr": pointers}
        for features, pointers in zip(spatial, inputs.pointers)
    ]
    return {"cond_frame_outputs": {0: entries[0]}, "non_cond_frame_outputs": dict(enumerate(entries[1:], start=1))}


def _outputs(state: dict[str, Any]) -> VideoOutputs:
    return {
        (object_, frame): FrameOutput(out["pred_masks"][0, 0], float(out["object_score_logits"]))
        for object_, index in state["obj_id_to_idx"].items()
        for outputs in state["output_dict_per_obj"][index].values()
        for frame, out in outputs.items()
    }


def _quiet(frames: Iterable[int], **_: object) -> Iterable[int]:
    return frames
