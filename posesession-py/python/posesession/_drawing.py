"""Values in, lines and points of a drawing out: what the SVG, matplotlib and Pillow pictures have in common.

The look is that of the server's pages (`skeleton_canvas.js`): cold left, warm right, told apart by every kind of colour vision;
the right side has square keypoints as well; what is hardly believed is hardly seen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from posesession.errors import UnsupportedError
from posesession.skeleton import Component, Skeleton

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

CENTRE, LEFT, RIGHT = 0, 1, 2

#: Colours of centre, left and right on a dark ground, for each person shades of their own; and on a light one.
ON_DARK = (("#ffffff", "#3fc6ff", "#ffab1f"), ("#fff3c9", "#4df0c0", "#ff7d9c"), ("#dcefff", "#a9a2ff", "#ffe14a"))
ON_LIGHT = (("#4a5560", "#0a7fc2", "#d9730d"), ("#6b5f3f", "#0c9a76", "#c93a5e"), ("#4d5f78", "#5a50d6", "#a88a00"))
DARK, OUTLINE = "#10161d", "#0b0f14"

_USUAL_SIZE = (640.0, 480.0)
#: From so many keypoints on, a component is a mesh: single points are not told apart.
_MESH_KEYPOINTS = 100
_DETAILS = re.compile("hand|finger|face|mouth|iris")
_UPPER = re.compile("nose|head|eye|ear|neck|shoulder")
_LOWER = re.compile("hip|pelvis|knee|ankle|heel|foot")
_LEAST_OPACITY = 0.05
_SURE_ENOUGH = 0.3
_MARGIN = 0.08
_VIEW_ASPECTS = (0.6, 1.8)


@dataclass(frozen=True)
class Part:
    """A component that is drawn."""

    index: int
    """Which component of the skeleton."""
    x: int
    """Channel."""
    y: int
    """Channel of the axis that is drawn downwards."""
    scale: tuple[float, float]
    """What x and y are multiplied by: px of the picture a unit; in space a metre, and -1 where y points up."""
    confidence: int | None
    """Channel."""
    edges: NDArray[np.intp]
    """``(E, 2)``"""
    edge_sides: NDArray[np.intp]
    sides: NDArray[np.intp]
    """By keypoint: `CENTRE`, `LEFT` or `RIGHT`."""
    weight: float
    """Thickness of its lines, 1: those of a body."""


@dataclass(frozen=True)
class Placed:
    """A part of one person: where it stands."""

    part: Part
    points: NDArray[np.float64]
    """``(K, 2)``, px of the picture (m in space), y down."""
    opacity: NDArray[np.float64]
    """``(K,)``, 0 to 1; 0: not drawn."""

    @property
    def extent(self) -> float:
        """How far it reaches in its longer direction; 0.0 if nothing of it is drawn."""
        seen = self.points[self.opacity > 0.0]
        return float((seen.max(axis=0) - seen.min(axis=0)).max()) if len(seen) else 0.0

    @property
    def edge_opacity(self) -> NDArray[np.float64]:
        """``(E,)``: an edge is as sure as the less sure of its ends."""
        edges = self.part.edges
        return np.minimum(self.opacity[edges[:, 0]], self.opacity[edges[:, 1]])


@dataclass(frozen=True)
class Window:
    """What is seen, in the unit of `Placed.points`, y down."""

    left: float
    top: float
    width: float
    height: float

    def around(self, aspect: float) -> Window:
        """Returns the smallest window of this `aspect` (width by height) with this one in its middle."""
        width, height = max(self.width, self.height * aspect), max(self.height, self.width / aspect)
        left, top = self.left - (width - self.width) / 2, self.top - (height - self.height) / 2
        return Window(left, top, width, height)

    def grown(self, to: Window) -> Window:
        """Returns a window of the size of `to` around the middle of this one."""
        left, top = self.left - (to.width - self.width) / 2, self.top - (to.height - self.height) / 2
        return Window(left, top, to.width, to.height)


class Drawing:
    """A skeleton, as it is drawn."""

    def __init__(self, skeleton: Skeleton, size: tuple[float, float] | None, sample: Sequence[NDArray[Any]]) -> None:
        """`size`: of the pictures, px. `sample`: some values, ``(..., K, C)`` a component, by which up and down are told in space.

        Raises:
            UnsupportedError: No component has x and y in one unit.
        """
        self.size = size or _USUAL_SIZE
        self._knows_size = size is not None
        units = {place: plane_of(component) for place, component in enumerate(skeleton.components)}
        # A place in the picture says more than one in space.
        in_picture = any(unit in ("image", "pixels") for unit in units.values())
        wanted = ("image", "pixels") if in_picture else ("metres",)
        self.is_in_picture = in_picture
        self.unit: str = next((unit for unit in units.values() if unit is not None and unit in wanted), "metres")
        self.parts = [
            self._part(component, place, str(units[place]), sample[place] if place < len(sample) else None)
            for place, component in enumerate(skeleton.components)
            if units[place] in wanted
        ]
        if not self.parts:
            raise UnsupportedError(f"the skeleton {skeleton.name} has no component with x and y in a picture or in metres")

    def place(self, values: Sequence[NDArray[Any]], person: int) -> list[Placed]:
        """Places one person of a frame, whose `values` are ``(P, K, C)`` a component."""
        return [place_part(part, values[part.index][person]) for part in self.parts]

    def points(self, values: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
        """Returns where the keypoints are that are believed, ``(N, 2)``, of `values` ``(..., K, C)`` a component."""
        found = []
        for part in self.parts:
            own = values[part.index]
            xy = own[..., [part.x, part.y]].astype(np.float64) * part.scale
            seen = ~np.isnan(xy).any(axis=-1)
            if part.confidence is not None:
                seen &= ~(own[..., part.confidence] < _SURE_ENOUGH)
            found.append(xy[seen])
        return np.concatenate(found)

    def window(self, values: Sequence[NDArray[Any]]) -> Window:
        """Returns the window that shows whoever is in `values`, ``(..., K, C)`` a component, with a margin."""
        points = self.points(values)
        if not len(points):
            return Window(0.0, 0.0, *self.size) if self.is_in_picture else Window(-1.0, -1.0, 2.0, 2.0)
        # A keypoint that went astray once is no reason to show everybody small.
        (left, top), (right, bottom) = np.percentile(points, 0.5, axis=0), np.percentile(points, 99.5, axis=0)
        extent = max(float(right - left), float(bottom - top), 1e-6)
        margin = _MARGIN * extent
        return Window(float(left) - margin, float(top) - margin, float(right - left) + 2 * margin, float(bottom - top) + 2 * margin)

    def whole(self, values: Sequence[NDArray[Any]]) -> Window:
        """Returns the window of the whole picture; where its size is not known, or in space, that of whoever is in `values`."""
        if self.unit == "image" or (self.is_in_picture and self._knows_size):
            return Window(0.0, 0.0, *self.size)
        return self.window(values)

    def view(self, values: Sequence[NDArray[Any]]) -> Window:
        """Returns the window of whoever is in `values`, neither too wide nor too high for a film."""
        window = self.window(values)
        return window.around(float(np.clip(window.width / window.height, *_VIEW_ASPECTS)))

    @property
    def extent(self) -> float:
        """The picture's longer side, px; in space the height of a person, m."""
        return max(self.size) if self.is_in_picture else 1.8

    def _part(self, component: Component, place: int, unit: str, sample: NDArray[Any] | None) -> Part:
        x, y = component.channel("x"), component.channel("y")
        scale = (1.0, 1.0)
        if unit == "image":
            scale = self.size
        elif unit == "metres" and sample is not None:
            y, down = downwards(component, sample)
            scale = (1.0, down)
        sides = np.array([side_of(name, component.name) for name in component.keypoints], np.intp)
        edges = np.array(component.edges, np.intp).reshape(-1, 2)
        own = sides[edges]
        return Part(
            index=place,
            x=x,
            y=y,
            scale=scale,
            confidence=component.channel("confidence") if component.has_channel("confidence") else None,
            edges=edges,
            edge_sides=np.where(own[:, 0] == own[:, 1], own[:, 0], CENTRE),
            sides=sides,
            weight=weight_of(component),
        )


