"""What a session gives of its frames."""

from __future__ import annotations

import numpy as np
import pytest
from support import record, squat, walk

import posesession as ps


def test_keypoints_come_back_bit_for_bit(walked: ps.Session) -> None:
    times, values = walk()
    assert walked.keypoints.shape == (120, 1, 33, 4)
    assert walked.keypoints.dtype == np.float32
    np.testing.assert_array_equal(walked.keypoints[:, 0].view(np.uint32)[~np.isnan(values)], values.view(np.uint32)[~np.isnan(values)])
    np.testing.assert_array_equal(np.isnan(walked.keypoints[:, 0]), np.isnan(values))
    np.testing.assert_allclose(walked.timestamps, times, atol=5e-7, rtol=0)


def test_arrays_are_ready_for_anything(demo: ps.Session) -> None:
    assert demo.timestamps.dtype == np.float64 and demo.timestamps.shape == (90,)
    assert demo.track_ids.dtype == np.int64 and demo.track_ids.shape == (90, 1)
    assert demo.keypoints.flags.c_contiguous and demo.keypoints.flags.writeable
    assert demo.keypoints is demo.keypoints, "what was read is kept"


def test_frames_of_nobody_are_there(walked: ps.Session) -> None:
    nobody = walked.track_ids[:, 0] < 0
    assert nobody.sum() == 4
    assert np.isnan(walked.keypoints[nobody]).all()


def test_slices_are_sessions(demo: ps.Session) -> None:
    part = demo[30:60]
    assert len(part) == 30 and part.frame_numbers == range(30, 60)
    np.testing.assert_array_equal(part.keypoints, demo.keypoints[30:60])
    np.testing.assert_array_equal(part.timestamps, demo.timestamps[30:60])
    assert part.duration == pytest.approx(29 / 30)
    np.testing.assert_array_equal(demo[::3][5:10:2].keypoints, demo.keypoints[15:30:6])
    assert demo[-10:].frame_numbers == range(80, 90)
    assert len(demo[60:30]) == 0 and demo[60:30].keypoints.shape[0] == 0
    with pytest.raises(ps.errors.BadArgumentError, match="forwards"):
        demo[::-1]


def test_a_slice_of_what_was_read_shares_its_memory(demo: ps.Session) -> None:
    whole = demo.keypoints
    assert np.shares_memory(demo[10:20].keypoints, whole)
    assert np.shares_memory(demo.between(1.0, 2.0)["pose"].xy, whole)


def test_a_slice_is_the_same_before_and_after_reading(store: ps.Store) -> None:
    times, values = squat(60)
    pair = np.stack([values, values + np.float32(0.1)], axis=1)
    pair[:30, 1] = np.nan
    session = record(store, times, pair)
    lazily = session[:30].keypoints
    assert session.keypoints.shape[1] == 2
    assert lazily.shape == session[:30].keypoints.shape == (30, 1, 33, 4)
    np.testing.assert_array_equal(lazily, session[:30].keypoints)


def test_between_includes_both_ends(demo: ps.Session) -> None:
    for session in (demo, demo.reload()):
        assert session.between(1.0, 2.0).frame_numbers == range(30, 61)
        assert session.between(0.0, session.duration).frame_numbers == range(90)
        assert session.between(-5.0, 99.0).frame_numbers == range(90)
        assert len(session.between(2.0, 1.0)) == 0
        assert len(session.between(-2.0, -1.0)) == 0
        assert len(session.between(1.001, 1.002)) == 0
        assert len(session.between(50.0, 60.0)) == 0
        _ = session.timestamps
    with pytest.raises(ValueError):
        demo.between(float("nan"), 1.0)


def test_at_finds_the_frame_of_a_moment(demo: ps.Session) -> None:
    for session in (demo, demo[0:90:1], demo.reload()):
        assert session.at(1.0).frame_number == 30
        assert session.at(1.02).frame_number == 30
        assert session.at(1.02, "nearest").frame_number == 31
        assert session.at(-1.0).frame_number == 0
        assert session.at(99.0).frame_number == 89
        assert session.at(1.0, "exact").frame_number == 30
        with pytest.raises(IndexError, match="exactly"):
            session.at(1.01, "exact")
        _ = session.timestamps
    assert demo[::10].at(1.5).frame_number == 40
    with pytest.raises(ps.errors.FrameNotFoundError):
        demo[:0].at(1.0)


