-- Schema version 3: whose numbers `settled_through` are, how well a recording went, and second copies of what has no checksum.

-- The publisher's own name for itself; NULL: nobody has published yet, or it is not known.
ALTER TABLE session_recording ADD COLUMN publisher TEXT;
-- The quality report: JSON, as in the protocols; NULL: the recording has not ended, or nobody made one.
ALTER TABLE session_recording ADD COLUMN report TEXT;

-- An index is a second copy, which SQLite compares with the table when it is asked to (`PRAGMA integrity_check`, as
-- `verify` does): so that a changed bit is found. What each append changes is left out.
CREATE INDEX session_facts ON session_recording (
    key, name, description, metadata, video_file_path, codec, max_error, recoding, publisher, report, term
);
DROP INDEX marker_by_time;
CREATE INDEX marker_by_time ON marker (
    session_key, timestamp_micros, id, kind, label, duration_micros, count, cause
);
