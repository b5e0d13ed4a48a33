#!/usr/bin/env python3
"""Tracks one object with exported ONNX files, without PyTorch: a template for other languages.

sam2_ros export --model nano --out exported
python3 onnx_tracker.py exported video.mp4 --click 620,340
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

Arrays = dict[str, np.ndarray]
Memory = tuple[np.ndarray, np.ndarray]  # spatial memory and object pointer of a frame


class OnnxTracker:
    """Keeps the memory of the prompted frame, and of the newest frames on which the object is in view."""

    def __init__(self, folder: str) -> None:
        self.manifest = json.loads((Path(folder) / "model.json").read_text())
        self.networks = {
            name.removesuffix(".onnx"): onnxruntime.InferenceSession(Path(folder) / name)
            for name in self.manifest["files"]
        }
        self.prompted: Memory | None = None  # of the prompted frame
        self.recent: list[Memory] = []  # of tracked frames, the newest first
        self.frame = 0  # frames since the prompt

    def start(self, rgb: np.ndarray, x: float, y: float) -> np.ndarray:
        """The mask (H, W) of a new object under a click in pixels of the frame."""
        features = self.encode(rgb)
        size, (height, width) = self.manifest["image_size"], rgb.shape[:2]
        decoded = self.run(
            "prompt_decoder",
            conditioned=features["without_memory"],
            stride8=features["stride8"],
            stride4=features["stride4"],
            points=np.array([[[x * size / width, y * size / height]]], np.float32),
            labels=np.array([[1]]),
            valid=np.array([[True]]),
            mask_logits=np.zeros((1, 1, size // 4, size // 4), np.float32),
            mask_valid=np.array([False]),
        )
        self.prompted, self.recent, self.frame = self.encode_memory(features, decoded, True), [], 0
        return self.mask(decoded, rgb)

    def step(self, rgb: np.ndarray) -> np.ndarray:
        """The mask (H, W) on the next frame."""
        assert self.prompted is not None, "call start first"
        self.frame += 1
        features = self.encode(rgb)
        memories = [self.prompted, *self.recent[: self.manifest["recent_memories"]]]
        pointers = [self.prompted, *self.recent[: self.manifest["recent_pointers"]]]
        conditioned = self.run(
            "memory_attention",
            stride16=features["stride16"],
            spatial=np.stack([memory for memory, _ in memories], axis=1),
            spatial_row=np.array([[self.manifest["prompted_row"], *range(len(memories) - 1)]]),
            spatial_valid=np.ones((1, len(memories)), bool),
            pointers=np.stack([pointer for _, pointer in pointers], axis=1),
            pointer_age=np.array([[self.frame, *range(1, len(pointers))]], np.float32),
            pointer_valid=np.ones((1, len(pointers)), bool),
        )["conditioned"]
        decoded = self.run(
            "tracking_decoder", conditioned=conditioned, stride8=features["stride8"], stride4=features["stride4"]
        )
        if decoded["occlusion_score"][0, 0] > 0 and decoded["predicted_iou"][0] >= 0.5:
            self.recent.insert(0, self.encode_memory(features, decoded, False))
            del self.recent[self.manifest["recent_pointers"] :]
        return self.mask(decoded, rgb)

    def encode(self, rgb: np.ndarray) -> Arrays:
        """Features of a frame (H, W, 3) uint8 RGB; the square input does not keep its aspect ratio."""
        size, (height, width) = self.manifest["image_size"], rgb.shape[:2]
        shrinks = min(height, width) > size
        square = cv2.resize(rgb, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
        image = (square - np.float32(self.manifest["mean"])) / np.float32(self.manifest["std"])
        return self.run("image_encoder", image=image.transpose(2, 0, 1)[None])

    def encode_memory(self, features: Arrays, decoded: Arrays, is_prompted: bool) -> Memory:
        """Spatial memory (1, h * w, 64) and object pointer (1, C) of a frame."""
        memory = self.run(
            "memory_encoder",
            stride16=features["stride16"],
            logits=decoded["logits"],
            occlusion_score=decoded["occlusion_score"],
            is_prompted=np.array([is_prompted]),
        )["memory"]
        return memory, decoded["pointer"]

    def run(self, name: str, **inputs: np.ndarray) -> Arrays:
        """Outputs of a network by name."""
        network = self.networks[name]
        return dict(zip([output.name for output in network.get_outputs()], network.run(None, inputs)))

    @staticmethod
    def mask(decoded: Arrays, rgb: np.ndarray) -> np.ndarray:
        """(H, W) bool"""
        mask: np.ndarray = cv2.resize(decoded["logits"][0, 0], rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR) > 0
        return mask


def describe(mask: np.ndarray) -> str:
    """Area and box of a mask (H, W), in pixels."""
    if not mask.any():
        return "not in view"
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return f"mask of {mask.sum()} pixels, box at x {x}, y {y}, width {width}, height {height}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Tracks the object under a click on the first frame of a video.")
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
