-- Question: which span, and so which run, does an exemplar of a metric lead to?
create or replace view metric_exemplars as
with
listed as (
    select
        p.name,
        p.unit,
        p.resource_id,
        p.point_key,
        p.time_ns,
        unnest(cast(p.exemplars as json[])) as exemplar
    from point_rows as p
    where p.exemplars is not null
),
named as (
    select
        l.* exclude (exemplar),
        l.exemplar ->> 'trace_id' as trace_id,
        l.exemplar ->> 'span_id' as span_id,
        cast(l.exemplar ->> 'value' as double) as value,
        coalesce(cast(l.exemplar ->> 'time_ns' as bigint), 0) as at_ns,
        coalesce(l.exemplar -> 'a', cast('{}' as json)) as attributes,
        try_cast('0x' || left(l.exemplar ->> 'trace_id', 16) as ubigint) as trace_hi,
        try_cast('0x' || right(l.exemplar ->> 'trace_id', 16) as ubigint) as trace_lo,
        try_cast('0x' || (l.exemplar ->> 'span_id') as ubigint) as span
    from listed as l
),
whole as (
    select n.point_key, n.time_ns, n.trace_id, n.span_id, max_by(t.run_key, t.first_ns) as run_key
    from named as n
    join run_traces as t
        on t.trace_hi = n.trace_hi
        and t.trace_lo = n.trace_lo
        and n.at_ns between t.first_ns - 1000000000 and t.last_ns + 1000000000
    where t.whole
    group by all
),
single as (
    select n.point_key, n.time_ns, n.trace_id, n.span_id, max_by(s.run_key, s.start_ns) as run_key
    from named as n
    join span_runs as s on s.trace_hi = n.trace_hi and s.trace_lo = n.trace_lo and s.span_id = n.span
    group by all
)
select
    n.name,
    n.unit,
    make_timestamp_ns(n.time_ns) as point_time,
    make_timestamp_ns(n.at_ns) as "time",
    n.value,
    n.trace_id,
    n.span_id,
    n.attributes,
    r.service,
    k.pipeline,
    k.run_id,
    k.run_key
from named as n
left join resources as r on r.resource_id = n.resource_id
left join single as s using (point_key, time_ns, trace_id, span_id)
left join whole as w using (point_key, time_ns, trace_id, span_id)
left join run_rows as k on k.run_key = coalesce(s.run_key, w.run_key);
