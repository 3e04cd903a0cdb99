-- Question: which traces got something that no derivation has looked at yet?
-- Leaves: temp table touched_traces, one row a trace.
create or replace temp table touched_traces as
select trace_hi, trace_lo, min(from_ns) as from_ns, max(to_ns) as to_ns
from pending_traces
group by trace_hi, trace_lo;
