-- A database of version 1 that must stay as it is, read as one of version 2: this view stands before the table of its name.

CREATE TEMP VIEW session_recording AS
SELECT *, 'columnar' AS codec, NULL AS max_error, NULL AS recoding FROM main.session_recording;
