-- Schema version 2: each session's encoding, and views for those who look with SQL.

-- What chunks become at rest.
ALTER TABLE session_recording ADD COLUMN codec TEXT NOT NULL DEFAULT 'columnar'
    CHECK (codec IN ('columnar', 'bounded', 'json'));
-- How far values may be from those that were sent: JSON, as in the protocols; NULL: they are exact.
ALTER TABLE session_recording ADD COLUMN max_error TEXT;
-- The encoding to which the session is being recoded, as JSON; NULL: to none.
ALTER TABLE session_recording ADD COLUMN recoding TEXT;

-- One row a frame, of the frames in chunks of codec 4 (`json`).
CREATE VIEW session_frame AS
SELECT (s.key << 32) | (c.first_frame + f.key) AS id,
       s.id AS session_id,
       json_extract(f.value, '$.timestamp') AS timestamp,
       c.first_frame + f.key AS frame_number,
       json_extract(f.value, '$.pose_data') AS pose_data,
       json_extract(f.value, '$.image_path') AS image_path
FROM session_recording s
JOIN frame_chunk c ON c.session_key = s.key AND c.codec = 4
JOIN json_each(CAST(c.payload AS TEXT)) f
WHERE s.deleted_at_micros IS NULL;

-- One row a session: its encoding, and how many of its frames stand in chunks of each codec.
CREATE VIEW session_codec AS
SELECT s.id AS session_id,
       s.codec,
       s.max_error,
       s.frame_count,
       coalesce(sum(CASE c.codec WHEN 1 THEN c.frame_count END), 0) AS raw_frames,
       coalesce(sum(CASE c.codec WHEN 2 THEN c.frame_count END), 0) AS columnar_frames,
       coalesce(sum(CASE c.codec WHEN 3 THEN c.frame_count END), 0) AS bounded_frames,
       coalesce(sum(CASE c.codec WHEN 4 THEN c.frame_count END), 0) AS json_frames
FROM session_recording s
LEFT JOIN frame_chunk c ON c.session_key = s.key
WHERE s.deleted_at_micros IS NULL
GROUP BY s.key;