def place_part(part: Part, values: NDArray[Any]) -> Placed:
    """Places a part of one person, `values` ``(K, C)``."""
    points = values[:, [part.x, part.y]].astype(np.float64) * part.scale
    opacity = np.ones(len(points)) if part.confidence is None else opacity_of(values[:, part.confidence])
    return Placed(part, points, np.where(np.isnan(points).any(axis=1), 0.0, opacity))


def opacity_of(confidence: NDArray[Any]) -> NDArray[np.float64]:
    """Turns confidence into opacity: unknown is opaque, what is hardly believed is hardly seen."""
    sure = confidence.astype(np.float64)
    shown = np.where(sure < _LEAST_OPACITY, 0.0, np.minimum(1.0, 0.15 + 0.85 * sure))
    return np.where(np.isnan(sure), 1.0, shown)


def plane_of(component: Component) -> str | None:
    """Returns the unit that a component's x and y have in common, None if they haven't."""
    unit = component.unit("x")
    return unit if unit in ("image", "pixels", "metres") and component.unit("y") == unit else None


def side_of(keypoint: str, component: str) -> int:
    """Says on which side of the body a keypoint is, by its own name or its component's."""
    for side, word in ((LEFT, "left"), (RIGHT, "right")):
        if keypoint.startswith(f"{word}_") or keypoint.endswith(f"_{word}") or component.startswith(f"{word}_"):
            return side
    return CENTRE


