-- Question: what has been looked at now?
-- Needs: nothing; runs in the transaction that looked at it
delete from pending_traces;

delete from pending_resources;
