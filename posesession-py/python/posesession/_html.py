"""What a notebook shows of a session: its facts, and a strip of pictures from its beginning to its end."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from posesession._drawing import DARK, ON_DARK, OUTLINE, RIGHT, Drawing, Window, dots, strokes
from posesession.errors import PosesessionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from posesession._shown import ShownFrame, ShownSession

_PICTURES = 6
_PANEL_HEIGHT = 200.0
_PANEL_ASPECTS = (0.55, 1.5)
_STRIP_WIDTH = 900.0
_GAP = 6.0
_CAPTION = 18.0


def session_html(session: ShownSession) -> str:
    """Returns a session's facts and a strip of pictures, as HTML."""
    rows = "".join(
        f'<tr><th style="text-align:left;padding:2px 12px 2px 0;font-weight:600">{escape(label)}</th>'
        f'<td style="text-align:left;padding:2px 0">{escape(text)}</td></tr>'
        for label, text in facts(session)
    )
    return (
        '<div class="posesession" style="max-width:940px">'
        f'<div style="font-size:1.15em;font-weight:600;margin:0 0 6px">{escape(session.name) or "(no name)"}</div>'
        f'{strip(session)}<table style="border-collapse:collapse;margin:8px 0 0">{rows}</table></div>'
    )


def frame_html(frame: ShownFrame) -> str:
    """Returns one frame as HTML: a picture of it."""
    caption = f"frame {frame.frame_number} at {frame.timestamp:.3f} s"
    if frame.skeleton is None or not len(frame.track_ids):
        return f'<div class="posesession">{escape(caption)}: nobody is seen</div>'
    values = frame._drawn_values()
    try:
        drawing = Drawing(frame.skeleton, frame._picture_size, values)
    except PosesessionError as error:
        return f'<div class="posesession">{escape(caption)}: {escape(str(error))}</div>'
    window = drawing.window(values)
    aspect = float(np.clip(window.width / window.height, *_PANEL_ASPECTS))
    width = 360.0 * aspect
    body = panel(drawing, window.around(aspect), values, frame.track_ids, width, 360.0)
    return svg(f"{caption}, {len(frame.track_ids)} persons", width, 360.0, [(0.0, body, caption)])


def facts(session: ShownSession) -> list[tuple[str, str]]:
    """Returns what is told of a session in words: labels and texts."""
    count = len(session)
    rate = f", {session.fps:.4g} a second" if count > 1 else ""
    told = [
        ("recorded", f"{session.created_at:%Y-%m-%d %H:%M:%S} UTC, {session.status}"),
        ("length", f"{session.duration:.2f} s, {count:,} frames{rate}"),
    ]
    if count:
        seen = (session.track_ids >= 0).any(axis=1)
        most = session.track_ids.shape[1] if seen.any() else 0
        share = f", somebody in {seen.mean():.1%} of the frames" if seen.any() and not seen.all() else ""
        told.append(("persons", ("nobody", "one")[most] + share if most < 2 else f"up to {most} at once{share}"))
    if session.skeleton is not None:
        parts = ", ".join(f"{c.name} ({c.shape[0]} keypoints)" for c in session.skeleton.components)
        told.append(("skeleton", f"{session.skeleton.name}: {parts}"))
    if session.description:
        told.append(("description", session.description))
    told += [(str(key), str(value)) for key, value in session.metadata.items() if not isinstance(value, (dict, list))]
    told.append(("id", session.id))
    return told


def strip(session: ShownSession) -> str:
    """Returns pictures of moments all over a session, side by side, as SVG; in words why there are none."""
    if session.skeleton is None or not len(session):
        return "<div>nobody has been seen yet</div>"
    try:
        seen = np.flatnonzero((session.track_ids >= 0).any(axis=1))
        if not len(seen):
            return "<div>nobody is seen</div>"
        chosen = np.unique(seen[np.linspace(0, len(seen) - 1, min(_PICTURES, len(seen))).round().astype(np.intp)])
        frames = [session[int(place)] for place in chosen]
        everything = [np.concatenate([f._drawn_values()[c] for f in frames]) for c in range(len(session.skeleton.components))]
        drawing = Drawing(session.skeleton, session._picture_size, everything)
    except PosesessionError as error:
        return f"<div>no picture: {escape(str(error))}</div>"
    return strip_of(drawing, frames)


