-- Question: which are the steps of one pipeline, as far as a page tells of them?
-- Needs: $pipeline
create temporary table step_rows as
select
    run_key,
    pipeline,
    step,
    attempt,
    last_attempt,
    parent_step,
    started_ns,
    duration_s,
    outcome,
    model,
    input_tokens,
    output_tokens,
    cost_usd,
    items,
    peak_memory_bytes,
    cpu_s,
    quality_score
from step_rows
where pipeline = cast($pipeline as varchar)
