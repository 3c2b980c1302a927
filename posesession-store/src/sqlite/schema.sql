-- Schema version 1. Times are whole microseconds: within a session in *_timestamp_micros and duration_micros, since
-- 1970 (UTC) in created_at_micros and deleted_at_micros.

CREATE TABLE account (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    username TEXT NOT NULL UNIQUE,
    email TEXT NOT NULL,
    -- The Argon2id hash in PHC form; empty: nobody can log in.
    password TEXT NOT NULL
) STRICT;

INSERT INTO account (id, username, email, password) VALUES (1, 'local', '', '');

-- One row a skeleton, shared by all sessions that have it.
CREATE TABLE skeleton (
    id INTEGER PRIMARY KEY,
    -- JSON, as in the protocols.
    skeleton TEXT NOT NULL UNIQUE,
    -- keypoints x channels of each component, such as 33x4+21x4: what an append checks.
    layout TEXT NOT NULL
) STRICT;

CREATE TABLE session_recording (
    -- The upper half of the frames' ids: never given twice.
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    created_at_micros INTEGER NOT NULL,
    duration_micros INTEGER NOT NULL DEFAULT 0,
    frame_count INTEGER NOT NULL DEFAULT 0,
    user_id INTEGER NOT NULL REFERENCES account (id),
    video_file_path TEXT,
    status TEXT NOT NULL
        CHECK (status IN ('recording', 'paused', 'processing', 'completed', 'interrupted', 'failed')),
    -- A JSON object.
    metadata TEXT NOT NULL,
    skeleton_id INTEGER REFERENCES skeleton (id),
    stored_bytes INTEGER NOT NULL DEFAULT 0,
    -- The number of the current writer: appends of older ones are refused.
    term INTEGER NOT NULL DEFAULT 0,
    -- The publisher's own number up to which everything is settled: an unsigned number in a signed column.
    settled_through INTEGER,
    -- Frames before this one stand in long chunks, all others in short ones.
    compacted_frames INTEGER NOT NULL DEFAULT 0,
    deleted_at_micros INTEGER,
    -- 1 while the session is being erased, step by step.
    is_erased INTEGER NOT NULL DEFAULT 0,
    -- The first bytes of the name.
    sort_name TEXT NOT NULL,
    -- The same facts under their logical names, for those who look with SQL.
    created_at TEXT AS (strftime('%Y-%m-%dT%H:%M:%fZ', created_at_micros / 1e6, 'unixepoch')) VIRTUAL,
    duration REAL AS (duration_micros / 1e6) VIRTUAL
) STRICT;

CREATE INDEX session_by_created_at ON session_recording (user_id, created_at_micros, id);
CREATE INDEX session_by_name ON session_recording (user_id, sort_name, id);
CREATE INDEX session_by_deleted_at ON session_recording (deleted_at_micros) WHERE deleted_at_micros IS NOT NULL;
CREATE INDEX session_by_skeleton ON session_recording (skeleton_id);

-- What words are searched in: apart, so that an append doesn't write it again.
CREATE TABLE session_search (
    session_key INTEGER PRIMARY KEY REFERENCES session_recording (key),
    text TEXT NOT NULL
) STRICT;

CREATE TABLE frame_chunk (
    session_key INTEGER NOT NULL REFERENCES session_recording (key),
    first_frame INTEGER NOT NULL,
    frame_count INTEGER NOT NULL,
    first_timestamp_micros INTEGER NOT NULL,
    last_timestamp_micros INTEGER NOT NULL,
    -- 1 raw, 2 columnar: as in the header.
    codec INTEGER NOT NULL,
    header BLOB NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (session_key, first_frame)
) STRICT;

CREATE INDEX frame_chunk_by_time ON frame_chunk (session_key, first_timestamp_micros);

CREATE TABLE marker (
    -- Rises: markers of one moment stand in the order in which they came.
    id INTEGER PRIMARY KEY,
    session_key INTEGER NOT NULL REFERENCES session_recording (key),
    kind TEXT NOT NULL,
    timestamp_micros INTEGER NOT NULL,
    label TEXT NOT NULL,
    duration_micros INTEGER,
    count INTEGER,
    cause TEXT
) STRICT;

CREATE INDEX marker_by_time ON marker (session_key, timestamp_micros);
