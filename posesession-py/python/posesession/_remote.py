"""Where the frames of a server's session come from: the session's file, downloaded when its arrays are first asked for."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from posesession import _native
from posesession._http import Http
from posesession._source import Arrays, Facts, FileFormat, LoopMode, StoreSource
from posesession.errors import UnsupportedError


class RemoteSource:
    """A session of a server."""

    def __init__(self, client: _native.NativeClient, http: Http, session_id: str) -> None:
        self._client = client
        self._http = http
        self._id = session_id
        self._path = f"/api/sessions/{quote(session_id, safe='')}"
        self._downloading = threading.Lock()
        self._copy: Download | None = None

    def read_facts(self) -> Facts:
        return dict(self._http.json("GET", self._path))

    def update(self, name: str | None, description: str | None, metadata: dict[str, Any] | None) -> Facts:
        given = {"name": name, "description": description, "metadata": metadata}
        changes = {field: value for field, value in given.items() if value is not None}
        return dict(self._http.json("PATCH", self._path, body=changes))

    def delete(self, erase: bool) -> None:
        if erase:
            raise UnsupportedError("a server erases a deleted session by itself, a minute later: delete() without erase")
        self._http.json("DELETE", self._path)

    def restore(self) -> Facts:
        return dict(self._http.json("POST", f"{self._path}/restore"))

    def markers(self) -> list[dict[str, Any]]:
        return self._local().markers()

    def frame_at(self, timestamp: float, mode: Literal["before", "nearest", "after"]) -> int:
        return self._local().frame_at(timestamp, mode)

    def read_arrays(self, component: int | None, first: int, end: int) -> Arrays:
        return self._local().read_arrays(component, first, end)

    def arrow_stream(self, first: int, end: int) -> object:
        return self._local().arrow_stream(first, end)

    def read_image(self, frame_number: int) -> bytes | None:
        return self._http.optional_bytes(f"{self._path}/frames/{frame_number}/image", absent="image_not_found")

    def read_video(self) -> bytes | None:
        return self._http.optional_bytes(f"{self._path}/video", absent="video_not_found")

    def replay(
        self, rate: float, start: float | None, end: float | None, loop: LoopMode, autoplay: bool
    ) -> _native.NativeReplay:
        return self._client.replay(self._id, rate=rate, start=start, end=end, loop=loop, autoplay=autoplay)

    def export(self, path: str, format: FileFormat, progress: _native._Progress | None) -> None:
        self._http.download(f"{self._path}/export", {"format": format}, path, progress)

    def copy_to(self, store: _native.NativeStore, progress: _native._Progress | None) -> Facts:
        return self._local().copy_to(store, progress)

    def _local(self) -> StoreSource:
        with self._downloading:
            if self._copy is None:
                self._copy = Download(self._http, self._path)
            return StoreSource(self._copy.store, self._id)


class Download:
    """A session's file in a folder of its own that goes when nobody needs it any more."""

    def __init__(self, http: Http, path: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="posesession-", ignore_cleanup_errors=True)
        file = Path(self._folder.name) / "session.db"
        http.download(f"{path}/export", {"format": "sqlite"}, str(file))
        self.store = _native.NativeStore.open(str(file))
