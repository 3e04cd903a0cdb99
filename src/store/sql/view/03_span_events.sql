-- Question: what happened within each span?
create or replace view span_events as
select
    format('{:016x}{:016x}', s.trace_hi, s.trace_lo) as trace_id,
    format('{:016x}', s.span_id) as span_id,
    coalesce(e.value ->> 'n', '') as name,
    -- An event without a time has none of its own: the epoch, as OTLP has it.
    make_timestamp_ns(coalesce(s.start_ns + cast(e.value ->> 't' as bigint), 0)) as "time",
    coalesce(e.value -> 'a', cast('{}' as json)) as attributes,
    coalesce(cast(e.value ->> 'd' as bigint), 0) as dropped_attributes
from (
    select r.trace_hi, r.trace_lo, r.span_id, r.start_ns, coalesce(json_extract(r.rest, '$.events'), cast(a.events as json)) as events
    from span_rows as r
    left join span_sets as a on a.set_id = r.set_id
    where r.rest is not null or a.events is not null
) as s,
    lateral (select unnest(json_extract(s.events, '$[*]')) as value) as e;
