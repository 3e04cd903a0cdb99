-- Question: what has been looked at now?
-- Needs: temp table touched_traces
delete from pending_traces;
