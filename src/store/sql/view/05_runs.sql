-- Question: which runs are there?
create or replace view runs as
select
    r.* exclude (trace_hi, trace_lo, root_span_id, started_ns, ended_ns, attributes),
    format('{:016x}{:016x}', r.trace_hi, r.trace_lo) as trace_id,
    make_timestamp_ns(r.started_ns) as started_at,
    make_timestamp_ns(r.ended_ns) as ended_at,
    cast(coalesce(r.attributes, '{}') as json) as attributes
from run_rows as r;
