"""Checkpoints of Hugging Face's Sam2VideoModel load, and track as it does.

Their names and shapes are held by a list that was written with transformers 5.24; with transformers installed, the
two networks are compared too.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from sam2_ros.model import CONFIGS, CheckpointError, Sam2, load_model
from sam2_ros.model.checkpoint_names import official_names
from sam2_ros.parity import ours
from sam2_ros.parity.scenarios import Scenario, synthetic_frames, video_scenarios
from sam2_ros.tracking.preprocess import preprocess

FRAMES = 18
TINY = Path(__file__).parent / "names" / "sam2_video_tiny.txt"


def listed() -> dict[str, Tensor]:
    """The state dict of facebook/sam2.1-hiera-tiny, without its numbers."""
    pairs = (line.split(" ", maxsplit=1) for line in TINY.read_text().splitlines())
    return {name: torch.empty(ast.literal_eval(shape), device="meta") for name, shape in pairs}


def shapes(weights: dict[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in weights.items()}


def test_every_name_of_hugging_face_has_an_official_one() -> None:
    with torch.device("meta"):
        expected = Sam2(CONFIGS["sam2.1_hiera_tiny"]).state_dict()
    assert shapes(official_names(listed())) == shapes(expected)


def test_every_label_gets_its_embedding() -> None:
    points = torch.arange(4.0)[:, None].expand(4, 256)
    named = official_names({**listed(), "prompt_encoder.point_embed.weight": points})
    for label in range(4):
        assert (named[f"sam_prompt_encoder.point_embeddings.{label}.weight"] == label).all()


def test_an_image_model_of_hugging_face_is_refused_by_name(tmp_path: Path) -> None:
    image_model = {
        name: torch.zeros(value.shape)
        for name, value in listed().items()
        if not name.startswith(("memory", "object_pointer", "mask_downsample", "temporal", "occlusion", "no_object"))
    }
    torch.save(image_model, tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="image model without memory, expected one for video"):
        load_model("sam2.1_hiera_tiny", tmp_path / "pytorch_model.bin")


def nano_of_hugging_face() -> Any:
    """A Sam2VideoModel of nano's sizes with random weights."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    backbone = {
        "hidden_size": 40,
        "num_attention_heads": 1,
        "blocks_per_stage": [1, 2, 3, 1],
        "global_attention_blocks": [4, 5],
        "window_size_per_stage": [8, 4, 24, 12],
        "embed_dim_per_stage": [40, 80, 160, 320],
        "num_attention_heads_per_stage": [1, 2, 4, 8],
        "image_size": [384, 384],
    }
    config = transformers.Sam2VideoConfig(
        vision_config={
            "backbone_config": {"model_type": "sam2_hiera_det_model", **backbone},
            "backbone_channel_list": [320, 160, 80, 40],
            "backbone_feature_sizes": [[96, 96], [48, 48], [24, 24]],
            "fpn_hidden_size": 128,
        },
        prompt_encoder_config={"hidden_size": 128, "image_size": 384},
        mask_decoder_config={"hidden_size": 128},
        image_size=384,
        memory_attention_hidden_size=128,
        memory_attention_num_layers=2,
        memory_attention_feed_forward_hidden_size=256,
        memory_attention_rope_feat_sizes=[24, 24],
        memory_encoder_hidden_size=128,
        mask_downsampler_embed_dim=128,
        memory_fuser_embed_dim=128,
        memory_fuser_intermediate_dim=512,
    )
    return transformers.Sam2VideoModel(config).eval()


def give_weights(theirs: Any, model: Sam2) -> None:
    """Weights with which something is tracked, by the names that `official_names` finds for them."""
    state = theirs.state_dict()
    points = torch.cat([embedding.get_parameter("weight") for embedding in model.sam_prompt_encoder.point_embeddings])
    # Which official name each has: a tensor is recognised by its address.
    official = {value.data_ptr(): name for name, value in official_names(state).items()}
    weights = model.state_dict()
    for name, value in state.items():
        if name == "prompt_encoder.point_embed.weight":
            value.copy_(points)
        elif value.data_ptr() in official:
            value.copy_(weights[official[value.data_ptr()]])
    encoding = state["prompt_encoder.shared_embedding.positional_embedding"]
    state["shared_image_embedding.positional_embedding"].copy_(encoding)


@torch.inference_mode()
def track(theirs: Any, scenario: Scenario) -> list[tuple[Tensor, float]]:
    """Mask logits and occlusion score of the object that is clicked on the first frame, on every frame."""
    module = pytest.importorskip("transformers.models.sam2_video.modeling_sam2_video")
    size = scenario.image_size
    session = module.Sam2VideoInferenceSession(
        video=torch.cat(list(scenario.images)), video_height=size, video_width=size, dtype=torch.float32
    )
    index = session.obj_id_to_idx(1)
    (click,) = scenario.actions[0].prompt.clicks
    points = {"point_coords": torch.tensor([[[[click.x, click.y]]]]), "point_labels": torch.tensor([[[1]]])}
    session.add_point_inputs(index, 0, points)
    session.obj_with_new_inputs = [1]
    outputs = (theirs(inference_session=session, frame_idx=t) for t in range(len(scenario.images)))
    return [(output.pred_masks[0, 0], float(output.object_score_logits.flatten()[0])) for output in outputs]


@pytest.mark.parametrize("safe", [True, False], ids=["model.safetensors", "pytorch_model.bin"])
def test_a_saved_model_tracks_as_transformers_does(safe: bool, tmp_path: Path) -> None:
    theirs = nano_of_hugging_face()
    give_weights(theirs, load_model("nano"))
    theirs.save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    if not safe:
        torch.save(load_file(file), tmp_path / "pytorch_model.bin")
        file = tmp_path / "pytorch_model.bin"

    model = load_model("nano", file)
    images = [preprocess(frame, 384, torch.device("cpu")) for frame in synthetic_frames(FRAMES if safe else 8, 384)]
    scenario = video_scenarios(images)[0]
    expected = track(theirs, scenario)
    found = ours.track(model, scenario)
    assert max(float(logits.max()) for logits, _ in expected) > 1  # something is tracked
    for t, (logits, score) in enumerate(expected):
        answer = found[1, t]
        assert answer.occlusion_score == pytest.approx(score, rel=1e-3, abs=1e-3)
        distance = (answer.logits - logits).abs().max() / logits.abs().max()
        assert distance < 1e-3, t
