#!/usr/bin/env python3
"""Records what a pose model finds in a video, reads it back as NumPy arrays, and plots joint angles over time.

    scripts/setup_python.sh
    .venv/streamer/bin/python examples/analyse_session.py walk.mp4

Prints a line for each joint, and saves the angles as a figure and the session as an animation beside it.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from pose_streamer import PoseSource, SourceOptions, StreamerError

import posesession as ps

SKELETON = "mediapipe_33"


def record_video(store: ps.Store, video: Path) -> ps.Session:
    """Looks at every picture of a video file, and records the poses and the pictures."""
    options = SourceOptions(source=str(video), real_time=False, loop=False, image_quality=80, image_width=640)
    source = PoseSource(options)
    try:
        with store.record(video.stem, skeleton=SKELETON, fps=source.fps) as recording:
            for sighting in source.sightings():
                recording.push(sighting.timestamp, sighting.keypoints, image=sighting.image)
    finally:
        source.close()
    session = recording.session
    picture = session.image(0)
    if picture is not None:
        # Coordinates are parts of the picture: angles need its shape.
        width, height = Image.open(io.BytesIO(picture)).size
        session.update(metadata={"image_width": width, "image_height": height})
    return session


def describe(session: ps.Session, joint: str) -> str:
    """Says in a line how far a joint was bent and straightened, and when."""
    angles = session.angle(joint)[:, 0]
    if np.isnan(angles).all():
        return f"{joint:16} never seen"
    bent, straight = int(np.nanargmin(angles)), int(np.nanargmax(angles))
    return (
        f"{joint:16} {angles[bent]:5.1f} degrees at {session.timestamps[bent]:6.2f} s, "
        f"{angles[straight]:5.1f} at {session.timestamps[straight]:6.2f} s, mean {np.nanmean(angles):5.1f}"
    )


def main() -> int:
    """Runs the program; returns its exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--joints", nargs="+", default=["left_knee", "right_knee"])
    parser.add_argument("--database", default="sessions.db", help="default: %(default)s")
    parser.add_argument("--figure", type=Path, help="default: the video's name with .png")
    options = parser.parse_args()
    figure: Path = options.figure or Path(f"{options.video.stem}.png")
    try:
        with ps.open(options.database) as store:
            session = record_video(store, options.video)
            print(session)
            for joint in options.joints:
                print(describe(session, joint))
            session.plot_angles(*options.joints).figure.savefig(figure, dpi=150)
            session.animate(figure.with_suffix(".gif"), images=True)
    except (ps.PosesessionError, StreamerError) as error:
        print(f"analyse_session: {error}", file=sys.stderr)
        return 1
    print(f"{figure} and {figure.with_suffix('.gif')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
