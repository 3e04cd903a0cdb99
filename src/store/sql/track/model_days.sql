-- Question: what did each pipeline spend on each model, day by day?
-- Needs: $pipeline (null: all), $model_count_max (dearest models of all), $by_pipeline (else all together, under no name)
-- A sum is null where no call of that day says it; further models are told as one.
with
input as (
    select
        cast($pipeline as varchar) as pipeline,
        cast($model_count_max as bigint) as model_count_max,
        cast($by_pipeline as boolean) as by_pipeline
),
calls as (
    select
        case when input.by_pipeline then r.pipeline else '' end as pipeline,
        case when input.by_pipeline then r.service end as service,
        coalesce(c.model, 'unknown model') as model,
        c.started_ns // 86400000000000 as day,
        c.cost_usd,
        c.input_tokens,
        c.output_tokens
    from model_calls as c
    join run_rows as r on r.run_key = c.run_key
    cross join input
    where input.pipeline is null or r.pipeline = input.pipeline
),
dearest as (
    select
        model,
        row_number() over (order by sum(cost_usd) desc nulls last, sum(input_tokens) desc nulls last, model) as place
    from calls
    group by model
),
named as (
    select
        c.*,
        case when d.place <= input.model_count_max then c.model else 'other models' end as shown
    from calls as c
    join dearest as d on d.model = c.model
    cross join input
)
select
    pipeline,
    service,
    shown as model,
    day,
    count(*) as calls,
    count(*) filter (cost_usd is null) as calls_unpriced,
    sum(cost_usd) as cost_usd,
    cast(sum(input_tokens) as double) as input_tokens,
    cast(sum(output_tokens) as double) as output_tokens
from named
group by pipeline, service, shown, day
order by pipeline, service nulls first, day, model