def test_single_frames(walked: ps.Session) -> None:
    frame = walked[60]
    assert frame.keypoints.shape == (1, 33, 4) and frame["pose"].xy.shape == (1, 33, 2)
    np.testing.assert_array_equal(frame.keypoints, walked.keypoints[60])
    assert walked[-1].frame_number == 119
    nobody = walked[0]
    assert nobody.keypoints.shape == (0, 33, 4) and len(nobody.track_ids) == 0
    assert nobody.image is None
    with pytest.raises(IndexError, match="120 frames"):
        walked[120]


def test_iterating_gives_every_frame(demo: ps.Session) -> None:
    assert [frame.frame_number for frame in demo] == list(range(90))
    np.testing.assert_array_equal(np.stack([frame.keypoints for frame in demo]), demo.keypoints)


def test_components_by_name(store: ps.Store) -> None:
    rng = np.random.default_rng(7)
    hand = rng.random((21, 4), np.float32)
    with store.record("Signs", skeleton="mediapipe_holistic_543") as recording:
        recording.push(0.0, {"left_hand": hand})
        recording.push(0.1, rng.random((543, 4), np.float32))
    session = recording.session
    np.testing.assert_array_equal(session["left_hand"].values[0, 0], hand)
    assert np.isnan(session["face"].values[0]).all() and not np.isnan(session["face"].values[1]).any()
    np.testing.assert_array_equal(session["left_hand"]["thumb_tip", "y"], session["left_hand"].values[:, :, 4, 1])
    assert session[1]["right_hand"].xyz.shape == (1, 21, 3)
    with pytest.raises(KeyError, match="no component 'tail'"):
        session["tail"]
    with pytest.raises(ps.errors.KeypointNotFoundError, match="no keypoint 'tail'"):
        session["left_hand"]["tail"]


def test_views_are_arrays(demo: ps.Session) -> None:
    view = demo["pose"]
    assert np.asarray(view) is view.values
    assert np.asarray(view, dtype=np.float64).dtype == np.float64
    np.testing.assert_array_equal(np.mean(view, axis=0), view.values.mean(axis=0))
    assert np.shares_memory(view.xy, demo.keypoints) and np.shares_memory(view.confidence, demo.keypoints)


def test_a_session_without_anybody_has_no_skeleton(store: ps.Store) -> None:
    with store.record("Empty room") as recording:
        for n in range(5):
            recording.push(n / 10, None)
    session = recording.session
    assert session.skeleton is None and len(session) == 5
    assert session.keypoints.shape == (5, 1, 0, 0) and session.timestamps.shape == (5,)
    assert (session.track_ids == -1).all()
    with pytest.raises(ps.errors.ComponentNotFoundError, match="nobody"):
        session["pose"]
    assert "nobody" in session._repr_html_()


def test_angles_are_those_of_the_body(demo: ps.Session, store: ps.Store) -> None:
    knee = demo.angle("left_knee")
    assert knee.shape == (90, 1)
    assert knee[0, 0] > 175 and knee[30, 0] < 150
    with pytest.raises(KeyError, match="left_elbow"):
        demo.angle("left_wing")
    # A right angle in the picture is one only where the picture is square.
    values = np.full((1, 33, 4), 0.5, np.float32)
    pose = ps.Skeleton.preset("mediapipe_33")["pose"]
    for name, xy in {"left_hip": (0.5, 0.2), "left_knee": (0.5, 0.5), "left_ankle": (0.8, 0.8)}.items():
        values[0, pose.keypoint(name), :2] = xy
    square = record(store, np.zeros(1), values, metadata={"image_width": 100, "image_height": 100})
    assert square.angle("left_knee")[0, 0] == pytest.approx(135.0, abs=1e-4)


def test_facts(demo: ps.Session) -> None:
    assert demo.name == "Squat" and demo.status == "completed" and demo.description == ""
    assert demo.duration == pytest.approx(89 / 30, abs=1e-6)
    assert demo.fps == pytest.approx(30.0, rel=1e-4)
    assert demo.created_at.utcoffset() is not None
    demo.update(name="Deep squat", metadata={"athlete": "Ada"})
    assert demo.name == "Deep squat" and demo.reload().metadata["athlete"] == "Ada"
