"""The same in a real Postgres. `scripts/test_wheel.sh` builds the program that starts one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from support import record, walk

import posesession as ps


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of an empty database of a server that ends with the tests."""
    program = Path(os.environ.get("POSESESSION_SCRATCH_POSTGRES", ""))
    if not program.is_file():
        pytest.fail(
            "no scratch Postgres: cargo build -p scratch-postgres, and POSESESSION_SCRATCH_POSTGRES names the program"
        )
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None and server.stdin is not None
        url = server.stdout.readline().strip()
        assert url.startswith("postgres://"), "it says why it didn't start"
        yield url
        server.stdin.close()


def test_a_session_is_recorded_read_and_copied(address: str, tmp_path: Path) -> None:
    times, values = walk()
    with ps.open(address, media=tmp_path / "media") as store:
        assert store.is_durable
        session = record(store, times, values, name="Walk", metadata={"athlete": "Ada"})
        assert (session.status, len(session)) == ("completed", 120)
        np.testing.assert_array_equal(session.keypoints[:, 0], values)
        assert [found.id for found in store.sessions(search="ada")] == [session.id]
        frames = [frame.frame_number for frame in session.replay(rate=16.0)]
        assert frames[-1] == 119 and frames == sorted(frames)
        with ps.open(tmp_path / "copy.db") as copies:
            session.copy_to(copies)
    with ps.open(tmp_path / "copy.db") as copies:
        copied = copies.session(session.id)
        np.testing.assert_array_equal(copied.keypoints.view(np.uint32), values[:, None].view(np.uint32))
        assert (copied.name, copied.metadata["athlete"]) == ("Walk", "Ada")


def test_a_database_that_is_not_there_is_named(address: str, tmp_path: Path) -> None:
    with pytest.raises(ps.PosesessionError, match="nosuch"):
        ps.open(address.rpartition("/")[0] + "/nosuch", media=tmp_path / "media")
