-- Question: what ended before the cutoff, everywhere?
-- Needs: the table prune_cutoff (ns).
-- Runs that are open, or went on past the cutoff, stay whole with all that belongs to them: half a run
-- would be measured as a shorter one.
create or replace temp table prune_runs as
select run_key
from run_rows, prune_cutoff
where state = 'closed' and coalesce(ended_ns, started_ns) < ns;

create or replace temp table prune_kept_traces as
select trace_hi, trace_lo
from run_traces
anti join prune_runs using (run_key)
union
select trace_hi, trace_lo
from pending_traces;

create or replace temp table prune_kept_resources as
select k.resource_id, k.first_ns, k.last_ns
from run_resources as k
anti join prune_runs using (run_key);

delete from span_rows as s
using prune_cutoff as c
where greatest(s.start_ns, s.start_ns + s.duration_ns) < c.ns
    and not exists (from prune_kept_traces as k where k.trace_hi = s.trace_hi and k.trace_lo = s.trace_lo);

delete from span_facts as s
using prune_cutoff as c
where s.start_ns < c.ns
    and not exists (from prune_kept_traces as k where k.trace_hi = s.trace_hi and k.trace_lo = s.trace_lo);

delete from score_rows as s
using prune_cutoff as c
where s.at_ns < c.ns
    and not exists (from prune_kept_traces as k where k.trace_hi = s.trace_hi and k.trace_lo = s.trace_lo);

delete from point_rows as p
using prune_cutoff as c
where p.time_ns < c.ns
    and not exists (
        from prune_kept_resources as k
        where k.resource_id = p.resource_id and p.time_ns between k.first_ns and k.last_ns
    );

delete from named_points as p
using prune_cutoff as c
where p.last_ns < c.ns;

delete from log_rows as l
using prune_cutoff as c
where l.time_ns < c.ns
    and not exists (from prune_kept_traces as k where k.trace_hi = l.trace_hi and k.trace_lo = l.trace_lo);

delete from id_names as n
using prune_cutoff as c
where n.at_ns < c.ns
    and not exists (from prune_kept_traces as k where k.trace_hi = n.trace_hi and k.trace_lo = n.trace_lo);

delete from step_rows where run_key in (select run_key from prune_runs);

delete from model_calls where run_key in (select run_key from prune_runs);

delete from quality_scores where run_key in (select run_key from prune_runs);

delete from span_runs where run_key in (select run_key from prune_runs);

delete from point_run_rows where run_key in (select run_key from prune_runs);

delete from run_traces where run_key in (select run_key from prune_runs);

delete from run_resources where run_key in (select run_key from prune_runs);

delete from run_rows where run_key in (select run_key from prune_runs);

-- What no row names any more. A resource may wait for its runs to be derived.
create or replace temp table prune_kept_blocks as
select resource_id, scope_id
from span_rows
union
select resource_id, scope_id
from point_rows
union
select resource_id, scope_id
from log_rows;

create or replace temp table prune_kept_ids as
select resource_id
from prune_kept_blocks
union
select resource_id
from run_resources
union
select resource_id
from pending_resources;

delete from resources where resource_id not in (select resource_id from prune_kept_ids);

delete from resource_facts where resource_id not in (select resource_id from prune_kept_ids);

delete from scopes where scope_id not in (select scope_id from prune_kept_blocks);

delete from span_sets where set_id not in (select set_id from span_rows);
