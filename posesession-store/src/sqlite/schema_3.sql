-- Schema version 3: whose numbers `settled_through` are, and how well a recording went.

-- The publisher's own name for itself; NULL: nobody has published yet, or it is not known.
ALTER TABLE session_recording ADD COLUMN publisher TEXT;
-- The quality report: JSON, as in the protocols; NULL: the recording has not ended, or nobody made one.
ALTER TABLE session_recording ADD COLUMN report TEXT;
