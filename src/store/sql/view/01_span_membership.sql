-- Question: which run does each span belong to?
-- A trace that belongs wholly to one run is one row of run_traces; others name their spans singly.
create or replace view span_membership as
select s.trace_hi, s.trace_lo, s.span_id, s.start_ns, t.run_key
from span_rows as s
join run_traces as t
    on t.trace_hi = s.trace_hi
    and t.trace_lo = s.trace_lo
    and t.whole
    and s.start_ns between t.first_ns and t.last_ns
union all
select m.trace_hi, m.trace_lo, m.span_id, m.start_ns, m.run_key
from span_runs as m;