def weight_of(component: Component) -> float:
    """Returns how thick a component's lines are beside a body's."""
    if len(component.keypoints) >= _MESH_KEYPOINTS:
        return 0.3
    return 0.5 if _DETAILS.search(component.name) else 1.0


def downwards(component: Component, sample: NDArray[Any]) -> tuple[int, float]:
    """Finds out where down is: away from the head. Returns the channel of that axis, y or z, and its direction."""
    upper = [place for place, name in enumerate(component.keypoints) if _UPPER.search(name)]
    lower = [place for place, name in enumerate(component.keypoints) if _LOWER.search(name)]
    y = component.channel("y")

    def height(channel: int) -> float:
        ends = sample[..., lower, channel], sample[..., upper, channel]
        if not all(np.isfinite(end).any() for end in ends):
            return 0.0
        return float(np.nanmean(ends[0]) - np.nanmean(ends[1]))

    along_y = height(y)
    if component.has_channel("z"):
        z = component.channel("z")
        if abs(height(z)) > 2 * abs(along_y):
            return z, -1.0 if height(z) < 0 else 1.0
    return y, -1.0 if along_y < 0 else 1.0


def thickness_of(persons: Sequence[Placed], scale: float, usual: float) -> float:
    """Returns how thick a person's lines are, when a unit is `scale` px: `usual`, less for a small body, which would be nothing but
    lines."""
    extent = scale * max((placed.extent for placed in persons), default=0.0)
    return usual * min(1.0, max(0.4, extent / (45 * usual)))


def strokes(placed: Placed, levels: int = 8) -> Iterator[tuple[int, float, NDArray[np.float64]]]:
    """Yields a part's lines: side, opacity, and ``(N, 2, 2)`` of all that have these; from hardly seen ones to sure ones."""
    level = np.ceil(placed.edge_opacity * levels).astype(np.intp)
    lines = placed.points[placed.part.edges]
    for step in range(1, levels + 1):
        for side in (CENTRE, LEFT, RIGHT):
            own = (level == step) & (placed.part.edge_sides == side)
            if own.any():
                yield side, step / levels, lines[own]


def dots(placed: Placed, levels: int = 8) -> Iterator[tuple[int, float, NDArray[np.float64]]]:
    """Yields a part's keypoints: side, opacity, and ``(N, 2)`` of all that have these."""
    level = np.ceil(placed.opacity * levels).astype(np.intp)
    for step in range(1, levels + 1):
        for side in (CENTRE, LEFT, RIGHT):
            own = (level == step) & (placed.part.sides == side)
            if own.any():
                yield side, step / levels, placed.points[own]
