"""Reads a session of the server that is named; prints what it is, and the frame of a number, as JSON."""

import json
import sys

import posesession as ps

url, session_id, number = sys.argv[1:]
session = ps.connect(url).session(session_id)
frame = session[int(number)]
print(
    json.dumps(
        {
            "name": session.name,
            "shape": session.keypoints.shape,
            "markers": [marker["label"] for marker in session.markers if marker["kind"] == "user"],
            "timestamp": frame.timestamp,
            "keypoints": frame.keypoints.tolist(),
        }
    )
)
