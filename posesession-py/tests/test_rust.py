"""What Python records the Rust library replays, and the other way round. `scripts/test_wheel.sh` builds the two programs."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from support import record, walk

import posesession as ps


def program(name: str) -> str:
    path = Path(os.environ.get("POSESESSION_EXAMPLES", "")) / name
    if not path.is_file():
        pytest.fail(f"{name} is missing: cargo build --example {name}, and POSESESSION_EXAMPLES names its folder")
    return str(path)


def test_the_rust_client_replays_what_python_recorded(tmp_path: Path) -> None:
    times, values = walk()
    with ps.open(tmp_path / "python.db") as store:
        record(store, times, values, name="From Python")
    told = subprocess.run([program("replay"), str(tmp_path / "python.db")], capture_output=True, text=True, check=True)
    assert "From Python" in told.stdout and "120 frames" in told.stdout
    shown = re.findall(r"([\d.]+) s  frame +(\d+)  nose at ([-\d.]+|NaN), ([-\d.]+|NaN)", told.stdout)
    assert len(shown) > 20
    for time, number, x, y in shown:
        place = int(number)
        assert float(time) == pytest.approx(times[place], abs=6e-4)
        np.testing.assert_allclose([float(x), float(y)], values[place, 0, :2], atol=6e-4)


def test_python_reads_what_rust_recorded(tmp_path: Path) -> None:
    subprocess.run([program("record"), str(tmp_path / "rust.db")], capture_output=True, check=True)
    with ps.open(tmp_path / "rust.db") as store:
        (session,) = store.sessions(name="Squat")
        assert session.keypoints.shape == (300, 1, 33, 4) and session.status == "completed"
        np.testing.assert_allclose(np.diff(session.timestamps), 1 / 30, atol=2e-6)
        knee = session.angle("left_knee")
        assert np.nanmin(knee) < 120 < 160 < np.nanmax(knee)
