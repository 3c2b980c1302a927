-- A database of version 2 that must stay as it is, read as one of version 3: this view stands before the table of its name.

CREATE TEMP VIEW session_recording AS
SELECT *, NULL AS publisher, NULL AS report FROM main.session_recording;
