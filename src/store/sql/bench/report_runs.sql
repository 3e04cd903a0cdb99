-- Question: what would this many runs of this many pipelines look like?
-- Needs: $pipeline_count, $run_count (of each), $step_count (of each run)
-- Made up, the same each time: an hour from run to run, noise without a pattern; every seventh pipeline becomes slower
-- in its newest runs, every ninth fails now and then, every fourth calls models.
insert into run_rows by name
with
input as (
    select
        cast($pipeline_count as bigint) as pipeline_count,
        cast($run_count as bigint) as run_count,
        cast($step_count as bigint) as step_count
),
numbers as (
    select
        p.range as pipeline_number,
        r.range as run_number,
        input.step_count,
        -- Between -1 and 1.
        (hash(p.range * 1000003 + r.range) % 20001) / 10000.0 - 1 as noise,
        p.range % 7 = 3 and r.range >= input.run_count - 15 as slower,
        p.range % 4 = 1 as calls_models
    from input, range(input.pipeline_count) as p, range(input.run_count) as r
),
made as (
    select
        *,
        format('pipeline-{:03d}', pipeline_number) as pipeline,
        format('p{}-r{}', pipeline_number, run_number) as run_key,
        1767225600000000000 + run_number * 3600000000000 + pipeline_number * 1000000000 as started_ns,
        (60 + pipeline_number) * (1 + 0.05 * noise) * (case when slower then 1.4 else 1 end) as duration_s
    from numbers
)
select
    run_key,
    cast(run_number as varchar) as run_id,
    pipeline,
    'bench' as service,
    started_ns,
    started_ns + cast(duration_s * 1e9 as bigint) as ended_ns,
    duration_s,
    case when pipeline_number % 9 = 4 and hash(run_key) % 20 = 0 then 'failure' else 'success' end as outcome,
    'closed' as state,
    case when hash(run_key) % 5 = 0 then 'feature' else 'main' end as branch,
    format('{:08x}', run_number // 10) as revision,
    'production' as environment,
    'ci-4core' as host_class,
    case when calls_models then 'model-a' end as model,
    step_count as steps,
    0 as retries,
    case when calls_models then 0.02 * (1 + 0.2 * noise) end as cost_usd,
    case when calls_models then 'stated' end as cost_source,
    case when calls_models then cast(4000 * (1 + 0.2 * noise) as bigint) end as input_tokens,
    case when calls_models then cast(900 * (1 + 0.2 * noise) as bigint) end as output_tokens,
    case when calls_models then 2 end as api_calls,
    cast(5e8 * (1 + 0.1 * noise) as bigint) as peak_memory_bytes,
    duration_s * 0.8 as cpu_s,
    case when calls_models then 0.9 + 0.05 * noise end as quality_score,
    1000 as items,
    'bench' as rule
from made
order by started_ns
