"""Sessions in a folder, an SQLite file or a Postgres database."""

from __future__ import annotations

import weakref
from contextlib import ExitStack
from os import PathLike, fspath
from typing import TYPE_CHECKING, Any, Literal

from posesession import _native
from posesession._progress import Progress, counting_bytes
from posesession._source import Codec, Facts, FileFormat, StoreSource
from posesession.recording import Recording
from posesession.session import Session
from posesession.skeleton import Skeleton

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing_extensions import Self

__all__ = ["SortKey", "Status", "Store", "open"]

SortKey = Literal["created_at", "name", "duration", "frame_count"]
Status = Literal["recording", "paused", "processing", "completed", "interrupted", "failed"]

_PAGE = 1000


def open(place: str | PathLike[str], *, media: str | PathLike[str] | None = None) -> Store:
    """Opens a store, making it if it isn't there.

    `place`: a folder (as ``posesession serve --data``), an SQLite file (``.db``), or ``postgres://user@host/database``. `media`: the folder of
    images and videos, if it is to be another one than the place's own. Other programs, servers too, may use the store at the same
    time.

    Raises:
        NotADatabaseError: The file is of another program. It is left as it is.
        NewerSchemaError: The database was made by a newer version.
        StoreUnavailableError: The database can't be reached.

    >>> with open("gym.db") as gym:
    ...     gym.sessions()
    []
    """
    return Store(_native.NativeStore.open(fspath(place), None if media is None else fspath(media)))


class Store:
    """Keeps sessions. Made by `posesession.open`; `close` it, or use it in a ``with`` block. Any thread may use it.

    >>> store.sessions(name="Squat")
    [Session('Squat', 90 frames, 2.97 s, mediapipe_33, completed)]
    """

    def __init__(self, native: _native.NativeStore) -> None:
        self._native = native
        self._recordings: weakref.WeakSet[Recording] = weakref.WeakSet()

    @property
    def place(self) -> str:
        """What was opened."""
        return self._native.place

    @property
    def is_durable(self) -> bool:
        """Whether what was stored survives a power loss."""
        return self._native.is_durable

    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
        return self._native.is_closed

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
        """Returns the sessions, the newest first.

        `name`: only those of exactly this name. `search`: words that all occur in name, description or metadata. `sort`: by
        ``created_at``, ``name``, ``duration`` or ``frame_count``; `descending` by default but for names. `limit`: at most so many.
        """

        def page(cursor: str | None) -> tuple[list[Facts], str | None]:
            return self._native.list_sessions(
                search=search,
                name=name,
                status=status,
                sort=sort,
                descending=sort != "name" if descending is None else descending,
                limit=_PAGE if limit is None else max(1, min(limit, _PAGE)),
                cursor=cursor,
            )

        return [self._session(facts) for facts in up_to(limit, page)]

    def session(self, id: str) -> Session:
        """Returns the session of this id.

        Raises:
            SessionNotFoundError: There is none.
        """
        return self._session(self._native.read_session(id))

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
    ) -> Recording:
        """Begins a session.

        `skeleton`: a preset's name (`Skeleton.presets`) or one of your own; None: inferred from the first person that is seen. `metadata`:
        facts of your own, JSON, searchable; ``image_width`` and ``image_height`` (px) say how large the camera's pictures are. `fps`: the
        rate that gaps are judged by until it is measured. `max_error`: how far stored values may be from those that were
        recorded, for each channel by name (``{"x": 5e-5}``; ``"left_hand.x"`` for one component's alone), absolute and in its unit; the
        session is about a third as large then. None: no bit is lost. `codec`: ``columnar``, ``bounded`` (where there is a `max_error`) or
        ``json`` (for looking with SQL); None: as `max_error` says.

        Raises:
            BadArgumentError: The skeleton is unknown or malformed; a bound is not above 0 or of a channel that the skeleton doesn't have;
                bounds are given for a lossless codec.
        """
        facts = skeleton.to_dict() if isinstance(skeleton, Skeleton) else skeleton
        native = self._native.record(name, skeleton=facts, description=description, metadata=metadata, fps=fps, max_error=max_error, codec=codec)
        recording = Recording(native, self.session)
        self._recordings.add(recording)
        return recording

    def import_file(
        self,
        path: str | PathLike[str],
        format: FileFormat | None = None,
        *,
        name: str | None = None,
        fps: float | None = None,
        progress: Progress = None,
    ) -> Session:
        """Imports a file, whole or not at all: a session that was exported, JSON Lines as MediaPipe's users dump them, or CSV.

        `format`: by default as the file's name ends. `name`: of the session, for files that have none. `fps`: for files without times.

        Raises:
            ImportFormatError: The file is malformed: at its `line` and `column`.
            SessionExistsError: There is another session of its id.
        """
        with counting_bytes(progress, "importing") as tell:
            return self._session(self._native.import_file(fspath(path), format, name, fps, tell))

    def restore(self, id: str) -> Session:
        """Brings back a session that was deleted and not erased yet.

        Raises:
            SessionNotFoundError: It was erased, or never was.
        """
        return self._session(self._native.restore_session(id))

    def backup(self, path: str | PathLike[str], *, progress: Progress = None) -> None:
        """Writes a consistent copy of the whole database to `path`, while it is in use."""
        with counting_bytes(progress, "backing up") as tell:
            self._native.backup(fspath(path), tell)

    def close(self) -> None:
        """Does what is queued, checkpoints and closes; open recordings are stopped. Closing twice is fine."""
        with ExitStack() as closing:
            closing.callback(self._native.close)
            for recording in () if self.is_closed else list(self._recordings):
                if not recording.has_ended:
                    closing.callback(recording.stop)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Store({self.place!r}{', closed' if self.is_closed else ''})"

    def _session(self, facts: Facts) -> Session:
        return Session(facts, StoreSource(self._native, str(facts["id"])))


def up_to(limit: int | None, page: Callable[[str | None], tuple[list[Facts], str | None]]) -> Iterator[Facts]:
    """Yields sessions of page after page, at most `limit`."""
    left = limit
    cursor: str | None = None
    while left is None or left > 0:
        sessions, cursor = page(cursor)
        for facts in sessions if left is None else sessions[:left]:
            yield facts
        left = None if left is None else left - len(sessions)
        if cursor is None:
            return
