-- Question: which spans are there, from where, and in which run?
create or replace view spans as
select
    format('{:016x}{:016x}', s.trace_hi, s.trace_lo) as trace_id,
    format('{:016x}', s.span_id) as span_id,
    case when s.parent_span_id > 0 then format('{:016x}', s.parent_span_id) end as parent_span_id,
    coalesce(s.name, a.name) as name,
    ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'][least(s.kind, 5) + 1] as kind,
    r.service,
    c.name as scope,
    make_timestamp_ns(s.start_ns) as start_time,
    -- Null where it has not ended: it came with an end of 0.
    case when s.start_ns = 0 or s.start_ns + s.duration_ns > 0 then make_timestamp_ns(s.start_ns + s.duration_ns) end as end_time,
    case when s.start_ns = 0 or s.start_ns + s.duration_ns > 0 then s.duration_ns / 1e6 end as duration_ms,
    ['unset', 'ok', 'error'][least(s.status, 2) + 1] as status,
    s.rest ->> 'status_message' as status_message,
    cast(
        '{' || concat_ws(
            ',',
            nullif(a.attributes, ''),
            coalesce(a.key_1 || s.value_1, format(a.format_1, s.number_1)),
            coalesce(a.key_2 || s.value_2, format(a.format_2, s.number_2)),
            coalesce(a.key_3 || s.value_3, format(a.format_3, s.number_3)),
            coalesce(a.key_4 || s.value_4, format(a.format_4, s.number_4)),
            s.more
        ) || '}' as json
    ) as attributes,
    cast(coalesce(r.attributes, '{}') as json) as resource_attributes,
    k.pipeline,
    k.run_id,
    t.step,
    m.run_key,
    s.rest ->> 'trace_state' as trace_state,
    coalesce(cast(s.rest ->> 'flags' as uinteger), 0) as flags,
    coalesce(cast(s.rest ->> 'dropped_attributes' as uinteger), 0) as dropped_attributes,
    coalesce(cast(s.rest ->> 'dropped_events' as uinteger), 0) as dropped_events,
    coalesce(cast(s.rest ->> 'dropped_links' as uinteger), 0) as dropped_links,
    r.schema_url as resource_schema_url,
    c.schema_url
from span_rows as s
left join span_sets as a on a.set_id = s.set_id
left join resources as r on r.resource_id = s.resource_id
left join scopes as c on c.scope_id = s.scope_id
left join span_membership as m
    on m.trace_hi = s.trace_hi and m.trace_lo = s.trace_lo and m.span_id = s.span_id and m.start_ns = s.start_ns
left join run_rows as k on k.run_key = m.run_key
left join step_rows as t
    on t.run_key = m.run_key and t.span_id = s.span_id and t.started_ns = s.start_ns;
