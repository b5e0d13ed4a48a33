"""What differs between the supported detectors: how phrases are encoded, and how outputs become boxes.

OWLv2: https://arxiv.org/abs/2306.09683. Grounding DINO: https://arxiv.org/abs/2303.05499.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from .words import WordsError


@dataclass(frozen=True)
class Query:
    """Phrases as a detector reads them."""

    phrases: tuple[str, ...]
    inputs: Mapping[str, Tensor]  # tokens and their masks, on the model's device
    tokens: tuple[Tensor, ...] = ()  # of each phrase, their positions in the text; only where phrases share one


@dataclass(frozen=True)
class Candidates:
    """Boxes before duplicates are removed."""

    boxes: Tensor  # (N, 4) pixels: left, top, right, bottom
    scores: Tensor  # (N,) 0..1
    phrases: Tensor  # (N,) index of the phrase


class Family(Protocol):
    """One kind of detector."""

    name: str
    example: str  # a model on huggingface.co
    threshold: float  # of scores, by default

    def encode(self, phrases: Sequence[str], processor: Any, config: Any) -> Query:
        """Raises WordsError where the model cannot read that many words."""

    def candidates(
        self, outputs: Any, query: Query, processor: Any, size: tuple[int, int], threshold: float
    ) -> Candidates:
        """The boxes with a score above the threshold on an image of `size` (H, W)."""


class Owlv2:
    """Compares each patch of the image with each phrase."""

    name = "OWLv2"
    example = "google/owlv2-base-patch16-ensemble"
    threshold = 0.2

    def encode(self, phrases: Sequence[str], processor: Any, config: Any) -> Query:
        """Raises WordsError for a phrase with more tokens than the model reads."""
        limit = config.text_config.max_position_embeddings
        for phrase in phrases:
            count = len(processor.tokenizer(phrase)["input_ids"])
            if count > limit:
                raise WordsError(
                    f"the phrase '{phrase}' has {count} tokens, {self.name} reads at most {limit}: shorten it"
                )
        text = processor.tokenizer(list(phrases), padding="max_length", max_length=limit, return_tensors="pt")
        inputs = {name: text[name] for name in ("input_ids", "attention_mask")}
        return Query(tuple(phrases), inputs)

    def candidates(
        self, outputs: Any, query: Query, processor: Any, size: tuple[int, int], threshold: float
    ) -> Candidates:
        """The boxes with a score above the threshold on an image of `size` (H, W)."""
        (found,) = processor.post_process_grounded_object_detection(outputs, threshold=threshold, target_sizes=[size])
        return Candidates(found["boxes"], found["scores"], found["labels"])


class GroundingDino:
    """Reads all phrases as one text, and compares each query with each of its tokens.

    The library names a box by all tokens with a high score, which may be parts of several phrases. Here it belongs to
    the phrase that has the token with the highest score, so that boxes of one object have one name.
    """

    name = "Grounding DINO"
    example = "IDEA-Research/grounding-dino-tiny"
    threshold = 0.3

    def encode(self, phrases: Sequence[str], processor: Any, config: Any) -> Query:
        """Raises WordsError for more tokens than the model reads, and for a phrase without any."""
        tokenizer = processor.tokenizer
        text = tokenizer(". ".join(phrases) + ".", return_tensors="pt", return_token_type_ids=True)
        ids = text["input_ids"][0]
        if len(ids) > config.max_text_len:
            raise WordsError(
                f"the {len(phrases)} phrases have {len(ids)} tokens, {self.name} reads at most {config.max_text_len}: "
                "give fewer or shorter ones"
            )
        ends = (ids == tokenizer.convert_tokens_to_ids(".")).nonzero().flatten().tolist()
        starts = [1, *(end + 1 for end in ends)]  # after [CLS], and after each full stop
        tokens = tuple(torch.arange(start, end) for start, end in zip(starts, ends))
        if len(tokens) != len(phrases) or not all(map(len, tokens)):
            raise WordsError(f"{self.name} cannot read '{'. '.join(phrases)}': expected words in letters it knows")
        inputs = {name: text[name] for name in ("input_ids", "attention_mask", "token_type_ids")}
        return Query(tuple(phrases), inputs, tokens)

    def candidates(
        self, outputs: Any, query: Query, processor: Any, size: tuple[int, int], threshold: float
    ) -> Candidates:
        """The boxes with a score above the threshold on an image of `size` (H, W)."""
        scores = outputs.logits[0].float().sigmoid()  # (queries, tokens)
        by_phrase = torch.stack([scores[:, tokens.to(scores.device)].amax(dim=1) for tokens in query.tokens], dim=1)
        best, phrases = by_phrase.max(dim=1)
        height, width = size
        center, extent = outputs.pred_boxes[0].float().split(2, dim=1)  # of 1
        boxes = torch.cat([center - extent / 2, center + extent / 2], dim=1) * center.new_tensor(
            [width, height, width, height]
        )
        kept = best > threshold
        return Candidates(boxes[kept], best[kept], phrases[kept])


FAMILIES: Mapping[str, Family] = {"owlv2": Owlv2(), "grounding-dino": GroundingDino()}  # by transformers' model type
