-- Question: which models would the runs of `report_runs.sql` call?
-- Needs: nothing
insert into model_calls by name
select
    r.run_key,
    'step-02' as step,
    hash(r.run_key, c.range) as span_id,
    r.started_ns,
    1.5 as duration_s,
    case when c.range = 0 then 'model-a' else 'model-b' end as model,
    'bench' as provider,
    'chat' as operation,
    'success' as outcome,
    r.input_tokens // 2 as input_tokens,
    r.output_tokens // 2 as output_tokens,
    r.cost_usd / 2 as cost_usd,
    'stated' as cost_source
from run_rows as r, range(2) as c
where r.rule = 'bench' and r.model is not null
