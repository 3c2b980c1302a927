"""The server with its pages, in this process."""

from __future__ import annotations

import sys
from os import PathLike, fspath
from typing import TYPE_CHECKING

from posesession import _native
from posesession.client import Client, connect

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing_extensions import Self

__all__ = ["Server", "serve"]


class Server:
    """A server that runs in the background, from now until `stop` or the end of a ``with`` block.

    >>> with Server("lab", listen="127.0.0.1:0") as server:
    ...     server.connect().sessions()
    []
    """

    def __init__(
        self,
        data: str | PathLike[str] = "./data",
        *,
        listen: str = "127.0.0.1:8787",
        media: str | PathLike[str] | None = None,
        vision: str | PathLike[str] | None = None,
        allow_origins: Sequence[str] = (),
    ) -> None:
        """Starts it.

        `data`: a folder, an SQLite file or ``postgres://...``, as for `posesession.open`. `listen`: address and port; port 0 takes a
        free one. `vision`: the folder of the pages' pose model. `allow_origins`: other sites whose pages may do everything here.

        Raises:
            StoreInUseError: Another server has the folder open.
            OSError: It can't listen there.
        """
        self._native = _native.NativeServer.start(
            listen=listen,
            place=fspath(data),
            media=None if media is None else fspath(media),
            vision=None if vision is None else fspath(vision),
            allow_origins=allow_origins,
        )

    @property
    def url(self) -> str:
        """Its address, ``http://host:port``."""
        return self._native.url

    def connect(self) -> Client:
        """Returns a client of it."""
        return connect(self.url)

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until it ends; returns False if `timeout` seconds passed before. Raises what it ended with."""
        return self._native.wait(timeout)

    def stop(self) -> None:
        """Finishes the recordings and ends. Stopping twice is fine."""
        self._native.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"Server({self.url})"


def serve(
    data: str | PathLike[str] = "./data",
    *,
    listen: str = "127.0.0.1:8787",
    media: str | PathLike[str] | None = None,
    vision: str | PathLike[str] | None = None,
    allow_origins: Sequence[str] = (),
) -> None:
    """Serves until Ctrl-C: HTTP, both WebSockets, and the pages at the address that it prints. See `Server` for the arguments."""
    with Server(data, listen=listen, media=media, vision=vision, allow_origins=allow_origins) as server:
        print(f"posesession: {server.url} (Ctrl-C ends it)", file=sys.stderr, flush=True)
        try:
            server.wait()
        except KeyboardInterrupt:
            print("posesession: finishing", file=sys.stderr, flush=True)
