"""The native module: what `posesession` is made of. Use the package's own classes.

Common to all of it:

- The GIL is released around all work. Whatever waits looks for signals every 100 ms at most, so that Ctrl-C works.
- All objects can be used from several threads at once.
- Objects don't survive `os.fork()`: in the child they raise `ClosedError`. Open them there.
- Facts are dicts of what the HTTP API calls a session: `id` (a UUID as text), `name`, `description`, `created_at` (RFC 3339), `duration`
  (s), `frame_count`, `user_id`, `video_file_path`, `status`, `metadata`, `skeleton` (dict or None), `stored_bytes`, `codec`,
  and where values may be off `max_error` (dict).
- Times are float seconds within the session, exact to the microsecond. Only those that a recording takes are of the streamer's own
  clock.
- Everything that fails raises a class of `posesession.errors`; files that can't be opened and addresses that can't be listened on, `OSError`.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "NativeArrays",
    "NativeClient",
    "NativePublication",
    "NativeRecording",
    "NativeFrame",
    "NativeReplay",
    "NativeServer",
    "NativeStore",
    "run_cli",
    "presets",
    "preset_skeleton",
    "__version__",
]

__version__: str

_Facts: TypeAlias = dict[str, Any]
# (done, total) in bytes, or in frames where frames are exported; total is 0 while unknown. Called in the thread that waits. What it raises ends the work and comes out of the call.
_Progress: TypeAlias = Callable[[int, int], object]

def presets() -> list[str]:
    """Return the names of the skeleton presets."""

def preset_skeleton(name: str) -> dict[str, Any]:
    """Return a preset: `{"name", "components": [{"name", "keypoints", "edges", "mirrored", "channels": [{"name", "unit"}]}]}`."""

def run_cli(arguments: Sequence[str]) -> int:
    """Run the command line, `arguments` without the program's name, and return its exit code. Prints to the process's stdout and stderr."""

@final
class NativeArrays:
    """Frames `first_frame` to `first_frame + T`. P is the most persons of one frame in the range, at least 1."""

    @property
    def first_frame(self) -> int: ...
    @property
    def timestamps(self) -> NDArray[np.float64]:
        """`(T,)`, seconds, strictly increasing."""

    @property
    def track_ids(self) -> NDArray[np.int64]:
        """`(T, P)`, -1 where there is no person."""

    @property
    def values(self) -> list[NDArray[np.float32]]:
        """One `(T, P, K, C)` array for each component that was asked for, NaN where missing; none while the skeleton is unknown.

        The arrays are C-contiguous, writable and the caller's own.
        """

@final
class NativeFrame:
    """One frame of a replay."""

    @property
    def frame_number(self) -> int: ...
    @property
    def timestamp(self) -> float: ...
    @property
    def epoch(self) -> int:
        """How many seeks came before it."""

    @property
    def track_ids(self) -> NDArray[np.int64]:
        """`(P,)`; P is 0 where nobody is seen."""

    @property
    def values(self) -> list[NDArray[np.float32]]:
        """One `(P, K, C)` array a component, NaN where missing; none while the skeleton is unknown."""

@final
class NativeStore:
    @staticmethod
    def open(place: str, media: str | None = None) -> NativeStore:
        """Open a folder, a `.db` file or `postgres://...`, making it if it isn't there. `media`: the folder of images and videos, if
        it is to be another one than the place's own.
        """

    def close(self) -> None:
        """Do what is queued, checkpoint, and close. Open recordings end as `completed`. Closing twice is fine."""

    @property
    def is_closed(self) -> bool: ...
    @property
    def is_durable(self) -> bool:
        """Whether what was stored survives a power loss."""

    @property
    def place(self) -> str: ...
    def list_sessions(
        self,
        *,
        search: str | None = None,
        name: str | None = None,
        status: str | None = None,
        sort: Literal["created_at", "name", "duration", "frame_count"] = "created_at",
        descending: bool = True,
        limit: int = 50,
        cursor: str | None = None,
    ) -> tuple[list[_Facts], str | None]:
        """Return a page of 1 to 1,000 sessions and the cursor of the next page.

        `search`: words that all occur in name, description or metadata. `name`: only sessions of exactly this name; a page may then
        have fewer than `limit` although more follow.
        """

    def read_session(self, id: str) -> _Facts: ...
    def update_session(
        self,
        id: str,
        *,
        name: str | None = None,
        description: str | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> _Facts:
        """Change facts; what is None stays. `metadata` replaces all of the old."""

    def delete_session(self, id: str, *, erase: bool = False) -> None:
        """Hide a session, or erase it and its media at once."""

    def restore_session(self, id: str) -> _Facts:
        """Bring back a deleted session that was not erased yet."""

    def markers(self, id: str) -> list[dict[str, Any]]:
        """Return `{"kind": "user" | "paused" | "gap" | "clock_jump", "timestamp", "label", "duration"?, "count"?, "cause"?}`, by time."""

    def frame_at(self, id: str, timestamp: float, mode: Literal["before", "nearest", "after"] = "before") -> int:
        """Return the number of the last frame at or before a time, of the nearest, or of the first at or after it.

        Before the first frame and after the last one it is these; of "after", `frame_count` where no frame is.
        """

    def read_arrays(
        self, id: str, component: int | None = None, first: int = 0, end: int | None = None
    ) -> NativeArrays:
        """Return frames `first` to `end` (exclusive; None: all), of one component or of all. A range beyond the end is cut."""

    def arrow_stream(self, id: str, first: int = 0, end: int | None = None) -> object:
        """Return frames as a PyCapsule `arrow_array_stream`: one row a person and frame (also one with null track_id for a frame of
        nobody): `frame_number` uint64, `timestamp` float64 (s), `person` uint16 (nullable), `track_id` uint32 (nullable), then for each component a
        `FixedSizeList<float32>[K * C]` with its name (nullable); its field metadata say `keypoints`, `channels`.
        """

    def read_image(self, id: str, frame_number: int) -> bytes | None:
        """Return a frame's image as it was recorded, None if it has none."""

    def read_video(self, id: str) -> bytes | None:
        """Return the session's video file, None if it has none."""

    def record(
        self,
        name: str,
        *,
        skeleton: str | dict[str, Any] | None = None,
        description: str = "",
        metadata: dict[str, Any] | None = None,
        fps: float | None = None,
        max_error: dict[str, float] | None = None,
        codec: str | None = None,
    ) -> NativeRecording:
        """Begin a session. `skeleton`: a preset's name, or a dict; None: inferred from the first frame with a person. `fps`: the rate that
        gaps are judged by until it is measured.
        """

    def replay(
        self,
        id: str,
        *,
        rate: float = 1.0,
        start: float | None = None,
        end: float | None = None,
        loop: Literal["none", "loop", "ping_pong"] = "none",
        autoplay: bool = True,
    ) -> NativeReplay: ...
    def export_session(
        self,
        id: str,
        path: str,
        format: Literal["sqlite", "jsonl", "csv", "csv-long"],
        progress: _Progress | None = None,
    ) -> None: ...
    def import_file(
        self,
        path: str,
        format: Literal["sqlite", "jsonl", "csv", "csv-long"] | None = None,
        name: str | None = None,
        fps: float | None = None,
        progress: _Progress | None = None,
    ) -> _Facts:
        """Import a file whole or not at all. `format` None: by the file's name."""

    def copy_session(self, id: str, to: NativeStore, progress: _Progress | None = None) -> _Facts:
        """Copy a session with all that belongs to it, exactly. Goes on where an earlier copy was stopped."""

    def backup(self, path: str, progress: _Progress | None = None) -> None:
        """Write a consistent copy of the whole database, while it is in use."""

