-- Question: what did each step of each run measure, a column a metric?
-- Of the last attempts that did their work; which runs count says run_values, by `finished`.
create or replace view step_values as
select
    run_key,
    step,
    min(started_ns) as started_ns,
    cast(sum(duration_s) as double) as duration,
    cast(sum(cost_usd) as double) as cost,
    cast(sum(input_tokens) as double) as input_tokens,
    cast(sum(output_tokens) as double) as output_tokens
from step_rows
where last_attempt and outcome in ('success', 'unknown')
group by run_key, step;
