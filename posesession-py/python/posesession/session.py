"""A recorded session: facts, arrays, and what is made of them."""

from __future__ import annotations

from datetime import datetime
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast, overload

import numpy as np
from numpy.typing import NDArray

from posesession._frames import FrameArrays
from posesession._progress import Progress, counting_bytes
from posesession._source import Codec, Facts, FileFormat, LoopMode, Source
from posesession.component import ComponentView, FloatArray
from posesession.errors import BadArgumentError, ComponentNotFoundError, FrameNotFoundError
from posesession.frame import Frame
from posesession.replay import Replay
from posesession.skeleton import Skeleton

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas
    import pyarrow
    from matplotlib.axes import Axes

    from posesession import _native

__all__ = ["Session"]


class Destination(Protocol):
    """Where a session can be copied to: a `Store`."""

    @property
    def _native(self) -> _native.NativeStore: ...
    def session(self, session_id: str, /) -> Session: ...

_SUFFIXES: dict[str, FileFormat] = {".db": "sqlite", ".sqlite": "sqlite", ".jsonl": "jsonl", ".csv": "csv"}


class Session:
    """One recording, or a part of it: T frames of up to P persons.

    Facts are those of when it was fetched (`reload`). Arrays are read when they are asked for first, decoded in parallel right
    into NumPy's memory, and kept; a part that is taken of a session afterwards shares its memory.

    >>> demo
    Session('Squat', 90 frames, 2.97 s, mediapipe_33, completed)
    >>> demo.keypoints.shape, demo.timestamps.shape, demo.track_ids.shape
    ((90, 1, 33, 4), (90,), (90, 1))
    >>> demo.between(1.0, 2.0)
    Session('Squat'[30:61], 31 frames, 1.00 s, mediapipe_33, completed)
    >>> demo[10:20].frame_numbers
    range(10, 20)
    """

    def __init__(self, facts: Facts, source: Source, frames: range | None = None) -> None:
        self._facts = facts
        self._source = source
        skeleton = facts.get("skeleton")
        self._skeleton = None if skeleton is None else Skeleton.from_dict(skeleton)
        self._arrays = FrameArrays(
            source, self._skeleton, range(int(facts["frame_count"])) if frames is None else frames, self._picture_size
        )

    @property
    def id(self) -> str:
        """The session's id, a UUIDv7."""
        return str(self._facts["id"])

    @property
    def name(self) -> str:
        """Its name."""
        return str(self._facts["name"])

    @property
    def description(self) -> str:
        """Free text."""
        return str(self._facts["description"])

    @property
    def created_at(self) -> datetime:
        """When recording started, by the clock of who stored it; with its time zone, UTC."""
        text = str(self._facts["created_at"])
        return datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)

    @property
    def duration(self) -> float:
        """The time from the first of these frames to the last, seconds; 0.0 without frames."""
        if self._is_whole:
            return float(self._facts["duration"])
        times = self.timestamps
        return float(times[-1] - times[0]) if len(times) else 0.0

    @property
    def status(self) -> str:
        """``recording``, ``paused``, ``processing``, ``completed``, ``interrupted`` or ``failed``."""
        return str(self._facts["status"])

    @property
    def metadata(self) -> dict[str, Any]:
        """The user's own facts."""
        return dict(self._facts["metadata"])

    @property
    def skeleton(self) -> Skeleton | None:
        """What the numbers mean; None until a person was seen."""
        return self._skeleton

    @property
    def stored_bytes(self) -> int:
        """How many bytes the whole session's poses have in the store, without media."""
        return int(self._facts["stored_bytes"])

    @property
    def codec(self) -> Codec:
        """How the whole session's poses are kept: ``columnar``, ``bounded`` or ``json``."""
        return cast("Codec", self._facts["codec"])

    @property
    def max_error(self) -> dict[str, float]:
        """How far values may be from those that were recorded, for each channel by name, absolute and in its unit. Empty: no bit is lost."""
        return {str(name): float(bound) for name, bound in self._facts.get("max_error", {}).items()}

    @property
    def facts(self) -> dict[str, Any]:
        """All facts as the HTTP API gives them, JSON types."""
        return dict(self._facts)

    @property
    def frame_numbers(self) -> range:
        """The numbers of these frames within the session that was recorded."""
        return self._arrays.frames

    @property
    def fps(self) -> float:
        """Frames a second: of the median time between two frames, so that pauses don't count. NaN with less than two frames."""
        if len(self) < 2:
            return float("nan")
        return 1.0 / float(np.median(np.diff(self.timestamps)))

    @property
    def timestamps(self) -> NDArray[np.float64]:
        """When each frame is, ``(T,)`` float64, seconds since the session's first frame, strictly increasing."""
        return self._arrays.timestamps

    @property
    def track_ids(self) -> NDArray[np.int64]:
        """Which person is in which slot, ``(T, P)`` int64; -1: nobody. P is the most persons that are in one frame, at least 1."""
        return self._arrays.track_ids

    @property
    def keypoints(self) -> FloatArray:
        """The first component's values, ``(T, P, K, C)`` float32, NaN where missing. Its unit: `skeleton`.

        ``(T, 1, 0, 0)`` while the skeleton is unknown.
        """
        return self._arrays.values(0)

    @overload
    def __getitem__(self, key: str) -> ComponentView: ...
    @overload
    def __getitem__(self, key: int) -> Frame: ...
    @overload
    def __getitem__(self, key: slice) -> Session: ...

    def __getitem__(self, key: str | int | slice) -> ComponentView | Frame | Session:
        """``s["pose"]``: a component; ``s[5]``, ``s[-1]``: a frame; ``s[100:200]``, ``s[::2]``: some of the frames.

        Raises:
            ComponentNotFoundError: The skeleton has no such component.
            FrameNotFoundError: There is no such frame.
            BadArgumentError: The slice goes backwards.
        """
        if isinstance(key, str):
            return self.component(key)
        if isinstance(key, slice):
            frames = self._arrays.frames[key]
            if frames.step < 0:
                raise BadArgumentError("a part of a session goes forwards: for the other way, reverse its arrays")
            return self._part(frames)
        try:
            return self._arrays.frame(self._arrays.frames[key])
        except IndexError:
            raise FrameNotFoundError(f"there is no frame {key}: these are {len(self)} frames") from None

    def component(self, name: str) -> ComponentView:
        """Returns the values of one component, ``(T, P, K, C)``, by its name; ``s["pose"]`` is the same.

        Raises:
            ComponentNotFoundError: The skeleton has no such component.
        """
        if self._skeleton is None:
            raise ComponentNotFoundError(f"no component {name!r}: nobody has been seen yet, so the skeleton is unknown")
        place = self._skeleton.index(name)
        return ComponentView(self._skeleton.components[place], self._arrays.values(place))

    def between(self, start: float, end: float) -> Session:
        """Returns the frames from `start` to `end`, both included, in seconds of the session.

        >>> part = demo.between(0.5, 1.0)
        >>> [round(float(t), 3) for t in (part.timestamps[0], part.timestamps[-1])]
        [0.5, 1.0]
        >>> len(demo.between(0.0, demo.duration)) == len(demo)
        True
        """
        if np.isnan(start) or np.isnan(end):
            raise BadArgumentError("between() needs two times in seconds, not NaN")
        if not self._arrays.is_read and self._arrays.frames.step == 1:
            first = self._source.frame_at(start, "after") if start > 0.0 else 0
            stop = self._source.frame_at(end, "before") + 1 if end >= 0.0 else 0
            first, stop = max(first, self._arrays.frames.start), min(stop, self._arrays.frames.stop)
            return self._part(range(first, max(first, stop)))
        times = self.timestamps
        first, stop = int(np.searchsorted(times, start, "left")), int(np.searchsorted(times, end, "right"))
        return self._part(self._arrays.frames[first : max(first, stop)])

    def at(self, timestamp: float, mode: Literal["before", "nearest", "exact"] = "before") -> Frame:
        """Returns the frame of a moment, in seconds of the session.

        As a replay's `seek`: `mode` ``before`` is the last frame at or before it (the first, if all are later), ``nearest`` the
        nearest, of two the earlier, ``exact`` the one at that very microsecond.

        Raises:
            FrameNotFoundError: There are no frames, or none ``exact``ly there.

        >>> demo.at(1.02), demo.at(1.02, "nearest")
        (Frame(30 at 1.000 s: 1 person), Frame(31 at 1.033 s: 1 person))
        """
        if not len(self):
            raise FrameNotFoundError("there is no frame: these are none")
        if mode not in ("before", "nearest", "exact"):
            raise BadArgumentError(f"mode is before, nearest or exact, not {mode!r}")
        if np.isnan(timestamp):
            raise BadArgumentError("at() needs a time in seconds, not NaN")
        if self._is_whole and not self._arrays.is_read:
            number = self._source.frame_at(timestamp, "nearest" if mode == "exact" else mode)
            frame = self._arrays.frame(number)
        else:
            frame = self._arrays.frame(self._arrays.frames[self._place_at(timestamp, "nearest" if mode == "exact" else mode)])
        if mode == "exact" and round(frame.timestamp * 1e6) != round(timestamp * 1e6):
            raise FrameNotFoundError(f"there is no frame at exactly {timestamp} s; the nearest is at {frame.timestamp} s")
        return frame

    def _place_at(self, timestamp: float, mode: str) -> int:
        times = self.timestamps
        after = int(np.searchsorted(times, timestamp, "right"))
        before = max(after - 1, 0)
        if mode == "nearest" and after < len(times) and times[after] - timestamp < abs(timestamp - times[before]):
            return after
        return before

    def __len__(self) -> int:
        """T, the number of frames."""
        return len(self._arrays.frames)

    def __bool__(self) -> bool:
        """True, also without frames."""
        return True

    def __iter__(self) -> Iterator[Frame]:
        """The frames, one after the other, as fast as they are taken; `replay` keeps their pace."""
        return self._arrays.each()

    @property
    def markers(self) -> list[dict[str, Any]]:
        """What happened when: ``kind`` (``user``, ``paused``, ``gap``, ``clock_jump``), ``timestamp`` (s), ``label``, and where they
        apply ``duration`` (s), ``count`` (missing frames) and ``cause``; those within these frames' time."""
        markers = self._source.markers()
        if self._is_whole:
            return markers
        times = self.timestamps
        return [m for m in markers if len(times) and times[0] <= m["timestamp"] <= times[-1]]

    def image(self, frame_number: int) -> bytes | None:
        """Returns the camera's picture of the frame of this number of the whole session: JPEG or WebP; None if it has none."""
        return self._source.read_image(frame_number)

    @property
    def video(self) -> bytes | None:
        """The recorded video's file, None if there is none."""
        return self._source.read_video()

    def angle(self, joint: str) -> NDArray[np.float64]:
        """Returns a joint's angle over time, ``(T, P)`` float64, degrees; NaN where a keypoint of it is missing.

        The interior angle, 0 to 180, 180 when straight: of `joint` ``left_`` or ``right_`` ``elbow``, ``shoulder``, ``hip``, ``knee``,
        ``ankle``. Measured in space where a component has the keypoints in metres, else in the picture, of the size that the
        metadata's ``image_width`` and ``image_height`` say (else 4:3).

        Raises:
            KeypointNotFoundError: The skeleton hasn't the keypoints; the text lists its joints.

        >>> knee = demo.angle("left_knee")
        >>> knee.shape, bool(90 < np.nanmin(knee) < np.nanmax(knee) <= 180)
        ((90, 1), True)
        """
        from posesession._angle import joint_angle

        return joint_angle(self, joint)

    def replay(
        self,
        rate: float = 1.0,
        *,
        start: float | None = None,
        end: float | None = None,
        loop: LoopMode = "none",
        autoplay: bool = True,
    ) -> Replay:
        """Returns the frames in real time, `rate` times as fast as recorded: for ``for``, and for ``async for``.

        `start`, `end`: only a part, in seconds (default: these frames). `loop`: ``none``, ``loop`` or ``ping_pong``. A negative rate goes
        backwards. Not `autoplay`: it stands still until `Replay.play`.

        >>> with demo.replay(rate=16.0, start=0.0, end=0.5) as replay:
        ...     for frame in replay:
        ...         pose = frame.keypoints
        >>> frame
        Frame(15 at 0.500 s: 1 person)
        """
        if not self._is_whole and len(self):
            start = float(self.timestamps[0]) if start is None else start
            end = float(self.timestamps[-1]) if end is None else end
        native = self._source.replay(float(rate), start, end, loop, autoplay and start is None and rate > 0)
        # A replay shows its session's first frame at first: another beginning is a seek, after which that one is not due.
        if start is not None or rate < 0:
            if rate < 0 and end is None:
                native.seek(fraction=1.0)
            else:
                native.seek(timestamp=start if rate > 0 else end)
            if autoplay:
                native.play(None)
        return Replay(native, self._source.read_image)

    def to_pandas(self) -> pandas.DataFrame:
        """Returns a table: a row for each person of each frame, a frame of nobody having one row, too.

        Index ``timestamp`` (s); columns ``frame_number`` (int64), ``track_id`` (Int64, missing: nobody), and for every number of a pose
        ``component.keypoint.channel`` (float32).

        Raises:
            MissingDependencyError: pandas is not installed.

        >>> table = demo.to_pandas()
        >>> table.shape
        (90, 134)
        >>> bool(table["pose.left_hip.y"].max() > table["pose.left_hip.y"].min())
        True
        """
        from posesession._tables import to_pandas

        return to_pandas(self)

    def to_arrow(self) -> pyarrow.Table:
        """Returns an Arrow table: a row for each person of each frame, a frame of nobody having one row, too.

        Columns ``frame_number``, ``timestamp`` (s), ``person`` (slot), ``track_id``, and for each component one of its name: a list of K x C
        float32 of fixed size. A session is itself what Arrow calls a stream (``__arrow_c_stream__``), so that Polars, DuckDB and
        others take it without this.

        Raises:
            MissingDependencyError: pyarrow is not installed.
        """
        from posesession._tables import to_arrow

        return to_arrow(self)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        from posesession._tables import arrow_stream

        return arrow_stream(self)

    def plot(
        self, at: float | None = None, *, ax: Axes | None = None, trails: Sequence[str] = (), image: bool = False
    ) -> Axes:
        """Draws the poses of a moment with matplotlib: the picture's aspect, y down, left blue, right orange. Returns the `Axes`.

        `at`: seconds; default: the middle frame of those in which somebody is seen. `trails`: keypoints whose way through all of these
        frames is drawn, too. `image`: draws the recorded picture below, where there is one.

        Raises:
            MissingDependencyError: matplotlib is not installed.
            UnsupportedError: The skeleton is unknown, or no component of it has x and y.
        """
        from posesession._plot import plot_session

        return plot_session(self, at, ax=ax, trails=trails, image=image)

    def plot_angles(self, *joints: str, ax: Axes | None = None) -> Axes:
        """Draws joints' angles over time with matplotlib: of each person one line a joint. Returns the `Axes`.

        Raises:
            KeypointNotFoundError: The skeleton hasn't the keypoints.
            MissingDependencyError: matplotlib is not installed.
        """
        from posesession._plot import plot_angles

        return plot_angles(self, joints, ax=ax)

    def animate(
        self,
        path: str | PathLike[str],
        *,
        rate: float = 1.0,
        fps: float = 20.0,
        width: int = 480,
        images: bool = False,
        progress: Progress = None,
    ) -> None:
        """Draws the session as a film: a GIF, or an animated WebP or PNG, as the name of `path` says.

        `rate`: how fast it plays, 1.0 as recorded. `fps`: at most so many pictures a second. `width`: px. `images`: over the recorded
        pictures. `progress`: ``True``, or a ``tqdm``.

        Raises:
            MissingDependencyError: Pillow is not installed.
            UnsupportedError: The skeleton is unknown, or no component of it has x and y.
        """
        from posesession._animate import animate

        animate(self, fspath(path), rate=rate, fps=fps, width=width, images=images, progress=progress)

    def export(
        self, path: str | PathLike[str], format: FileFormat | None = None, *, progress: Progress = None
    ) -> None:
        """Writes the whole session to a file: ``sqlite`` (with media; what other stores `import_file`), ``jsonl``, ``csv`` or ``csv-long``.

        `format`: by default as the name of `path` ends (``.db``, ``.jsonl``, ``.csv``).

        Raises:
            BadArgumentError: The format can't be told by the name.
        """
        name = fspath(path)
        with counting_bytes(progress, "exporting") as tell:
            self._source.export(name, format or format_of(name), tell)

    def copy_to(self, store: Destination, *, progress: Progress = None) -> Session:
        """Copies the whole session, bit for bit and with media, to another store; returns it there. Safe to run again."""
        with counting_bytes(progress, "copying") as tell:
            facts = self._source.copy_to(store._native, tell)
        return store.session(str(facts["id"]))

    def update(
        self, *, name: str | None = None, description: str | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        """Changes facts, there and here; what is None stays. `metadata` replaces all of the old."""
        self._facts = self._source.update(name, description, metadata)

    def delete(self, *, erase: bool = False) -> None:
        """Hides the session; a store's `restore` brings it back. `erase`: deletes it for good, with its media, at once."""
        self._source.delete(erase)

    def reload(self) -> Session:
        """Fetches the whole session anew: one that is being recorded has more frames by then."""
        return Session(self._source.read_facts(), self._source)

    def __repr__(self) -> str:
        step = f":{self._arrays.frames.step}" if self._arrays.frames.step != 1 else ""
        part = "" if self._is_whole else f"[{self._arrays.frames.start}:{self._arrays.frames.stop}{step}]"
        skeleton = "no skeleton yet" if self._skeleton is None else self._skeleton.name
        return f"Session({self.name!r}{part}, {len(self)} frames, {self.duration:.2f} s, {skeleton}, {self.status})"

    def _repr_html_(self) -> str:
        from posesession._html import session_html

        return session_html(self)

    @property
    def _is_whole(self) -> bool:
        return self._arrays.frames == range(int(self._facts["frame_count"]))

    @property
    def _picture_size(self) -> tuple[float, float] | None:
        """Width and height in px of the pictures that the poses were found in, if they are known."""
        metadata = self._facts["metadata"]
        size = [metadata.get(f"image_{side}") for side in ("width", "height")]
        if all(isinstance(side, (int, float)) and 0 < side < 1e6 for side in size):
            return float(size[0]), float(size[1])
        return None

    def _part(self, frames: range) -> Session:
        part = Session(self._facts, self._source, frames)
        part._arrays = self._arrays.part(frames)
        return part


def format_of(path: str) -> FileFormat:
    """Returns the format that a file's name stands for."""
    for suffix, format in _SUFFIXES.items():
        if path.lower().endswith(suffix):
            return format
    raise BadArgumentError(f"{path} doesn't say which format: end it in .db, .jsonl or .csv, or name the format")
