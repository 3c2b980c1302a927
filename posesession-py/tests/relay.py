"""A way to a server that tests can cut."""

from __future__ import annotations

import socket
import threading


class Relay:
    """Passes connections on to a server, until it is told not to."""

    def __init__(self, url: str) -> None:
        host, port = url.removeprefix("http://").split(":")
        self._server = (host, int(port))
        self._is_open = True
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Ends all connections; what is on its way is lost."""
        with self._lock:
            gone, self._sockets = self._sockets, []
        for end in gone:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            end.close()

    def close(self) -> None:
        """Ends all connections, and refuses new ones until it is opened again."""
        self._is_open = False
        self.cut()

    def open(self) -> None:
        """Lets connections through again."""
        self._is_open = True

    def _accept(self) -> None:
        while True:
            client, _ = self._listener.accept()
            if not self._is_open:
                client.close()
                continue
            server = socket.create_connection(self._server)
            with self._lock:
                self._sockets += [client, server]
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        # A server takes requests of its own name alone.
        here, there = (f"{host}:{port}".encode() for host, port in (self._listener.getsockname(), self._server))
        try:
            while data := source.recv(65536):
                sink.sendall(data.replace(here, there) if data.startswith(b"GET ") else data)
        except OSError:
            pass
        for end in (source, sink):
            end.close()
