-- Question: which other spans does each span point to?
create or replace view span_links as
select
    format('{:016x}{:016x}', s.trace_hi, s.trace_lo) as trace_id,
    format('{:016x}', s.span_id) as span_id,
    coalesce(e.value ->> 'trace_id', repeat('0', 32)) as linked_trace_id,
    coalesce(e.value ->> 'span_id', repeat('0', 16)) as linked_span_id,
    e.value ->> 'trace_state' as trace_state,
    coalesce(e.value -> 'a', cast('{}' as json)) as attributes,
    coalesce(cast(e.value ->> 'd' as bigint), 0) as dropped_attributes,
    coalesce(cast(e.value ->> 'flags' as bigint), 0) as flags
from span_rows as s,
    lateral (select unnest(json_extract(s.rest, '$.links[*]')) as value) as e
where s.rest is not null;
