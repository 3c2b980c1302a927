#!/usr/bin/env python3
"""Writes what each fuzz target starts from into fuzz/corpus, out of testdata. Usage: fuzz/seeds.py"""

import hashlib
import json
import pathlib
import re
import sqlite3
import struct
import tempfile

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


def schema() -> str:
    """The tables that `recover` reads, as short as they can be: of the indices, those of chunks alone."""
    folder = ROOT / "posesession-store" / "src" / "sqlite"
    text = "".join((folder / f"{name}.sql").read_text() for name in ("schema", "schema_2", "schema_3", "media"))
    text = re.sub(r"--.*", "", text).replace(") STRICT", ")")
    kept = [
        re.sub(r"\s+", " ", statement)
        for statement in text.split(";")
        if re.match(r"\s*(CREATE TABLE|ALTER TABLE|INSERT|CREATE INDEX frame_chunk)", statement)
    ]
    return ";".join(kept)


def databases() -> None:
    """Small databases with one or two sessions: with short pages and long ones, whole, in their logs, and damaged."""
    golden = {path.stem: path.read_bytes() for path in sorted((DATA / "chunks").glob("*.chunk"))}
    session = "0190a5e4-0000-7000-8000-00000000000"
    skeleton = {"name": "two", "components": [{"name": "hand", "keypoints": ["a", "b"], "edges": [[0, 1]], "mirrored": [],
                "channels": [{"name": "x", "unit": "ratio"}]}]}

    def fill(db: sqlite3.Connection, key: int, names: list[str]) -> None:
        db.execute(
            "INSERT INTO session_recording (key, id, name, description, created_at_micros, duration_micros, frame_count, user_id,"
            " status, metadata, skeleton_id, sort_name, publisher) VALUES (?, ?, 'Squat', '', 1700000000000000, 5, 4, 1,"
            " 'completed', '{\"a\":[1]}', 1, 'Squat', 'camera')", (key, session + str(key)))
        for place, name in enumerate(names):
            chunk = golden[name]
            length = int.from_bytes(chunk[:4], "little")
            header, payload = chunk[4:4 + length], chunk[4 + length:]
            first, = struct.unpack_from("<Q", header, 8)
            db.execute("INSERT INTO frame_chunk VALUES (?, ?, 4, 0, 5, ?, ?, ?)", (key, first + place, header[6], header, payload))
        db.execute("INSERT INTO marker (session_key, kind, timestamp_micros, label) VALUES (?, 'user', 1, 'here')", (key,))
        db.execute("INSERT INTO media_object VALUES (?, ?, 900)", (key, f"{session}{key}/images/0"))
        db.execute("INSERT INTO media_part VALUES (?, 0, ?)", (key, b"\7" * 900))
        db.commit()

    for page_size, vacuum, names in [
        (512, "INCREMENTAL", ["raw_everything", "columnar_everything"]),
        (512, "NONE", ["json_nobody", "bounded_everything"]),
        (1024, "INCREMENTAL", ["raw_nobody", "json_everything"]),
        (2048, "NONE", ["columnar_nobody", "bounded_nobody_seen"]),
    ]:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "seed.db"
            db = sqlite3.connect(path)
            db.execute(f"PRAGMA page_size = {page_size}")
            db.execute(f"PRAGMA auto_vacuum = {vacuum}")
            db.executescript(schema())
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("INSERT INTO skeleton VALUES (1, ?, '2x1')", (json.dumps(skeleton),))
            db.execute("INSERT INTO account VALUES (2, 'eve', 'eve@example.org', 'hash')")
            fill(db, 1, names)
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            whole = path.read_bytes()
            fill(db, 2, names[:1])
            log = (path.parent / "seed.db-wal").read_bytes()
            db.close()
        put("salvage", bytes(4) + whole)
        put("salvage", bytes(4) + bytes(page_size) + whole[page_size:])
        # Without types of pages rows are looked for at every byte.
        odd = b"".join(b"\xff" + whole[at + 1:at + page_size] for at in range(0, len(whole), page_size))
        put("salvage", bytes(4) + odd)
        put("salvage", len(log).to_bytes(4, "little") + whole + log)
        put("salvage", len(log).to_bytes(4, "little") + whole[:2 * page_size] + log)


for write in (chunks, messages, poses, files, queries, databases):
    write()
print(f"{sum(1 for path in CORPUS.rglob('*') if path.is_file())} seeds in {CORPUS}")
