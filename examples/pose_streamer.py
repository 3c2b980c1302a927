#!/usr/bin/env python3
"""A camera or a video file in, poses with their pictures out to a posesession server.

MediaPipe finds the pose in each picture; it goes to the server with the picture as a JPEG. Somebody else may record the
stream (the page ``pose_realtime.html``), or this program does: ``--record``.

    scripts/setup_python.sh
    .venv/streamer/bin/python examples/pose_streamer.py --source 0
    .venv/streamer/bin/python examples/pose_streamer.py --source climb.mp4 --fast --record "First climb"
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

import posesession as ps

SKELETON = "mediapipe_33"
PROGRESS_INTERVAL_S = 0.5


class StreamerError(Exception):
    """Something that ends the program, in words for its user."""


@dataclass(frozen=True)
class Sighting:
    """What was seen at a time: `timestamp` in seconds of this program's clock."""

    timestamp: float
    keypoints: NDArray[np.float32]
    """``(33, 4)``: x, y (parts of the picture's width and height), z, confidence; empty where nobody was seen."""
    image: bytes | None = None
    """A JPEG."""


class Source(Protocol):
    """What sightings come from."""

    fps: float | None

    def sightings(self) -> Iterator[Sighting]:
        """Yields what is seen, picture by picture, until it ends."""


@dataclass(frozen=True)
class SourceOptions:
    """What to look at, and how."""

    source: str
    """A camera's index or a file's path."""
    real_time: bool
    """A file is played at its own speed, leaving out what there is no time for."""
    loop: bool
    image_quality: int | None
    """JPEG quality, 1 to 100; None: no images."""
    image_width: int
    """Pictures are sent at most so wide, px."""


class PoseSource:
    """A camera or a video file in, `Sighting`s out."""

    def __init__(self, options: SourceOptions) -> None:
        # Here, since both take seconds to load, and who has another source needs neither.
        import cv2
        import mediapipe

        self._cv2 = cv2
        self._options = options
        self.is_camera = options.source.isdecimal()
        self._video = cv2.VideoCapture(int(options.source) if self.is_camera else options.source)
        if not self._video.isOpened():
            what = "camera" if self.is_camera else "video file"
            raise StreamerError(f"cannot open the {what} {options.source}")
        self.fps = self._video.get(cv2.CAP_PROP_FPS) or None
        self.frames_skipped = 0
        # The first inference takes far longer than any other: not in the middle of a stream.
        with native_log_hidden():
            self._pose = mediapipe.solutions.pose.Pose(model_complexity=1)
            self._pose.process(np.zeros((64, 64, 3), np.uint8))

    def sightings(self) -> Iterator[Sighting]:
        """Yields what is seen, picture by picture, until the file ends (a camera never does)."""
        yield from self._camera() if self.is_camera else self._file()

    def close(self) -> None:
        """Lets go of the camera and the model."""
        self._video.release()
        self._pose.close()

    def _camera(self) -> Iterator[Sighting]:
        while True:
            there, picture = self._video.read()
            timestamp = time.monotonic()
            if not there:
                raise StreamerError(f"the camera {self._options.source} gives no more pictures")
            yield self._look(picture, timestamp)

    def _file(self) -> Iterator[Sighting]:
        interval = 1.0 / (self.fps or 30.0)
        started = time.monotonic()
        round_start = last = -interval
        while True:
            round_start = last + interval
            seen_any = False
            while self._video.grab():
                # The position is that of the picture just grabbed only after grabbing it.
                position = self._video.get(self._cv2.CAP_PROP_POS_MSEC) / 1000.0
                last = max(round_start + position, last + 1e-6)
                if self._options.real_time:
                    late = time.monotonic() - started - last
                    if late > interval and seen_any:
                        self.frames_skipped += 1
                        continue
                    time.sleep(max(0.0, -late))
                there, picture = self._video.retrieve()
                if there:
                    seen_any = True
                    yield self._look(picture, last)
            if not seen_any:
                raise StreamerError(f"{self._options.source} has no pictures")
            if not self._options.loop:
                return
            self._video.set(self._cv2.CAP_PROP_POS_FRAMES, 0)

    def _look(self, picture, timestamp: float) -> Sighting:
        found = self._pose.process(self._cv2.cvtColor(picture, self._cv2.COLOR_BGR2RGB))
        marks = found.pose_landmarks.landmark if found.pose_landmarks else ()
        keypoints = np.array([(mark.x, mark.y, mark.z, mark.visibility) for mark in marks], np.float32)
        return Sighting(timestamp, keypoints, self._jpeg(picture))

    def _jpeg(self, picture) -> bytes | None:
        cv2, options = self._cv2, self._options
        if options.image_quality is None:
            return None
        height, width = picture.shape[:2]
        if width > options.image_width:
            size = (options.image_width, round(height * options.image_width / width))
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        done, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, options.image_quality])
        return jpeg.tobytes() if done else None


