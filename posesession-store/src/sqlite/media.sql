-- Media inside the database, made when the first media store is opened on it: as a rule only in one-session files.

CREATE TABLE IF NOT EXISTS media_object (
    id INTEGER PRIMARY KEY,
    -- session id/name; NULL while the object is being put.
    path TEXT UNIQUE,
    -- In bytes.
    size INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS media_part (
    object_id INTEGER NOT NULL REFERENCES media_object (id) ON DELETE CASCADE,
    -- From 0. All parts of an object but the last one have 1 MiB.
    number INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (object_id, number)
) STRICT;
