-- Question: what must a reader know of the data as a whole?
-- Needs: $pipeline (null: all)
with
input as (
    select cast($pipeline as varchar) as pipeline
)
select
    count(*) as runs,
    count(*) filter (r.state = 'open') as runs_open,
    count(*) filter (r.state = 'closed' and r.outcome = 'unknown') as runs_outcome_unknown,
    min(r.started_ns) as first_ns,
    max(r.started_ns) as last_ns,
    (select max(started_ns) from run_rows) as store_last_ns
from run_rows as r, input
where input.pipeline is null or r.pipeline = input.pipeline
