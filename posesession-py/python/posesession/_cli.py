"""The console script `posesession`: the same program as the Rust binary."""

from __future__ import annotations

import sys

from posesession import _native


def main() -> int:
    """Runs the command line; returns its exit code."""
    return _native.run_cli(sys.argv[1:])
