#!/usr/bin/env python3
"""Follows one object with exported files alone, without PyTorch: the loop to write in another language.

sam2_ros export --model nano --out exported
python3 onnx_tracker.py exported video.mp4 --click 620,340
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import onnxruntime


class OnnxTracker:
    """Remembers the prompted frame for good, and of the others the newest on which the object was surely seen."""

    def __init__(self, folder):
        self.facts = json.loads((Path(folder) / "model.json").read_text())
        self.networks = {
            name.removesuffix(".onnx"): onnxruntime.InferenceSession(Path(folder) / name)
            for name in self.facts["files"]
        }
        self.prompted = None  # memory and pointer of the prompted frame
        self.recent = []  # of frames since, the newest first
        self.frame = 0  # since the prompt

    def start(self, rgb, x, y):
        """The mask (H, W) of a new object under a click in pixels of the frame."""
        maps = self.encode(rgb)
        size, (height, width) = self.facts["image_size"], rgb.shape[:2]
        answer = self.run(
            "prompt_decoder",
            conditioned=maps["fresh"],
            half=maps["half"],
            fine=maps["fine"],
            points=np.array([[[x * size / width, y * size / height]]], np.float32),
            labels=np.array([[1]]),
            point_valid=np.array([[True]]),
            earlier=np.zeros((1, 1, size // 4, size // 4), np.float32),
            earlier_valid=np.array([False]),
        )
        self.prompted, self.recent, self.frame = self.remembered(maps, answer, True), [], 0
        return self.mask(answer, rgb)

    def step(self, rgb):
        """The mask (H, W) on the next frame."""
        self.frame += 1
        maps = self.encode(rgb)
        memories = [self.prompted, *self.recent[: self.facts["recent_memories"]]]
        pointers = [self.prompted, *self.recent[: self.facts["recent_pointers"]]]
        conditioned = self.run(
            "memory_attention",
            coarse=maps["coarse"],
            memories=np.stack([memory for memory, _ in memories], axis=1),
            memory_rows=np.array([[self.facts["prompted_row"], *range(len(memories) - 1)]]),
            memory_valid=np.ones((1, len(memories)), bool),
            pointers=np.stack([pointer for _, pointer in pointers], axis=1),
            pointer_ages=np.array([[self.frame, *range(1, len(pointers))]], np.float32),
            pointer_valid=np.ones((1, len(pointers)), bool),
        )["conditioned"]
        answer = self.run("tracking_decoder", conditioned=conditioned, half=maps["half"], fine=maps["fine"])
        if answer["occlusion_score"][0, 0] > 0 and answer["predicted_iou"][0] >= 0.5:
            self.recent.insert(0, self.remembered(maps, answer, False))
            del self.recent[self.facts["recent_pointers"] :]
        return self.mask(answer, rgb)

    def encode(self, rgb):
        """All maps of a frame (H, W, 3) uint8; the square does not keep its aspect ratio."""
        size, (height, width) = self.facts["image_size"], rgb.shape[:2]
        shrinks = min(height, width) > size
        square = cv2.resize(rgb, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        image = (square - np.float32(self.facts["mean"])) / np.float32(self.facts["std"])
        return self.run("image_encoder", image=image.transpose(2, 0, 1)[None])

    def remembered(self, maps, answer, is_prompted):
        """What is kept of a frame: memory (1, h * w, 64) and pointer (1, C)."""
        memory = self.run(
            "memory_encoder",
            coarse=maps["coarse"],
            logits=answer["logits"],
            occlusion_score=answer["occlusion_score"],
            is_prompted=np.array([is_prompted]),
        )["memory"]
        return memory, answer["pointer"]

    def run(self, name, **inputs):
        """Outputs of a network by name."""
        network = self.networks[name]
        return dict(zip([output.name for output in network.get_outputs()], network.run(None, inputs)))

    @staticmethod
    def mask(answer, rgb):
        """(H, W) bool"""
        return cv2.resize(answer["logits"][0, 0], rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR) > 0


def describe(mask):
    """Area and box of a mask (H, W), in pixels."""
    if not mask.any():
        return "not in view"
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return f"mask of {mask.sum()} pixels, box at x {x}, y {y}, width {width}, height {height}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Follows what is under a click on the first frame of a video.")
    parser.add_argument("folder", help="of sam2_ros export")
    parser.add_argument("video")
    parser.add_argument("--click", required=True, help="x,y in pixels")
    args = parser.parse_args()
    tracker, capture = OnnxTracker(args.folder), cv2.VideoCapture(args.video)
    number, (found, bgr) = 0, capture.read()
    if not found:
        raise SystemExit(f"{args.video} cannot be read: expected a video file such as an mp4")
    while found:
        rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
        mask = tracker.step(rgb) if number else tracker.start(rgb, *map(float, args.click.split(",")))
        print(f"frame {number}: {describe(mask)}")
        number, (found, bgr) = number + 1, capture.read()
