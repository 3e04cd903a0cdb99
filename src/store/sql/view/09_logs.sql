-- Question: which log records are there, from where, and in which run?
create or replace view logs as
select
    make_timestamp_ns(l.time_ns) as "time",
    make_timestamp_ns(l.observed_ns) as observed_time,
    l.severity_number,
    l.severity_text,
    l.event_name,
    cast(l.body as json) as body,
    cast(coalesce(l.attributes, '{}') as json) as attributes,
    cast(coalesce(r.attributes, '{}') as json) as resource_attributes,
    r.service,
    c.name as scope,
    format('{:016x}{:016x}', l.trace_hi, l.trace_lo) as trace_id,
    format('{:016x}', l.span_id) as span_id,
    coalesce(l.flags, 0) as flags,
    coalesce(l.dropped_attributes, 0) as dropped_attributes,
    k.run_id
from log_rows as l
left join resources as r on r.resource_id = l.resource_id
left join scopes as c on c.scope_id = l.scope_id
left join (
    select trace_hi, trace_lo, span_id, max(run_key) as run_key
    from span_membership
    group by trace_hi, trace_lo, span_id
) as m on m.trace_hi = l.trace_hi and m.trace_lo = l.trace_lo and m.span_id = l.span_id
left join run_rows as k on k.run_key = m.run_key;
