"""A stream that is published, for others to watch and record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from posesession import _native
from posesession.frame_stream import FrameStream

if TYPE_CHECKING:
    from types import TracebackType
    from typing_extensions import Self

__all__ = ["Publication"]


class Publication(FrameStream):
    """Sends frames to a server; whether they are recorded is up to others, such as the page `pose_realtime.html`.

    >>> with server.connect().publish("camera 2", skeleton="hand_21") as stream:
    ...     stream.push(0.0, np.full((21, 4), 0.5, np.float32))
    ...     stream.session_id is None
    True
    """

    def __init__(self, native: _native.NativePublication) -> None:
        super().__init__(native)
        self._native = native

    @property
    def session_id(self) -> str | None:
        """The session that the stream is recorded into now; None while nobody records it."""
        return self._native.session_id

    def close(self) -> None:
        """Ends the stream; what was pushed is sent before, and durable if somebody records it. If the server is away for as long as
        a minute, a `RuntimeWarning` says how many frames didn't get there. Closing twice is fine."""
        self._native.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.flush()
        self.close()

    def __repr__(self) -> str:
        recorded = f"recorded into {self.session_id}" if self.session_id else "not recorded"
        return f"Publication({recorded}, {self.frame_count} frames)"
