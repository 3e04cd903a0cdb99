-- Question: which are the newest runs of each pipeline, newest first?
-- Needs: $pipeline (null: all), $run_count_max (newest runs of a pipeline)
with
input as (
    select cast($pipeline as varchar) as pipeline, cast($run_count_max as bigint) as run_count_max
),
-- Numbered alone: sorting whole rows would cost more than fetching the few that are wanted.
keys as (
    select
        r.run_key,
        row_number() over (partition by hash(r.pipeline, r.service) order by r.started_ns desc, r.run_key desc) as newest
    from run_rows as r, input
    where input.pipeline is null or r.pipeline = input.pipeline
),
numbered as (
    select r.*, k.newest
    from run_rows as r
    join keys as k on k.run_key = r.run_key
    cross join input
    where k.newest <= input.run_count_max
)
select
    n.pipeline,
    n.run_id,
    make_timestamp_ns(n.started_ns) as started_at,
    n.duration_s,
    n.outcome,
    n.branch,
    n.revision,
    n.environment,
    n.host_class,
    n.cost_usd,
    n.input_tokens,
    n.output_tokens,
    n.api_calls,
    n.peak_memory_bytes,
    n.cpu_s,
    n.quality_score,
    n.items,
    n.run_key,
    format('{:016x}{:016x}', n.trace_hi, n.trace_lo) as trace_id,
    n.service,
    n.state,
    n.steps,
    n.retries,
    n.error,
    n.model,
    n.cost_source
from numbered as n
order by n.pipeline, n.service nulls first, n.newest
