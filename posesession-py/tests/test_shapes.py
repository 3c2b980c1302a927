"""Whatever array is pushed: the same numbers come back, or a clear error."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import posesession as ps

DTYPES = ["float16", "float32", "float64", ">f4", ">f8", "int8", "uint8", "int32", "int64", "uint16"]


@pytest.fixture(scope="module")
def recording() -> Any:
    """One recording for all examples: to begin a session for each would only be slower."""
    with tempfile.TemporaryDirectory() as folder, ps.open(Path(folder) / "shapes.db") as store:
        with store.record("Shapes", skeleton="coco_17") as recording:
            yield recording


def numbers(dtype: np.dtype[Any]) -> st.SearchStrategy[Any]:
    if dtype.kind == "f":
        return st.one_of(st.just(float("nan")), st.integers(-2000, 2000).map(lambda n: n / 8))
    return arrays.from_dtype(dtype)


@st.composite
def frames(draw: st.DrawFn) -> NDArray[Any]:
    """Draws ``(17, 3)`` or ``(P, 17, 3)`` of any dtype, order and stride."""
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    persons = draw(st.one_of(st.none(), st.integers(0, 5)))
    shape = (17, 3) if persons is None else (persons, 17, 3)
    array = draw(arrays.arrays(dtype, shape, elements=numbers(dtype), fill=st.nothing() if persons else None))
    match draw(st.sampled_from(["as it is", "fortran", "strided", "reversed", "read-only", "list"])):
        case "fortran":
            return np.asfortranarray(array)
        case "strided":
            wide = np.zeros((*shape[:-1], 6), dtype)
            wide[..., ::2] = array
            return wide[..., ::2]
        case "reversed":
            return array[..., ::-1][..., ::-1]
        case "read-only":
            array.flags.writeable = False
    return array


@settings(max_examples=150, deadline=None)
@given(values=frames())
def test_numbers_come_back_as_the_same_float32(recording: ps.Recording, values: NDArray[Any]) -> None:
    number = recording.frame_count
    recording.push(number / 30, values)
    recording.flush()
    frame = recording.session[number]
    wanted = values.astype(np.float32).reshape(-1, 17, 3)
    wanted = wanted[~np.isnan(wanted).all(axis=(1, 2))]
    np.testing.assert_array_equal(frame.keypoints, wanted)
    assert frame.timestamp == pytest.approx(number / 30, abs=1e-6)


@settings(max_examples=150, deadline=None)
@given(shape=arrays.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=20))
def test_any_other_shape_is_a_clear_error(recording: ps.Recording, shape: tuple[int, ...]) -> None:
    values = np.ones(shape)
    before = recording.frame_count
    fits = values.size == 0 or shape[-2:] == (17, 3) and len(shape) in (2, 3)
    if fits:
        return
    with pytest.raises(ps.errors.BadShapeError, match=r"needs \(17, 3\) or \(persons, 17, 3\)"):
        recording.push(before / 30, values)
    assert recording.frame_count == before