@contextlib.contextmanager
def native_log_hidden() -> Iterator[None]:
    """Drops what native code writes to stderr meanwhile: MediaPipe notes there how it starts."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


class Progress:
    """One line that tells how far it is: rewritten on a terminal, now and then elsewhere."""

    def __init__(self) -> None:
        self._on_terminal = sys.stderr.isatty()
        self._started = self._shown = time.monotonic()

    def show(self, stream: ps.Recording | ps.Publication) -> None:
        """Shows the state, unless it was shown just before."""
        now = time.monotonic()
        if now - self._shown < (PROGRESS_INTERVAL_S if self._on_terminal else 5.0):
            return
        self._shown = now
        rate = stream.frame_count / (now - self._started)
        stored = "not recording"
        if stream.session_id:
            through = stream.stored_through
            stored = "nothing stored yet" if through is None else f"stored through {through}"
        line = f"{stream.frame_count} frames sent ({rate:.1f}/s), {stored}"
        start, end = ("\r\x1b[K", "") if self._on_terminal else ("", "\n")
        print(f"{start}{line}", end=end, file=sys.stderr, flush=True)


def say(line: str) -> None:
    """Prints a line, also where a progress line stands."""
    start = "\r\x1b[K" if sys.stderr.isatty() else ""
    print(f"{start}{line}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class StreamOptions:
    """Where to send, and what to record."""

    server: str
    stream: str = "default"
    record: str | None = None
    """The recording's name; None: recording is left to others."""
    max_frames: int | None = None
    stop_seconds: float = 60.0
    """How long to wait at the end for a server that is gone."""


def stream_poses(source: Source, options: StreamOptions, stopping: threading.Event) -> ps.Recording | None:
    """Sends what `source` sees until it ends or `stopping` is set. Returns the recording, if this program recorded."""
    client = ps.connect(options.server)
    if options.record is None:
        with client.publish(options.stream, skeleton=SKELETON, fps=source.fps) as publication:
            send_all(source, publication, options, stopping)
        return None
    metadata = {"source": "pose_streamer"}
    recording = client.record(
        options.record,
        skeleton=SKELETON,
        fps=source.fps,
        stream=options.stream,
        metadata=metadata,
        stop_seconds=options.stop_seconds,
    )
    with recording:
        say(f"recording started: {recording.session_id}")
        send_all(source, recording, options, stopping)
    return recording


def send_all(
    source: Source, stream: ps.Recording | ps.Publication, options: StreamOptions, stopping: threading.Event
) -> None:
    """Sends frame after frame. A refused one is told and does not end it."""
    progress = Progress()
    recorded = stream.session_id
    for sighting in source.sightings():
        if stopping.is_set() or stream.frame_count == options.max_frames:
            return
        try:
            stream.push(sighting.timestamp, sighting.keypoints, image=sighting.image)
        except ps.errors.FrameRefusedError as error:
            say(f"server: {error}")
        # Others start and stop the recording of a stream that is only published.
        if stream.session_id != recorded:
            word = "stopped" if stream.session_id is None else "started"
            say(f"recording {word}: {recorded or stream.session_id}")
            recorded = stream.session_id
        progress.show(stream)


def describe(recording: ps.Recording, server: str) -> str:
    """Returns what became of a recording, in words."""
    session, report = recording.session, recording.report or {}
    lost = [f"{report[what]} {what}" for what in ("late", "conflict", "missing") if report.get(what)]
    lost += [f"{count} refused ({code})" for code, count in report.get("refused", {}).items()]
    problems = f"; {', '.join(lost)}" if lost else ""
    return (
        f"recorded {len(session)} frames, {session.duration:.2f} s{problems}\n"
        f"replay: {server}/session_replay.html?session={session.id}"
    )


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--server", default="ws://127.0.0.1:8787", help="default: %(default)s")
    parser.add_argument("--source", default="0", help="a camera's number or a video file (default: 0)")
    parser.add_argument("--stream", default="default", help="the stream's name (default: %(default)s)")
    parser.add_argument("--record", metavar="NAME", help="record the stream under this name")
    parser.add_argument(
        "--images", action=argparse.BooleanOptionalAction, default=True, help="also send the pictures"
    )
    parser.add_argument("--quality", type=int, default=80, help="of the JPEGs, 1 to 100 (default: %(default)s)")
    parser.add_argument("--image-width", type=int, default=640, help="at most, px (default: %(default)s)")
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument("--real-time", action="store_true", help="play a file at its own speed (default)")
    pace.add_argument("--fast", action="store_true", help="every picture of a file, as fast as it goes")
    parser.add_argument("--loop", action="store_true", help="start a file anew when it ends")
    parser.add_argument("--max-frames", type=int, help="stop after so many frames")
    options = parser.parse_args(arguments)
    if not 1 <= options.quality <= 100:
        parser.error("--quality must be from 1 to 100")
    if options.image_width < 16:
        parser.error("--image-width must be at least 16")
    if options.max_frames is not None and options.max_frames < 1:
        parser.error("--max-frames must be at least 1")
    return options


def run(arguments: argparse.Namespace) -> None:
    """Streams as the command line says; Ctrl-C ends the recording first, a second one at once."""
    stopping = threading.Event()

    def stop(number: int, _frame: object) -> None:
        stopping.set()
        signal.signal(number, signal.default_int_handler)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    source = PoseSource(
        SourceOptions(
            source=arguments.source,
            real_time=not arguments.fast,
            loop=arguments.loop,
            image_quality=arguments.quality if arguments.images else None,
            image_width=arguments.image_width,
        )
    )
    options = StreamOptions(arguments.server, arguments.stream, arguments.record, arguments.max_frames)
    try:
        recording = stream_poses(source, options, stopping)
    finally:
        source.close()
    if source.frames_skipped:
        say(f"{source.frames_skipped} pictures were left out to keep pace; --fast sends all")
    if recording is not None:
        print(describe(recording, ps.connect(arguments.server).url), flush=True)


def main() -> int:
    """Runs the program; returns its exit status."""
    try:
        run(parse_arguments())
    except (ps.PosesessionError, StreamerError) as error:
        say(f"pose_streamer: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
