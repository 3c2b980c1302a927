"""Starts the server, runs every conformance case against its echo, and fails unless all of them pass."""

import asyncio
import os
import subprocess
import sys
import tempfile

from kosoku import FailureError, run_fuzzingclient

# Compression, which the server doesn't offer.
LEFT_OUT = ["12.*", "13.*"]
WANTED = 301


async def run(url: str) -> int:
    try:
        results = await run_fuzzingclient(url, None, LEFT_OUT, concurrency=4)
        failed = 0
    except FailureError as error:
        results = error.results
        print(error, file=sys.stderr)
        failed = 1
    if failed == 0 and len(results) == WANTED:
        print(f"proof: WebSocket conformance: {len(results)} of {WANTED} Autobahn cases passed")
        return 0
    print(f"of {len(results)} cases, where {WANTED} are expected, not all passed", file=sys.stderr)
    return 1


def main() -> int:
    with tempfile.TemporaryDirectory() as data:
        server = subprocess.Popen(
            [os.environ["POSESESSION_BIN"], "serve", "--listen", "127.0.0.1:0", "--data", data],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert server.stdout is not None
            first = server.stdout.readline().strip()
            address = first.removeprefix("listening on http://")
            return asyncio.run(run(f"ws://{address}/ws/echo"))
        finally:
            server.terminate()
            server.wait(timeout=60)


if __name__ == "__main__":
    sys.exit(main())
