-- Question: which attributes of a metric point may name its run, by the conventions?
-- Needs: $keys, one a line; the variable stays as long as the connection
set variable run_id_keys = string_split($keys, chr(10))
