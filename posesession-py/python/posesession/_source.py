"""Where a session's frames come from: a store on this machine. (A server's sessions are downloaded into one: `_remote`.)"""

from __future__ import annotations

from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from posesession import _native

Facts: TypeAlias = dict[str, Any]
LoopMode = Literal["none", "loop", "ping_pong"]
FileFormat = Literal["sqlite", "jsonl", "csv", "csv-long"]
Codec = Literal["columnar", "bounded", "json"]
OnOverflow = Literal["drop_oldest", "drop_newest", "raise"]


class Arrays(Protocol):
    """A run of frames as arrays; see `_native.NativeArrays`."""

    @property
    def timestamps(self) -> NDArray[np.float64]: ...
    @property
    def track_ids(self) -> NDArray[np.int64]: ...
    @property
    def values(self) -> list[NDArray[np.float32]]: ...


class Source(Protocol):
    """What a `Session` asks for. Frame numbers are those of the whole session."""

    def read_facts(self) -> Facts: ...
    def update(
        self, name: str | None, description: str | None, metadata: dict[str, Any] | None
    ) -> Facts: ...
    def delete(self, erase: bool) -> None: ...
    def markers(self) -> list[dict[str, Any]]: ...
    def frame_at(self, timestamp: float, mode: Literal["before", "nearest", "after"]) -> int: ...
    def read_arrays(self, component: int | None, first: int, end: int) -> Arrays: ...
    def arrow_stream(self, first: int, end: int) -> object: ...
    def read_image(self, frame_number: int) -> bytes | None: ...
    def read_video(self) -> bytes | None: ...
    def replay(
        self, rate: float, start: float | None, end: float | None, loop: LoopMode, autoplay: bool
    ) -> _native.NativeReplay: ...
    def export(self, path: str, format: FileFormat, progress: _native._Progress | None) -> None: ...
    def copy_to(self, store: _native.NativeStore, progress: _native._Progress | None) -> Facts: ...


class StoreSource:
    """A session of a store."""

    def __init__(self, store: _native.NativeStore, session_id: str) -> None:
        self._store = store
        self._id = session_id

    def read_facts(self) -> Facts:
        return self._store.read_session(self._id)

    def update(self, name: str | None, description: str | None, metadata: dict[str, Any] | None) -> Facts:
        return self._store.update_session(self._id, name=name, description=description, metadata=metadata)

    def delete(self, erase: bool) -> None:
        self._store.delete_session(self._id, erase=erase)

    def markers(self) -> list[dict[str, Any]]:
        return self._store.markers(self._id)

    def frame_at(self, timestamp: float, mode: Literal["before", "nearest", "after"]) -> int:
        return self._store.frame_at(self._id, timestamp, mode)

    def read_arrays(self, component: int | None, first: int, end: int) -> Arrays:
        return self._store.read_arrays(self._id, component, first, end)

    def arrow_stream(self, first: int, end: int) -> object:
        return self._store.arrow_stream(self._id, first, end)

    def read_image(self, frame_number: int) -> bytes | None:
        return self._store.read_image(self._id, frame_number)

    def read_video(self) -> bytes | None:
        return self._store.read_video(self._id)

    def replay(
        self, rate: float, start: float | None, end: float | None, loop: LoopMode, autoplay: bool
    ) -> _native.NativeReplay:
        return self._store.replay(self._id, rate=rate, start=start, end=end, loop=loop, autoplay=autoplay)

    def export(self, path: str, format: FileFormat, progress: _native._Progress | None) -> None:
        self._store.export_session(self._id, path, format, progress)

    def copy_to(self, store: _native.NativeStore, progress: _native._Progress | None) -> Facts:
        return self._store.copy_session(self._id, store, progress)
