-- Question: which models did each pipeline call, how often, for how much?
-- Needs: $pipeline (null: all), $model_count_max (dearest models of a pipeline), $is_timed (how long calls take is
--        asked for as well: a median is most of the work)
with
input as (
    select
        cast($pipeline as varchar) as pipeline,
        cast($model_count_max as bigint) as model_count_max,
        cast($is_timed as boolean) as is_timed
),
used as (
    select
        r.pipeline,
        r.service,
        coalesce(c.model, 'unknown model') as model,
        count(*) as calls,
        cast(sum(c.input_tokens) as double) as input_tokens,
        cast(sum(c.output_tokens) as double) as output_tokens,
        sum(c.cost_usd) as cost_usd,
        median(case when input.is_timed then c.duration_s end) as p50_s,
        count(*) filter (c.outcome in ('failure', 'timed_out')) as failed
    from model_calls as c
    join run_rows as r on r.run_key = c.run_key
    cross join input
    where input.pipeline is null or r.pipeline = input.pipeline
    group by r.pipeline, r.service, coalesce(c.model, 'unknown model')
),
ranked as (
    select
        *,
        row_number() over (
            partition by pipeline, service
            order by cost_usd desc nulls last, input_tokens desc nulls last, model
        ) as place
    from used
)
select ranked.* exclude (place)
from ranked
where place <= (select input.model_count_max from input)
order by pipeline, service nulls first, place
