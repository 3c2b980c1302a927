"""A session as a film in a file, by Pillow."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from posesession._drawing import DARK, ON_DARK, OUTLINE, RIGHT, Drawing, Window, dots, strokes, thickness_of
from posesession._optional import optional
from posesession._progress import Progress, stepping
from posesession.errors import BadArgumentError, UnsupportedError

if TYPE_CHECKING:
    from PIL import Image

    from posesession._shown import ShownFrame, ShownSession

_FORMATS = {".gif": "GIF", ".webp": "WEBP", ".png": "PNG", ".apng": "PNG"}
#: Drawn larger and made smaller, so that lines have smooth edges.
_OVERSAMPLING = 2
#: A GIF counts in hundredths of a second, and viewers slow down what is faster than this many of them.
_GIF_TICK_MS, _GIF_LEAST_MS = 10, 20
_COLOURS, _COLOURS_OF_PICTURES = 64, 256


def animate(
    session: ShownSession, path: str, *, rate: float, fps: float, width: int, images: bool, progress: Progress
) -> None:
    """Writes the film; see `Session.animate`."""
    pillow = optional("PIL.Image", "Pillow", "animate")
    format = next((name for suffix, name in _FORMATS.items() if path.lower().endswith(suffix)), None)
    if format is None:
        raise BadArgumentError(f"{path} is no animation's name: end it in .gif, .webp or .png")
    if not (rate > 0 and fps > 0 and 16 <= width <= 4096):
        raise BadArgumentError("animate() needs a rate and fps above 0, and a width of 16 to 4096 px")
    if session.skeleton is None or not len(session):
        raise UnsupportedError("there is nothing to draw: nobody has been seen")
    values = [session.component(component.name).values for component in session.skeleton.components]
    drawing = Drawing(session.skeleton, session._picture_size, values)
    film = Film(drawing, drawing.whole(values) if images else drawing.view(values), width)
    places, durations = moments(session.timestamps / rate, fps)
    frames: list[Any] = []
    with stepping(progress, len(places), "frame", "drawing") as step:
        for place in places:
            frame = session[int(place)]
            frames.append(film.draw(frame, frame.image if images else None))
            step(1)
    if format == "GIF":
        frames = one_palette(frames, _COLOURS_OF_PICTURES if images else _COLOURS, pillow)
    options = {"lossless": False, "quality": 80} if format == "WEBP" else {"optimize": False}
    frames[0].save(
        path, format=format, save_all=True, append_images=frames[1:], duration=durations, loop=0, **options
    )


def moments(times: NDArray[np.float64], fps: float) -> tuple[list[int], list[int]]:
    """Chooses the frames to show of those at `times` (s), at most `fps` a second. Returns their places, and how long each stands, ms."""
    interval = max(_GIF_LEAST_MS, round(1000 / fps / _GIF_TICK_MS) * _GIF_TICK_MS)
    start, end = float(times[0]), float(times[-1])
    usual = float(np.median(np.diff(times))) if len(times) > 1 else interval / 1000
    ticks = np.arange(0, max(1, round((end - start + usual) * 1000 / interval))) * interval
    shown = np.searchsorted(times, start + ticks / 1000 + 1e-9, "right") - 1
    places: list[int] = []
    durations: list[int] = []
    for place in np.clip(shown, 0, len(times) - 1):
        if places and places[-1] == place:
            durations[-1] += interval
        else:
            places.append(int(place))
            durations.append(interval)
    return places, durations


def one_palette(frames: list[Any], count: int, pillow: Any) -> list[Any]:
    """Gives all pictures the same `count` colours: else they flicker, and the file grows."""
    sample = frames[:: max(1, len(frames) // 8)][:8]
    width, height = sample[0].size
    # The bodies' colours have an area of their own: thin lines over a large picture would hardly be counted.
    bodies = [*dict.fromkeys(colour for colours in ON_DARK for colour in colours), OUTLINE]
    sheet = pillow.new("RGB", (width, height * (len(sample) + 1)))
    for place, frame in enumerate(sample):
        sheet.paste(frame, (0, place * height))
    for place, colour in enumerate(bodies):
        left, right = (edge * width // len(bodies) for edge in (place, place + 1))
        sheet.paste(colour, (left, len(sample) * height, right, (len(sample) + 1) * height))
    palette = sheet.quantize(count, method=pillow.Quantize.MEDIANCUT)
    return [frame.quantize(palette=palette, dither=pillow.Dither.NONE) for frame in frames]


class Film:
    """Draws frames on pictures of one size."""

    def __init__(self, drawing: Drawing, window: Window, width: int) -> None:
        self._drawing = drawing
        self._window = window
        self._size = (width, max(16, round(width * window.height / window.width)))
        self._scale = width * _OVERSAMPLING / window.width
        self._image = optional("PIL.Image", "Pillow", "animate")
        self._draw = optional("PIL.ImageDraw", "Pillow", "animate")
        self._font = optional("PIL.ImageFont", "Pillow", "animate")

    def draw(self, frame: ShownFrame, image: bytes | None) -> Image.Image:
        """Draws the persons of a frame, over its recorded picture if given, with its time."""
        large = (self._size[0] * _OVERSAMPLING, self._size[1] * _OVERSAMPLING)
        canvas = self._image.new("RGB", large, DARK)
        if image is not None and self._drawing.is_in_picture:
            with self._image.open(io.BytesIO(image)) as picture:
                canvas.paste(picture.convert("RGB").resize(large))
        pen = self._draw.Draw(canvas, "RGBA")
        thickness = max(2.0, min(large) / 130)
        values = frame._drawn_values()
        for person, track_id in enumerate(frame.track_ids):
            self._person(pen, values, person, ON_DARK[int(track_id) % len(ON_DARK)], thickness)
        font = self._font.load_default(size=max(10, large[1] // 24))
        margin = large[1] // 40
        pen.text(
            (margin, large[1] - margin), f"{frame.timestamp:.2f} s", fill="#c9d4de", font=font, anchor="ls",
            stroke_width=2, stroke_fill=OUTLINE,
        )  # fmt: skip
        small: Image.Image = canvas.resize(self._size, self._image.Resampling.LANCZOS)
        return small

    def _person(
        self, pen: Any, values: list[NDArray[Any]], person: int, colours: tuple[str, str, str], thickness: float
    ) -> None:
        parts = self._drawing.place(values, person)
        thickness = thickness_of(parts, self._scale, thickness)
        for placed in parts:
            own = thickness * placed.part.weight
            lines = [(side, opacity, self._on_canvas(ends)) for side, opacity, ends in strokes(placed)]
            for _, opacity, ends in lines:
                self._lines(pen, ends, faded(OUTLINE, opacity), own + max(2.0, own * 0.8))
            for side, opacity, ends in lines:
                self._lines(pen, ends, faded(colours[side], opacity), own)
            for side, opacity, points in dots(placed):
                radius = max(1.0, own * 1.1)
                shape = pen.rectangle if side == RIGHT else pen.ellipse
                for x, y in self._on_canvas(points):
                    shape((x - radius, y - radius, x + radius, y + radius), fill=faded(colours[side], opacity), outline=OUTLINE)

    def _on_canvas(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        return (points - (self._window.left, self._window.top)) * self._scale

    def _lines(self, pen: Any, ends: NDArray[np.float64], colour: tuple[int, int, int, int], width: float) -> None:
        for start, end in ends:
            pen.line((*start, *end), fill=colour, width=max(1, round(width)))


def faded(colour: str, opacity: float) -> tuple[int, int, int, int]:
    """Returns ``#rrggbb`` with an opacity, as Pillow takes it."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return red, green, blue, round(255 * opacity)

