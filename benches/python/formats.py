"""The formats side by side: each writes the same frames to a file, and reads them back into NumPy arrays."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from mcap.reader import make_reader
from mcap.writer import CompressionType, Writer
from numpy.typing import NDArray
from pose_format import Pose
from pose_format.numpy import NumPyPoseBody
from pose_format.pose_header import PoseHeader, PoseHeaderComponent, PoseHeaderDimensions

import posesession as ps

Timestamps = NDArray[np.float64]
Keypoints = NDArray[np.float32]

#: HDF5 reads whole chunks; this is the one of which the two cores' caches like the size best (256 KiB).
HDF5_CHUNK_FRAMES = 512


@dataclass(frozen=True)
class Format:
    """One way to keep a session: ``read`` gives timestamps ``(T,)`` and keypoints ``(T, 33, 4)``."""

    name: str
    suffix: str
    write: Callable[[Path, Timestamps, Keypoints], None]
    read: Callable[[Path], tuple[Timestamps, Keypoints]]


def write_posesession(path: Path, timestamps: Timestamps, keypoints: Keypoints) -> None:
    with ps.open(path) as store, store.record("bench", skeleton="mediapipe_33") as recording:
        for timestamp, frame in zip(timestamps, keypoints):
            recording.push(timestamp, frame)


def read_posesession(path: Path) -> tuple[Timestamps, Keypoints]:
    with ps.open(path) as store:
        session = store.sessions()[0]
        return session.timestamps, session.keypoints[:, 0]


def write_npy(path: Path, timestamps: Timestamps, keypoints: Keypoints) -> None:
    np.save(path, keypoints)
    np.save(path.with_suffix(".t.npy"), timestamps)


def read_npy(path: Path) -> tuple[Timestamps, Keypoints]:
    return np.load(path.with_suffix(".t.npy")), np.load(path)


def hdf5_writer(**filters: object) -> Callable[[Path, Timestamps, Keypoints], None]:
    def write(path: Path, timestamps: Timestamps, keypoints: Keypoints) -> None:
        chunks = (HDF5_CHUNK_FRAMES, *keypoints.shape[1:])
        with h5py.File(path, "w") as file:
            file.create_dataset("timestamps", data=timestamps)
            file.create_dataset("keypoints", data=keypoints, chunks=chunks, **filters)

    return write


def read_hdf5(path: Path) -> tuple[Timestamps, Keypoints]:
    with h5py.File(path) as file:
        return file["timestamps"][:], file["keypoints"][:]


def write_parquet(path: Path, timestamps: Timestamps, keypoints: Keypoints) -> None:
    width = keypoints[0].size
    table = pa.table(
        {
            "timestamp": timestamps,
            "keypoints": pa.FixedSizeListArray.from_arrays(pa.array(keypoints.ravel()), width),
        }
    )
    pq.write_table(table, path, compression="zstd", use_dictionary=False, use_byte_stream_split=True)


def read_parquet(path: Path) -> tuple[Timestamps, Keypoints]:
    table = pq.read_table(path).combine_chunks()
    values = table["keypoints"].chunk(0).flatten().to_numpy(zero_copy_only=False)
    return table["timestamp"].to_numpy(), values.reshape(-1, 33, 4)


def write_pose(path: Path, timestamps: Timestamps, keypoints: Keypoints) -> None:
    points = [f"POINT_{n}" for n in range(keypoints.shape[1])]
    component = PoseHeaderComponent("POSE", points, [], [], "XYZC")
    header = PoseHeader(version=0.2, dimensions=PoseHeaderDimensions(1, 1, 1), components=[component])
    body = NumPyPoseBody(30.0, data=keypoints[:, None, :, :3], confidence=keypoints[:, None, :, 3])
    with path.open("wb") as file:
        Pose(header, body).write(file)


def read_pose(path: Path) -> tuple[Timestamps, Keypoints]:
    body = Pose.read(path.read_bytes()).body
    # The format keeps a rate instead of timestamps, and the confidence apart.
    keypoints = np.concatenate([body.data.data[:, 0], body.confidence[:, 0, :, None]], axis=2)
    return np.arange(len(keypoints)) / body.fps, keypoints


def write_mcap(path: Path, timestamps: Timestamps, keypoints: Keypoints) -> None:
    with path.open("wb") as file:
        writer = Writer(file, compression=CompressionType.ZSTD)
        writer.start()
        channel = writer.register_channel(topic="pose", message_encoding="f32", schema_id=0)
        for timestamp, frame in zip(timestamps, keypoints):
            nanos = round(timestamp * 1e9)
            writer.add_message(channel, log_time=nanos, publish_time=nanos, data=frame.tobytes())
        writer.finish()


def read_mcap(path: Path) -> tuple[Timestamps, Keypoints]:
    timestamps, frames = [], []
    with path.open("rb") as file:
        for _schema, _channel, message in make_reader(file).iter_messages():
            timestamps.append(message.log_time * 1e-9)
            frames.append(np.frombuffer(message.data, dtype=np.float32))
    return np.array(timestamps), np.stack(frames).reshape(-1, 33, 4)


def write_json_rows(path: Path, timestamps: Timestamps, keypoints: Keypoints) -> None:
    database = sqlite3.connect(path)
    database.execute(
        "CREATE TABLE session_frame (id INTEGER PRIMARY KEY, session_id TEXT, timestamp REAL, frame_number INTEGER,"
        " pose_data TEXT, image_path TEXT)"
    )
    names = ("x", "y", "z", "visibility")
    rows = (
        (timestamp, number, json.dumps({"landmarks": [dict(zip(names, point)) for point in frame.tolist()]}))
        for number, (timestamp, frame) in enumerate(zip(timestamps.tolist(), keypoints))
    )
    database.executemany(
        "INSERT INTO session_frame (session_id, timestamp, frame_number, pose_data) VALUES ('bench', ?, ?, ?)", rows
    )
    database.commit()
    database.close()


def read_json_rows(path: Path) -> tuple[Timestamps, Keypoints]:
    database = sqlite3.connect(path)
    rows = database.execute("SELECT timestamp, pose_data FROM session_frame ORDER BY frame_number").fetchall()
    database.close()
    frames = [
        [(p["x"], p["y"], p["z"], p["visibility"]) for p in json.loads(pose_data)["landmarks"]] for _, pose_data in rows
    ]
    return np.array([timestamp for timestamp, _ in rows]), np.array(frames, dtype=np.float32)


FORMATS = [
    Format("posesession", ".db", write_posesession, read_posesession),
    Format("np.load (uncompressed)", ".npy", write_npy, read_npy),
    Format("HDF5 blosc2", ".blosc2.h5", hdf5_writer(**hdf5plugin.Blosc2(cname="zstd", filters=1)), read_hdf5),
    Format("HDF5 gzip", ".gzip.h5", hdf5_writer(compression="gzip", shuffle=True), read_hdf5),
    Format("Parquet zstd, byte-stream split", ".parquet", write_parquet, read_parquet),
    Format(".pose", ".pose", write_pose, read_pose),
    Format("MCAP zstd", ".mcap", write_mcap, read_mcap),
    Format("SQLite, a row of JSON per frame", ".rows.db", write_json_rows, read_json_rows),
]