def strip_of(drawing: Drawing, frames: list[ShownFrame]) -> str:
    """Draws frames side by side."""
    windows = [drawing.window(frame._drawn_values()) for frame in frames]
    # All at one scale, each with its bodies in its middle: whoever crosses the picture is not drawn tiny for it.
    largest = Window(0.0, 0.0, max(w.width for w in windows), max(w.height for w in windows))
    most = (_STRIP_WIDTH + _GAP) / len(frames) - _GAP
    aspect = float(np.clip(largest.width / largest.height, *_PANEL_ASPECTS))
    height = min(_PANEL_HEIGHT, most / aspect)
    width = height * aspect
    panels = [
        (
            place * (width + _GAP),
            panel(drawing, window.grown(largest), frame._drawn_values(), frame.track_ids, width, height),
            f"{frame.timestamp:.2f} s",
        )
        for place, (frame, window) in enumerate(zip(frames, windows))
    ]
    caption = f"{len(frames)} moments of the session, left blue, right orange"
    return svg(caption, width, height, panels)


def svg(title: str, width: float, height: float, panels: list[tuple[float, str, str]]) -> str:
    """Puts panels of one size (left, content, caption) into one picture."""
    total = panels[-1][0] + width
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(title)}" viewBox="0 0 {total:.0f} {height:.0f}"'
        f' width="{total:.0f}" style="max-width:100%;height:auto;display:block" font-family="system-ui,sans-serif">'
    ]
    for left, body, caption in panels:
        parts.append(
            f'<svg x="{left:.1f}" width="{width:.1f}" height="{height:.1f}">'
            f'<rect width="100%" height="100%" rx="6" fill="{DARK}"/>{body}'
            f'<text x="8" y="{height - 8:.1f}" font-size="12" fill="#c9d4de">{escape(caption)}</text></svg>'
        )
    return "".join(parts) + "</svg>"


def panel(
    drawing: Drawing,
    window: Window,
    values: Sequence[NDArray[Any]],
    track_ids: NDArray[np.int64],
    width: float,
    height: float,
) -> str:
    """Draws the persons of one frame, whose `values` are ``(P, K, C)`` a component, as SVG."""
    # The caption stands below the bodies.
    scale = min(width / window.width, (height - _CAPTION) / window.height)
    origin = np.array([(width - window.width * scale) / 2, (height - _CAPTION - window.height * scale) / 2])
    origin -= np.array([window.left, window.top]) * scale
    thickness = max(1.6, min(width, height) / 75)
    parts = []
    for person, track_id in enumerate(track_ids):
        colours = ON_DARK[int(track_id) % len(ON_DARK)]
        for placed in drawing.place(values, person):
            own = thickness * placed.part.weight
            lines = [(side, opacity, ends * scale + origin) for side, opacity, ends in strokes(placed)]
            for _, opacity, ends in lines:
                parts.append(path(line_data(ends), OUTLINE, own + 1.6, opacity))
            for side, opacity, ends in lines:
                parts.append(path(line_data(ends), colours[side], own, opacity))
            for side, opacity, points in dots(placed):
                data = dot_data(points * scale + origin, own * 0.95, is_square=side == RIGHT)
                parts.append(f'<path d="{data}" fill="{colours[side]}" fill-opacity="{opacity:.2g}"/>')
    return "".join(parts)


def path(data: str, colour: str, width: float, opacity: float) -> str:
    """Returns lines as SVG."""
    seen = "" if opacity >= 1.0 else f' stroke-opacity="{opacity:.2g}"'
    return f'<path d="{data}" fill="none" stroke="{colour}" stroke-width="{width:.2g}" stroke-linecap="round"{seen}/>'


def line_data(ends: NDArray[np.float64]) -> str:
    """Returns ``(N, 2, 2)`` as an SVG path's data."""
    return "".join(f"M{a[0]:.1f} {a[1]:.1f}L{b[0]:.1f} {b[1]:.1f}" for a, b in ends)


def dot_data(points: NDArray[np.float64], radius: float, *, is_square: bool) -> str:
    """Returns ``(N, 2)`` as an SVG path's data: squares, or circles."""
    r = f"{radius:.2g}"
    if is_square:
        side = f"{2 * radius:.2g}"
        return "".join(f"M{x - radius:.1f} {y - radius:.1f}h{side}v{side}h-{side}z" for x, y in points)
    return "".join(
        f"M{x - radius:.1f} {y:.1f}a{r} {r} 0 1 0 {2 * radius:.2g} 0a{r} {r} 0 1 0 -{2 * radius:.2g} 0" for x, y in points
    )
