-- Question: how many runs of each pipeline ended how, and what did they use?
-- Needs: nothing
select
    pipeline,
    coalesce(service, '') as service,
    outcome,
    count(*) as run_count,
    sum(cost_usd) as cost_usd,
    sum(input_tokens) as input_tokens,
    sum(output_tokens) as output_tokens,
    max(started_ns) / 1e9 as last_started_s
from run_rows
where state = 'closed'
group by pipeline, coalesce(service, ''), outcome
order by pipeline, service, outcome
