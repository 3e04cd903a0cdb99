-- Question: how do the rows of the touched runs change?
-- Needs: everything that 01 to 09 leave
-- Leaves: runs, steps, model_calls, quality_scores, run_traces, run_resources, span_runs rewritten for the traces derived.

create or replace temp table derive_old as
select distinct m.run_key
from run_traces as m
inner join derive_traces using (trace_hi, trace_lo)
where m.first_ns <= getvariable('derive_to_ns') and m.last_ns >= getvariable('derive_from_ns');

delete from run_rows
where run_key in (select run_key from derive_old)
    and started_ns >= getvariable('derive_from_ns') - 86400000000000;

delete from step_rows
where run_key in (select run_key from derive_old)
    and started_ns >= getvariable('derive_from_ns') - 86400000000000;

delete from model_calls
where run_key in (select run_key from derive_old)
    and started_ns >= getvariable('derive_from_ns') - 86400000000000;

delete from quality_scores
where run_key in (select run_key from derive_old)
    and at_ns >= getvariable('derive_from_ns') - 86400000000000;

delete from span_runs
where run_key in (select run_key from derive_old)
    and start_ns >= getvariable('derive_from_ns') - 86400000000000;

delete from run_resources
where run_key in (select run_key from derive_old)
    and last_ns >= getvariable('derive_from_ns') - 86400000000000;

delete from point_run_rows
where run_key in (select run_key from derive_old)
    and time_ns >= getvariable('derive_from_ns') - 86400000000000;

delete from run_traces
where run_key in (select run_key from derive_old)
    and last_ns >= getvariable('derive_from_ns') - 86400000000000;

insert into derive_new
select run_key from derive_runs;

insert into run_rows by name
select r.* exclude (unit)
from derive_runs as r
order by r.started_ns, r.run_key;

insert into step_rows by name
select
    r.run_key,
    r.pipeline,
    s.step,
    s.attempt,
    s.last_attempt,
    s.span_id,
    p.step as parent_step,
    s.start_ns as started_ns,
    s.end_ns as ended_ns,
    case when not s.is_running then (s.end_ns - s.start_ns) / 1e9 end as duration_s,
    s.outcome,
    c.model,
    c.input_tokens,
    c.output_tokens,
    c.cached_tokens,
    c.cache_write_tokens,
    c.reasoning_tokens,
    c.api_calls,
    c.cost_usd,
    c.cost_source,
    c.unpriced_calls,
    case when s.outcome in ('failure', 'timed_out', 'cancelled') then left(s.error, 500) end as error,
    case when s.outcome in ('failure', 'timed_out', 'cancelled') then s.error_type end as error_type,
    case
        when s.outcome in ('failure', 'timed_out', 'cancelled')
            then error_fingerprint(s.error_type, left(s.error, 500))
    end as error_fingerprint,
    s.resource_id,
    s.items,
    s.peak_memory_bytes,
    s.cpu_s,
    q.quality_score,
    coalesce(s.peak_memory_bytes, s.cpu_s) is null as sampled
