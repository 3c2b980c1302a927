"""The HTTP API's requests, by the standard library."""

from __future__ import annotations

import json
import shutil
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Any, cast

from posesession import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_BLOCK = 1 << 20

#: The API's codes that have a class of their own.
_BY_CODE: dict[str, type[errors.PosesessionError]] = {
    "bad_argument": errors.BadArgumentError,
    "bad_json": errors.BadArgumentError,
    "bad_query": errors.BadArgumentError,
    "busy": errors.StoreUnavailableError,
    "corrupt": errors.CorruptDataError,
    "frame_not_found": errors.FrameNotFoundError,
    "session_exists": errors.SessionExistsError,
    "session_is_live": errors.RecordingStateError,
    "session_not_found": errors.SessionNotFoundError,
    "too_large": errors.BadArgumentError,
    "unsupported": errors.UnsupportedError,
}


class Http:
    """A server's HTTP API: paths in, answers or `errors` out."""

    def __init__(self, base: str, timeout: float) -> None:
        self._base = base.rstrip("/")
        self._timeout = timeout
        # A proxy of the environment's is for other machines.
        is_own = urllib.parse.urlsplit(base).hostname in _LOOPBACK
        self._opener = urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if is_own else []))

    def json(
        self, method: str, path: str, query: Mapping[str, object] | None = None, body: object | None = None
    ) -> Any:
        """Asks; returns the answer's JSON, None of an empty one."""
        with self._send(method, path, query, body) as answer:
            text = self._read(answer)
        return json.loads(text) if text else None

    def optional_bytes(self, path: str, absent: str) -> bytes | None:
        """Returns what is at `path`; None if the server answers with the code `absent`."""
        try:
            with self._send("GET", path) as answer:
                return self._read(answer)
        except errors.ServerRefusedError as error:
            if error.code == absent:
                return None
            raise

    def download(
        self, path: str, query: Mapping[str, object], to: str, tell: Callable[[int, int], object] | None = None
    ) -> None:
        """Writes what is at `path` to the file `to`, whole or not at all; tells `tell` (bytes done, bytes in all; 0: unknown)."""
        with self._send("GET", path, query) as answer, open(f"{to}.part", "wb") as part:
            total = int(answer.headers.get("Content-Length") or 0)
            done = 0
            while block := self._read(answer, _BLOCK):
                part.write(block)
                done += len(block)
                if tell is not None:
                    tell(done, total)
        shutil.move(f"{to}.part", to)

    def _send(
        self, method: str, path: str, query: Mapping[str, object] | None = None, body: object | None = None
    ) -> HTTPResponse:
        given = {name: str(value) for name, value in (query or {}).items() if value is not None}
        url = f"{self._base}{path}{'?' if given else ''}{urllib.parse.urlencode(given)}"
        request = urllib.request.Request(url, method=method)
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            return cast(HTTPResponse, self._opener.open(request, timeout=self._timeout))
        except urllib.error.HTTPError as error:
            with error:
                raise refused(error) from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise errors.ServerUnreachableError(f"no answer of {self._base}: {reason}") from error

    def _read(self, answer: HTTPResponse, limit: int | None = None) -> bytes:
        try:
            return answer.read(limit)
        except (OSError, HTTPException) as error:
            raise errors.ConnectionLostError(f"the answer of {self._base} broke off: {error}") from error


def refused(error: urllib.error.HTTPError) -> errors.PosesessionError:
    """Returns what a problem document says, as an exception."""
    try:
        problem = json.loads(error.read())
        code, text = str(problem["code"]), str(problem.get("detail") or problem.get("title"))
    except (ValueError, KeyError, TypeError, OSError):
        code, text = "", f"the server answered {error.code} {error.reason}"
    if code == "storage":
        return (errors.StoreUnavailableError if error.code == 503 else errors.StoreFailedError)(text)
    if code in _BY_CODE:
        return _BY_CODE[code](text)
    unknown = errors.ServerRefusedError(text)
    unknown.code = code
    return unknown
