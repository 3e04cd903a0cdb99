-- Question: which pipelines have runs that are about to be settled, and must be judged again?
-- Needs: $now_ns, $idle_ns, as settle.sql has them
insert into stale_pipelines
select distinct pipeline, false
from run_rows
where state = 'open'
    and ended_ns <= $now_ns - $idle_ns
    and pipeline not in (select pipeline from stale_pipelines where not taken);
