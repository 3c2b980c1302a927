-- Schema version 3: whose numbers `settled_through` are, and how well a recording went.

ALTER TABLE session_recording
    -- The publisher's own name for itself; null: nobody has published yet, or it is not known.
    ADD COLUMN publisher text,
    -- The quality report, as in the protocols; null: the recording has not ended, or nobody made one.
    ADD COLUMN report json;
