"""Small models of transformers' zero-shot object detectors with random weights, saved as a download would be.

`red_and_blue` is an OWLv2 that finds something: its heads are set so that the result can be computed by hand.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor

PHRASES = ("red cup", "blue box")  # what `red_and_blue` knows
GRID = 5  # patches along each side of OWLv2's input
PATCH = 16  # pixels of its input
SCALE = 100.0  # of the logits of `red_and_blue`, with which its scores are near 0 or 1


def owlv2(folder: Path) -> Path:
    """A random OWLv2 in this folder."""
    torch.manual_seed(0)
    config = transformers.Owlv2Config(
        text_config={"vocab_size": 514, "bos_token_id": 512, "eos_token_id": 513, "pad_token_id": 0}
        | {"max_position_embeddings": 16, **_transformer(16)},
        vision_config={"image_size": GRID * PATCH, "patch_size": PATCH, **_transformer(32)},
        projection_dim=16,
    )
    transformers.Owlv2ForObjectDetection(config).eval().save_pretrained(folder)
    transformers.Owlv2Processor(
        transformers.Owlv2ImageProcessorPil(size={"height": GRID * PATCH, "width": GRID * PATCH}),
        _clip_tokenizer(folder),
    ).save_pretrained(folder)
    return folder


def grounding_dino(folder: Path) -> Path:
    """A random Grounding DINO in this folder."""
    torch.manual_seed(0)
    config = transformers.GroundingDinoConfig(
        backbone_config=transformers.SwinConfig(
            image_size=64, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4,
            out_features=["stage2", "stage3", "stage4"],
        ),
        text_config=transformers.BertConfig(
            vocab_size=1100, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
        ),
        d_model=32,
        num_queries=30,
        encoder_layers=1,
        decoder_layers=2,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_text_len=64,
    )  # fmt: skip
    transformers.GroundingDinoForObjectDetection(config).eval().save_pretrained(folder)
    transformers.GroundingDinoProcessor(
        transformers.GroundingDinoImageProcessorPil(size={"shortest_edge": 96, "longest_edge": 160}),
        _bert_tokenizer(folder),
    ).save_pretrained(folder)
    return folder


def red_and_blue(folder: Path) -> Path:
    """An OWLv2 that calls red patches "red cup" and blue ones "blue box", and not the other way round.

    Only the lower right quarter of a patch counts. Each box keeps its prior: around the lower right corner of its
    patch, as large as a patch. So a square of a patch's size around a corner of four patches gets a box that fits.
    """
    owlv2(folder)
    model = transformers.Owlv2ForObjectDetection.from_pretrained(folder).eval()
    processor = transformers.AutoProcessor.from_pretrained(folder)
    with torch.no_grad():
        kernel = model.owlv2.vision_model.embeddings.patch_embedding.weight
        kernel[..., : PATCH // 2, :] = kernel[..., : PATCH // 2] = 0.0
        position = model.owlv2.vision_model.embeddings.position_embedding.weight
        position[1:] = position[1]  # after that of the class token: only the colour of a patch counts
        for layer in model.owlv2.vision_model.encoder.layers:  # which then add nothing: patches stay apart
            for linear in (layer.self_attn.out_proj, layer.mlp.fc2):
                linear.weight.zero_(), linear.bias.zero_()
        for linear in (model.box_head.dense2, model.class_head.logit_shift, model.class_head.logit_scale):
            linear.weight.zero_(), linear.bias.zero_()
        model.class_head.logit_scale.bias.fill_(SCALE - 1)
        _fit(model, processor)
    model.save_pretrained(folder)
    return folder


def corner(column: int, row: int, side: float) -> tuple[float, float]:
    """Pixel (x, y) of the corner of four patches on an image whose longer side has `side` pixels."""
    return column * side / GRID, row * side / GRID


def _fit(model: Any, processor: Any) -> None:
    """Solve for the class head: red is near the first phrase only, blue near the second only, all else near none."""
    text = processor.tokenizer(list(PHRASES), padding="max_length", max_length=16, return_tensors="pt")
    embeddings = model.owlv2.text_projection(model.owlv2.text_model(**text).pooler_output)
    red, blue = embeddings / embeddings.norm(dim=1, keepdim=True)
    inputs: list[Tensor] = []
    hook = model.class_head.dense0.register_forward_pre_hook(lambda module, given: inputs.append(given[0]))
    random = np.random.default_rng(0)
    samples: list[tuple[Tensor, Tensor]] = []
    for colour, target in (
        ((220, 40, 40), red - blue), ((40, 60, 220), blue - red), *([(None, -(red + blue))] * 6)
    ):  # fmt: skip
        shape = (80, 80, 3) if colour else (60, 80, 3)  # which is padded to a square
        pixels = np.broadcast_to(colour, shape) if colour else random.integers(90, 150, shape)
        image = processor.image_processor(pixels.astype(np.uint8), return_tensors="pt")
        model(**image, **text)
        features = inputs.pop().flatten(0, -2)
        samples.append((features, target / target.norm() * torch.ones(len(features), 1)))
    hook.remove()
    features, targets = (torch.cat(part) for part in zip(*samples))
    extended = torch.cat([features, torch.ones(len(features), 1)], dim=1)
    solution = torch.linalg.lstsq(extended, targets, driver="gelsd").solution
    model.class_head.dense0.weight.copy_(solution[:-1].T)
    model.class_head.dense0.bias.copy_(solution[-1])


def _transformer(width: int) -> dict[str, int]:
    return {
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }


def _clip_tokenizer(folder: Path) -> Any:
    """Letters alone: the 256 bytes, within and at the end of a word, without merges."""
    letters = _byte_letters()
    names = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({name: i for i, name in enumerate(names)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return transformers.CLIPTokenizer.from_pretrained(folder, model_max_length=16)


def _byte_letters() -> Sequence[str]:
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    return list(bytes_to_unicode().values())


def _bert_tokenizer(folder: Path) -> Any:
    """Where BERT's vocabulary has them: 101 [CLS], 102 [SEP], 1012 the full stop, by which phrases are separated."""
    names = [f"[unused{i}]" for i in range(1100)]
    names[0], names[100], names[101], names[102], names[103] = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
    names[1012], names[1029] = ".", "?"
    names[1030:1038] = ["red", "cup", "blue", "box", "screw", "##driver", "a", "large"]
    (folder / "vocab.txt").write_text("\n".join(names) + "\n")
    return transformers.BertTokenizer.from_pretrained(folder)
