-- Question: which calls of models did runs make, what did each cost, and who says so?
create or replace view calls as
select
    r.pipeline,
    r.run_id,
    c.run_key,
    c.step,
    format('{:016x}', c.span_id) as span_id,
    make_timestamp_ns(c.started_ns) as started_at,
    c.duration_s,
    c.model,
    c.provider,
    c.operation,
    c.outcome,
    c.input_tokens,
    c.output_tokens,
    c.cached_tokens,
    c.cache_write_tokens,
    c.reasoning_tokens,
    coalesce(c.is_cache_beside, false) as is_cache_beside,
    c.cost_usd,
    c.cost_source
from model_calls as c
left join run_rows as r on r.run_key = c.run_key;
