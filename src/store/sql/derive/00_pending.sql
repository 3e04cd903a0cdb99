-- Question: which traces got something that no derivation has looked at yet?
-- Leaves: temp tables touched_traces, one row a trace, and touched_resources, one row a resource.
create or replace temp table touched_traces as
select trace_hi, trace_lo, min(from_ns) as from_ns, max(to_ns) as to_ns, bool_and(quiet) as quiet
from pending_traces
group by trace_hi, trace_lo;

create or replace temp table touched_resources as
select resource_id, min(from_ns) as from_ns, max(to_ns) as to_ns
from pending_resources
group by resource_id;
