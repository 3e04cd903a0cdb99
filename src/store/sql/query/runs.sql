-- Question: which runs are there, oldest first, the newest $limit_count of them?
-- Needs: $pipeline, $run (null: all), $limit_count (0: all)
with
input as (
    select cast($pipeline as varchar) as pipeline, cast($run as varchar) as run, cast($limit_count as bigint) as limit_count
),
-- Numbered alone: sorting whole rows would cost more than fetching the few that are wanted.
keys as (
    select r.run_key, row_number() over (order by r.started_ns desc, r.run_key desc) as newest
    from run_rows as r, input
    where (input.pipeline is null or r.pipeline = input.pipeline)
        and (input.run is null or r.run_id = input.run or r.run_key = input.run)
),
fitting as (
    select r.*
    from run_rows as r
    join keys as k on k.run_key = r.run_key
    cross join input
    where input.limit_count = 0 or k.newest <= input.limit_count
)
select
    f.pipeline,
    f.run_id,
    make_timestamp_ns(f.started_ns) as started_at,
    f.duration_s,
    f.outcome,
    f.branch,
    f.revision,
    f.environment,
    f.host_class,
    f.cost_usd,
    f.input_tokens,
    f.output_tokens,
    f.api_calls,
    f.peak_memory_bytes,
    f.cpu_s,
    f.quality_score,
    f.items,
    f.run_key,
    format('{:016x}{:016x}', f.trace_hi, f.trace_lo) as trace_id,
    f.service,
    f.state,
    f.steps,
    f.retries,
    f.error,
    f.model,
    f.cost_source,
    f.unpriced_calls,
    f.cached_tokens,
    f.reasoning_tokens,
    cast(coalesce(f.attributes, '{}') as json) as attributes
from fitting as f
order by f.started_ns, f.run_key
