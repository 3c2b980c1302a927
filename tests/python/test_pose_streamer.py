"""The pose streamer's frames and commands, against the shared vectors and a small server in this process."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import struct
import sys
import unittest
from dataclasses import dataclass, field
from pathlib import Path

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples"))

import pose_streamer  # noqa: E402
from pose_streamer import Person, Sighting, StreamOptions, encode_frame, stream_poses  # noqa: E402

SESSION = {"id": "0190", "name": "Squat", "frame_count": 3, "duration": 0.066, "status": "completed"}


class BinaryFrames(unittest.TestCase):
    def encode_vector(self, name: str) -> tuple[bytes, bytes]:
        vector = json.loads((ROOT / "testdata" / "protocol" / name).read_text())
        decoded = vector["decoded"]
        persons = [
            Person(person["id"], [math.nan if value is None else value for value in person["values"]])
            for person in decoded["persons"]
        ]
        sighting = Sighting(decoded["timestamp"], persons, bytes.fromhex(decoded.get("image_hex") or ""))
        number = decoded["frame_number"] if decoded["flags"] & 1 else None
        stream = decoded.get("stream") or "default"
        encoded = encode_frame(sighting, number, stream, decoded["session_timestamp"])
        return encoded, bytes.fromhex(vector["hex"])

    def test_a_frame_is_encoded_as_the_shared_vector_says(self) -> None:
        encoded, expected = self.encode_vector("binary_frame_record.json")
        self.assertEqual(encoded.hex(), expected.hex())

    def test_a_frame_with_nobody_is_encoded_as_the_shared_vector_says(self) -> None:
        encoded, expected = self.encode_vector("binary_frame_empty.json")
        # Which of the many NaNs stands for an absent session timestamp is of no meaning.
        self.assertEqual(encoded[:16] + encoded[24:], expected[:16] + expected[24:])
        self.assertEqual(len(encoded), len(expected))
        self.assertTrue(math.isnan(struct.unpack_from("<d", encoded, 16)[0]))

    def test_values_keep_full_f32_precision(self) -> None:
        value = struct.unpack("<f", struct.pack("<f", 0.7432878017425537))[0]
        encoded = encode_frame(Sighting(0.0, [Person(0, [value])]), 0)
        self.assertEqual(struct.unpack_from("<f", encoded, 52)[0], value)

    def test_persons_with_different_counts_are_refused(self) -> None:
        with self.assertRaisesRegex(ValueError, r"\[1, 2\]"):
            encode_frame(Sighting(0.0, [Person(0, [0.5]), Person(1, [0.5, 0.5])]), 0)

    def test_the_last_image_byte_ends_the_message(self) -> None:
        encoded = encode_frame(Sighting(0.0, [], b"\xff\xd8jpeg\xff\xd9"), 5, "cam")
        self.assertEqual(encoded[48:], b"cam\xff\xd8jpeg\xff\xd9")


@dataclass
class FakeSource:
    """A source of as many sightings as asked for; `at` is called before each with its number."""

    count: int
    fps: float | None = 30.0
    at: dict[int, object] = field(default_factory=dict)

    def sightings(self):
        for number in range(self.count):
            if number in self.at:
                self.at[number]()
            yield Sighting(number / 30, [Person(0, [0.5] * 132)], b"\xff\xd8\xff\xd9")


@dataclass
class FakeServer:
    """Answers commands as the server does, acknowledges frames, and keeps what it was sent."""

    refuse: dict[str, str] = field(default_factory=dict)
    """Command -> the error code it is answered with."""
    refuse_frame: int | None = None
    close_at_frame: int | None = None
    received: list[object] = field(default_factory=list)
    address: str = ""

    async def handle(self, socket) -> None:
        # A client that gives up closes the connection as it likes.
        with contextlib.suppress(ConnectionClosed):
            await self.talk(socket)

    async def talk(self, socket) -> None:
        await socket.send(json.dumps({"type": "welcome", "protocol": "posesession.v1"}))
        publisher = None
        async for message in socket:
            if isinstance(message, bytes):
                number = struct.unpack_from("<Q", message, 24)[0]
                self.received.append(number)
                if number == self.close_at_frame:
                    await socket.close(1011)
                    return
                if number == self.refuse_frame:
                    refused = {"type": "error", "code": "bad_image", "message": "no", "frame_number": number}
                    await socket.send(json.dumps(refused))
                ack = {"type": "ack", "session_id": "0190", "publisher": publisher, "stored_through": number}
                await socket.send(json.dumps(ack))
                continue
            command = json.loads(message)
            kind = command["type"]
            self.received.append(command)
            publisher = command.get("publisher", publisher)
            if kind in self.refuse:
                answer = {"type": "error", "code": self.refuse[kind], "message": "not now"}
            else:
                answer = {
                    "publish": {"type": "ok"},
                    "start_recording": {"type": "session_created", "session_id": "0190"},
                    "stop_recording": {"type": "recording_finalized", "session": SESSION, "report": {}},
                }[kind]
            await socket.send(json.dumps({**answer, "id": command["id"]}))

    def words(self) -> list[object]:
        """What came: commands by their type, frames by their number."""
        return [entry["type"] if isinstance(entry, dict) else entry for entry in self.received]


class Flow(unittest.IsolatedAsyncioTestCase):
    async def stream(self, fake: FakeServer, source: FakeSource, stopping=None, **options):
        async with serve(fake.handle, "127.0.0.1", 0, subprotocols=["posesession.v1"]) as server:
            port = server.sockets[0].getsockname()[1]
            fake.address = f"ws://127.0.0.1:{port}/ws/pose"
            options = StreamOptions(fake.address, **options)
            streaming = stream_poses(source, options, stopping or asyncio.Event())
            return await asyncio.wait_for(streaming, 20)

    async def test_a_recording_is_started_filled_and_stopped_in_this_order(self) -> None:
        fake = FakeServer()
        finalized = await self.stream(fake, FakeSource(3), record="Squat", stream="cam")
        self.assertEqual(fake.words(), ["publish", "start_recording", 0, 1, 2, "stop_recording"])
        publish, start, stop = (entry for entry in fake.received if isinstance(entry, dict))
        self.assertEqual((publish["stream"], publish["skeleton"], publish["fps"]), ("cam", "mediapipe_33", 30.0))
        self.assertEqual((start["name"], start["stream"]), ("Squat", "cam"))
        self.assertEqual(stop["session_id"], "0190")
        self.assertEqual(finalized["session"], SESSION)

    async def test_without_record_nothing_is_started(self) -> None:
        fake = FakeServer()
        self.assertIsNone(await self.stream(fake, FakeSource(2)))
        self.assertEqual(fake.words(), ["publish", 0, 1])

    async def test_each_run_is_a_publisher_of_its_own(self) -> None:
        fake = FakeServer()
        await self.stream(fake, FakeSource(1))
        await self.stream(fake, FakeSource(1))
        first, second = (entry["publisher"] for entry in fake.received if isinstance(entry, dict))
        self.assertNotEqual(first, second)

    async def test_ctrl_c_stops_the_recording(self) -> None:
        fake, stopping = FakeServer(), asyncio.Event()
        source = FakeSource(1000, at={2: stopping.set})
        finalized = await self.stream(fake, source, stopping, record="Squat")
        self.assertEqual(fake.words(), ["publish", "start_recording", 0, 1, "stop_recording"])
        self.assertEqual(finalized["session"], SESSION)

    async def test_max_frames_ends_it(self) -> None:
        fake = FakeServer()
        await self.stream(fake, FakeSource(10), max_frames=4)
        self.assertEqual(fake.words(), ["publish", 0, 1, 2, 3])

    async def test_a_refused_frame_does_not_end_it(self) -> None:
        fake = FakeServer(refuse_frame=1)
        finalized = await self.stream(fake, FakeSource(3), record="Squat")
        self.assertEqual(fake.words(), ["publish", "start_recording", 0, 1, 2, "stop_recording"])
        self.assertIsNotNone(finalized)

    async def test_a_refused_command_is_told_with_its_code(self) -> None:
        fake = FakeServer(refuse={"start_recording": "already_recording"})
        with self.assertRaisesRegex(pose_streamer.ServerError, r"not now \(already_recording\)") as caught:
            await self.stream(fake, FakeSource(3), record="Squat")
        self.assertEqual(caught.exception.code, "already_recording")
        self.assertEqual(fake.words(), ["publish", "start_recording"])

    async def test_a_lost_connection_is_an_error_and_no_hang(self) -> None:
        fake = FakeServer(close_at_frame=1)
        with self.assertRaises(pose_streamer.StreamerError):
            await self.stream(fake, FakeSource(100_000), record="Squat")

    async def test_no_server_is_an_error_that_names_the_address(self) -> None:
        options = StreamOptions("ws://127.0.0.1:9/ws/pose")
        with self.assertRaisesRegex(pose_streamer.StreamerError, "127.0.0.1:9"):
            await stream_poses(FakeSource(1), options, asyncio.Event())


class Words(unittest.TestCase):
    def test_the_replay_address_is_on_the_same_server(self) -> None:
        address = pose_streamer.replay_address("ws://127.0.0.1:8787/ws/pose", "0190")
        self.assertEqual(address, "http://127.0.0.1:8787/session_replay.html?session=0190")

    def test_what_was_lost_is_told(self) -> None:
        report = {"late": 2, "missing": 0, "refused": {"bad_image": 1}}
        told = pose_streamer.describe({"session": SESSION, "report": report}, "ws://h/ws/pose")
        self.assertIn("recorded 3 frames, 0.07 s; 2 late, 1 refused (bad_image)", told)


if __name__ == "__main__":
    unittest.main()
