"""Which keypoints a session's poses have, and what each of their numbers means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from posesession import _native
from posesession.errors import ComponentNotFoundError, KeypointNotFoundError

__all__ = ["Channel", "Component", "Skeleton"]


@dataclass(frozen=True)
class Channel:
    """One number of a keypoint."""

    name: str
    """``x``, ``y``, ``z``, ``confidence``, or a name of the publisher's own."""
    unit: str
    """``image`` (x in widths of the picture, y in its heights, z in its widths), ``pixels``, ``metres`` or ``ratio``."""


@dataclass(frozen=True)
class Component:
    """One part of a skeleton: K keypoints that share the same C channels (``pose``, ``world``, ``left_hand``...)."""

    name: str
    keypoints: tuple[str, ...]
    """The keypoints' names, in order: K of them."""
    edges: tuple[tuple[int, int], ...]
    """Pairs of keypoints that a line joins, by index."""
    mirrored: tuple[tuple[int, int], ...]
    """Pairs of keypoints that change places when the picture is mirrored, by index."""
    channels: tuple[Channel, ...]
    """What each number of a keypoint means, in order: C of them."""

    @property
    def shape(self) -> tuple[int, int]:
        """``(K, C)``: how many keypoints of how many channels."""
        return len(self.keypoints), len(self.channels)

    @cached_property
    def _keypoint_places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.keypoints)}

    @cached_property
    def _channel_places(self) -> dict[str, int]:
        return {channel.name: place for place, channel in enumerate(self.channels)}

    def keypoint(self, name: str) -> int:
        """Returns where the keypoint called `name` stands.

        Raises:
            KeypointNotFoundError: There is none.

        >>> Skeleton.preset("mediapipe_33")["pose"].keypoint("left_shoulder")
        11
        """
        try:
            return self._keypoint_places[name]
        except KeyError:
            raise KeypointNotFoundError(
                f"the component {self.name} has no keypoint {name!r}; it has {listed(self.keypoints)}"
            ) from None

    def channel(self, name: str) -> int:
        """Returns where the channel called `name` stands.

        Raises:
            KeypointNotFoundError: There is none.
        """
        try:
            return self._channel_places[name]
        except KeyError:
            names = [channel.name for channel in self.channels]
            raise KeypointNotFoundError(
                f"the component {self.name} has no channel {name!r}; it has {listed(names)}"
            ) from None

    def has_channel(self, name: str) -> bool:
        """Returns whether a channel is called `name`."""
        return name in self._channel_places

    def unit(self, channel: str) -> str | None:
        """Returns what the channel called `channel` is measured in, None if there is none."""
        place = self._channel_places.get(channel)
        return None if place is None else self.channels[place].unit


@dataclass(frozen=True)
class Skeleton:
    """The components of a session's poses. Declared once a session.

    >>> skeleton = Skeleton.preset("mediapipe_33")
    >>> skeleton["pose"].shape
    (33, 4)
    >>> [channel.name for channel in skeleton["pose"].channels]
    ['x', 'y', 'z', 'confidence']
    """

    name: str
    components: tuple[Component, ...]

    @staticmethod
    def preset(name: str) -> Skeleton:
        """Returns the skeleton of a well-known model.

        Raises:
            BadArgumentError: There is no such preset; the text lists them.
        """
        return Skeleton.from_dict(_native.preset_skeleton(name))

    @staticmethod
    def presets() -> list[str]:
        """Returns the names of all presets.

        >>> "coco_17" in Skeleton.presets()
        True
        """
        return _native.presets()

    @staticmethod
    def from_dict(facts: Mapping[str, Any]) -> Skeleton:
        """Returns the skeleton that `facts` describe as the HTTP API does; the inverse of `to_dict`."""
        return Skeleton(
            name=str(facts["name"]),
            components=tuple(
                Component(
                    name=str(component["name"]),
                    keypoints=tuple(map(str, component["keypoints"])),
                    edges=tuple((int(a), int(b)) for a, b in component.get("edges", ())),
                    mirrored=tuple((int(a), int(b)) for a, b in component.get("mirrored", ())),
                    channels=tuple(Channel(str(c["name"]), str(c["unit"])) for c in component["channels"]),
                )
                for component in facts["components"]
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the skeleton as the HTTP API and `Store.record` take it.

        >>> skeleton = Skeleton.preset("coco_17")
        >>> Skeleton.from_dict(skeleton.to_dict()) == skeleton
        True
        """
        return {
            "name": self.name,
            "components": [
                {
                    "name": component.name,
                    "keypoints": list(component.keypoints),
                    "edges": [list(edge) for edge in component.edges],
                    "mirrored": [list(pair) for pair in component.mirrored],
                    "channels": [{"name": c.name, "unit": c.unit} for c in component.channels],
                }
                for component in self.components
            ],
        }

    def index(self, component: str) -> int:
        """Returns which component is called so.

        Raises:
            ComponentNotFoundError: There is none.
        """
        for place, own in enumerate(self.components):
            if own.name == component:
                return place
        names = [own.name for own in self.components]
        raise ComponentNotFoundError(f"the skeleton {self.name} has no component {component!r}; it has {listed(names)}")

    def __getitem__(self, component: str) -> Component:
        return self.components[self.index(component)]

    @property
    def values_per_person(self) -> int:
        """How many numbers one person's pose has."""
        return sum(keypoints * channels for keypoints, channels in (c.shape for c in self.components))

    def __repr__(self) -> str:
        parts = ", ".join(f"{c.name} {c.shape[0]}x{c.shape[1]}" for c in self.components)
        return f"Skeleton({self.name!r}: {parts})"


def listed(names: tuple[str, ...] | list[str]) -> str:
    """Lists names for an error: the first ones, if there are many."""
    shown = ", ".join(names[:40])
    return f"{shown}, ... ({len(names)} in all)" if len(names) > 40 else shown