from derive_steps as s
inner join derive_runs as r using (unit)
left join derive_links as l on l.node = s.node
left join derive_inside as i on i.node = l.parent and i.unit = s.unit
left join derive_steps as p on p.node = i.step_node and p.unit = s.unit
left join (
    select
        unit,
        step_node,
        arg_max(model, (coalesce(input_tokens, 0) + coalesce(output_tokens, 0), model)) as model,
        if(sum(input_tokens) > 9223372036854775807, 9223372036854775807, sum(input_tokens))::bigint as input_tokens,
        if(sum(output_tokens) > 9223372036854775807, 9223372036854775807, sum(output_tokens))::bigint as output_tokens,
        if(sum(cached_tokens) > 9223372036854775807, 9223372036854775807, sum(cached_tokens))::bigint as cached_tokens,
        if(sum(cache_write_tokens) > 9223372036854775807, 9223372036854775807, sum(cache_write_tokens))::bigint as cache_write_tokens,
        if(sum(reasoning_tokens) > 9223372036854775807, 9223372036854775807, sum(reasoning_tokens))::bigint as reasoning_tokens,
        nullif(count(*) filter (where usage = 'call'), 0) as api_calls,
        sum(cost_usd order by cost_usd) as cost_usd,
        case when count(distinct cost_source) > 1 then 'mixed' else min(cost_source) end as cost_source,
        count(*) filter (
            where cost_usd is null and usage = 'call' and coalesce(input_tokens, output_tokens) is not null
        ) as unpriced_calls
    from derive_calls
    group by unit, step_node
) as c on c.unit = s.unit and c.step_node = s.node
left join (
    select i.unit, i.step_node, avg(d.score order by d.score) as quality_score
    from derive_scores as d
    inner join derive_inside as i on i.node = d.node and i.unit = d.unit
    group by i.unit, i.step_node
) as q on q.unit = s.unit and q.step_node = s.node
order by r.started_ns, r.run_key, s.start_ns, s.node;

insert into model_calls by name
select
    r.run_key,
    c.step,
    c.span_id,
    c.start_ns as started_ns,
    (c.end_ns - c.start_ns) / 1e9 as duration_s,
    c.model,
    c.provider,
    c.operation,
    c.outcome,
    c.input_tokens,
    c.output_tokens,
    c.cached_tokens,
    c.cache_write_tokens,
    c.reasoning_tokens,
    c.cost_usd,
    c.cost_source,
    c.step_span_id,
    c.step_started_ns,
    c.usage <> 'call' as is_sum,
    c.is_cache_beside
from derive_calls as c
inner join derive_runs as r using (unit)
order by r.started_ns, r.run_key, c.start_ns, c.node;

insert into quality_scores by name
select distinct
    r.run_key,
    s.step,
    q.name,
    q.score,
    q.label,
    q.at_ns
from derive_scores as q
inner join derive_runs as r using (unit)
left join derive_inside as i on i.node = q.node and i.unit = q.unit
left join derive_steps as s on s.node = i.step_node and s.unit = q.unit
order by r.run_key, q.at_ns, q.name;

insert into run_traces by name
with
parts as (
    select
        m.unit,
        n.trace_hi,
        n.trace_lo,
        min(n.start_ns) as first_ns,
        max(n.end_ns) as last_ns,
        count(*) as spans
    from derive_members as m
    inner join derive_nodes as n using (node)
    group by m.unit, n.trace_hi, n.trace_lo
),
traces as (
    select trace_hi, trace_lo, count(*) as spans
    from derive_nodes
    group by trace_hi, trace_lo
)
select
    r.run_key,
    p.trace_hi,
    p.trace_lo,
    p.spans = t.spans as whole,
    p.first_ns,
    p.last_ns
from parts as p
inner join traces as t using (trace_hi, trace_lo)
inner join derive_runs as r using (unit)
order by p.first_ns, r.run_key, p.trace_hi, p.trace_lo;

insert into run_resources by name
select
    r.run_key,
    n.resource_id,
    min(n.start_ns) as first_ns,
    max(n.end_ns) as last_ns
from derive_members as m
inner join derive_nodes as n using (node)
inner join derive_runs as r using (unit)
where not m.is_surrounding
group by r.run_key, n.resource_id
order by first_ns, r.run_key, n.resource_id;

insert into span_runs by name
select
    r.run_key,
    n.trace_hi,
    n.trace_lo,
    n.span_id,
    n.start_ns
from derive_members as m
inner join derive_nodes as n using (node)
inner join derive_runs as r using (unit)
where (n.trace_hi, n.trace_lo) in (
    select (trace_hi, trace_lo)
    from run_traces
    where not whole
        and run_key in (select run_key from derive_runs)
        and last_ns >= getvariable('derive_from_ns')
)
order by n.start_ns, n.span_id;
