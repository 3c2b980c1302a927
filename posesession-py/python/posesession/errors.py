"""What can go wrong: one class per situation that a caller can act on.

All are `PosesessionError`, and each is also the built-in exception that a Python programmer would expect in its place, so
that ``except KeyError`` or ``except ValueError`` work, too:

>>> import posesession as ps
>>> issubclass(ps.errors.SessionNotFoundError, KeyError)
True
>>> issubclass(ps.errors.StoreUnavailableError, ConnectionError)
True
"""

from __future__ import annotations

__all__ = [
    "BadArgumentError",
    "BadShapeError",
    "BufferFullError",
    "ClosedError",
    "ComponentNotFoundError",
    "ConflictError",
    "ConnectionLostError",
    "CorruptDataError",
    "FrameNotFoundError",
    "FrameRefusedError",
    "FramesLostError",
    "ImportFormatError",
    "KeypointNotFoundError",
    "MissingDependencyError",
    "NewerSchemaError",
    "NonFiniteError",
    "NotADatabaseError",
    "PosesessionError",
    "RecordingStateError",
    "ServerRefusedError",
    "ServerUnreachableError",
    "SessionExistsError",
    "SessionNotFoundError",
    "StoreFailedError",
    "StoreInUseError",
    "StoreUnavailableError",
    "TakenOverError",
    "UnsupportedError",
]


class PosesessionError(Exception):
    """Any error of this package. Its text says what is wrong and, where that can be said, what to do."""

    def __str__(self) -> str:
        # KeyError's own would put the sentence in quotation marks.
        return Exception.__str__(self)


class BadArgumentError(PosesessionError, ValueError):
    """An argument is malformed, or beyond its limit."""


class BadShapeError(BadArgumentError):
    """An array's shape or dtype doesn't fit the skeleton."""


class NonFiniteError(BadArgumentError):
    """A number is infinite; what is missing is NaN."""


class ClosedError(PosesessionError, ValueError):
    """The store, recording, replay or client was closed before, or belongs to the process that this one was forked from."""


class SessionNotFoundError(PosesessionError, KeyError):
    """There is no such session; it may have been deleted."""


class FrameNotFoundError(PosesessionError, IndexError):
    """The session has no frame where asked."""


class ComponentNotFoundError(PosesessionError, KeyError):
    """The session's skeleton has no component of this name."""


class KeypointNotFoundError(PosesessionError, KeyError):
    """There is no keypoint, channel or joint of this name."""


class SessionExistsError(PosesessionError, ValueError):
    """There is a session of this id already, with other content."""


class FrameRefusedError(PosesessionError, ValueError):
    """A frame was not stored; the recording goes on. `code` says why: ``late``, ``conflict``, ``keypoint_mismatch``..."""

    code: str = ""


class BufferFullError(PosesessionError, BufferError):
    """The server is away, the buffer is full, and ``on_overflow="raise"``: the frame was not taken, and may be pushed again."""


class FramesLostError(PosesessionError, ConnectionError):
    """The recording ended without its server: `numbers` are those of the frames that are not known to be stored."""

    numbers: list[tuple[int, int]] = []
    """First and last number of each range."""


class RecordingStateError(PosesessionError, RuntimeError):
    """The recording can't do that now: it is paused, or has ended."""


class TakenOverError(PosesessionError, RuntimeError):
    """Another writer has taken the session over."""


class ConflictError(PosesessionError, RuntimeError):
    """The session has other frames there already."""


class CorruptDataError(PosesessionError, ValueError):
    """Stored data are damaged. They are left as they are."""


class ImportFormatError(PosesessionError, ValueError):
    """A file to be imported is not of its format; nothing of it was imported.

    `line` and `column` count from 1; None where there is none.
    """

    line: int | None = None
    column: int | None = None


class NotADatabaseError(PosesessionError, ValueError):
    """The file is no database of posesession. It is left as it is."""


class NewerSchemaError(PosesessionError, RuntimeError):
    """The database was made by a newer version of posesession."""


class StoreInUseError(PosesessionError, RuntimeError):
    """Another server has the data folder open."""


class StoreUnavailableError(PosesessionError, ConnectionError):
    """The database can't be reached or is busy; the same call may succeed later."""


class StoreFailedError(PosesessionError, OSError):
    """The database or the media failed; the same call will fail again."""


class ServerUnreachableError(PosesessionError, ConnectionError):
    """No connection to the server came about."""


class ServerRefusedError(PosesessionError, RuntimeError):
    """The server answered with an error. `code` is the protocol's: ``stream_busy``, ``already_recording``, ``storage``..."""

    code: str = ""


class ConnectionLostError(PosesessionError, ConnectionError):
    """The connection to the server ended, or what came over it is not of the protocol."""


class MissingDependencyError(PosesessionError, ImportError):
    """An optional package is not installed; the text says what to install."""


class UnsupportedError(PosesessionError, NotImplementedError):
    """This build, this kind of store or this kind of session can't do that."""
