"""A real recording made long: frames that no compressor finds twice."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RECORDING = Path(__file__).parents[2] / "testdata" / "recordings" / "walk_mediapipe_33.jsonl"
FPS = 30.0
#: Far below what MediaPipe's own keypoints tremble by, and enough to make each repetition's bits its own.
TREMBLE = 1e-5


def long_recording(count: int) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Plays the walk of ``testdata`` there and back until there are ``count`` frames, each with a tremble of its own.

    Returns timestamps in seconds, shape ``(count,)``, and keypoints, shape ``(count, 33, 4)``: x, y, z, confidence.
    """
    lines = RECORDING.read_text().splitlines()
    landmarks = [json.loads(line)["pose_data"]["landmarks"] for line in lines]
    walk = np.array(
        [[[p["x"], p["y"], p["z"], p["visibility"]] for p in frame] for frame in landmarks if frame],
        dtype=np.float64,
    )
    there_and_back = np.concatenate([walk, walk[-2:0:-1]])
    order = np.arange(count) % len(there_and_back)
    tremble = np.random.default_rng(33).normal(0.0, TREMBLE, size=(count, *walk.shape[1:]))
    keypoints = there_and_back[order] + tremble
    return np.round(np.arange(count) / FPS, 6), keypoints.astype(np.float32)
