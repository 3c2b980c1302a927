"""Pictures of poses and of angles, by matplotlib."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from posesession._drawing import ON_LIGHT, RIGHT, Drawing, Window, dots, strokes, thickness_of
from posesession._optional import optional
from posesession.errors import BadArgumentError, KeypointNotFoundError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from posesession._shown import ShownFrame, ShownSession

_UNITS = {"image": "px", "pixels": "px", "metres": "m"}


def plot_session(session: ShownSession, at: float | None, *, ax: Axes | None, trails: Sequence[str], image: bool) -> Axes:
    """Draws the poses of a moment of a session; see `Session.plot`."""
    frame = session[middle_of(session)] if at is None else session.at(at)
    skeleton = frame._known_skeleton()
    values = [session.component(component.name).values for component in skeleton.components]
    drawing = Drawing(skeleton, session._picture_size, values)
    axes = new_axes(ax)
    picture = frame.image if image else None
    # With trails, all that was gone through; else the bodies of this moment.
    shown = drawing.window(values if trails else frame._drawn_values())
    prepare(axes, drawing, shown if picture is None else drawing.whole(values), picture)
    for name in trails:
        draw_trail(axes, drawing, session, values, name)
    draw(axes, drawing, frame)
    axes.set_title(f"{session.name}, {frame.timestamp:.2f} s")
    return axes


def plot_frame(frame: ShownFrame, *, ax: Axes | None, image: bool) -> Axes:
    """Draws the poses of one frame; see `Frame.plot`."""
    values = frame._drawn_values()
    drawing = Drawing(frame._known_skeleton(), frame._picture_size, values)
    axes = new_axes(ax)
    picture = frame.image if image else None
    prepare(axes, drawing, drawing.window(values) if picture is None else drawing.whole(values), picture)
    draw(axes, drawing, frame)
    axes.set_title(f"{frame.timestamp:.2f} s")
    return axes


def plot_angles(session: ShownSession, joints: Sequence[str], *, ax: Axes | None) -> Axes:
    """Draws joints' angles over time; see `Session.plot_angles`."""
    if not joints:
        raise BadArgumentError("plot_angles() needs the names of joints, such as 'left_knee'")
    series = [session.angle(joint) for joint in joints]
    axes = new_axes(ax, wide=True)
    times = session.timestamps
    persons = session.track_ids.shape[1]
    tracks = np.unique(session.track_ids[session.track_ids >= 0])
    for joint, angles in zip(joints, series):
        for track in tracks:
            own = session.track_ids == track
            line = np.where(own.any(axis=1), np.where(own, angles, 0.0).sum(axis=1), np.nan)
            colours = ON_LIGHT[int(track) % len(ON_LIGHT)]
            side = 1 if joint.startswith("left") else RIGHT
            label = joint.replace("_", " ") + (f", person {track + 1}" if persons > 1 else "")
            shade = sum(other.split("_")[0] == joint.split("_")[0] for other in joints[: joints.index(joint)])
            style = ("-", "--", ":", "-.")[shade % 4]
            axes.plot(times, line, label=label, color=colours[side], linestyle=style, linewidth=1.6)
    axes.set_xlabel("time (s)")
    axes.set_ylabel("angle (degrees)")
    axes.grid(True, alpha=0.25)
    axes.set_title(session.name)
    if len(times):
        axes.set_xlim(float(times[0]), float(times[-1]) or 1.0)
    axes.legend(frameon=False)
    return axes


