-- Question: which are the runs of one pipeline?
-- Needs: $pipeline
-- A page asks a dozen questions of the runs, steps and calls of its pipeline. These tables stand before the store's of
-- the same names until the snapshot ends, also where a view asks: the store is read once.
create temporary table run_rows as
select * exclude (attributes)
from run_rows
where pipeline = cast($pipeline as varchar)
