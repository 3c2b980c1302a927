"""The native module's own promises, below the package's classes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from posesession import errors
from posesession._native import NativeStore

CROWD = {
    "name": "crowd",
    "components": [
        {"name": "body", "keypoints": ["a", "b"], "channels": [{"name": "x", "unit": "pixels"}]},
        {"name": "hand", "keypoints": ["c"], "channels": [{"name": "x", "unit": "pixels"}, {"name": "y", "unit": "pixels"}]},
    ],
}


def crowd(frame: int) -> NDArray[np.float32]:
    """Returns ``(P, 4)`` values of a frame: nobody, one, or up to three persons late in the session."""
    persons = frame % 2 if frame < 9000 else frame % 4
    return np.arange(persons * 4, dtype=np.float32).reshape(persons, 4) + frame


@pytest.fixture
def store(tmp_path: Path) -> NativeStore:
    return NativeStore.open(str(tmp_path / "native.db"))


def record_crowd(store: NativeStore, frames: int) -> str:
    recording = store.record("Crowd", skeleton=CROWD)
    for frame in range(frames):
        recording.push(frame / 30, crowd(frame), np.arange(frame % 4)[: len(crowd(frame))] + 5)
    facts, report = recording.stop()
    assert facts is not None and report is not None
    assert facts["frame_count"] == report["stored"] == frames
    return recording.session_id


def test_arrays_have_room_for_the_most_persons_of_their_range(store: NativeStore) -> None:
    session = record_crowd(store, 10_000)
    for first, end, most in [(0, 10_000, 3), (0, 9000, 1), (2, 3, 1), (8_995, 9_005, 3), (9_999, 20_000, 3)]:
        arrays = store.read_arrays(session, None, first, end)
        body, hand = arrays.values
        count = min(end, 10_000) - first
        assert arrays.first_frame == first
        assert (body.shape, hand.shape) == ((count, most, 2, 1), (count, most, 1, 2))
        for place in range(count):
            expected = crowd(first + place)
            persons = len(expected)
            rows = np.concatenate([body[place].reshape(most, 2), hand[place].reshape(most, 2)], axis=1)
            np.testing.assert_array_equal(rows[:persons], expected)
            assert np.isnan(rows[persons:]).all()
            assert arrays.track_ids[place].tolist() == [5, 6, 7][:persons] + [-1] * (most - persons)
        only_hand = store.read_arrays(session, 1, first, end).values
        np.testing.assert_array_equal(only_hand[0], hand)


def test_many_threads_read_at_once(store: NativeStore) -> None:
    session = record_crowd(store, 5000)
    whole = store.read_arrays(session).values[0]
    with ThreadPoolExecutor(8) as threads:
        for values in threads.map(lambda _: store.read_arrays(session).values[0], range(16)):
            np.testing.assert_array_equal(values, whole)


def test_a_component_that_is_not_there_is_a_bad_argument(store: NativeStore) -> None:
    session = record_crowd(store, 3)
    with pytest.raises(errors.BadArgumentError):
        store.read_arrays(session, 2)


def test_closing_a_store_keeps_what_was_pushed(tmp_path: Path) -> None:
    store = NativeStore.open(str(tmp_path / "closed.db"))
    recording = store.record("Cut short", skeleton=CROWD)
    for frame in range(100):
        recording.push(frame / 30, crowd(frame))
    store.close()
    assert recording.status == "completed"
    with pytest.raises(errors.RecordingStateError):
        recording.push(9.0, crowd(1))
    facts = NativeStore.open(str(tmp_path / "closed.db")).read_session(recording.session_id)
    assert (facts["status"], facts["frame_count"]) == ("completed", 100)


def test_what_a_progress_raises_ends_the_work_and_leaves_nothing_half(store: NativeStore, tmp_path: Path) -> None:
    session = record_crowd(store, 50)
    before = set(tmp_path.iterdir())

    def give_up(done: int, total: int) -> None:
        raise InterruptedError("enough")

    with pytest.raises(InterruptedError, match="enough"):
        store.export_session(session, str(tmp_path / "out.jsonl"), "jsonl", give_up)
    # A small file may have been whole before anybody was told.
    assert {path.name for path in set(tmp_path.iterdir()) - before} <= {"out.jsonl"}
