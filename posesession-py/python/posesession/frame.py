"""One moment of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from posesession.component import ComponentView, FloatArray
from posesession.errors import ComponentNotFoundError, UnsupportedError
from posesession.skeleton import Skeleton

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes

__all__ = ["Frame"]


class Frame:
    """The poses of all persons at one moment, P of them; P is 0 where nobody is seen.

    >>> frame = demo.at(1.0)
    >>> frame.frame_number, round(frame.timestamp, 3)
    (30, 1.0)
    >>> frame.keypoints.shape
    (1, 33, 4)
    >>> frame["pose"].xy.shape
    (1, 33, 2)
    """

    def __init__(
        self,
        *,
        frame_number: int,
        timestamp: float,
        track_ids: NDArray[np.int64],
        values: Sequence[FloatArray],
        skeleton: Skeleton | None,
        read_image: Callable[[int], bytes | None],
        picture_size: tuple[float, float] | None = None,
        epoch: int = 0,
    ) -> None:
        self._frame_number = frame_number
        self._timestamp = timestamp
        self._track_ids = track_ids
        self._values = list(values)
        self._skeleton = skeleton
        self._read_image = read_image
        self._picture_size = picture_size
        self._epoch = epoch

    @property
    def frame_number(self) -> int:
        """Which frame of the session it is, from 0."""
        return self._frame_number

    @property
    def timestamp(self) -> float:
        """When it is within the session, seconds."""
        return self._timestamp

    @property
    def epoch(self) -> int:
        """How many seeks of the replay came before it; 0 outside of a replay."""
        return self._epoch

    @property
    def track_ids(self) -> NDArray[np.int64]:
        """Which persons they are, ``(P,)`` int64: the same id from frame to frame."""
        return self._track_ids

    @property
    def skeleton(self) -> Skeleton | None:
        """What the numbers mean; None until a person was seen."""
        return self._skeleton

    @property
    def keypoints(self) -> FloatArray:
        """The first component's values, ``(P, K, C)`` float32, NaN where missing; ``(0, 0, 0)`` while the skeleton is unknown."""
        return self._values[0] if self._values else np.empty((0, 0, 0), np.float32)

    def __getitem__(self, component: str) -> ComponentView:
        """The values of the component called so, ``(P, K, C)``.

        Raises:
            ComponentNotFoundError: There is none.
        """
        if self._skeleton is None:
            raise ComponentNotFoundError(f"no component {component!r}: nobody has been seen yet, so the skeleton is unknown")
        place = self._skeleton.index(component)
        return ComponentView(self._skeleton.components[place], self._values[place])

    @property
    def image(self) -> bytes | None:
        """The camera's picture as it was recorded (JPEG or WebP), None if there is none. Read when it is asked for."""
        return self._read_image(self._frame_number)

    def plot(self, *, ax: Axes | None = None, image: bool = False) -> Axes:
        """Draws the poses with matplotlib: the picture's aspect, y down, left blue, right orange. Returns the `Axes`.

        `image`: draws the recorded picture below them, where there is one.

        Raises:
            MissingDependencyError: matplotlib is not installed.
            UnsupportedError: The skeleton is unknown, or no component of it has x and y.
        """
        from posesession._plot import plot_frame

        return plot_frame(self, ax=ax, image=image)

    def _repr_html_(self) -> str:
        from posesession._html import frame_html

        return frame_html(self)

    def __repr__(self) -> str:
        persons = len(self._track_ids)
        who = "nobody" if persons == 0 else "1 person" if persons == 1 else f"{persons} persons"
        return f"Frame({self._frame_number} at {self._timestamp:.3f} s: {who})"

    def _known_skeleton(self) -> Skeleton:
        if self._skeleton is None:
            raise UnsupportedError("there is nothing to draw: nobody has been seen yet, so the skeleton is unknown")
        return self._skeleton

    def _drawn_values(self) -> list[NDArray[Any]]:
        return [*self._values]
