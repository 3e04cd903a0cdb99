-- Question: which steps did the runs take, attempt by attempt?
create or replace view steps as
select
    s.* exclude (span_id, started_ns, ended_ns, resource_id),
    r.run_id,
    format('{:016x}', s.span_id) as span_id,
    make_timestamp_ns(s.started_ns) as started_at,
    make_timestamp_ns(s.ended_ns) as ended_at
from step_rows as s
left join run_rows as r on r.run_key = s.run_key;
