-- Question: which steps did a run take, in which attempts?
-- Needs: $run (a run_key or a run_id)
select
    s.run_key,
    s.step,
    s.attempt,
    make_timestamp_ns(s.started_ns) as started_at,
    s.duration_s,
    s.outcome,
    s.model,
    s.input_tokens,
    s.output_tokens,
    s.cost_usd,
    s.cost_source,
    s.peak_memory_bytes,
    s.cpu_s,
    s.items,
    s.quality_score,
    s.error
from step_rows as s
join run_rows as r on r.run_key = s.run_key
where r.run_id = $run or r.run_key = $run
order by r.started_ns, r.run_key, s.started_ns, s.step, s.attempt
