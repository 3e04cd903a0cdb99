-- Question: which pipelines have runs that were derived anew, and must be judged again?
-- Needs: derive_runs (09)
-- Leaves: their names in stale_pipelines.
insert into stale_pipelines
select distinct pipeline, false
from derive_runs
where pipeline not in (select pipeline from stale_pipelines where not taken);
