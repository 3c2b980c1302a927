#!/usr/bin/env python3
"""Writes what each fuzz target starts from into fuzz/corpus, out of testdata. Usage: fuzz/seeds.py"""

import hashlib
import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATA = ROOT / "testdata"
CORPUS = ROOT / "fuzz" / "corpus"


def put(target: str, content: bytes) -> None:
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha1(content).hexdigest()).write_bytes(content)


def chunks() -> None:
    golden = [path.read_bytes() for path in sorted((DATA / "chunks").glob("*.chunk"))]
    for chunk in golden:
        put("chunk", chunk)
        put("encoded_run", chunk)
    put("encoded_run", b"NEXT".join(golden[:2]))


def messages() -> None:
    protocol = DATA / "protocol"
    greeting = None
    said = []
    for name, targets in [
        ("record_commands", ["record_message", "server"]),
        ("record_messages", ["client"]),
        ("record_answers", ["client"]),
        ("replay_commands", ["replay_command"]),
        ("replay_messages", ["client"]),
    ]:
        for vector in json.loads((protocol / f"{name}.json").read_text()):
            message = json.dumps(vector["message"]).encode()
            for target in targets:
                put(target, message)
            if name == "record_commands":
                said.append(message)
            if vector["message"].get("type") == "welcome":
                greeting = message
            elif greeting and name == "record_messages":
                put("client", greeting + b"\n\n" + message)
            pose = vector["message"].get("pose_data")
            if pose:
                put("pose_json", json.dumps(pose).encode())
    put("server", b"\n\n".join(said))
    for path in sorted(protocol.glob("binary_*.json")):
        binary = bytes.fromhex(json.loads(path.read_text())["hex"])
        put("binary_message", binary)
        put("server", b'{"type":"publish"}\n\n{"type":"start_recording","name":"a"}\n\n' + binary)
        put("client", (greeting or b"") + b"\n\n" + binary)
    start = b'{"type":"publish","publisher":"p","skeleton":"hand_21"}\n\n{"type":"start_recording","id":1,"name":"a","video":{"mime":"video/webm"}}'
    frames = [
        json.dumps({
            "type": "frame", "timestamp": n / 30, "frame_number": n,
            "pose_data": {"persons": [{"id": 0, "hand": [[0.5, None, 0.25, 1.0]] * 21}]},
            "image": "/9j/2Q==" if n % 2 else None,
        }).encode()
        for n in range(4)
    ]
    session = {"session_id": "0190a5e4-0000-7000-8000-000000000001"}
    controls = [
        json.dumps({"type": kind, "id": 2, **extra}).encode()
        for kind, extra in [
            ("pause_recording", {}), ("resume_recording", {}), ("mark", {"label": "x", "timestamp": 0.1}),
            ("frames_dropped", {"first": 5, "last": 9, "cause": "overflow"}),
            ("resume_session", {"publisher": "p", "take_over": True, **session}), ("stop_recording", {}),
        ]
    ]
    put("server", b"\n\n".join([start, *frames, *controls]))
    for answer in [
        {"type": "session_resumed", "id": 1, "stream": "default", "stored_through": 7, **session},
        {"type": "session_resumed", "id": 1, "stored_through": None, **session},
        {"type": "error", "id": 1, "code": "not_resumable", "message": "it ended", "stored_through": 3},
    ]:
        put("client", json.dumps(answer).encode())
        put("client", (greeting or b"") + b"\n\n" + json.dumps(answer).encode())


def poses() -> None:
    for path in sorted((DATA / "chunks").glob("json_*.chunk")):
        text = path.read_bytes()
        text = text[4 + int.from_bytes(text[:4], "little"):]
        for frame in json.loads(text)[:3]:
            put("pose_json", json.dumps(frame["pose_data"]).encode())
    put("pose_json", b'{"landmarks":[{"x":0.5,"y":0.25,"z":-1,"visibility":1}]}')
    put("pose_json", b'[[{"x":0.5,"y":0.25},{"x":1e-3,"y":null}],[]]')


def files() -> None:
    lines = (DATA / "recordings" / "walk_mediapipe_33.jsonl").read_bytes().splitlines(keepends=True)
    put("interchange", b"\0" + b"".join(lines[:5]))
    put("interchange", b'\0[{"x":1,"y":2,"z":3,"visibility":0.5}]\n{"timestamp_ms":5,"persons":[{"id":3,"pose":[[1,2]]}]}\n')
    put("interchange", b'\0{"timestamp_us":1,"poseLandmarks":[{"x":1}],"worldLandmarks":[{"x":1}]}\n')
    put("interchange", b"\1timestamp,frame,id,pose.nose.x,pose.nose.y\n0.5,0,0,0.25,0.75\n0.6,1,1,,\n")
    put("interchange", b'\1frame,nose_x,nose_y,"left ""eye""_x"\n0,1,2,3\n')
    put("interchange", b"\x12timestamp,id,keypoint,x,y,z,confidence\n0,0,nose,1,2,3,0.5\n0,0,left_eye,1,2,3,1\n0.1,,,,,,\n")
    for path in sorted((DATA / "video").glob("*.webm")):
        put("webm", b"\x20\0\0" + path.read_bytes())
        put("webm", b"\xff\x05\x07" + path.read_bytes())


def queries() -> None:
    put("query", b"search=a%20b&status=completed&sort=newest&limit=5\nbytes=0-499")
    put("query", b"from=1&to=2&format=csv-long&fps=29.97\nbytes=-30")
    put("query", b"from=%ff&limit=+1&limit=2\nbytes=9-,3-4")


for write in (chunks, messages, poses, files, queries):
    write()
print(f"{sum(1 for path in CORPUS.rglob('*') if path.is_file())} seeds in {CORPUS}")
