"""Frames on their way: what a recording and a publication have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from posesession import _native
from posesession.errors import BadArgumentError, BadShapeError, NonFiniteError
from posesession.skeleton import Skeleton, listed

__all__ = ["FrameStream"]


class FrameStream:
    """Takes frames. `Recording` and `Publication` are its kinds."""

    def __init__(self, frames: _native.NativeRecording | _native.NativePublication) -> None:
        self._frames = frames
        self._skeleton: Skeleton | None = None

    @property
    def skeleton(self) -> Skeleton | None:
        """What the numbers mean; None until it is declared, or inferred from the first person that is seen."""
        if self._skeleton is None:
            facts = self._frames.skeleton
            self._skeleton = None if facts is None else Skeleton.from_dict(facts)
        return self._skeleton

    @property
    def frame_count(self) -> int:
        """How many frames were taken so far."""
        return self._frames.frame_count

    @property
    def stored_through(self) -> int | None:
        """The number up to which every frame is durable, or settled otherwise; None before the first. Frames are numbered 0, 1, 2...
        unless `push` says otherwise."""
        return self._frames.stored_through

    @property
    def refused_count(self) -> int:
        """How many frames were refused, and are not stored."""
        return self._frames.refused_count

    @property
    def unacked_count(self) -> int:
        """How many frames a server has yet to acknowledge; they are kept, and sent again if the connection breaks."""
        return self._frames.unacked_count

    @property
    def dropped_count(self) -> int:
        """How many frames gave way because the server was away and the buffer full. The session's report has them, too."""
        return self._frames.dropped_count

    @property
    def reconnect_count(self) -> int:
        """How often the connection to the server broke and was made anew."""
        return self._frames.reconnect_count

    def push(
        self,
        timestamp: float,
        keypoints: ArrayLike | Mapping[str, ArrayLike] | None,
        *,
        image: bytes | bytearray | memoryview | NDArray[np.uint8] | None = None,
        track_ids: ArrayLike | None = None,
        frame_number: int | None = None,
    ) -> None:
        """Takes a frame. Returns at once, unless storing is 16 MiB behind; what was pushed is durable up to `stored_through`. To a server
        the limit is `buffer_bytes`; while it is away, nothing waits: frames are kept, and when the buffer is full, `on_overflow` counts.

        `timestamp`: seconds of the streamer's own clock; they rise. `keypoints`: ``(K, C)`` of one person or ``(P, K, C)`` of several,
        anything that NumPy makes float32 of; of a skeleton of several components a mapping from their names to such arrays, or
        all their keypoints in one array. NaN: missing; who is all NaN is nobody, as are None and an empty array. `image`: JPEG
        or WebP. `track_ids`: ``(P,)`` whole numbers, which person is which; default 0, 1, 2... `frame_number`: the streamer's own,
        rising, so that frames that never came are counted.

        Raises:
            BadShapeError: The array doesn't fit the skeleton.
            NonFiniteError: A number is infinite, or too large for float32.
            BadArgumentError: The time or another argument is malformed.
            FrameRefusedError: The frame is not stored; the recording goes on.
            BufferFullError: The server is away, the buffer is full, and ``on_overflow="raise"``.
            FramesLostError: The recording ended without its server, or somebody else stopped it; `numbers` says which frames are
                not stored.
            RecordingStateError: It has ended.
        """
        try:
            time = float(timestamp)
        except (TypeError, ValueError):
            raise BadArgumentError(f"a timestamp is a number of seconds, not {timestamp!r}") from None
        values = self._rows(keypoints)
        ids = None if track_ids is None else track_id_array(track_ids, len(values))
        self._frames.push(time, values, ids, image_bytes(image), frame_number)

    def flush(self) -> None:
        """Waits until all that was pushed is durable.

        Raises:
            FramesLostError: The recording ended without some of it; `numbers` says which frames.
            RecordingStateError: It has ended.
        """
        self._frames.flush()

    def _rows(self, keypoints: ArrayLike | Mapping[str, ArrayLike] | None) -> NDArray[np.float32]:
        """Makes what the native module takes: ``(P, K, C)`` while the skeleton is unknown, else ``(P, V)``."""
        skeleton = self.skeleton
        if isinstance(keypoints, Mapping):
            return component_rows(keypoints, skeleton)
        values = float_array(keypoints)
        if values.size == 0:
            return np.empty((0, 0, 0), np.float32)
        if skeleton is None:
            if values.ndim not in (2, 3):
                raise BadShapeError(f"keypoints are (K, C) or (persons, K, C), not {values.shape}")
            return values if values.ndim == 3 else values[np.newaxis]
        counts = [component.shape for component in skeleton.components]
        channels = {of for _, of in counts}
        if len(channels) > 1:
            names = [component.name for component in skeleton.components]
            raise BadShapeError(f"{skeleton.name} has several kinds of keypoints: push a dict of arrays by {listed(names)}")
        shape = (sum(keypoint_count for keypoint_count, _ in counts), channels.pop())
        return persons_of(values, shape, skeleton.name).reshape(-1, skeleton.values_per_person)


