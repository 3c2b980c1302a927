-- Schema version 2: each session's encoding, and views for those who look with SQL.

ALTER TABLE session_recording
    -- What chunks become at rest.
    ADD COLUMN codec text NOT NULL DEFAULT 'columnar' CHECK (codec IN ('columnar', 'bounded', 'json')),
    -- How far values may be from those that were sent, as in the protocols; null: they are exact.
    ADD COLUMN max_error json,
    -- The encoding to which the session is being recoded; null: to none.
    ADD COLUMN recoding json;

-- One row a frame, of the frames in chunks of codec 4 (`json`).
CREATE VIEW session_frame AS
SELECT (s.key << 32) | (c.first_frame + f.place - 1) AS id,
       s.id AS session_id,
       (f.frame ->> 'timestamp')::double precision AS timestamp,
       c.first_frame + f.place - 1 AS frame_number,
       f.frame -> 'pose_data' AS pose_data,
       f.frame ->> 'image_path' AS image_path
FROM session_recording s
JOIN frame_chunk c ON c.session_key = s.key AND c.codec = 4
CROSS JOIN LATERAL json_array_elements(convert_from(c.payload, 'UTF8')::json) WITH ORDINALITY AS f (frame, place)
WHERE s.deleted_at_micros IS NULL;

-- One row a session: its encoding, and how many of its frames stand in chunks of each codec.
CREATE VIEW session_codec AS
SELECT s.id AS session_id,
       s.codec,
       s.max_error,
       s.frame_count,
       coalesce(sum(c.frame_count) FILTER (WHERE c.codec = 1), 0)::bigint AS raw_frames,
       coalesce(sum(c.frame_count) FILTER (WHERE c.codec = 2), 0)::bigint AS columnar_frames,
       coalesce(sum(c.frame_count) FILTER (WHERE c.codec = 3), 0)::bigint AS bounded_frames,
       coalesce(sum(c.frame_count) FILTER (WHERE c.codec = 4), 0)::bigint AS json_frames
FROM session_recording s
LEFT JOIN frame_chunk c ON c.session_key = s.key
WHERE s.deleted_at_micros IS NULL
GROUP BY s.key;