@final
class NativeRecording:
    """A recording into a store, or to a server. One that is dropped without `stop` ends as `interrupted`, keeping its frames."""

    @property
    def session_id(self) -> str: ...
    @property
    def status(self) -> str:
        """`recording`, `paused`, or how it ended: `completed`, `interrupted`, `failed`."""

    @property
    def skeleton(self) -> dict[str, Any] | None: ...
    @property
    def frame_count(self) -> int:
        """How many frames were taken so far."""

    @property
    def stored_through(self) -> int | None:
        """The own number up to which every frame is durable, or settled otherwise. Frames without a number are numbered 0, 1, 2..."""

    @property
    def refused_count(self) -> int: ...
    @property
    def unacked_count(self) -> int:
        """How many frames a server elsewhere has yet to acknowledge; 0 of a store."""

    @property
    def dropped_count(self) -> int:
        """How many frames gave way to a full buffer; 0 of a store."""

    @property
    def reconnect_count(self) -> int:
        """How many connections followed one that broke; 0 of a store."""

    def push(
        self,
        timestamp: float,
        values: NDArray[np.float32],
        track_ids: NDArray[np.int64] | None = None,
        image: bytes | None = None,
        frame_number: int | None = None,
    ) -> None:
        """Take a frame. Waits only while more than 16 MiB wait to be stored.

        `values`: C-contiguous `(P, K, C)`, or `(P, V)` with all components' values of a person one behind the other, `V` as the skeleton has;
        P may be 0. NaN is missing; a person who is all NaN is nobody. `track_ids`: `(P,)`, default 0, 1, 2...
        `image`: JPEG or WebP.

        Raises `FrameRefusedError` for a frame that is not stored; the recording goes on.
        What is only found later (an image of another kind, a number that came before) is raised by a later push, which takes its own
        frame all the same, and counted in the report. Raises what ended the recording.
        """

    def mark(self, label: str, timestamp: float | None = None) -> None:
        """Mark a moment: by the streamer's clock, or that of the last frame."""

    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def flush(self) -> None:
        """Wait until all that was pushed is durable."""

    def let_go(self) -> None:
        """Let go of a recording that has ended; raise if it doesn't have all that was pushed."""

    def stop(self) -> tuple[_Facts | None, dict[str, Any] | None]:
        """End the recording and return the session's facts and the quality report. All that was pushed is durable. None if a server has
        ended it and its answer got lost.
        """

    def interrupt(self) -> _Facts | None:
        """End the recording as `interrupted`, keeping its frames: what a `with` block does on an exception. A server stops it instead."""

    def discard(self) -> None:
        """End the recording and erase it."""

