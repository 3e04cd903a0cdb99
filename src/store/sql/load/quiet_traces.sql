-- Question: which traces that got nothing but plain request instrumentation are part of a run all the same?
-- Needs: temp table incoming_quiet, as pending_traces: each trace that got a quiet span, and the extent of it.
-- Quiet spans alone make no run; where a run holds their trace, they may be around it.
insert into pending_traces
select q.trace_hi, q.trace_lo, q.from_ns, q.to_ns, q.quiet
from incoming_quiet as q
semi join (
    select trace_hi, trace_lo
    from run_traces
    where first_ns <= (select max(to_ns) + 86400000000000 from incoming_quiet)
        and last_ns >= (select min(from_ns) - 86400000000000 from incoming_quiet)
) as m
    on m.trace_hi = q.trace_hi and m.trace_lo = q.trace_lo;
