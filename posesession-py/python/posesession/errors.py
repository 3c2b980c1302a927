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
    "BadFileError",
    "BadShapeError",
    "ClosedError",
    "ComponentNotFoundError",
    "ConflictError",
    "ConnectionLostError",
    "CorruptError",
    "FencedError",
    "FrameNotFoundError",
    "KeypointNotFoundError",
    "MarkerNotFoundError",
    "MissingDependencyError",
    "NewerSchemaError",
    "NonFiniteError",
    "NotADatabaseError",
    "NotLiveError",
    "OutOfOrderError",
    "PosesessionError",
    "ServerError",
    "SessionExistsError",
    "SessionIsLiveError",
    "SessionNotFoundError",
    "StoreError",
    "StoreUnavailableError",
    "StreamBusyError",
    "UnsupportedError",
]


class PosesessionError(Exception):
    """Any failure of this package. Its text says what is wrong and, where that can be said, what to do."""

    def __str__(self) -> str:
        # KeyError's own would put the sentence in quotation marks.
        return str(self.args[0]) if self.args else ""


class SessionNotFoundError(PosesessionError, KeyError):
    """There is no session of this id or name, or it was deleted."""


class FrameNotFoundError(PosesessionError, IndexError):
    """The session has no frame of this number or at this moment."""


class ComponentNotFoundError(PosesessionError, KeyError):
    """The session's skeleton has no component of this name."""


class KeypointNotFoundError(PosesessionError, KeyError):
    """The component has no keypoint, channel or joint of this name."""


class MarkerNotFoundError(PosesessionError, KeyError):
    """The session has no marker of this label."""


class BadArgumentError(PosesessionError, ValueError):
    """An argument is malformed or beyond its limit."""


class BadShapeError(BadArgumentError):
    """An array's shape doesn't fit the skeleton."""


class NonFiniteError(BadArgumentError):
    """A number is infinite; missing values are NaN."""


class BadFileError(PosesessionError, ValueError):
    """A file to import is malformed; the text names line and column. Nothing of it was imported."""


class UnsupportedError(PosesessionError, NotImplementedError):
    """This can't be done here: with this format, or with this store."""


class ClosedError(PosesessionError, ValueError):
    """The store, recording, replay or connection has been closed."""


class MissingDependencyError(PosesessionError, ImportError):
    """An optional package is not installed; the text says what to install."""


class SessionExistsError(PosesessionError, FileExistsError):
    """A session of this id is there already."""


class SessionIsLiveError(PosesessionError, RuntimeError):
    """The session is being recorded: stop or discard the recording first."""


class NotLiveError(PosesessionError, RuntimeError):
    """The session or recording takes no more frames: it has ended."""


class OutOfOrderError(PosesessionError, ValueError):
    """Frames don't follow the last stored one."""


class ConflictError(PosesessionError, RuntimeError):
    """Another content is stored already under these numbers."""


class FencedError(PosesessionError, RuntimeError):
    """Another writer has taken the session over."""


class StreamBusyError(PosesessionError, RuntimeError):
    """Another program publishes to the stream, or it is being recorded already."""


class StoreError(PosesessionError, OSError):
    """The store failed, and trying again would not help."""


class StoreUnavailableError(StoreError, ConnectionError):
    """The store can't be reached or is busy: the same call may succeed later."""


class CorruptError(StoreError):
    """Stored data are damaged. They are left as they are."""


class NotADatabaseError(StoreError):
    """The file is no posesession database. It is left as it is."""


class NewerSchemaError(StoreError):
    """The database was made by a newer version of posesession."""


class ConnectionLostError(PosesessionError, ConnectionError):
    """The server can't be reached, or the connection to it broke."""


class ServerError(PosesessionError, RuntimeError):
    """The server refused, for a reason that has no class of its own.

    `code` is the stable word of the protocol for it, `""` if there is none.
    """

    def __init__(self, message: str = "", code: str = "") -> None:
        super().__init__(message)
        self.code = code
