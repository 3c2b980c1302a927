"""Poses for the tests: a person who squats, made by formula, and one who walks, from a real recording."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import posesession as ps

ROOT = Path(__file__).resolve().parents[2]
TESTDATA = ROOT / "testdata"

FloatArray = NDArray[np.float32]

#: Where the keypoints of mediapipe_33 are that a squat moves, standing: x, y as parts of the picture.
_STANDING = {
    "nose": (0.50, 0.15),
    "shoulder": (0.43, 0.30),
    "elbow": (0.40, 0.42),
    "wrist": (0.39, 0.53),
    "hip": (0.45, 0.55),
    "knee": (0.45, 0.73),
    "ankle": (0.45, 0.90),
    "heel": (0.46, 0.92),
    "foot_index": (0.42, 0.93),
}


def squat(frames: int = 90, *, fps: float = 30.0) -> tuple[NDArray[np.float64], FloatArray]:
    """Returns times ``(T,)`` in s and keypoints ``(T, 33, 4)`` of mediapipe_33: a squat every two seconds."""
    pose = ps.Skeleton.preset("mediapipe_33")["pose"]
    times = np.arange(frames) / fps
    depth = 0.5 - 0.5 * np.cos(np.pi * times)
    values = np.empty((frames, 33, 4), np.float32)
    for place, name in enumerate(pose.keypoints):
        side = -1.0 if name.startswith("right_") or name.endswith("_right") else 1.0
        part = next((key for key in _STANDING if name.endswith(key)), "wrist" if "hand" in name else "nose")
        if any(word in name for word in ("pinky", "index", "thumb")) and "foot" not in name:
            part = "wrist"
        x, y = _STANDING[part]
        sinks = {"ankle": 0.0, "heel": 0.0, "foot_index": 0.0, "knee": 0.35}.get(part, 1.0)
        # A person seen from the front: their left is on the picture's right.
        values[:, place, 0] = 0.5 + side * (0.5 - x) + (side * 0.06 * depth if part == "knee" else 0.0)
        values[:, place, 1] = y + 0.16 * sinks * depth
        values[:, place, 2] = -0.1 * depth
        values[:, place, 3] = 0.99
    return times, values


def walk() -> tuple[NDArray[np.float64], FloatArray]:
    """Returns times ``(120,)`` in s and keypoints ``(120, 33, 4)`` of a real walk; all NaN where MediaPipe saw nobody."""
    times, rows = [], []
    for line in (TESTDATA / "recordings" / "walk_mediapipe_33.jsonl").read_text().splitlines():
        frame: dict[str, Any] = json.loads(line)
        times.append(frame["timestamp"])
        marks = frame["pose_data"]["landmarks"]
        rows.append([[m["x"], m["y"], m["z"], m["visibility"]] for m in marks] or np.full((33, 4), np.nan))
    return np.array(times), np.array(rows, np.float32)


def record(
    store: ps.Store | ps.Client, times: NDArray[np.float64], values: FloatArray, name: str = "Squat", **options: Any
) -> ps.Session:
    """Records ``(T, K, C)`` or ``(T, P, K, C)`` and returns the session."""
    with store.record(name, **{"skeleton": "mediapipe_33", **options}) as recording:
        for time, keypoints in zip(times, values):
            recording.push(time, keypoints)
    return recording.session
