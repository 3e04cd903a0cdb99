-- Question: what did each pipeline spend in all, whatever became of its runs?
-- Needs: $pipeline (null: all)
-- A run that failed has cost its money all the same.
with
input as (
    select cast($pipeline as varchar) as pipeline
)
select
    r.pipeline,
    r.service,
    sum(r.cost_usd) as cost_usd,
    cast(sum(r.input_tokens) as double) as input_tokens,
    cast(sum(r.output_tokens) as double) as output_tokens,
    cast(sum(r.api_calls) as double) as api_calls
from run_rows as r, input
where input.pipeline is null or r.pipeline = input.pipeline
group by r.pipeline, r.service
order by r.pipeline, r.service nulls first
