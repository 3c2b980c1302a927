"""Some of a session's frames as arrays: read when they are asked for first, and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from posesession.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from posesession._source import Source
    from posesession.component import FloatArray
    from posesession.skeleton import Skeleton

#: How many frames an iteration reads at once.
_BLOCK = 1024


class FrameArrays:
    """The frames of a `range` of numbers, T of them; P persons of one frame at most, but at least 1."""

    def __init__(
        self, source: Source, skeleton: Skeleton | None, frames: range, picture_size: tuple[float, float] | None
    ) -> None:
        self.frames = frames
        self._source = source
        self._skeleton = skeleton
        self._picture_size = picture_size
        self._component_count = 0 if skeleton is None else len(skeleton.components)
        self._facts: tuple[NDArray[np.float64], NDArray[np.int64]] | None = None
        self._values: dict[int, FloatArray] = {}

    @property
    def is_read(self) -> bool:
        """Whether times and track ids are there."""
        return self._facts is not None

    @property
    def timestamps(self) -> NDArray[np.float64]:
        """``(T,)``, s."""
        return self._times_and_ids()[0]

    @property
    def track_ids(self) -> NDArray[np.int64]:
        """``(T, P)``, -1 for nobody."""
        return self._times_and_ids()[1]

    def values(self, component: int) -> FloatArray:
        """``(T, P, K, C)``, ``(T, 1, 0, 0)`` while the skeleton is unknown."""
        if component not in self._values:
            self._read(component)
        return self._values[component]

    def part(self, frames: range) -> FrameArrays:
        """Returns some of these frames; they share the memory of what was read."""
        part = FrameArrays(self._source, self._skeleton, frames, self._picture_size)
        if self._facts is not None:
            times, track_ids = self._facts
            start = self.frames.index(frames[0]) if len(frames) else 0
            step = frames.step // self.frames.step
            own = slice(start, start + len(frames) * step, step)
            persons = persons_in(track_ids[own])
            part._facts = times[own], track_ids[own, :persons]
            part._values = {component: values[own, :persons] for component, values in self._values.items()}
        return part

    def frame(self, number: int) -> Frame:
        """Returns one frame: of the arrays, where they are there, else it alone is read."""
        if self._facts is not None and len(self._values) >= self._component_count:
            place = self.frames.index(number)
            time, ids = self._facts[0][place], self._facts[1][place]
            values = [self._values[component][place] for component in range(self._component_count)]
        else:
            arrays = self._source.read_arrays(None, number, number + 1)
            time, ids, values = arrays.timestamps[0], arrays.track_ids[0], [v[0] for v in arrays.values]
        there = ids >= 0
        return Frame(
            frame_number=number,
            timestamp=float(time),
            track_ids=ids[there],
            values=[v[there] for v in values],
            skeleton=self._skeleton,
            read_image=self._source.read_image,
            picture_size=self._picture_size,
        )

    def each(self) -> Iterator[Frame]:
        """Yields all frames, reading block after block."""
        for start in range(0, len(self.frames), _BLOCK):
            block = self.part(self.frames[start : start + _BLOCK])
            for component in range(max(1, self._component_count)):
                block.values(component)
            for number in block.frames:
                yield block.frame(number)

    def _times_and_ids(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        return self._read(0) if self._facts is None else self._facts

    def _read(self, component: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Reads one component, and the times and track ids with it."""
        first, end = (self.frames[0], self.frames[-1] + 1) if len(self.frames) else (0, 0)
        arrays = self._source.read_arrays(component if self._component_count else None, first, end)
        own = slice(None, None, self.frames.step)
        # Slots that only frames between these use are left out.
        persons = persons_in(arrays.track_ids[own])
        if self._facts is None:
            self._facts = arrays.timestamps[own], arrays.track_ids[own, :persons]
        nothing = np.empty((len(self.frames), 1, 0, 0), np.float32)
        self._values[component] = arrays.values[0][own, :persons] if self._component_count else nothing
        return self._facts


def persons_in(track_ids: NDArray[np.int64]) -> int:
    """Returns how many slots are used, at least 1."""
    used = np.flatnonzero((track_ids >= 0).any(axis=0))
    return int(used[-1]) + 1 if len(used) else 1
