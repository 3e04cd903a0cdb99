-- Question: which traces belong to no run, and why?
create or replace view unmapped as
with
spans as (
    select
        s.trace_hi,
        s.trace_lo,
        s.start_ns,
        coalesce(s.name, a.name) as name,
        s.resource_id,
        f.rule,
        f.usage,
        coalesce(f.quiet, f.rule is null and s.kind > 1) as is_quiet,
        coalesce(f.ignored, false) as is_ignored,
        -- A trace may hold several runs, and spans around or beside them.
        exists (
            select 1
            from run_traces as m
            where m.trace_hi = s.trace_hi and m.trace_lo = s.trace_lo and s.start_ns between m.first_ns - 86400000000000 and m.last_ns
        ) as is_beside
    from span_rows as s
    left join span_sets as a on a.set_id = s.set_id
    left join span_facts as f using (trace_hi, trace_lo, span_id, start_ns)
    where not exists (
            select 1
            from run_traces as m
            where m.trace_hi = s.trace_hi
                and m.trace_lo = s.trace_lo
                and m.whole
                and s.start_ns between m.first_ns and m.last_ns
        )
        and not exists (
            select 1
            from span_runs as r
            where r.trace_hi = s.trace_hi
                and r.trace_lo = s.trace_lo
                and r.span_id = s.span_id
                and r.start_ns = s.start_ns
        )
),
traces as (
    select
        trace_hi,
        trace_lo,
        arg_min(name, (start_ns, name)) as name,
        arg_min(resource_id, (start_ns, resource_id)) as resource_id,
        min(rule) filter (where is_ignored) as ignored_by,
        count(*) as spans,
        case
            when bool_and(is_quiet) then 'plain request instrumentation'
            when bool_and(is_quiet or is_ignored) then 'ignored'
            when count(*) filter (where not is_quiet) = 1 and bool_or(usage = 'call') then 'model call counted elsewhere'
            when bool_or(is_beside) then 'around the runs of its trace'
            else 'outside of any run'
        end as reason
    from spans
    group by trace_hi, trace_lo
)
select
    t.reason,
    t.ignored_by as rule,
    r.service,
    t.name as first_span,
    count(*) as traces,
    sum(t.spans)::bigint as spans
from traces as t
left join resources as r using (resource_id)
group by t.reason, t.ignored_by, r.service, t.name
order by traces desc, t.reason, r.service, t.name;
