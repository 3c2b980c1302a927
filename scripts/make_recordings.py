#!/usr/bin/env python3
"""Writes what MediaPipe sees in real videos: ``testdata/recordings/people_*.db``, one session each.

The model runs over each video of ``fetch_video.py`` as it was filmed and as a second camera would have filmed it (mirrored,
closer, turned by a few degrees): real pictures, and each number as the model gives it. The runs follow one another
in one session, `GAP_S` apart; pictures in which nobody is found are left out. ``metadata`` of a session says where each run
starts. Run in the streamer's environment (``scripts/setup_python.sh``):
``.venv/streamer/bin/python scripts/make_recordings.py``. Takes a few minutes; the files are committed.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import mediapipe as mp
import numpy as np
from fetch_video import VIDEOS, fetch_video

import posesession as ps

OUT = Path(__file__).resolve().parent.parent / "testdata" / "recordings"
GAP_S = 1.0
MIRRORED = "mirrored, 1.2 x closer, turned by 4 degrees"
AS_FILMED = "as filmed"

# Component of the skeleton -> the field of the model's answer.
POSE = {"pose": "pose_landmarks"}
HOLISTIC = POSE | {
    "left_hand": "left_hand_landmarks",
    "right_hand": "right_hand_landmarks",
    "face": "face_landmarks",
}


@dataclass(frozen=True)
class Take:
    """One session to be made."""

    file_name: str
    skeleton: str
    model: Any
    model_name: str
    fields: dict[str, str]
    runs: list[tuple[str, str]]
    """Video and view."""


TAKES = [
    Take(
        "people_mediapipe_33.db",
        "mediapipe_33",
        mp.solutions.pose.Pose,
        "solutions.pose",
        POSE,
        [(video, view) for view in (AS_FILMED, MIRRORED) for video in VIDEOS],
    ),
    # Only the fourth camera sees a face all the time; the others see hands.
    Take(
        "people_holistic_543.db",
        "mediapipe_holistic_543",
        mp.solutions.holistic.Holistic,
        "solutions.holistic",
        HOLISTIC,
        [("assisted_4", AS_FILMED), ("balance_2", AS_FILMED), ("assisted_2", AS_FILMED)],
    ),
]


def seen_by(view: str, picture: np.ndarray) -> np.ndarray:
    """Returns `picture` as the camera of `view` has it."""
    if view == AS_FILMED:
        return picture
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 4.0, 1.2)
    return cv2.warpAffine(picture[:, ::-1], turn, (width, height), flags=cv2.INTER_CUBIC)


def rows(found: Any, fields: dict[str, str]) -> dict[str, list[list[float | None]]] | None:
    """Returns each component's keypoints: x, y, z, confidence; None where nobody was found."""
    persons = {}
    for component, field in fields.items():
        landmarks = getattr(found, field)
        if landmarks:
            # The model says nothing of the visibility of hands and faces; read nonetheless, it is 0.
            persons[component] = [
                [mark.x, mark.y, mark.z, mark.visibility if mark.HasField("visibility") else None]
                for mark in landmarks.landmark
            ]
    return persons if "pose" in persons else None


def sightings(take: Take, video: str, view: str) -> Iterator[tuple[float, dict[str, Any]]]:
    """Yields time in seconds and keypoints of each picture in which somebody is."""
    pictures = cv2.VideoCapture(str(fetch_video(video)))
    with take.model(model_complexity=1) as model:
        while True:
            there, picture = pictures.read()
            if not there:
                return
            # The position is that of the picture just read only after reading it.
            timestamp = pictures.get(cv2.CAP_PROP_POS_MSEC) / 1000.0
            picture = np.ascontiguousarray(seen_by(view, picture)[:, :, ::-1])
            if found := rows(model.process(picture), take.fields):
                yield timestamp, found


def make(take: Take) -> None:
    """Runs the model and writes the file."""
    lines: list[str] = []
    runs = []
    start = last = 0.0
    for video, view in take.runs:
        first = len(lines)
        for timestamp, found in sightings(take, video, view):
            last = start + timestamp
            person = {"id": 0, **found}
            lines.append(json.dumps({"timestamp": last, "pose_data": {"persons": [person]}}))
        package, member, _ = VIDEOS[video]
        source = f"{package.name} {package.version}: {member}"
        runs.append({"first_frame": first, "frames": len(lines) - first, "video": source, "view": view})
        print(f"{take.file_name}: {video}, {view}: {len(lines) - first} frames", file=sys.stderr)
        start = last + GAP_S
    session = {
        # Importing gives it an id of its own, and counts and measures what is there.
        "id": "00000000-0000-7000-8000-000000000000",
        "name": take.file_name.removesuffix(".db"),
        "description": f"mediapipe {mp.__version__}, {take.model_name}, model_complexity 1",
        "created_at": "2026-01-01T00:00:00Z",
        "duration": last,
        "frame_count": len(lines),
        "user_id": 1,
        "video_file_path": None,
        "status": "completed",
        "stored_bytes": 0,
        "skeleton": ps.Skeleton.preset(take.skeleton).to_dict(),
        "metadata": {"runs": runs},
    }
    with tempfile.TemporaryDirectory() as folder:
        dump = Path(folder) / "dump.jsonl"
        dump.write_text("\n".join([json.dumps({"session": session, "markers": []}), *lines]) + "\n")
        with ps.open(Path(folder) / "all.db") as store:
            (OUT / take.file_name).unlink(missing_ok=True)
            store.import_file(dump).export(OUT / take.file_name)
    size = (OUT / take.file_name).stat().st_size
    print(f"{take.file_name}: {len(lines)} frames, {size / len(lines):.0f} bytes a frame", file=sys.stderr)


if __name__ == "__main__":
    for each in TAKES:
        make(each)
