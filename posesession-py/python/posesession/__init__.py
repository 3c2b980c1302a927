"""Records and replays human-pose sessions."""

from posesession._native import __version__

__all__ = ["__version__"]
