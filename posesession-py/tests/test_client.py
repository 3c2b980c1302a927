"""The same over the network: to a server of this wheel, by its own client."""

from __future__ import annotations

import asyncio
import io
import warnings
from time import sleep

import numpy as np
import pytest
from PIL import Image
from controller import tell
from relay import Relay
from support import record, squat, walk

import posesession as ps


def test_a_session_over_the_network_is_the_same(server: ps.Server) -> None:
    client = ps.connect(server.url.replace("http", "ws"))
    times, values = walk()
    session = record(client, times, values, name="Walk", metadata={"athlete": "Ada"})
    assert (session.name, session.status, len(session)) == ("Walk", "completed", 120)
    np.testing.assert_array_equal(session.keypoints[:, 0], values)
    np.testing.assert_allclose(session.timestamps, times - times[0], atol=1e-6)
    assert session.metadata["athlete"] == "Ada"
    assert session.at(2.0).frame_number == 60
    assert session.to_arrow().num_rows == 120
    assert "<svg" in session._repr_html_()


def test_replay_over_the_network(server: ps.Server) -> None:
    session = record(server.connect(), *squat())
    with session.replay(rate=8.0) as replay:
        frames = list(replay)
    numbers = [frame.frame_number for frame in frames]
    assert numbers[-1] == 89 and numbers == sorted(numbers)
    np.testing.assert_array_equal(frames[-1].keypoints, session.keypoints[89])

    async def collect() -> list[int]:
        async with session.replay(rate=8.0, start=2.0) as replay:
            return [frame.frame_number async for frame in replay]

    assert asyncio.run(collect())[-1] == 89


def test_seeking_over_the_network(server: ps.Server) -> None:
    with record(server.connect(), *squat()).replay(autoplay=False) as replay:
        assert replay.next(10.0) is not None
        replay.seek(1.02)
        frame = replay.next(10.0)
        assert frame is not None and frame.frame_number == 30
        replay.play(16.0)
        *_, last = replay
        assert last.frame_number == 89 and replay.state.status == "ended"


def test_images_over_the_network(server: ps.Server) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 12), (9, 0, 0)).save(buffer, "JPEG")
    client = server.connect()
    with client.record("Pictures", skeleton="mediapipe_33") as recording:
        for n, keypoints in enumerate(squat(4)[1]):
            recording.push(n / 30, keypoints, image=buffer.getvalue() if n == 2 else None)
    assert recording.session.image(2) == buffer.getvalue() and recording.session.image(1) is None


def test_listing_and_changing(server: ps.Server) -> None:
    client = server.connect()
    for name in ("Squat", "Squat jump", "Squat"):
        record(client, *squat(3), name=name)
    assert [s.name for s in client.sessions(sort="name")] == ["Squat", "Squat", "Squat jump"]
    assert len(client.sessions(name="Squat")) == 2 and len(client.sessions(limit=1)) == 1
    session = client.sessions(name="Squat jump")[0]
    session.update(description="high")
    assert client.session(session.id).description == "high"
    session.delete()
    with pytest.raises(ps.errors.SessionNotFoundError):
        client.session(session.id)
    assert client.restore(session.id).name == "Squat jump"


def test_a_stream_has_one_publisher(server: ps.Server) -> None:
    client = server.connect()
    with client.record("First", skeleton="mediapipe_33") as recording:
        recording.push(0.0, squat(1)[1][0])
        with pytest.raises(ps.errors.ServerRefusedError) as caught:
            client.record("Second", skeleton="mediapipe_33")
        assert caught.value.code in ("stream_busy", "already_recording")
        with client.record("Third", skeleton="mediapipe_33", stream="other camera") as other:
            other.push(0.0, squat(1)[1][0])


def test_flush_waits_for_the_servers_word(server: ps.Server) -> None:
    recording = server.connect().record("Squat", skeleton="mediapipe_33")
    for time, keypoints in zip(*squat(40)):
        recording.push(time, keypoints)
    recording.flush()
    assert recording.stored_through == 39
    assert len(recording.stop()) == 40


def test_nobody_there() -> None:
    with pytest.raises(ConnectionError):
        ps.connect("ws://127.0.0.1:9", timeout=2.0)
    with pytest.raises(ps.errors.BadArgumentError):
        ps.connect("ftp://127.0.0.1")


def test_a_server_that_stops_is_noticed(server: ps.Server) -> None:
    client = server.connect()
    recording = client.record("Cut off", skeleton="mediapipe_33", stop_seconds=1.0)
    recording.push(0.0, squat(1)[1][0])
    recording.flush()
    server.stop()
    with pytest.raises(ps.PosesessionError):
        recording.push(0.1, squat(1)[1][0])
        recording.stop()
    with pytest.raises(ConnectionError):
        client.sessions()


def test_a_recording_survives_lost_connections(server: ps.Server) -> None:
    relay = Relay(server.url)
    times, values = squat(120)
    with ps.connect(relay.url).record("Bumpy", skeleton="mediapipe_33") as recording:
        for n, (time, keypoints) in enumerate(zip(times, values)):
            recording.push(time, keypoints)
            if n % 40 == 20:
                recording.flush()
                relay.cut()
        recording.flush()
        assert (recording.stored_through, recording.unacked_count, recording.dropped_count) == (119, 0, 0)
        assert recording.reconnect_count > 0
    session = server.connect().session(recording.session_id)
    np.testing.assert_array_equal(session.keypoints[:, 0], values)


