"""Recording into a store."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support import record, squat

import posesession as ps


def jpeg(shade: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 12), (shade, 0, 0)).save(buffer, "JPEG")
    return buffer.getvalue()


def test_what_was_pushed_is_durable_after_flush(store: ps.Store) -> None:
    recording = store.record("Squat", skeleton="mediapipe_33")
    assert recording.stored_through is None
    for time, keypoints in zip(*squat(40)):
        recording.push(time, keypoints)
    recording.flush()
    assert recording.stored_through == 39 and recording.frame_count == 40
    assert recording.session.status == "recording"
    session = recording.stop()
    assert (session.status, len(session)) == ("completed", 40)
    assert recording.report is not None


def test_images_are_kept_with_their_frames(store: ps.Store) -> None:
    times, values = squat(20)
    with store.record("Squat", skeleton="mediapipe_33") as recording:
        for n, (time, keypoints) in enumerate(zip(times, values)):
            recording.push(time, keypoints, image=jpeg(n) if n % 2 else None)
    session = recording.session
    assert session.image(3) == jpeg(3) and session.image(4) is None
    assert session[5].image == jpeg(5)


def test_images_of_any_bytes_like_kind(store: ps.Store) -> None:
    picture = jpeg(9)
    kinds: list[Any] = [bytearray(picture), memoryview(picture), np.frombuffer(picture, np.uint8)]
    with store.record("Kinds", skeleton="mediapipe_33") as recording:
        for n, image in enumerate(kinds):
            recording.push(n / 30, None, image=image)
        with pytest.raises(ps.errors.BadArgumentError, match="bytes"):
            recording.push(1.0, None, image="squat.jpg")  # type: ignore[arg-type]
    assert [recording.session.image(n) for n in range(3)] == [picture] * 3


def test_several_persons_with_track_ids(store: ps.Store) -> None:
    times, values = squat(10)
    with store.record("Pair", skeleton="mediapipe_33") as recording:
        for n, time in enumerate(times):
            recording.push(time, np.stack([values[n], values[n] + 1]), track_ids=[7, 3])
    session = recording.session
    assert session.keypoints.shape == (10, 2, 33, 4)
    order = np.argsort(session.track_ids[0])
    assert sorted(session.track_ids[0]) == [3, 7]
    np.testing.assert_array_equal(session.keypoints[:, order[1]], values)


def test_skeletons_are_inferred_or_own(store: ps.Store) -> None:
    with store.record("Inferred") as recording:
        recording.push(0.0, None)
        assert recording.skeleton is None
        recording.push(0.1, np.ones((17, 3)))
    assert recording.session.skeleton == ps.Skeleton.preset("coco_17")
    own = ps.Skeleton.from_dict(
        {
            "name": "stick",
            "components": [
                {
                    "name": "stick",
                    "keypoints": ["tip", "end"],
                    "edges": [[0, 1]],
                    "mirrored": [],
                    "channels": [{"name": "x", "unit": "metres"}, {"name": "y", "unit": "metres"}],
                }
            ],
        }
    )
    with store.record("Stick", skeleton=own) as recording:
        recording.push(0.0, [[0.0, 1.0], [2.0, 3.0]])
    assert recording.session.skeleton == own
    assert recording.session["stick"]["end"].tolist() == [[[2.0, 3.0]]]
    with pytest.raises(ps.errors.BadArgumentError, match="mediapipe_33"):
        store.record("Unknown", skeleton="mediapipe_34")


def test_an_exception_leaves_an_interrupted_session_with_its_frames(store: ps.Store) -> None:
    times, values = squat(10)
    with pytest.raises(ZeroDivisionError), store.record("Broken", skeleton="mediapipe_33") as recording:
        for time, keypoints in zip(times, values):
            recording.push(time, keypoints)
        raise ZeroDivisionError
    session = recording.session
    assert (session.status, len(session)) == ("interrupted", 10)


def test_a_discarded_recording_is_gone(store: ps.Store) -> None:
    with store.record("Nothing", skeleton="mediapipe_33") as recording:
        recording.push(0.0, squat(1)[1][0])
        recording.discard()
    assert store.sessions() == []
    with pytest.raises(ps.errors.SessionNotFoundError):
        store.session(recording.session_id)


def test_pauses_and_marks(store: ps.Store) -> None:
    times, values = squat(60)
    with store.record("Marked", skeleton="mediapipe_33") as recording:
        for n in range(30):
            recording.push(times[n], values[n])
        recording.mark("deep")
        recording.pause()
        assert recording.status == "paused"
        recording.resume()
        for n in range(30, 60):
            recording.push(times[n] + 10.0, values[n])
    session = recording.session
    assert len(session) == 60
    assert session.duration == pytest.approx(59 / 30, abs=0.01), "time stands still in a pause"
    kinds = {marker["kind"]: marker for marker in session.markers}
    assert kinds["user"]["label"] == "deep" and kinds["user"]["timestamp"] == pytest.approx(29 / 30)
    assert "paused" in kinds
    assert [m["kind"] for m in session.between(0.0, 0.5).markers] == []


def test_after_the_end_nothing_is_taken(store: ps.Store) -> None:
    recording = store.record("Short", skeleton="mediapipe_33")
    recording.push(0.0, squat(1)[1][0])
    recording.stop()
    with pytest.raises(ps.errors.RecordingStateError):
        recording.push(0.1, squat(1)[1][0])


def test_refused_frames_leave_the_recording_open(store: ps.Store) -> None:
    times, values = squat(2)
    with store.record("Squat", skeleton="mediapipe_33") as recording:
        recording.push(times[0], values[0])
        for wrong in (np.zeros((33, 3)), np.zeros((32, 4)), np.zeros((2, 2, 33, 4)), np.zeros(132)):
            with pytest.raises(ps.errors.BadShapeError, match=r"33, 4"):
                recording.push(times[1], wrong)
        wrong_types: list[Any] = [np.full((33, 4), "x"), np.zeros((33, 4), complex), np.zeros((33, 4), bool), [[1], [1, 2]]]
        for wrong_type in wrong_types:
            with pytest.raises(ps.errors.BadShapeError):
                recording.push(times[1], wrong_type)
        for infinite in (np.full((33, 4), np.inf), np.full((33, 4), 1e300)):
            with pytest.raises(ps.errors.NonFiniteError):
                recording.push(times[1], infinite)
        no_times: list[Any] = ["soon", None, float("nan"), float("inf")]
        for no_time in no_times:
            with pytest.raises(ps.errors.PosesessionError):
                recording.push(no_time, values[1])
        with pytest.raises(ps.errors.BadShapeError, match="track_ids"):
            recording.push(times[1], values[1], track_ids=[1, 2])
        recording.push(times[1], values[1])
    assert len(recording.session) == 2


def test_masked_values_are_missing(store: ps.Store) -> None:
    values = np.ma.masked_less(squat(1)[1][0], 0.3)
    with store.record("Masked", skeleton="mediapipe_33") as recording:
        recording.push(0.0, values)
    np.testing.assert_array_equal(np.isnan(recording.session.keypoints[0, 0]), values.mask)


def test_several_recordings_at_once(store: ps.Store) -> None:
    times, values = squat(50)
    recordings = [store.record(f"Squat {n}", skeleton="mediapipe_33") for n in range(4)]
    for time, keypoints in zip(times, values):
        for recording in recordings:
            recording.push(time, keypoints)
    assert [len(recording.stop()) for recording in recordings] == [50] * 4


def test_closing_the_store_keeps_what_was_pushed(tmp_path: Path) -> None:
    times, values = squat(20)
    with ps.open(tmp_path / "gym.db") as store:
        recording = store.record("Open end", skeleton="mediapipe_33")
        for time, keypoints in zip(times, values):
            recording.push(time, keypoints)
    assert store.is_closed
    with pytest.raises(ps.errors.ClosedError):
        store.sessions()
    with ps.open(tmp_path / "gym.db") as again:
        (session,) = again.sessions()
        assert (session.status, len(session)) == ("completed", 20)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("gym.db-")) in ([], ["gym.db-media"])


def test_closing_twice_is_fine(demo: ps.Session, store: ps.Store) -> None:
    record(store, *squat(2))
    store.close()
    store.close()


def test_a_session_is_as_exact_as_it_says(store: ps.Store) -> None:
    times, values = squat(600)
    whole = record(store, times, values)
    assert (whole.codec, whole.max_error) == ("columnar", {})
    bounds = {"x": 5e-5, "y": 5e-5, "confidence": 1 / 512}
    with store.record("Squat", skeleton="mediapipe_33", max_error=bounds) as recording:
        for time, keypoints in zip(times, values):
            recording.push(time, keypoints)
    bounded = recording.session
    assert (bounded.codec, bounded.max_error) == ("bounded", bounds)
    off = np.abs(bounded.keypoints[:, 0].astype(np.float64) - values)
    assert (off.max((0, 1)) <= [5e-5, 5e-5, 0.0, 1 / 512]).all() and off.max() > 0
    assert bounded.stored_bytes < whole.stored_bytes
    with store.record("Squat", skeleton="mediapipe_33", codec="json") as recording:
        recording.push(0.0, values[0])
    assert recording.session.codec == "json"
    np.testing.assert_array_equal(recording.session.keypoints[0, 0], values[0])


def test_an_encoding_that_is_none_is_refused(store: ps.Store) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"codec": "zip"}, "`zip` is no codec"),
        ({"codec": "bounded"}, "needs `max_error`"),
        ({"codec": "json", "max_error": {"x": 0.1}}, "lossless"),
        ({"max_error": {"x": -1.0}}, "`x` is -1"),
        ({"max_error": {"x": "far"}}, "max_error"),
        ({"max_error": {"q": 0.1}}, "`q`"),
    ]
    for options, words in wrong:
        with pytest.raises(ps.errors.BadArgumentError, match=words):
            store.record("Wrong", skeleton="mediapipe_33", **options)
    assert len(store.sessions()) == 0
