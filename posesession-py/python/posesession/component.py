"""The values of one component, by the names of keypoints and channels."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from posesession.errors import KeypointNotFoundError
from posesession.skeleton import Component

__all__ = ["ComponentView", "FloatArray"]

FloatArray: TypeAlias = NDArray[np.float32]


class ComponentView:
    """One component of a session's poses: an array and the names of what stands in it.

    `values` is ``(T, P, K, C)`` for a session of T frames, ``(P, K, C)`` for a single frame: person, keypoint, channel. All that
    is returned is a view of it, and NaN where something is missing. NumPy functions take the view as they take the array.

    >>> view = demo["pose"]
    >>> view.shape
    (90, 1, 33, 4)
    >>> view.xy.shape, view.confidence.shape, view["left_knee"].shape
    ((90, 1, 33, 2), (90, 1, 33), (90, 1, 4))
    >>> float(np.nanmax(view["left_knee", "y"])) < 1.0
    True
    """

    def __init__(self, component: Component, values: FloatArray) -> None:
        self._component = component
        self._values = values

    @property
    def component(self) -> Component:
        """The names: keypoints, channels, edges."""
        return self._component

    @property
    def name(self) -> str:
        """The component's name."""
        return self._component.name

    @property
    def values(self) -> FloatArray:
        """All numbers, ``(..., K, C)`` float32."""
        return self._values

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of `values`."""
        return self._values.shape

    @property
    def dtype(self) -> np.dtype[np.float32]:
        """``float32``."""
        return self._values.dtype

    @property
    def xy(self) -> FloatArray:
        """Where the keypoints are in the plane, ``(..., K, 2)`` float32, in the unit of the channel ``x``."""
        return self._channels("x", "y")

    @property
    def xyz(self) -> FloatArray:
        """Where the keypoints are in space, ``(..., K, 3)`` float32, in the unit of the channel ``x``.

        Raises:
            KeypointNotFoundError: The component has no ``z``.
        """
        return self._channels("x", "y", "z")

    @property
    def confidence(self) -> FloatArray:
        """How sure the model is of each keypoint, ``(..., K)`` float32, 0 to 1.

        Raises:
            KeypointNotFoundError: The component has no ``confidence``.
        """
        return self.channel("confidence")

    def channel(self, name: str) -> FloatArray:
        """Returns one number of every keypoint, ``(..., K)`` float32.

        Raises:
            KeypointNotFoundError: No channel has this name.
        """
        return self._values[..., self._component.channel(name)]

    def keypoint(self, name: str) -> FloatArray:
        """Returns all numbers of one keypoint, ``(..., C)`` float32.

        Raises:
            KeypointNotFoundError: No keypoint has this name.
        """
        return self._values[..., self._component.keypoint(name), :]

    def __getitem__(self, key: str | tuple[str, str]) -> FloatArray:
        """``view["left_knee"]``: its channels, ``(..., C)``; ``view["left_knee", "y"]``: one of them, ``(...)``."""
        if isinstance(key, str):
            return self.keypoint(key)
        if isinstance(key, tuple) and len(key) == 2 and all(isinstance(part, str) for part in key):
            return self.keypoint(key[0])[..., self._component.channel(key[1])]
        raise KeypointNotFoundError(
            f"{key!r} is no keypoint's name: use view['left_knee'], view['left_knee', 'y'], or view.values[...] for numbers"
        )

    def _channels(self, *names: str) -> FloatArray:
        places = [self._component.channel(name) for name in names]
        step = places[1] - places[0]
        if step > 0 and all(later - earlier == step for earlier, later in zip(places, places[1:])):
            return self._values[..., places[0] : places[-1] + 1 : step]
        return self._values[..., places]

    def __len__(self) -> int:
        return len(self._values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """The values, as NumPy asks for them."""
        wanted = self._values.dtype if dtype is None else np.dtype(dtype)
        if copy:
            return self._values.astype(wanted)
        if wanted == self._values.dtype:
            return self._values
        if copy is False:
            raise ValueError(f"a view of float32 as {wanted} needs a copy")
        return self._values.astype(wanted)

    def __repr__(self) -> str:
        channels = ", ".join(channel.name for channel in self._component.channels)
        return f"ComponentView({self.name!r}, shape={self.shape}, channels=[{channels}])"
