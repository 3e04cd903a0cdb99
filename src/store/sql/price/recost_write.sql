-- Question: what do calls, steps and runs cost now?
-- Needs: recost_calls (recost_begin), recost_prices
-- Leaves: model_calls, step_rows and run_rows of the runs in which a call costs something else; their pipelines in
--         stale_pipelines: they must be judged again.
create or replace temp table recost_runs as
select distinct c.run_key
from recost_calls as c
left join recost_prices as p using (place)
where p.cost_usd is distinct from c.cost_usd or p.source is distinct from c.cost_source;

update model_calls
set
    cost_usd = p.cost_usd,
    cost_source = p.source
from recost_calls as c
left join recost_prices as p using (place)
where model_calls.run_key = c.run_key
    and model_calls.span_id = c.span_id
    and model_calls.started_ns = c.started_ns
    and c.run_key in (select run_key from recost_runs);

update step_rows
set
    cost_usd = s.cost_usd,
    cost_source = s.cost_source,
    unpriced_calls = s.unpriced_calls
from (
    select
        run_key,
        step_span_id,
        step_started_ns,
        sum(cost_usd order by cost_usd) as cost_usd,
        case when count(distinct cost_source) > 1 then 'mixed' else min(cost_source) end as cost_source,
        count(*) filter (where cost_usd is null and not coalesce(is_sum, false) and coalesce(input_tokens, output_tokens) is not null) as unpriced_calls
    from model_calls
    where run_key in (select run_key from recost_runs)
    group by run_key, step_span_id, step_started_ns
) as s
where step_rows.run_key = s.run_key
    and step_rows.span_id = s.step_span_id
    and step_rows.started_ns = s.step_started_ns;

update run_rows
set
    cost_usd = s.cost_usd,
    cost_source = s.cost_source,
    unpriced_calls = s.unpriced_calls
from (
    select
        run_key,
        sum(cost_usd order by cost_usd) as cost_usd,
        case when count(distinct cost_source) > 1 then 'mixed' else min(cost_source) end as cost_source,
        count(*) filter (where cost_usd is null and not coalesce(is_sum, false) and coalesce(input_tokens, output_tokens) is not null) as unpriced_calls
    from model_calls
    where run_key in (select run_key from recost_runs)
    group by run_key
) as s
where run_rows.run_key = s.run_key;

insert into stale_pipelines
select distinct pipeline, false
from run_rows
where run_key in (select run_key from recost_runs)
    and pipeline not in (select pipeline from stale_pipelines where not taken);
