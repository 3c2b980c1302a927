"""A store, a session in it and a server, for every test anew."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import matplotlib
import pytest
from support import record, squat, walk

import posesession as ps

matplotlib.use("Agg")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ps.Store]:
    with ps.open(tmp_path / "sessions.db") as opened:
        yield opened


@pytest.fixture
def demo(store: ps.Store) -> ps.Session:
    """90 frames of one person who squats."""
    return record(store, *squat())


@pytest.fixture
def walked(store: ps.Store) -> ps.Session:
    """A real recording of 120 frames, in four of which nobody is seen."""
    return record(store, *walk(), name="Walk")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ps.Server]:
    with ps.Server(tmp_path / "served", listen="127.0.0.1:0") as running:
        yield running
