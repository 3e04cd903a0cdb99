-- Question: what would the steps of the runs of `report_runs.sql` look like?
-- Needs: nothing
-- The steps follow one another; the third carries what a run is slower by.
insert into step_rows by name
with
numbers as (
    select
        r.run_key,
        r.pipeline,
        r.started_ns,
        r.duration_s,
        r.model,
        r.cost_usd,
        r.input_tokens,
        r.output_tokens,
        r.steps,
        s.range as step_number
    from run_rows as r, range(r.steps) as s
    where r.rule = 'bench'
),
made as (
    select
        *,
        format('step-{:02d}', step_number) as step,
        duration_s / steps * (0.95 + (hash(run_key, step_number) % 1000) / 10000.0) as step_s,
        started_ns + cast(duration_s / steps * step_number * 1e9 as bigint) as from_ns
    from numbers
)
select
    run_key,
    pipeline,
    step,
    1 as attempt,
    true as last_attempt,
    from_ns as started_ns,
    from_ns + cast(step_s * 1e9 as bigint) as ended_ns,
    step_s as duration_s,
    'success' as outcome,
    case when step_number = 2 then model end as model,
    case when step_number = 2 then input_tokens end as input_tokens,
    case when step_number = 2 then output_tokens end as output_tokens,
    case when step_number = 2 then cost_usd end as cost_usd
from made
