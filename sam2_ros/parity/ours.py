"""Our side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import torch
from torch import Tensor

from ..model import Memory, Sam2
from ..model.config import NUM_MASKMEM, NUM_RECENT
from ..tracking import StreamingTracker, TrackerConfig
from .scenarios import MODULE_FRAME, Answer, Answers, ModuleInputs, Scenario

Encoded = TypeVar("Encoded")
_EACH_SIGN = 2  # frames in view, and out of view, that make an absence worth comparing


class EncodeOnce(Generic[Encoded]):
    """An encoder that remembers: scenarios share their frames, and encoding them is most of the work."""

    def __init__(self, encode: Callable[[Tensor], Encoded]) -> None:
        self._encode = encode
        self._known: dict[int, tuple[Tensor, Encoded]] = {}

    def __call__(self, image: Tensor) -> Encoded:
        # The tensor is kept with its encoding, so that its address stays its own.
        known = self._known.get(image.data_ptr())
        if known is None:
            known = self._known[image.data_ptr()] = image, self._encode(image)
        return known[1]


class _OpenTracker(StreamingTracker):
    """A tracker that shows the network's own answers."""

    def answers(self) -> Answers:
        """By track id and frame, as far back as prompts reach."""
        return {
            (track_id, frame.index): Answer(output.mask_logits[0], output.measured.occlusion_score)
            for frame in self._frames
            for track_id, output in frame.outputs.items()
        }


def track(model: Sam2, scenario: Scenario) -> Answers:
    """Run a scenario through the streaming tracker; objects are numbered as the tracker does, from 1 on."""
    config = TrackerConfig(
        max_objects=2, memory_policy="reference", corrections_are_prompted=scenario.corrections_are_prompted
    )
    tracker = _OpenTracker(model, config)
    size = (scenario.image_size, scenario.image_size)
    answers: Answers = {}
    known: set[int] = set()
    for moment, image in enumerate(scenario.images):
        tracker.step_tensor(image, size, float(moment))
        for action in scenario.given_at(moment):
            if action.object in known:
                tracker.refine(action.object, action.prompt, float(action.frame))
            else:
                known.add(tracker.add(action.prompt, float(action.frame)))
        answers |= tracker.answers()
    return answers


def balance_occlusion(model: Sam2, scenario: Scenario) -> float:
    """Shift the occlusion score until it takes both signs in a scenario; by how much it was shifted.

    Raises ValueError where no shift does that.
    """
    scores = sorted(answer.occlusion_score for answer in track(model, scenario).values())
    # Widest gaps first: far from every score, rounding decides nothing.
    gaps = sorted(zip(scores, scores[1:]), key=lambda gap: gap[0] - gap[1])
    shifts = [0.0, *(-(a + b) / 2 for a, b in gaps)]
    for shift in shifts:
        shift_occlusion(model, shift)
        present = [answer.occlusion_score > 0 for answer in track(model, scenario).values()]
        if min(present.count(True), present.count(False)) >= _EACH_SIGN:
            return shift
        shift_occlusion(model, -shift)
    raise ValueError(f"no shift of the occlusion score makes it take both signs in the scenario {scenario.name!r}")


def shift_occlusion(model: Sam2, shift: float) -> None:
    """Add to every occlusion score (logit)."""
    model.sam_mask_decoder.pred_obj_score_head.layers[-1].get_parameter("bias").data += shift


@torch.inference_mode()
def modules(model: Sam2, inputs: ModuleInputs) -> dict[str, Tensor]:
    """Every module's answer, by the names that the reference's adapter gives them."""
    features = model.encode_image(inputs.image)
    first = model.without_memory(features)
    later = model.read_memory(features, _memory(inputs))
    answers = {f"trunk stride {4 << i}": map_ for i, map_ in enumerate(model.image_encoder.trunk(inputs.image))}
    answers |= {
        "neck stride 16": features.stride16,
        "neck stride 8": features.stride8,
        "neck stride 4": features.stride4,
    }
    answers["position of the grid"] = model.sam_prompt_encoder.pe_layer.grid(model.config.grid)
    answers |= {"no memory": first, "memory attention": later}

    for name, prompts in inputs.prompts.items():
        answers[f"prompt tokens, {name}"] = model.sam_prompt_encoder.encode_points(prompts)
        several = prompts.labels.shape[1] > 1
        decoded = model.decode(first, features, prompts, multimask=not several)
        answers |= {
            f"decoder candidates, {name}": decoded.candidates.logits,
            f"decoder predicted IoU, {name}": decoded.candidates.predicted_iou,
            f"decoder choice, {name}": decoded.logits,
            f"occlusion score, {name}": decoded.occlusion_score,
            f"pointer, {name}": decoded.pointer,
        }
    answers["prompt map, correction"] = model.sam_prompt_encoder.encode_mask(inputs.prompts["correction"].mask_logits)
    tracked = model.decode(later, features, None, multimask=True)
    answers |= {
        "decoder choice, tracking": tracked.logits,
        "occlusion score, tracking": tracked.occlusion_score,
        "pointer, tracking": tracked.pointer,
    }
    given = model.decode_mask_prompt(features, inputs.mask)
    answers |= {"mask prompt logits": given.logits, "mask prompt pointer": given.pointer}

    seen = torch.ones(len(tracked.logits), 1)
    answers |= {
        "memory encoder, tracked": model.write_memory(features, tracked.logits, seen, binarise=False),
        "memory encoder, prompted": model.write_memory(features, tracked.logits, seen, binarise=True),
        "memory encoder, absent": model.write_memory(features, tracked.logits, -seen, binarise=False),
    }
    return answers


def _memory(inputs: ModuleInputs) -> Memory:
    """As it is read on MODULE_FRAME: the prompted frame 0, and those before the current one."""
    recent = range(MODULE_FRAME - NUM_RECENT, MODULE_FRAME)
    rows = [NUM_MASKMEM - 1] + [MODULE_FRAME - frame - 1 for frame in recent]
    distances = [float(MODULE_FRAME - frame) for frame in range(MODULE_FRAME)]
    count = inputs.spatial.shape[1]
    return Memory(
        inputs.spatial[[0, *recent]].transpose(0, 1),
        torch.tensor(rows).expand(count, -1),
        inputs.pointers.transpose(0, 1),
        torch.tensor(distances).expand(count, -1),
    )