def middle_of(session: ShownSession) -> int:
    """Returns the middle one of the frames in which somebody is seen."""
    seen = np.flatnonzero((session.track_ids >= 0).any(axis=1))
    return int(seen[len(seen) // 2]) if len(seen) else max(0, len(session) // 2)


def new_axes(ax: Axes | None, *, wide: bool = False) -> Axes:
    """Returns `ax`, or axes in a figure of their own."""
    if ax is not None:
        return ax
    pyplot = optional("matplotlib.pyplot", "matplotlib", "plot")
    _, axes = pyplot.subplots(figsize=(8, 4) if wide else (7, 6), layout="constrained")
    made: Axes = axes
    return made


def prepare(axes: Axes, drawing: Drawing, window: Window, image: bytes | None) -> None:
    """Sets what is seen: every unit as long in x as in y, and y down."""
    if image is not None:
        pillow = optional("PIL.Image", "Pillow", "animate")
        with pillow.open(io.BytesIO(image)) as picture:
            pixels = np.asarray(picture.convert("RGB"))
        axes.imshow(pixels, extent=(0.0, drawing.size[0], drawing.size[1], 0.0), interpolation="bilinear")
    axes.set_aspect("equal", adjustable="box")
    axes.set_xlim(window.left, window.left + window.width)
    axes.set_ylim(window.top + window.height, window.top)
    unit = _UNITS[drawing.unit]
    axes.set_xlabel(f"x ({unit})")
    axes.set_ylabel(f"y ({unit})")


def draw(axes: Axes, drawing: Drawing, frame: ShownFrame) -> None:
    """Draws the persons of a frame, and says which colour is which side."""
    collections = optional("matplotlib.collections", "matplotlib", "plot")
    effects = optional("matplotlib.patheffects", "matplotlib", "plot")
    values = frame._drawn_values()
    told: set[str] = set()
    persons = len(frame.track_ids)
    for person, track_id in enumerate(frame.track_ids):
        colours = ON_LIGHT[int(track_id) % len(ON_LIGHT)]
        whose = f", person {int(track_id) + 1}" if persons > 1 else ""
        parts = drawing.place(values, person)
        usual = thickness_of(parts, 400.0 / max(abs(np.diff(axes.get_ylim())[0]), 1e-9), 3.0)
        for placed in parts:
            width = usual * placed.part.weight
            halo = [effects.Stroke(linewidth=width + 1.6, foreground="white"), effects.Normal()]
            for side, opacity, ends in strokes(placed):
                lines = collections.LineCollection(
                    list(ends), colors=colours[side], linewidths=width, alpha=opacity, capstyle="round", path_effects=halo
                )
                axes.add_collection(lines, autolim=False)
            for side, opacity, points in dots(placed):
                label = ("", f"left{whose}", f"right{whose}")[side]
                axes.scatter(
                    points[:, 0],
                    points[:, 1],
                    s=(1.6 * width + 0.8) ** 2,
                    marker="s" if side == RIGHT else "o",
                    color=colours[side],
                    alpha=opacity,
                    edgecolors="white",
                    linewidths=0.2 * width,
                    zorder=3,
                    label=label if label and label not in told and opacity > 0.5 else "_nolegend_",
                )
                if opacity > 0.5:
                    told.add(label)
    if told - {""}:
        axes.legend(loc="upper right", fontsize="small", framealpha=0.85)


def draw_trail(
    axes: Axes, drawing: Drawing, session: ShownSession, values: Sequence[NDArray[Any]], name: str
) -> None:
    """Draws a keypoint's way through all frames."""
    skeleton = session.skeleton
    assert skeleton is not None
    for part in drawing.parts:
        component = skeleton.components[part.index]
        if name not in component.keypoints:
            continue
        keypoint = component.keypoint(name)
        ways = values[part.index][:, :, keypoint][..., [part.x, part.y]].astype(np.float64) * part.scale
        # Where the model lost somebody and found them elsewhere there was no way between.
        steps = np.linalg.norm(np.diff(ways, axis=0), axis=-1)
        usual = np.nanmedian(steps) if np.isfinite(steps).any() else 0.0
        ways[1:][steps > max(20.0 * usual, 0.05 * drawing.extent)] = np.nan
        for person in range(ways.shape[1]):
            colour = ON_LIGHT[person % len(ON_LIGHT)][int(part.sides[keypoint])]
            axes.plot(ways[:, person, 0], ways[:, person, 1], color=colour, linewidth=1.2, alpha=0.55, zorder=1)
        return
    raise KeypointNotFoundError(f"no component that is drawn has a keypoint {name!r}")
