-- Question: what is each of these spans, and which span is its parent?
-- Needs: derive_traces, derive_spans (01)
-- Leaves: temp tables derive_nodes, derive_links.

create or replace temp table derive_nodes as
with
facts as (
    select distinct on (f.trace_hi, f.trace_lo, f.span_id, f.start_ns) f.*
    from span_facts as f
    inner join derive_traces using (trace_hi, trace_lo)
    where f.start_ns between getvariable('derive_from_ns') and getvariable('derive_to_ns')
),
-- The same span id from two processes: the trace id was used again (a seeded random generator).
repeated as (
    select trace_hi, trace_lo
    from derive_spans
    group by trace_hi, trace_lo, span_id
    having count(distinct resource_id) > 1
)
select
    row_number() over (order by s.trace_hi, s.trace_lo, s.start_ns, s.span_id) as node,
    s.*,
    (s.trace_hi, s.trace_lo) in (select (trace_hi, trace_lo) from repeated) as is_repeated,
    f.rule,
    f.marker,
    -- Without a row of facts an internal span is plain, any other is quiet.
    coalesce(f.quiet, f.rule is null and s.kind > 1) as is_quiet,
    coalesce(f.ignored, false) as is_ignored,
    -- A call to elsewhere is no step by itself, whether it failed or not.
    coalesce(
        split_part(f.rule, ' + ', 1) = 'local-root' or (split_part(f.rule, ' + ', 1) = 'plain' and s.kind <= 1),
        f.rule is null and s.kind <= 1
    ) as is_plain,
    f.pipeline,
    -- A plain request has no fallback of the conventions: ids in its name are folded here.
    coalesce(f.fallback, fold_ids(s.name)) as fallback,
    f.run_id,
    f.name_id,
    f.step,
    coalesce(f.top_only, false) as top_only,
    f.attempt,
    coalesce(f.retried, false) as retried,
    coalesce(f.failure_is_final, false) as failure_is_final,
    coalesce(f.failure_is_nothing, false) as failure_is_nothing,
    coalesce(f.fails_inside, false) as fails_inside,
    f.outcome,
    f.unset_outcome,
    f.lost_outcome,
    coalesce(f.ok_is_weak, false) as ok_is_weak,
    f.error,
    f.error_type,
    case
        when f.usage = 'call' then 'call'
        when f.usage = 'aggregate' and coalesce(f.input_tokens, f.output_tokens, f.cost_usd) is not null then 'aggregate'
    end as usage,
    f.usage is not null and coalesce(f.input_tokens, f.output_tokens, f.cost_usd) is not null as is_bearing,
    f.model,
    f.provider,
    f.operation,
    f.input_tokens,
    f.output_tokens,
    f.cached_tokens,
    f.cache_write_tokens,
    f.reasoning_tokens,
    f.cost_usd,
    f.branch,
    f.revision,
    f.environment,
    f.host_class,
    f.cpu_model,
    f.cpu_cores,
    f.host_memory_bytes,
    f.runner,
    f.attributes,
    f.items,
    f.input_size,
    f.api_calls,
    f.duration_s,
    f.peak_memory_bytes,
    f.mean_memory_bytes,
    f.cpu_s,
    f.disk_read_bytes,
    f.disk_write_bytes,
    r.pipeline as resource_pipeline,
    r.run_id as resource_run_id,
    r.branch as resource_branch,
    r.revision as resource_revision,
    r.environment as resource_environment,
    r.host_class as resource_host_class,
    r.cpu_model as resource_cpu_model,
    r.cpu_cores as resource_cpu_cores,
    r.host_memory_bytes as resource_host_memory_bytes,
    r.runner as resource_runner
from derive_spans as s
left join facts as f
    on f.trace_hi = s.trace_hi and f.trace_lo = s.trace_lo and f.span_id = s.span_id and f.start_ns = s.start_ns
left join (select distinct on (resource_id) * from resource_facts) as r
    on r.resource_id = s.resource_id;

-- A span id may stand for several spans (attempts, repeated ids): the parent is the one that had
-- started, of the same process where there is a choice, the latest. Far apart in time there is no parent.
create or replace temp table derive_links as
select
    c.node,
    p.node as parent
from derive_nodes as c
inner join derive_nodes as p
    on p.trace_hi = c.trace_hi
    and p.trace_lo = c.trace_lo
    and p.span_id = c.parent_span_id
where c.parent_span_id <> 0
    and p.node <> c.node
    and p.span_id <> c.span_id
    and c.start_ns - p.end_ns <= 86400000000000
    and (
        not c.is_repeated
        or p.resource_id = c.resource_id
        or (p.start_ns - c.start_ns <= 1000000000 and c.start_ns - p.end_ns <= 1000000000)
    )
qualify row_number() over (
    partition by c.node
    order by
        p.start_ns <= c.start_ns desc,
        p.resource_id = c.resource_id desc,
        case when p.start_ns <= c.start_ns then p.start_ns else -p.start_ns end desc,
        p.node
) = 1;
