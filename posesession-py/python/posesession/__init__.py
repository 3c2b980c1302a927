"""Records and replays human-pose sessions, with no silent loss.

>>> import posesession as ps
>>> with ps.open("sessions.db") as store:
...     with store.record("Squat", skeleton="mediapipe_33") as recording:
...         for n in range(30):
...             recording.push(n / 30, np.full((33, 4), 0.5, np.float32))
...     session = store.sessions(name="Squat")[0]
...     session.keypoints.shape
(30, 1, 33, 4)

`open` takes a folder, an SQLite file or a Postgres database, `connect` a server; both give the same `Session`: NumPy arrays of
``(frame, person, keypoint, channel)``. `serve` is the server.

In the examples of this package's documentation, `demo` is a session of 90 frames at 30 a second in which one person squats, `store`
the store that keeps it, and `server` a server.
"""

from posesession import errors
from posesession._native import __version__
from posesession.client import Client, connect
from posesession.component import ComponentView
from posesession.errors import PosesessionError
from posesession.frame import Frame
from posesession.publication import Publication
from posesession.recording import Recording
from posesession.replay import Replay, ReplayState
from posesession.server import Server, serve
from posesession.session import Session
from posesession.skeleton import Channel, Component, Skeleton
from posesession.store import Store, open

__all__ = [
    "Channel",
    "Client",
    "Component",
    "ComponentView",
    "Frame",
    "PosesessionError",
    "Publication",
    "Recording",
    "Replay",
    "ReplayState",
    "Server",
    "Session",
    "Skeleton",
    "Store",
    "__version__",
    "connect",
    "errors",
    "open",
    "serve",
]
