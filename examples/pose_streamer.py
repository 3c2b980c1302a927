#!/usr/bin/env python3
"""A camera or a video file in, poses with their pictures out to a posesession server.

MediaPipe finds the pose in each picture; it goes over ``/ws/pose`` as a binary frame, with the picture as a
JPEG. Somebody else may record the stream (the page ``pose_realtime.html``), or this program does: ``--record``.

    scripts/setup_python.sh
    .venv/streamer/bin/python examples/pose_streamer.py --source 0
    .venv/streamer/bin/python examples/pose_streamer.py --source climb.mp4 --fast --record "First climb"
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import secrets
import signal
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

PROTOCOL = "posesession.v1"
SKELETON = "mediapipe_33"
VALUES_PER_PERSON = 33 * 4
ACK_TIMEOUT_S = 10.0
PROGRESS_INTERVAL_S = 0.5
# kind, flags, persons, epoch, timestamp, session timestamp, frame number, values per person, bytes of the
# stream's name, reserved, bytes of the image, reserved
FRAME_HEADER = struct.Struct("<BBHIddQIHHII")
FRAME_KIND = 1
HAS_FRAME_NUMBER, HAS_SESSION_TIMESTAMP = 1, 2


class StreamerError(Exception):
    """Something that ends the program, in words for its user."""


class ServerError(StreamerError):
    """The server's `error`, as the answer to a command."""

    def __init__(self, message: dict) -> None:
        super().__init__(f"{message.get('message', 'the server refused')} ({message.get('code')})")
        self.code = message.get("code")
        self.session_id = message.get("session_id")


@dataclass(frozen=True)
class Person:
    """One person of a frame: a track id and the values, keypoint by keypoint (x, y, z, confidence)."""

    id: int
    values: Sequence[float]


@dataclass(frozen=True)
class Sighting:
    """What was seen at a time: `timestamp` in seconds of this program's clock, `image` a JPEG or empty."""

    timestamp: float
    persons: Sequence[Person]
    image: bytes = b""


def encode_frame(
    sighting: Sighting,
    frame_number: int | None,
    stream: str = "default",
    session_timestamp: float | None = None,
    values_per_person: int = VALUES_PER_PERSON,
) -> bytes:
    """Returns the binary message of a frame; NaN is a missing value.

    Raises `ValueError` if the persons have different numbers of values. `values_per_person` is said where
    nobody was seen.
    """
    counts = {len(person.values) for person in sighting.persons}
    if len(counts) > 1:
        raise ValueError(f"persons of one frame have different numbers of values: {sorted(counts)}")
    count = counts.pop() if counts else values_per_person
    name = b"" if stream == "default" else stream.encode()
    flags = HAS_FRAME_NUMBER if frame_number is not None else 0
    flags |= HAS_SESSION_TIMESTAMP if session_timestamp is not None else 0
    header = FRAME_HEADER.pack(
        FRAME_KIND,
        flags,
        len(sighting.persons),
        0,
        sighting.timestamp,
        float("nan") if session_timestamp is None else session_timestamp,
        frame_number or 0,
        count,
        len(name),
        0,
        len(sighting.image),
        0,
    )
    ids = struct.pack(f"<{len(sighting.persons)}I", *(person.id for person in sighting.persons))
    values = (struct.pack(f"<{count}f", *person.values) for person in sighting.persons)
    return b"".join((header, ids, *values, name, sighting.image))


class Client:
    """One connection to ``/ws/pose``: commands with their answers, frames, and what the server tells."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict]] = {}
        self._acked = asyncio.Event()
        self.publisher = secrets.token_hex(8)
        self.session_id: str | None = None
        """The recording of the stream, if there is one."""
        self.stored_through: int | None = None
        """Every frame up to this number is safe, or settled otherwise."""
        self.frames_refused = 0

    async def run(self) -> None:
        """Reads what the server sends until the connection ends."""
        try:
            async for message in self._socket:
                if isinstance(message, str):
                    self._receive(json.loads(message))
        finally:
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(StreamerError("the server closed the connection"))

    def _receive(self, message: dict) -> None:
        kind = message.get("type")
        answer = self._answers.pop(message.get("id"), None)
        if answer is not None and not answer.done():
            if kind == "error":
                answer.set_exception(ServerError(message))
            else:
                answer.set_result(message)
        elif kind == "error":
            self.frames_refused += "frame_number" in message
            number = message.get("frame_number")
            about = "" if number is None else f"frame {number}: "
            say(f"server: {about}{message.get('message')} ({message.get('code')})")
        elif kind == "ack" and message.get("publisher") == self.publisher:
            self.stored_through = message.get("stored_through")
            self._acked.set()
        elif kind == "recording_started":
            self.session_id = message["session_id"]
            say(f"recording started: {self.session_id}")
        elif kind == "recording_stopped":
            self.session_id = None
            self._acked.set()
            say(f"recording stopped: {message['session_id']}")

    async def command(self, kind: str, **fields: object) -> dict:
        """Sends a command; returns its answer, or raises `ServerError`."""
        number = next(self._ids)
        answer = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        sent = {name: value for name, value in fields.items() if value is not None}
        await self._socket.send(json.dumps({"type": kind, "id": number, **sent}))
        return await answer

    async def publish(self, stream: str, fps: float | None) -> None:
        """Becomes the stream's publisher."""
        answer = await self.command(
            "publish", stream=stream, skeleton=SKELETON, fps=fps, publisher=self.publisher
        )
        self.session_id = answer.get("session_id")

    async def send_frame(self, message: bytes) -> None:
        """Sends a frame; waits while the server reads more slowly than this program sends."""
        await self._socket.send(message)

    async def wait_stored(self, frame_number: int) -> None:
        """Waits until the frame is safe, the recording has ended or the server is silent for long."""
        with contextlib.suppress(asyncio.TimeoutError):
            while self.session_id and (self.stored_through is None or self.stored_through < frame_number):
                self._acked.clear()
                await asyncio.wait_for(self._acked.wait(), ACK_TIMEOUT_S)


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
        # Here, since both take seconds to load, and who only encodes frames needs neither.
        import cv2
        import mediapipe
        import numpy

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
            self._pose.process(numpy.zeros((64, 64, 3), numpy.uint8))

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
        persons = []
        if found.pose_landmarks:
            marks = found.pose_landmarks.landmark
            values = [value for mark in marks for value in (mark.x, mark.y, mark.z, mark.visibility)]
            persons.append(Person(0, values))
        return Sighting(timestamp, persons, self._jpeg(picture))

    def _jpeg(self, picture) -> bytes:
        cv2, options = self._cv2, self._options
        if options.image_quality is None:
            return b""
        height, width = picture.shape[:2]
        if width > options.image_width:
            size = (options.image_width, round(height * options.image_width / width))
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        done, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, options.image_quality])
        return jpeg.tobytes() if done else b""


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

    def show(self, sent: int, client: Client) -> None:
        """Shows the state, unless it was shown just before."""
        now = time.monotonic()
        if now - self._shown < (PROGRESS_INTERVAL_S if self._on_terminal else 5.0):
            return
        self._shown = now
        rate = sent / (now - self._started)
        stored = "not recording"
        if client.session_id:
            through = client.stored_through
            stored = "nothing stored yet" if through is None else f"stored through {through}"
        line = f"{sent} frames sent ({rate:.1f}/s), {stored}"
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


