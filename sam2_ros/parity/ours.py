"""Our implementation on the scenarios."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Generic, TypeVar

import torch
from torch import Tensor

from ..model import Memory, Sam2
from ..model.config import NUM_MASKMEM, NUM_RECENT
from ..tracking import StreamingTracker, TrackerConfig
from .scenarios import MODULE_FRAME, FrameOutput, ModuleInputs, Scenario, VideoOutputs

Encoded = TypeVar("Encoded")
_MIN_FRAMES = 2  # in view, and as many out of view, for a meaningful absence


class EncodeOnce(Generic[Encoded]):
    """An image encoder with a cache: scenarios share their frames, and encoding them is most of the work."""

    def __init__(self, encode: Callable[[Tensor], Encoded]) -> None:
        self._encode = encode
        self._cache: dict[int, tuple[Tensor, Encoded]] = {}

    def __call__(self, image: Tensor) -> Encoded:
        """The encoded image, from the cache if this tensor was encoded before."""
        # The entry holds the image, so that no other tensor gets its address.
        entry = self._cache.get(image.data_ptr())
        if entry is None:
            entry = self._cache[image.data_ptr()] = image, self._encode(image)
        return entry[1]


class _OutputsTracker(StreamingTracker):
    """A tracker that exposes the network's outputs."""

    def outputs(self) -> VideoOutputs:
        """By track id and frame, of all buffered frames."""
        return {
            (track_id, frame.index): FrameOutput(output.mask_logits[0], output.measured.occlusion_score)
            for frame in self._frames
            for track_id, output in frame.outputs.items()
        }


def track(model: Sam2, scenario: Scenario) -> VideoOutputs:
    """Run a scenario through the streaming tracker; its objects must be numbered from 1 on, as the tracker does."""
    config = TrackerConfig(
        max_objects=2, memory_policy="reference", corrections_are_prompted=scenario.corrections_are_prompted
    )
    tracker = _OutputsTracker(model, config)
    size = (scenario.image_size, scenario.image_size)
    outputs: VideoOutputs = {}
    started: set[int] = set()
    for moment, image in enumerate(scenario.images):
        tracker.step_tensor(image, size, float(moment))
        for action in scenario.applied_at(moment):
            if action.object in started:
                tracker.refine(action.object, action.prompt, float(action.frame))
            else:
                started.add(tracker.add(action.prompt, float(action.frame)))
        outputs |= tracker.outputs()
    return outputs


def balance_occlusion(model: Sam2, scenario: Scenario) -> float:
    """Shift the occlusion score (logit) so that a scenario has frames in view and out of view; returns the shift.

    Raises ValueError where no shift does that.
    """
    scores = sorted(output.occlusion_score for output in track(model, scenario).values())
    # Widest gaps first: far from every score, rounding changes no sign.
    gaps = sorted(itertools.pairwise(scores), key=lambda gap: gap[0] - gap[1])
    shifts = [0.0, *(-(a + b) / 2 for a, b in gaps)]
    for shift in shifts:
        shift_occlusion(model, shift)
        present = [output.occlusion_score > 0 for output in track(model, scenario).values()]
        if min(present.count(True), present.count(False)) >= _MIN_FRAMES:
            return shift
        shift_occlusion(model, -shift)
    raise ValueError(
        f"no shift of the occlusion score gives frames in view and out of view in the scenario {scenario.name!r}"
    )


def shift_occlusion(model: Sam2, shift: float) -> None:
    """Add `shift` to every occlusion score (logit)."""
    model.sam_mask_decoder.pred_obj_score_head.layers[-1].get_parameter("bias").data += shift


@torch.inference_mode()
def modules(model: Sam2, inputs: ModuleInputs) -> dict[str, Tensor]:
    """The outputs of every module, by the same names as `Reference.modules`."""
    features = model.encode_image(inputs.image)
    first = model.without_memory(features)
    later = model.read_memory(features, _memory(inputs))
    outputs = {f"trunk stride {4 << i}": map_ for i, map_ in enumerate(model.image_encoder.trunk(inputs.image))}
    outputs |= {
        "neck stride 16": features.stride16,
        "neck stride 8": features.stride8,
        "neck stride 4": features.stride4,
    }
    outputs["position of the grid"] = model.sam_prompt_encoder.pe_layer.grid(model.config.grid)
    outputs |= {"no memory": first, "memory attention": later}

    for name, prompts in inputs.prompts.items():
        outputs[f"prompt tokens, {name}"] = model.sam_prompt_encoder.encode_points(prompts)
        several = prompts.labels.shape[1] > 1
        decoded = model.decode(first, features, prompts, multimask=not several)
        outputs |= {
            f"decoder candidates, {name}": decoded.candidates.logits,
            f"decoder predicted IoU, {name}": decoded.candidates.predicted_iou,
            f"decoder choice, {name}": decoded.logits,
            f"occlusion score, {name}": decoded.occlusion_score,
            f"pointer, {name}": decoded.pointer,
        }
    outputs["prompt map, correction"] = model.sam_prompt_encoder.encode_mask(inputs.prompts["correction"].mask_logits)
    tracked = model.decode(later, features, None, multimask=True)
    outputs |= {
        "decoder choice, tracking": tracked.logits,
        "occlusion score, tracking": tracked.occlusion_score,
        "pointer, tracking": tracked.pointer,
    }
    prompted = model.decode_mask_prompt(features, inputs.mask)
    outputs |= {"mask prompt logits": prompted.logits, "mask prompt pointer": prompted.pointer}

    in_view = torch.ones(len(tracked.logits), 1)
    outputs |= {
        "memory encoder, tracked": model.write_memory(features, tracked.logits, in_view, binarise=False),
        "memory encoder, prompted": model.write_memory(features, tracked.logits, in_view, binarise=True),
        "memory encoder, absent": model.write_memory(features, tracked.logits, -in_view, binarise=False),
    }
    return outputs


def _memory(inputs: ModuleInputs) -> Memory:
    """The memory that is read on MODULE_FRAME: of the prompted frame 0, and of the recent frames."""
    recent = range(MODULE_FRAME - NUM_RECENT, MODULE_FRAME)
    rows = [NUM_MASKMEM - 1] + [MODULE_FRAME - frame - 1 for frame in recent]
    ages = [float(MODULE_FRAME - frame) for frame in range(MODULE_FRAME)]
    count = inputs.spatial.shape[1]
    return Memory(
        inputs.spatial[[0, *recent]].transpose(0, 1),
        torch.tensor(rows).expand(count, -1),
        inputs.pointers.transpose(0, 1),
        torch.tensor(ages).expand(count, -1),
    )
