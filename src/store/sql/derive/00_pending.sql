-- Question: which traces got something that no derivation has looked at yet?
-- Needs: variables derive_shares and derive_share: of so many equal shares, which one is looked at; unset: all.
-- Leaves: temp tables touched_traces, one row a trace, and touched_resources, one row a resource.
create or replace temp table touched_traces as
select trace_hi, trace_lo, min(from_ns) as from_ns, max(to_ns) as to_ns, bool_and(quiet) as quiet
from pending_traces
where hash(trace_hi, trace_lo) % coalesce(getvariable('derive_shares'), 1) = coalesce(getvariable('derive_share'), 0)
group by trace_hi, trace_lo;

create or replace temp table touched_resources as
select resource_id, min(from_ns) as from_ns, max(to_ns) as to_ns
from pending_resources
where hash('resource', resource_id) % coalesce(getvariable('derive_shares'), 1) = coalesce(getvariable('derive_share'), 0)
group by resource_id;
