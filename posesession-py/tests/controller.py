"""Somebody else, who tells a server's streams what to do: one command over a WebSocket of its own."""

from __future__ import annotations

import json
import socket
from typing import Any
from urllib.parse import urlsplit


def tell(url: str, **command: Any) -> dict[str, Any]:
    """Sends a command to the server at `url` and returns the answer."""
    place = urlsplit(url)
    assert place.hostname is not None
    with socket.create_connection((place.hostname, place.port or 80), timeout=30) as connection:
        lines = [
            "GET /ws/pose HTTP/1.1",
            f"Host: {place.netloc}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ]
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        stream = connection.makefile("rb")
        while stream.readline() != b"\r\n":
            pass
        payload = json.dumps(command | {"id": 1}).encode()
        assert len(payload) < 126
        # A mask of zeros changes nothing.
        connection.sendall(bytes([0x81, 0x80 | len(payload), 0, 0, 0, 0]) + payload)
        while True:
            head = stream.read(2)
            length = head[1] if head[1] < 126 else int.from_bytes(stream.read(2 if head[1] == 126 else 8), "big")
            answer: dict[str, Any] = json.loads(stream.read(length)) if head[0] & 15 == 1 else {}
            if answer.get("id") == 1:
                return answer
