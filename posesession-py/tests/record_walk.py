"""Records the real walk on the server that is named; prints what became of it as JSON."""

import json
import sys

from support import record, walk

import posesession as ps

times, values = walk()
size = {"image_width": 1768, "image_height": 994}
session = record(ps.connect(sys.argv[1]), times, values, name="From Python", metadata=size)
print(json.dumps({"id": session.id, "frame_count": len(session)}))
