-- Question: what did each attempt that counts of each step of each run measure, a column a metric?
-- Those are the last attempts that did their work; which runs count says run_values, by `finished`. A step that ran
-- several times in a run is as long, and as dear, as these together: whoever makes a series sums by run_key and step,
-- after the runs were chosen: grouped here, every step of the store would be.
create or replace view step_parts as
select
    run_key,
    step,
    started_ns,
    cast(duration_s as double) as duration,
    cast(cost_usd as double) as cost,
    cast(input_tokens as double) as input_tokens,
    cast(output_tokens as double) as output_tokens
from step_rows
where last_attempt and outcome in ('success', 'unknown');
