#!/usr/bin/env python3
"""Fills a folder (default ``./vision``) with what the recording page needs to find poses in a browser.

    vision_bundle.mjs, wasm/           MediaPipe's vision library for browsers, from its npm package
    pose_landmarker_{lite,full}.task   the pose models, put together from the model files of two packages

Needs Python 3.10, its pip, and npm; installs nothing. Everything is Apache-2.0, (c) the MediaPipe authors.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import struct
import sys
import tarfile
import zipfile
from pathlib import Path

import packages
from packages import MEDIAPIPE, MEDIAPIPE_POSE, ROOT, TASKS_VISION, FetchError, say
from tflite_metadata import image_metadata, with_metadata

STAMP = ".complete"
DETECTOR = (
    "mediapipe/modules/pose_detection/pose_detection.tflite",
    "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
)
# Model -> digest of its landmark model in the npm package.
MODELS = {
    "lite": "f17bfbecadb61c3be1baa8b8d851cc6619c870a87167b32848ad20db306b9d61",
    "full": "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
}
# A module worker loads the `module` build; a browser without SIMD the `nosimd` one.
LIBRARY_FILES = (
    "vision_bundle.mjs",
    "wasm/vision_wasm_internal.js",
    "wasm/vision_wasm_internal.wasm",
    "wasm/vision_wasm_module_internal.js",
    "wasm/vision_wasm_module_internal.wasm",
    "wasm/vision_wasm_nosimd_internal.js",
    "wasm/vision_wasm_nosimd_internal.wasm",
)
# MediaPipe maps the models in place: each starts at a multiple of this.
BUNDLE_ALIGNMENT = 4
ZIP_HEADER_BYTES = 30
# The extra field that other zip writers, too, use to align a file.
ZIP_ALIGNMENT_EXTRA = 0xD935


def bundle_models(models: dict[str, bytes]) -> bytes:
    """Returns the models as a ``.task``: a zip without compression, the same bytes on every run."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as bundle:
        for name, data in models.items():
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.create_system = 0
            start = bundle.start_dir + ZIP_HEADER_BYTES + len(name) + 4
            padding = -start % BUNDLE_ALIGNMENT
            info.extra = struct.pack("<HH", ZIP_ALIGNMENT_EXTRA, padding) + bytes(padding)
            bundle.writestr(info, data)
    return out.getvalue()


def pose_task(model: str) -> bytes:
    """Returns the pose landmarker `model` (``lite`` or ``full``) for MediaPipe's tasks."""
    landmarks = packages.read_member(
        MEDIAPIPE_POSE, f"package/pose_landmark_{model}.tflite", MODELS[model]
    )
    # The landmark models look at colours from 0 to 1.
    metadata = image_metadata("Pose landmarks detector", mean=0.0, std=255.0)
    return bundle_models(
        {
            "pose_detector.tflite": packages.read_member(MEDIAPIPE, *DETECTOR),
            "pose_landmarks_detector.tflite": with_metadata(landmarks, metadata),
        }
    )


def library_files() -> dict[str, bytes]:
    """Returns the browser library's files by name."""
    with tarfile.open(packages.fetch(TASKS_VISION)) as tarball:
        files = {}
        for name in LIBRARY_FILES:
            member = tarball.extractfile(f"package/{name}")
            if member is None:
                raise FetchError(f"{TASKS_VISION}: {name} is not a file")
            files[name] = member.read()
    return files


def recipe() -> str:
    """Returns a digest of all that decides what is written: the pins and the code that assembles."""
    digest = hashlib.sha256()
    for source in ("fetch_vision.py", "tflite_metadata.py", "packages.py"):
        digest.update((Path(__file__).parent / source).read_bytes())
    return digest.hexdigest()


def is_up_to_date(folder: Path) -> bool:
    """Tells whether `folder` holds what this program would write, by its stamp and the files' sizes."""
    try:
        stamp = json.loads((folder / STAMP).read_text())
        return stamp["recipe"] == recipe() and all(
            (folder / name).stat().st_size == size for name, size in stamp["files"].items()
        )
    except (OSError, ValueError, KeyError):
        return False


def fill(folder: Path) -> None:
    """Writes all files into `folder`, the stamp last."""
    files = library_files()
    for model in MODELS:
        say(f"putting together pose_landmarker_{model}.task")
        files[f"pose_landmarker_{model}.task"] = pose_task(model)
    for name, data in files.items():
        packages.write_atomically(folder / name, data)
    sizes = {name: len(data) for name, data in files.items()}
    stamp = json.dumps({"recipe": recipe(), "files": sizes}, indent=2)
    packages.write_atomically(folder / STAMP, stamp.encode())


def main() -> int:
    """Runs the program; returns its exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "vision", help="folder to fill")
    parser.add_argument("--force", action="store_true", help="write even if all is there")
    options = parser.parse_args()
    if not options.force and is_up_to_date(options.out):
        (options.out / STAMP).touch()
        say(f"{options.out} is up to date")
        return 0
    try:
        fill(options.out)
    except (FetchError, OSError) as error:
        print(f"fetch_vision: {error}", file=sys.stderr)
        return 1
    say(f"{options.out} is ready")
    return 0


if __name__ == "__main__":
    sys.exit(main())
