#!/usr/bin/env python3
"""Writes what MediaPipe's own Python says about the fake webcam: ``testdata/reference/balance.json``.

The browser test holds the poses that the page recorded against it. Run in the streamer's environment, after
``scripts/fetch_video.py webcam``: ``.venv/streamer/bin/python scripts/make_reference.py``. Only needed
when the webcam's picture changes; the file is committed.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import mediapipe as mp

ROOT = Path(__file__).resolve().parent.parent
WEBCAM = ROOT / "target" / "media" / "balance.mjpeg"
OUT = ROOT / "testdata" / "reference" / "balance.json"
FPS = 30
# Both shoulders and both hips.
TORSO = (11, 12, 23, 24)


def frames() -> list[dict[str, object]]:
    """Returns each picture's torso: ``[x, y, z, confidence]`` per keypoint, None where nobody was found."""
    video = cv2.VideoCapture(str(WEBCAM))
    found = []
    with mp.solutions.pose.Pose(model_complexity=1) as model:
        while True:
            there, picture = video.read()
            if not there:
                break
            result = model.process(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
            torso = None
            if result.pose_landmarks:
                landmarks = [result.pose_landmarks.landmark[index] for index in TORSO]
                torso = [
                    [round(value, 5) for value in (mark.x, mark.y, mark.z, mark.visibility)]
                    for mark in landmarks
                ]
            found.append({"timestamp": round(len(found) / FPS, 5), "torso": torso})
    return found


def main() -> None:
    """Writes the file, one frame a line."""
    if not WEBCAM.is_file():
        raise SystemExit(f"{WEBCAM} is missing: run scripts/fetch_video.py webcam")
    head = {
        "video": "balance.mjpeg",
        "width": 640,
        "height": 480,
        "model": f"mediapipe {mp.__version__}, solutions.pose, model_complexity 1",
        "keypoints": list(TORSO),
        "channels": ["x", "y", "z", "confidence"],
    }
    found = frames()
    lines = ",\n".join(json.dumps(frame, separators=(",", ":")) for frame in found)
    start = json.dumps(head, indent=1).removesuffix("\n}")
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(f'{start},\n "frames": [\n{lines}\n]}}\n')
    missing = sum(frame["torso"] is None for frame in found)
    print(f"{OUT}: {len(found)} frames, {missing} without a person")


if __name__ == "__main__":
    main()