def test_a_recording_that_somebody_else_stops_takes_no_more_frames(server: ps.Server) -> None:
    _, values = squat(10)
    with server.connect().record("Stopped", skeleton="mediapipe_33") as recording:
        for n in range(10):
            recording.push(n / 30, values[n])
        recording.flush()
        finalized = tell(server.url, type="stop_recording", session_id=recording.session_id)
        assert finalized["session"]["frame_count"] == 10
        # Those that were pushed before the end was heard of are named.
        with pytest.raises((ps.errors.FramesLostError, ps.errors.RecordingStateError)) as raised:
            for n in range(10, 100_000):
                recording.push(n / 30, values[0])
        if isinstance(raised.value, ps.errors.FramesLostError):
            assert raised.value.numbers[0][0] == 10
        with pytest.raises(ps.errors.RecordingStateError, match="somebody else"):
            recording.push(10_000.0, values[0])
        with pytest.raises(ps.errors.RecordingStateError, match="somebody else"):
            recording.flush()
    assert len(recording.session) == 10


def test_leaving_a_recording_that_somebody_else_stopped_raises_what_is_lost(server: ps.Server) -> None:
    relay = Relay(server.url)
    _, values = squat(3)
    with pytest.raises(ps.errors.FramesLostError) as lost:
        with ps.connect(relay.url).record("Stopped", skeleton="mediapipe_33") as recording:
            recording.push(0.0, values[0])
            recording.flush()
            relay.close()
            for n in (1, 2):
                recording.push(n / 30, values[n])
            tell(server.url, type="stop_recording", session_id=recording.session_id)
            relay.open()
            while not recording.has_ended:
                sleep(0.01)
    assert lost.value.numbers == [(1, 2)]


def test_a_publication_that_is_closed_has_sent_everything(server: ps.Server) -> None:
    client = server.connect()
    _, values = squat(1)
    image = b"\xff\xd8\xff" + bytes(20_000)
    stream = client.publish("camera 3", skeleton="mediapipe_33")
    started = tell(server.url, type="start_recording", name="By hand", stream="camera 3")
    for n in range(500):
        stream.push(n / 30, values[0], image=image)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stream.close()
    stopped = tell(server.url, type="stop_recording", session_id=started["session_id"])
    assert stopped["session"]["frame_count"] == 500


def test_what_gives_way_while_the_server_is_away_is_warned_of(server: ps.Server) -> None:
    relay = Relay(server.url)
    keypoints = squat(1)[1][0]
    recording = ps.connect(relay.url).record("Full", skeleton="mediapipe_33", buffer_bytes=10_000, stop_seconds=1.0)
    recording.push(0.0, keypoints)
    recording.flush()
    relay.close()
    with pytest.warns(RuntimeWarning, match="the buffer is full"):
        for n in range(1, 2_000):
            recording.push(n / 30, keypoints)
            if recording.dropped_count:
                break
    relay.open()
    recording.flush()
    assert recording.dropped_count > 0


def test_a_full_buffer_may_raise(server: ps.Server) -> None:
    relay = Relay(server.url)
    keypoints = squat(1)[1][0]
    recording = ps.connect(relay.url).record(
        "Full", skeleton="mediapipe_33", buffer_bytes=10_000, on_overflow="raise", stop_seconds=0.5
    )
    recording.push(0.0, keypoints)
    recording.flush()
    relay.close()
    with pytest.raises(ps.errors.BufferFullError):
        for n in range(1, 2_000):
            recording.push(n / 30, keypoints)
    with pytest.raises(ps.errors.FramesLostError) as caught:
        recording.stop()
    assert caught.value.numbers[0][0] == 1
    with pytest.raises(ps.errors.BadArgumentError, match="on_overflow"):
        ps.connect(server.url).record("Full", on_overflow="explode")  # type: ignore[arg-type]


def test_copies_of_remote_sessions(server: ps.Server, store: ps.Store) -> None:
    session = record(server.connect(), *squat())
    copy = session.copy_to(store)
    np.testing.assert_array_equal(copy.keypoints, session.keypoints)
    assert copy.id == session.id


def test_a_stream_is_published_without_being_recorded(server: ps.Server) -> None:
    client = server.connect()
    times, values = squat(30)
    with client.publish("camera 2", skeleton="mediapipe_33", fps=30.0) as stream:
        for time, keypoints in zip(times, values):
            stream.push(time, keypoints)
        assert (stream.session_id, stream.stored_through, stream.refused_count) == (None, None, 0)
        assert stream.skeleton is not None and stream.skeleton.name == "mediapipe_33"
        assert repr(stream) == "Publication(not recorded, 30 frames)"
        with pytest.raises(ps.errors.ServerRefusedError) as caught:
            client.publish("camera 2")
        assert caught.value.code == "stream_busy"
    assert client.sessions() == []
    with pytest.raises(ps.errors.RecordingStateError, match="publish it anew"):
        stream.push(1.0, values[0])


def test_a_session_over_the_network_is_as_exact_as_it_says(server: ps.Server) -> None:
    times, values = squat()
    with server.connect().record("Squat", skeleton="mediapipe_33", max_error={"x": 0.01}) as recording:
        for time, keypoints in zip(times, values):
            recording.push(time, keypoints)
    session = recording.session
    assert (session.codec, session.max_error) == ("bounded", {"x": 0.01})
    off = np.abs(session.keypoints[:, 0].astype(np.float64) - values)
    assert off[..., 0].max() <= 0.01 and off[..., 1:].max() == 0