def component_rows(arrays: Mapping[str, ArrayLike], skeleton: Skeleton | None) -> NDArray[np.float32]:
    """Puts components' values one behind the other, ``(P, V)``; those that are not given are missing."""
    if skeleton is None:
        raise BadArgumentError("keypoints by component need a skeleton: record(..., skeleton=...)")
    for name in arrays:
        skeleton.index(name)
    parts = {
        name: persons_of(values, skeleton[name].shape, f"the component {name}")
        for name, values in ((name, float_array(array)) for name, array in arrays.items())
        if values.size
    }
    persons = {len(part) for part in parts.values()}
    if not persons:
        return np.empty((0, skeleton.values_per_person), np.float32)
    if len(persons) > 1:
        counts = ", ".join(f"{name} {len(part)}" for name, part in parts.items())
        raise BadShapeError(f"every component has the same persons in the same order, not {counts}")
    count = persons.pop()
    rows = [
        parts[component.name].reshape(count, -1)
        if component.name in parts
        else np.full((count, component.shape[0] * component.shape[1]), np.nan, np.float32)
        for component in skeleton.components
    ]
    return np.concatenate(rows, axis=1)


def persons_of(values: NDArray[np.float32], shape: tuple[int, int], of: str) -> NDArray[np.float32]:
    """Checks that `values` are ``(K, C)`` or ``(P, K, C)`` of the `shape` K, C; returns them as the latter."""
    if values.shape == shape:
        return values[np.newaxis]
    if values.ndim == 3 and values.shape[1:] == shape:
        return values
    keypoints, channels = shape
    raise BadShapeError(
        f"keypoints have the shape {values.shape}; {of} needs ({keypoints}, {channels}) or (persons, {keypoints}, {channels})"
    )


def float_array(keypoints: ArrayLike | None) -> NDArray[np.float32]:
    """Makes C-contiguous float32; masked values are missing."""
    if keypoints is None:
        return np.empty((0, 0, 0), np.float32)
    try:
        given = np.asanyarray(keypoints)
    except ValueError as error:
        raise BadShapeError(f"keypoints are no array of numbers: {error}") from None
    if given.dtype.kind not in "fiu":
        raise BadShapeError(f"keypoints are numbers, not of the dtype {given.dtype}")
    masked = isinstance(given, np.ma.MaskedArray)
    with np.errstate(over="ignore"):
        values = given.astype(np.float32)
    plain = np.ascontiguousarray(np.ma.filled(values, np.nan) if masked else values, np.float32)
    if np.isinf(plain).any():
        raise NonFiniteError("a keypoint's value is infinite, or too large for float32: what is missing is NaN")
    return plain


def track_id_array(track_ids: ArrayLike, persons: int) -> NDArray[np.int64]:
    """Makes ``(P,)`` int64."""
    given = np.asarray(track_ids)
    if given.shape != (persons,):
        raise BadShapeError(f"track_ids have the shape {given.shape}, for {persons} persons they need ({persons},)")
    if given.size and given.dtype.kind not in "iu":
        raise BadShapeError(f"track_ids are whole numbers, not of the dtype {given.dtype}")
    return np.ascontiguousarray(given, np.int64)


def image_bytes(image: bytes | bytearray | memoryview | NDArray[np.uint8] | None) -> bytes | None:
    """Makes bytes, also of what `cv2.imencode` returns."""
    if image is None or isinstance(image, bytes):
        return image
    given: Any = image
    try:
        return memoryview(given).tobytes()
    except TypeError:
        raise BadArgumentError(f"an image is the bytes of a JPEG or WebP, not {type(image).__name__}") from None
