"""Sessions of a server: the same as those of a store, over the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from posesession import _native
from posesession._http import Http
from posesession._remote import RemoteSource
from posesession._source import Codec, Facts, OnOverflow
from posesession.publication import Publication
from posesession.recording import Recording
from posesession.session import Session
from posesession.skeleton import Skeleton
from posesession.store import SortKey, Status, up_to

if TYPE_CHECKING:
    from types import TracebackType
    from typing_extensions import Self

__all__ = ["Client", "connect"]

_PAGE = 200


def connect(url: str, *, timeout: float = 10.0) -> Client:
    """Greets the server at ``ws://host:port`` or ``http://host:port``; `timeout`, in seconds, is that of each answer.

    Raises:
        ServerUnreachableError: Nothing answers there.

    >>> client = connect(server.url)
    >>> with client.record("Wave", skeleton="hand_21") as recording:
    ...     recording.push(0.0, np.full((21, 4), 0.5))
    >>> client.sessions(name="Wave")
    [Session('Wave', 1 frames, 0.00 s, hand_21, completed)]
    """
    return Client(_native.NativeClient.connect(url, timeout), timeout)


class Client:
    """A server's address. Each recording and replay has a connection of its own, so that there is nothing to close."""

    def __init__(self, native: _native.NativeClient, timeout: float) -> None:
        self._native = native
        self._http = Http(native.http_url, timeout)

    @property
    def url(self) -> str:
        """The server's address, ``http://host:port``."""
        return self._native.http_url

    def sessions(
        self,
        *,
        name: str | None = None,
        search: str | None = None,
        status: Status | None = None,
        sort: SortKey = "created_at",
        descending: bool | None = None,
        limit: int | None = None,
    ) -> list[Session]:
        """Returns the sessions, the newest first; arguments as those of `Store.sessions`."""
        words = " ".join(text for text in (search, name) if text)
        order = None if descending is None else "desc" if descending else "asc"

        def page(cursor: str | None) -> tuple[list[Facts], str | None]:
            query = {"q": words or None, "status": status, "sort": sort, "order": order, "limit": _PAGE, "cursor": cursor}
            answer = self._http.json("GET", "/api/sessions", query)
            found = [facts for facts in answer["sessions"] if name is None or facts["name"] == name]
            return found, answer["next"]

        return [self._session(facts) for facts in up_to(limit, page)]

    def session(self, id: str) -> Session:
        """Returns the session of this id.

        Raises:
            SessionNotFoundError: There is none.
        """
        return self._session(self._source(id).read_facts())

    def record(
        self,
        name: str,
        *,
        skeleton: str | Skeleton | dict[str, Any] | None = None,
        description: str = "",
        metadata: dict[str, Any] | None = None,
        fps: float | None = None,
        max_error: dict[str, float] | None = None,
        codec: Codec | None = None,
        stream: str = "default",
        take_over: bool = False,
        buffer_seconds: float = 600.0,
        buffer_bytes: int = 64 << 20,
        on_overflow: OnOverflow = "drop_oldest",
        stop_seconds: float = 60.0,
    ) -> Recording:
        """Publishes a stream and records it; the server's pages show it live meanwhile. Arguments as those of `Store.record`.

        Lost connections are made anew, and what the server hasn't acknowledged is sent again. `stream`: its name. `take_over`: also if
        another program publishes it, or was cut off and may come back to its recording. `buffer_seconds`, `buffer_bytes`: how much is kept
        while the server is away. `on_overflow`: what gives way then; with ``"raise"`` `push` raises `BufferFullError`. `stop_seconds`: how long
        `Recording.stop` may take.

        Raises:
            ServerRefusedError: As its `code` says: ``stream_busy``, ``already_recording``...
        """
        facts = skeleton.to_dict() if isinstance(skeleton, Skeleton) else skeleton
        native = self._native.record(
            name,
            skeleton=facts,
            description=description,
            metadata=metadata,
            fps=fps,
            max_error=max_error,
            codec=codec,
            stream=stream,
            take_over=take_over,
            buffer_seconds=buffer_seconds,
            buffer_bytes=buffer_bytes,
            on_overflow=on_overflow,
            stop_seconds=stop_seconds,
        )
        return Recording(native, self.session)

    def publish(
        self,
        stream: str = "default",
        *,
        skeleton: str | Skeleton | dict[str, Any] | None = None,
        fps: float | None = None,
        take_over: bool = False,
        buffer_seconds: float = 600.0,
        buffer_bytes: int = 64 << 20,
        on_overflow: OnOverflow = "drop_oldest",
    ) -> Publication:
        """Publishes a stream without recording it: the server's pages show it live, and anybody may record it.

        `fps`: the rate that gaps are judged by until it is measured. `take_over`: also if another program publishes it, or was cut
        off and may come back to its recording. The rest as `record` has it: while somebody records the stream, nothing of it is lost
        with a connection.

        Raises:
            ServerRefusedError: As its `code` says: ``stream_busy``...
        """
        facts = skeleton.to_dict() if isinstance(skeleton, Skeleton) else skeleton
        native = self._native.publish(
            stream,
            skeleton=facts,
            fps=fps,
            take_over=take_over,
            buffer_seconds=buffer_seconds,
            buffer_bytes=buffer_bytes,
            on_overflow=on_overflow,
        )
        return Publication(native)

    def restore(self, id: str) -> Session:
        """Brings back a session that was deleted and not erased yet.

        Raises:
            SessionNotFoundError: It was erased, or never was.
        """
        return self._session(self._source(id).restore())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def _source(self, id: str) -> RemoteSource:
        return RemoteSource(self._native, self._http, id)

    def _session(self, facts: Facts) -> Session:
        return Session(facts, self._source(str(facts["id"])))