@final
class NativePublication:
    """A stream to a server that somebody else may record. One that is dropped is closed."""

    @property
    def session_id(self) -> str | None:
        """The session that the stream is recorded into now."""

    @property
    def skeleton(self) -> dict[str, Any] | None: ...
    @property
    def frame_count(self) -> int:
        """How many frames were taken so far."""

    @property
    def stored_through(self) -> int | None:
        """As that of a recording; None while nobody records."""

    @property
    def refused_count(self) -> int: ...
    @property
    def unacked_count(self) -> int:
        """How many frames a server elsewhere has yet to acknowledge; 0 of a store."""

    @property
    def dropped_count(self) -> int:
        """How many frames gave way to a full buffer; 0 of a store."""

    @property
    def reconnect_count(self) -> int:
        """How many connections followed one that broke; 0 of a store."""

    def push(
        self,
        timestamp: float,
        values: NDArray[np.float32],
        track_ids: NDArray[np.int64] | None = None,
        image: bytes | None = None,
        frame_number: int | None = None,
    ) -> None:
        """Take a frame, as that of a recording."""

    def flush(self) -> None:
        """Wait until all that was pushed is durable, if somebody records it."""

    def close(self) -> None:
        """End the stream; what was pushed is sent before."""

@final
class NativeReplay:
    """Frames at their times. A caller who is late gets the frame that is due now; those in between are skipped, never queued."""

    @property
    def session(self) -> _Facts: ...
    @property
    def state(self) -> dict[str, Any]:
        """`{"status": "paused" | "playing" | "buffering" | "ended", "timestamp", "frame_number", "rate", "epoch", "cause"}`, now."""

    def next(self, timeout: float | None = None) -> NativeFrame | None:
        """Wait for the next frame. None: the timeout (s) passed, the replay ended, or it was closed: `state["status"]` tells.

        Without a timeout it waits through a pause, until another thread plays on.
        """

    def play(self, rate: float | None = None) -> None: ...
    def pause(self) -> None: ...
    def seek(
        self,
        *,
        timestamp: float | None = None,
        frame_number: int | None = None,
        fraction: float | None = None,
        mode: Literal["before", "nearest", "exact"] = "before",
    ) -> None:
        """Seek to one of a time, a frame, or a part of the duration (0 to 1). The frame comes by `next`, also while paused."""

    def set_rate(self, rate: float) -> None:
        """-16 to 16, not 0. 1.0 is as recorded; negative is backwards."""

    def step(self, frames: int) -> None:
        """Pause, and go some frames forth or back."""

    def set_range(
        self,
        start: float | None = None,
        end: float | None = None,
        loop: Literal["none", "loop", "ping_pong"] | None = None,
    ) -> None:
        """Play only a part (None: the session's own start or end)."""

    def close(self) -> None: ...

