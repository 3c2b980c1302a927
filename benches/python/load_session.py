"""Reads a session of 100,000 frames of 33 keypoints into NumPy: posesession beside the formats that researchers use.

``make bench-python``. All formats hold the same frames, on the same disk, and are read in turns, file already in the page
cache; a read opens the file and ends with two arrays. The median of the turns counts; slow ones get fewer.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from formats import FORMATS, Format, Keypoints, Timestamps
from frames import long_recording

#: Whoever takes longer than this for one read is read thrice only.
SLOW_S = 0.5
FEW_TURNS = 3


def file_bytes(path: Path) -> int:
    """All that the format wrote: files beside the first one bear its stem."""
    return sum(file.stat().st_size for file in path.parent.iterdir())


def check(kind: Format, read: tuple[Timestamps, Keypoints], written: tuple[Timestamps, Keypoints]) -> None:
    """A format that gives back other frames than it was given has not won anything."""
    timestamps, keypoints = read
    np.testing.assert_array_equal(keypoints.view(np.uint32), written[1].view(np.uint32), err_msg=kind.name)
    np.testing.assert_allclose(timestamps, written[0], rtol=0, atol=1e-6, err_msg=kind.name)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--folder", type=Path, help="where to write; on a disk (default: the system's temporary folder)")
    options = parser.parse_args()

    written = long_recording(options.frames)
    seconds: dict[str, list[float]] = {kind.name: [] for kind in FORMATS}
    sizes: dict[str, int] = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        paths = {}
        for kind in FORMATS:
            folder = Path(scratch) / kind.suffix.strip(".")
            folder.mkdir()
            paths[kind.name] = folder / f"session{kind.suffix}"
            print(f"writing {kind.name}", file=sys.stderr)
            kind.write(paths[kind.name], *written)
            sizes[kind.name] = file_bytes(paths[kind.name])
            check(kind, kind.read(paths[kind.name]), written)
        for turn in range(options.turns):
            print(f"reading, turn {turn + 1} of {options.turns}", file=sys.stderr)
            for kind in FORMATS:
                taken = seconds[kind.name]
                if len(taken) >= FEW_TURNS and min(taken) > SLOW_S:
                    continue
                start = time.perf_counter()
                kind.read(paths[kind.name])
                taken.append(time.perf_counter() - start)

    ours = statistics.median(seconds["posesession"])
    print(f"{options.frames:,} frames of 33 keypoints (528 bytes each) into NumPy:\n")
    print(f"{'':34}{'median':>9}{'fastest':>10}{'frames/s':>12}{'x posesession':>15}{'bytes/frame':>13}")
    for kind in sorted(FORMATS, key=lambda kind: statistics.median(seconds[kind.name])):
        median = statistics.median(seconds[kind.name])
        row = f"{kind.name:34}{median:7.3f} s{min(seconds[kind.name]):8.3f} s{options.frames / median:12,.0f}"
        print(f"{row}{median / ours:15.2f}{sizes[kind.name] / options.frames:13.0f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