async def stream_poses(source, options: StreamOptions, stopping: asyncio.Event) -> dict | None:
    """Sends what `source` sees until it ends or `stopping` is set.

    Returns the server's `recording_finalized`, if this program recorded. Raises `StreamerError`.
    """
    try:
        socket = await connect(options.server, subprotocols=[PROTOCOL], max_size=2**24)
    except (OSError, WebSocketException) as error:
        raise StreamerError(f"cannot connect to {options.server}: {error}") from error
    async with socket:
        client = Client(socket)
        reader = asyncio.create_task(client.run())
        try:
            await client.publish(options.stream, source.fps)
            if options.record is not None:
                created = await client.command(
                    "start_recording",
                    name=options.record,
                    stream=options.stream,
                    metadata={"source": "pose_streamer"},
                )
                client.session_id = session_id = created["session_id"]
            last = await send_all(source, client, options, stopping)
            if options.record is not None:
                return await client.command("stop_recording", session_id=session_id)
            if last is not None:
                await client.wait_stored(last)
            return None
        except ConnectionClosed as error:
            raise StreamerError(f"the connection ended: {error}") from error
        finally:
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionClosed):
                await reader


async def send_all(source, client: Client, options: StreamOptions, stopping: asyncio.Event) -> int | None:
    """Sends frame after frame; returns the last number. Looking at pictures does not block the connection."""
    progress = Progress()
    sightings = source.sightings()
    limit = options.max_frames
    for number in itertools.count() if limit is None else range(limit):
        sighting = await asyncio.to_thread(next, sightings, None)
        if sighting is None or stopping.is_set():
            return number - 1 if number else None
        await client.send_frame(encode_frame(sighting, number, options.stream))
        progress.show(number + 1, client)
    return limit - 1 if limit else None


def replay_address(server: str, session_id: str) -> str:
    """Returns the address of the page that replays a session of the server at ``ws://.../ws/pose``."""
    parts = urlsplit(server)
    scheme = "https" if parts.scheme == "wss" else "http"
    return f"{scheme}://{parts.netloc}/session_replay.html?session={session_id}"


def describe(finalized: dict, server: str) -> str:
    """Returns what became of a recording, in words."""
    session, report = finalized["session"], finalized.get("report", {})
    lost = [f"{report[what]} {what}" for what in ("late", "conflict", "missing") if report.get(what)]
    lost += [f"{count} refused ({code})" for code, count in report.get("refused", {}).items()]
    problems = f"; {', '.join(lost)}" if lost else ""
    return (
        f"recorded {session['frame_count']} frames, {session['duration']:.2f} s{problems}\n"
        f"replay: {replay_address(server, session['id'])}"
    )


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--server", default="ws://127.0.0.1:8787/ws/pose", help="default: %(default)s")
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


async def run(arguments: argparse.Namespace) -> None:
    """Streams as the command line says; Ctrl-C ends the recording first, a second one at once."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    streaming = asyncio.current_task()

    def stop() -> None:
        if stopping.is_set():
            streaming.cancel()
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop)
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
        finalized = await stream_poses(source, options, stopping)
    finally:
        source.close()
    if source.frames_skipped:
        say(f"{source.frames_skipped} pictures were left out to keep pace; --fast sends all")
    if finalized is not None:
        print(describe(finalized, arguments.server), flush=True)


def main() -> int:
    """Runs the program; returns its exit status."""
    try:
        asyncio.run(run(parse_arguments()))
    except StreamerError as error:
        say(f"pose_streamer: {error}")
        return 1
    except (asyncio.CancelledError, KeyboardInterrupt):
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