@final
class NativeClient:
    """A server's address. Each recording and replay has a connection of its own."""

    @staticmethod
    def connect(url: str, timeout: float = 10.0) -> NativeClient:
        """Greet the server at `ws://host:port` or `http://host:port`. `timeout` (s): how long a connection may take."""

    @property
    def ws_url(self) -> str:
        """`ws://host:port`."""

    @property
    def http_url(self) -> str:
        """`http://host:port`."""

    def record(
        self,
        name: str,
        *,
        skeleton: str | dict[str, Any] | None = None,
        description: str = "",
        metadata: dict[str, Any] | None = None,
        fps: float | None = None,
        max_error: dict[str, float] | None = None,
        codec: str | None = None,
        stream: str = "default",
        take_over: bool = False,
        buffer_seconds: float = 600.0,
        buffer_bytes: int = 67_108_864,
        on_overflow: Literal["drop_oldest", "drop_newest", "raise"] = "drop_oldest",
        stop_seconds: float = 60.0,
    ) -> NativeRecording:
        """Publish a stream and record it, over as many connections as it takes."""

    def publish(
        self,
        stream: str,
        *,
        skeleton: str | dict[str, Any] | None = None,
        fps: float | None = None,
        take_over: bool = False,
        buffer_seconds: float = 600.0,
        buffer_bytes: int = 67_108_864,
        on_overflow: Literal["drop_oldest", "drop_newest", "raise"] = "drop_oldest",
    ) -> NativePublication:
        """Publish a stream that others may record."""

    def replay(
        self,
        id: str,
        *,
        rate: float = 1.0,
        start: float | None = None,
        end: float | None = None,
        loop: Literal["none", "loop", "ping_pong"] = "none",
        autoplay: bool = True,
    ) -> NativeReplay: ...

@final
class NativeServer:
    @staticmethod
    def start(
        *,
        listen: str = "127.0.0.1:8787",
        place: str = "./data",
        media: str | None = None,
        vision: str | None = None,
        allow_origins: Sequence[str] | None = None,
    ) -> NativeServer:
        """Start the server with its pages in the background. Port 0 takes a free one."""

    @property
    def url(self) -> str:
        """`http://host:port`."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the server ends; False if the timeout (s) passed before. Raises what it ended with."""

    def stop(self) -> None:
        """Finish the recordings and end. Stopping twice is fine."""
