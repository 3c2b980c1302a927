"""The pose streamer against a real server in this process; what it sees is made up."""

from __future__ import annotations

import contextlib
import io
import sys
import threading
import unittest
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import posesession as ps

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples"))

from pose_streamer import Sighting, StreamOptions, describe, stream_poses  # noqa: E402

FPS = 30.0
JPEG = b"\xff\xd8\xff\xe0 a picture \xff\xd9"


@dataclass
class FakeSource:
    """A source of as many sightings as asked for; `at` is called before each with its number."""

    count: int
    fps: float | None = FPS
    at: dict[int, Callable[[], object]] = field(default_factory=dict)
    images: dict[int, bytes] = field(default_factory=dict)

    def sightings(self) -> Iterator[Sighting]:
        for number in range(self.count):
            if number in self.at:
                self.at[number]()
            keypoints = np.full((33, 4), number / 100, np.float32)
            yield Sighting(number / FPS, keypoints, self.images.get(number, JPEG))


class Streaming(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.server = ps.Server(self.folder.name, listen="127.0.0.1:0")
        self.addCleanup(self.server.stop)
        self.client = self.server.connect()
        self.said = io.StringIO()
        silent = contextlib.redirect_stderr(self.said)
        silent.__enter__()
        self.addCleanup(silent.__exit__, None, None, None)

    def stream(
        self,
        source: FakeSource,
        stopping: threading.Event | None = None,
        *,
        record: str | None = None,
        stream: str = "default",
        max_frames: int | None = None,
    ) -> ps.Recording | None:
        options = StreamOptions(self.server.url, stream, record, max_frames)
        return stream_poses(source, options, stopping or threading.Event())

    def test_what_is_seen_is_recorded_with_its_times_and_pictures(self) -> None:
        recording = self.stream(FakeSource(30), record="Squat", stream="cam")
        assert recording is not None
        session = recording.session
        self.assertEqual((session.name, session.status, len(session)), ("Squat", "completed", 30))
        self.assertEqual(session.skeleton.name, "mediapipe_33")
        self.assertEqual(session.metadata["source"], "pose_streamer")
        np.testing.assert_allclose(session.timestamps, np.arange(30) / FPS, atol=1e-6)
        expected = np.broadcast_to((np.arange(30, dtype=np.float32) / 100)[:, None, None, None], (30, 1, 33, 4))
        np.testing.assert_array_equal(session.keypoints, expected.astype(np.float32))
        self.assertEqual(session[7].image, JPEG)
        self.assertIn("recorded 30 frames, 0.97 s\n", describe(recording, self.server.url))
        self.assertIn(f"{self.server.url}/session_replay.html?session={session.id}", describe(recording, self.server.url))

    def test_nobody_seen_is_a_frame_too(self) -> None:
        class Empty(FakeSource):
            def sightings(self) -> Iterator[Sighting]:
                for number in range(3):
                    yield Sighting(number / FPS, np.empty(0, np.float32))

        recording = self.stream(Empty(3), record="Nobody")
        assert recording is not None
        self.assertTrue(np.isnan(recording.session.keypoints).all())
        self.assertEqual(len(recording.session), 3)

    def test_without_record_nothing_is_started(self) -> None:
        self.assertIsNone(self.stream(FakeSource(2)))
        self.assertEqual(self.client.sessions(), [])

    def test_ctrl_c_stops_the_recording(self) -> None:
        stopping = threading.Event()
        recording = self.stream(FakeSource(1000, at={2: stopping.set}), stopping, record="Squat")
        assert recording is not None
        self.assertEqual((recording.session.status, len(recording.session)), ("completed", 2))

    def test_max_frames_ends_it(self) -> None:
        recording = self.stream(FakeSource(10), record="Squat", max_frames=4)
        assert recording is not None
        self.assertEqual(len(recording.session), 4)

    def test_a_refused_frame_is_told_and_does_not_end_it(self) -> None:
        recording = self.stream(FakeSource(300, images={1: b"no picture"}), record="Squat")
        assert recording is not None
        self.assertEqual(len(recording.session), 299)
        self.assertIn("1 refused (bad_image)", describe(recording, self.server.url))

    def test_a_stream_that_another_program_publishes_is_refused_with_its_code(self) -> None:
        with self.client.publish("default", skeleton="mediapipe_33"):
            with self.assertRaises(ps.errors.ServerRefusedError) as caught:
                self.stream(FakeSource(3), record="Squat")
        self.assertEqual(caught.exception.code, "stream_busy")

    def test_a_server_that_goes_away_is_an_error_and_no_hang(self) -> None:
        source = FakeSource(1_000, at={100: self.server.stop})
        options = StreamOptions(self.server.url, record="Squat", stop_seconds=1.0)
        with self.assertRaises(ps.PosesessionError):
            stream_poses(source, options, threading.Event())


class NoServer(unittest.TestCase):
    def test_no_server_is_an_error_that_names_the_address(self) -> None:
        with self.assertRaisesRegex(ps.PosesessionError, "127.0.0.1:9"):
            stream_poses(FakeSource(1), StreamOptions("ws://127.0.0.1:9"), threading.Event())


if __name__ == "__main__":
    unittest.main()
