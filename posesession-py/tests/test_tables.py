"""Sessions as pandas and Arrow tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from support import record, squat

import posesession as ps


def test_a_table_has_a_row_a_frame_and_person(walked: ps.Session) -> None:
    table = walked.to_pandas()
    assert table.shape == (120, 2 + 33 * 4)
    assert table.index.name == "timestamp" and table.index.dtype == np.float64
    np.testing.assert_array_equal(table["frame_number"], np.arange(120))
    np.testing.assert_array_equal(table["pose.left_knee.y"], walked["pose"]["left_knee", "y"][:, 0])
    assert table["pose.nose.x"].dtype == np.float32
    assert table["track_id"].isna().sum() == 4


def test_several_persons_have_rows_of_their_own(store: ps.Store) -> None:
    times, values = squat(10)
    pair = np.stack([values, values + np.float32(1.0)], axis=1)
    pair[3:, 1] = np.nan
    table = record(store, times, pair).to_pandas()
    assert len(table) == 10 + 3
    assert list(table["frame_number"].iloc[:6]) == [0, 0, 1, 1, 2, 2]
    assert table.groupby("track_id").size().tolist() == [10, 3]


def test_a_part_has_its_own_numbers(demo: ps.Session) -> None:
    assert demo[30:40:3].to_pandas()["frame_number"].tolist() == [30, 33, 36, 39]


def test_without_a_skeleton_there_are_only_times(store: ps.Store) -> None:
    with store.record("Empty") as recording:
        recording.push(0.0, None)
    assert list(recording.session.to_pandas().columns) == ["frame_number", "track_id"]


def test_arrow_has_the_same_numbers(walked: ps.Session) -> None:
    table = walked.to_arrow()
    assert table.num_rows == 120
    assert table.column("frame_number").to_pylist() == list(range(120))
    np.testing.assert_array_equal(table.column("timestamp").to_numpy(), walked.timestamps)
    there = ~np.isnan(walked.keypoints[:, 0]).all(axis=(1, 2))
    pose = table.column("pose").combine_chunks()
    values = np.asarray(pose.flatten()).reshape(-1, 33, 4)
    np.testing.assert_array_equal(values, walked.keypoints[there, 0])
    assert pose.null_count == 4


def test_any_arrow_library_takes_a_session(demo: ps.Session) -> None:
    assert pa.table(demo).num_rows == 90
    assert pa.table(demo[10:20]).column("frame_number").to_pylist() == list(range(10, 20))
    assert pa.table(demo[10:20:3]).column("frame_number").to_pylist() == [10, 13, 16, 19]
    assert pa.table(demo[:0]).num_rows == 0


def test_a_missing_package_is_named(demo: ps.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(ps.errors.MissingDependencyError, match="pip install pandas") as caught:
        demo.to_pandas()
    assert isinstance(caught.value, ImportError)
    assert isinstance(pd.DataFrame(), object)
