"""A session that is being recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from posesession import _native
from posesession.errors import FramesLostError
from posesession.frame_stream import FrameStream
from posesession.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing_extensions import Self

__all__ = ["Recording"]

_ENDED = ("completed", "interrupted", "failed")


class Recording(FrameStream):
    """Takes frames; in a ``with`` block it is stopped at the end. An exception ends it as ``interrupted``: its frames stay.

    >>> with store.record("Wave", skeleton="hand_21") as recording:
    ...     for n in range(60):
    ...         recording.push(n / 30, np.full((21, 4), 0.5, np.float32))
    >>> recording.session
    Session('Wave', 60 frames, 1.97 s, hand_21, completed)
    """

    def __init__(self, native: _native.NativeRecording, find_session: Callable[[str], Session]) -> None:
        super().__init__(native)
        self._native = native
        self._find_session = find_session
        self._report: dict[str, Any] | None = None

    @property
    def session_id(self) -> str:
        """The id of the session that comes about."""
        return self._native.session_id

    @property
    def status(self) -> str:
        """``recording``, ``paused``, or how it ended: ``completed``, ``interrupted``, ``failed``."""
        return self._native.status

    @property
    def has_ended(self) -> bool:
        """Whether it takes no more frames."""
        return self.status in _ENDED

    @property
    def report(self) -> dict[str, Any] | None:
        """What became of the frames: gaps, late ones, refused ones by cause...; None until it is stopped."""
        return self._report

    @property
    def session(self) -> Session:
        """The session as it is stored by now."""
        return self._find_session(self.session_id)

    def mark(self, label: str, timestamp: float | None = None) -> None:
        """Marks a moment: by the streamer's clock, or that of the last frame.

        Raises:
            RecordingStateError: It has ended.
        """
        self._native.mark(label, timestamp)

    def pause(self) -> None:
        """Pauses: session time stands still, frames that come meanwhile are counted and not stored."""
        self._native.pause()

    def resume(self) -> None:
        """Goes on."""
        self._native.resume()

    def stop(self) -> Session:
        """Ends the recording; returns the session. All that was pushed is durable then, or counted in `report`.

        Raises:
            RecordingStateError: It has ended otherwise.
            FramesLostError: The server didn't come back in time; `numbers` says which frames are not known to be stored.
        """
        facts, self._report = self._native.stop()
        session = self._find_session(self.session_id)
        if facts is None:
            # The answer got lost on its way, and the server was found to have stopped the recording.
            self._report = session._facts.get("report")
        return session

    def discard(self) -> None:
        """Ends the recording and erases it."""
        self._native.discard()

    def _let_go(self, *, raises: bool) -> None:
        try:
            self._native.let_go()
        except FramesLostError:
            if raises:
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.has_ended:
            self._let_go(raises=kind is None)
            return
        if kind is None:
            self.stop()
        else:
            self._native.interrupt()

    def __repr__(self) -> str:
        return f"Recording({self.session_id}: {self.status}, {self.frame_count} frames)"
