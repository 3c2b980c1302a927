"""Listing, changing, deleting, exporting."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support import record, squat, walk

import posesession as ps


def test_sessions_are_found(store: ps.Store) -> None:
    for name, count in (("Squat", 10), ("Squat", 30), ("Lunge", 20)):
        record(store, *squat(count), name=name, metadata={"athlete": "Ada" if count > 10 else "Bo"})
    assert [len(s) for s in store.sessions(name="Squat")] == [30, 10]
    assert [s.name for s in store.sessions(search="ada", sort="name")] == ["Lunge", "Squat"]
    assert [len(s) for s in store.sessions(sort="frame_count", descending=False)] == [10, 20, 30]
    assert len(store.sessions(limit=2)) == 2 and store.sessions(limit=0) == []
    assert store.sessions(name="Squa") == [] and store.sessions(status="failed") == []


def test_more_sessions_than_a_page(store: ps.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posesession.store._PAGE", 4)
    for _ in range(10):
        store.record("Empty").stop()
    assert len({session.id for session in store.sessions()}) == 10
    assert len(store.sessions(limit=6)) == 6


def test_unknown_sessions(store: ps.Store) -> None:
    for id in ("0190a5e4-7c3a-7000-8000-3f2b1c9d4e5f", "no id at all"):
        with pytest.raises(ps.errors.SessionNotFoundError) as caught:
            store.session(id)
        assert isinstance(caught.value, KeyError) and "'" not in str(caught.value)[:1]


def test_delete_and_restore(store: ps.Store, demo: ps.Session) -> None:
    demo.delete()
    assert store.sessions() == []
    assert store.restore(demo.id).name == "Squat"
    demo.delete(erase=True)
    with pytest.raises(ps.errors.SessionNotFoundError):
        store.restore(demo.id)


def test_a_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_bytes(b"these are notes" * 100)
    with pytest.raises(ps.errors.NotADatabaseError, match="notes.db"):
        ps.open(path)
    assert path.read_bytes() == b"these are notes" * 100


def test_a_folder_is_a_store(tmp_path: Path) -> None:
    with ps.open(tmp_path / "data") as store:
        record(store, *squat(5))
        assert store.is_durable
    with ps.open(tmp_path / "data") as again:
        assert len(again.sessions()[0].keypoints) == 5


@pytest.mark.parametrize("suffix", [".db", ".jsonl", ".csv"])
def test_export_and_import_keep_every_number(walked: ps.Session, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"walk{suffix}"
    walked.export(path)
    with ps.open(tmp_path / "other.db") as other:
        copy = other.import_file(path, name=None if suffix == ".db" else "Walk")
        np.testing.assert_array_equal(copy.keypoints, walked.keypoints)
        np.testing.assert_array_equal(copy.timestamps, walked.timestamps)
        assert copy.name == "Walk"


def test_broken_files_import_nothing(store: ps.Store, tmp_path: Path) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_text('{"timestamp": 0.0, "landmarks": []}\n{"timestamp": oops}\n')
    with pytest.raises(ps.errors.ImportFormatError) as caught:
        store.import_file(path)
    assert caught.value.line == 2
    assert store.sessions() == []


def test_a_copy_is_exact(walked: ps.Session, tmp_path: Path) -> None:
    with ps.open(tmp_path / "other.db") as other:
        copy = walked.copy_to(other)
        assert copy.facts | {"user_id": 0} == walked.facts | {"user_id": 0}
        np.testing.assert_array_equal(copy.keypoints, walked.keypoints)


def test_backup_while_in_use(store: ps.Store, demo: ps.Session, tmp_path: Path) -> None:
    with store.record("Meanwhile", skeleton="mediapipe_33") as recording:
        recording.push(0.0, squat(1)[1][0])
        store.backup(tmp_path / "backup.db")
    with ps.open(tmp_path / "backup.db") as copy:
        np.testing.assert_array_equal(copy.session(demo.id).keypoints, demo.keypoints)


class Bar:
    """As much of a tqdm as is used, with a memory."""

    made: list[Bar] = []

    def __init__(self, total: float | None = None, unit: str = "it", desc: str = "", **_: Any) -> None:
        self.total, self.unit, self.desc, self.done, self.is_closed = total, unit, desc, 0, False
        Bar.made.append(self)

    def update(self, n: int = 1) -> None:
        self.done += n

    def close(self) -> None:
        self.is_closed = True


@pytest.mark.parametrize(
    "work",
    [
        lambda session, folder: session.export(folder / "walk.db", progress=Bar),
        lambda session, folder: session.animate(folder / "walk.gif", progress=Bar, width=64),
    ],
)
def test_progress_is_told_as_to_a_tqdm(
    walked: ps.Session, tmp_path: Path, work: Callable[[ps.Session, Path], None]
) -> None:
    Bar.made.clear()
    work(walked, tmp_path)
    (bar,) = Bar.made
    assert bar.is_closed and bar.total and bar.done == bar.total


def test_real_recordings_are_small(walked: ps.Session) -> None:
    assert walked.stored_bytes < 0.9 * walk()[1].nbytes


def test_an_import_that_is_broken_off_leaves_nothing(store: ps.Store, demo: ps.Session, tmp_path: Path) -> None:
    whole, endless = tmp_path / "squat.jsonl", tmp_path / "endless.jsonl"
    demo.export(whole)
    os.mkfifo(endless)
    demo.delete(erase=True)

    def write() -> None:
        # The pipe stays open, so that the import is still under way when it is broken off.
        with endless.open("wb") as pipe:
            pipe.write(whole.read_bytes())
            pipe.flush()
            broken_off.wait()

    class Impatient:
        total: float | None = None

        def __init__(self, **_options: Any) -> None:
            pass

        def update(self, more: int) -> None:
            if more:
                raise KeyboardInterrupt

        def close(self) -> None:
            pass

    broken_off = threading.Event()
    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            store.import_file(endless, progress=Impatient)
    finally:
        broken_off.set()
        writer.join()
    assert store.sessions() == []
