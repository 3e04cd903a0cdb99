-- Question: which spans may change a run now?
-- Needs: temp table touched_traces(trace_hi ubigint, trace_lo ubigint, from_ns bigint, to_ns bigint, quiet boolean):
--        each trace that got a span, a score or a name; the extent of what it got; whether all of it is quiet.
--        The files run in order in one transaction. Where derive_traces is empty after this one, 02 to 09 may
--        be left out.
-- Leaves: temp tables derive_traces, derive_spans, derive_new; variables derive_from_ns, derive_to_ns.

-- A trace id that comes again after a day is another trace: so only two days around need be read.
set variable derive_from_ns = (select greatest(coalesce(min(from_ns), 0), 86400000000000) - 86400000000000 from touched_traces);
set variable derive_to_ns = (select least(coalesce(max(to_ns), 0), 9000000000000000000) + 86400000000000 from touched_traces);

-- A score may come long after its run: its trace got no span lately. Then the run it belongs to is near, too.
create or replace temp table derive_scored as
select distinct t.trace_hi, t.trace_lo, t.to_ns
from touched_traces as t
inner join score_rows as q
    on q.trace_hi = t.trace_hi and q.trace_lo = t.trace_lo and q.at_ns between t.from_ns and t.to_ns
where q.at_ns between getvariable('derive_from_ns') and getvariable('derive_to_ns');

create or replace temp table derive_late as
select min(m.first_ns) as from_ns
from (
    select s.trace_hi, s.trace_lo, max(m.first_ns) as first_ns
    from (
        select *
        from derive_scored
        anti join (
            select trace_hi, trace_lo
            from span_rows
            semi join derive_scored using (trace_hi, trace_lo)
            where start_ns between getvariable('derive_from_ns') and getvariable('derive_to_ns')
        ) using (trace_hi, trace_lo)
    ) as s
    inner join run_traces as m on m.trace_hi = s.trace_hi and m.trace_lo = s.trace_lo and m.first_ns <= s.to_ns
    group by s.trace_hi, s.trace_lo
) as m;

set variable derive_from_ns = (
    select least(getvariable('derive_from_ns'), coalesce(min(from_ns) - 86400000000000, getvariable('derive_from_ns')))
    from derive_late
);

-- Keys of the runs that this derivation writes.
create or replace temp table derive_new (run_key varchar);

create or replace temp table derive_traces as
select trace_hi, trace_lo
from touched_traces
where not quiet
union
-- Quiet spans alone make no run, but they may be around one.
select t.trace_hi, t.trace_lo
from touched_traces as t
inner join run_traces as m using (trace_hi, trace_lo)
where t.quiet
    and m.first_ns <= getvariable('derive_to_ns')
    and m.last_ns >= getvariable('derive_from_ns');

-- A run may last for days: all of it is read, where a part of it was touched.
set variable derive_reach = (
    select [
        least(getvariable('derive_from_ns'), min(m.first_ns)),
        greatest(getvariable('derive_to_ns'), max(m.last_ns))
    ]
    from run_traces as m
    inner join derive_traces using (trace_hi, trace_lo)
    where m.first_ns <= getvariable('derive_to_ns') and m.last_ns >= getvariable('derive_from_ns')
);
set variable derive_from_ns = coalesce(getvariable('derive_reach')[1], getvariable('derive_from_ns'));
set variable derive_to_ns = coalesce(getvariable('derive_reach')[2], getvariable('derive_to_ns'));

create or replace temp table derive_spans as
select distinct on (s.trace_hi, s.trace_lo, s.span_id, s.start_ns)
    s.trace_hi,
    s.trace_lo,
    s.span_id,
    s.parent_span_id,
    s.start_ns,
    -- A span that has not ended came with an end of 0.
    if(s.start_ns > 0 and s.start_ns + s.duration_ns <= 0, s.start_ns, s.start_ns + s.duration_ns) as end_ns,
    s.start_ns > 0 and s.start_ns + s.duration_ns <= 0 as is_running,
    s.resource_id,
    s.scope_id,
    coalesce(s.name, a.name) as name,
    s.kind,
    s.status,
    s.rest ->> 'status_message' as status_message
from span_rows as s
inner join derive_traces using (trace_hi, trace_lo)
left join span_sets as a on a.set_id = s.set_id
where s.start_ns between getvariable('derive_from_ns') and getvariable('derive_to_ns');

-- Traces that share a run id with these, or a run, or hold the other record of the same model call.
create or replace temp table derive_more as
with
own_facts as (
    select f.*
    from span_facts as f
    inner join derive_traces using (trace_hi, trace_lo)
    where f.start_ns between getvariable('derive_from_ns') and getvariable('derive_to_ns')
),
run_ids as (
    select run_id from own_facts where run_id is not null
    union
    select r.run_id
    from resource_facts as r
    where r.run_id is not null and r.resource_id in (select resource_id from derive_spans)
),
runs_by_id as (
    select run_key
    from run_rows
    where run_id in (select run_id from run_ids)
        and started_ns <= getvariable('derive_to_ns')
        and ended_ns >= getvariable('derive_from_ns')
),
runs_by_trace as (
    select m.run_key
    from run_traces as m
    inner join derive_traces using (trace_hi, trace_lo)
    where m.first_ns <= getvariable('derive_to_ns') and m.last_ns >= getvariable('derive_from_ns')
),
traces_of_runs as (
    select m.trace_hi, m.trace_lo
    from run_traces as m
    where m.run_key in (select run_key from runs_by_id union select run_key from runs_by_trace)
        and m.first_ns <= getvariable('derive_to_ns')
        and m.last_ns >= getvariable('derive_from_ns')
),
-- One call recorded by two instrumentations: once inside a run, once as a trace of its own. Traces that are
-- a single call are few: asked apart, neither question compares all calls with all.
inner_calls as (
    select distinct input_tokens, output_tokens, start_ns
    from own_facts
    where usage = 'call' and not root
),
lone_calls as (
    select distinct input_tokens, output_tokens, start_ns
    from own_facts
    where usage = 'call' and root
),
-- The nearest one tells whether there is any: which of them it is, 05 looks at.
lone_twins as (
    select o.trace_hi, o.trace_lo
    from (
        select trace_hi, trace_lo, start_ns, start_ns + 5000000 as upto_ns,
            coalesce(input_tokens, -1) as input, coalesce(output_tokens, -1) as output
        from span_facts
        where usage = 'call' and root
            and start_ns between getvariable('derive_from_ns') and getvariable('derive_to_ns')
    ) as o
    asof inner join (
        select start_ns, coalesce(input_tokens, -1) as input, coalesce(output_tokens, -1) as output
        from inner_calls
    ) as c
        on c.input = o.input and c.output = o.output and c.start_ns <= o.upto_ns
    where c.start_ns >= o.start_ns - 600000000000
),
inner_twins as (
    select o.trace_hi, o.trace_lo
    from (
        select trace_hi, trace_lo, start_ns, start_ns - 5000000 as from_ns,
            coalesce(input_tokens, -1) as input, coalesce(output_tokens, -1) as output
        from span_facts
        where usage = 'call' and not root
            and start_ns between getvariable('derive_from_ns') and getvariable('derive_to_ns')
    ) as o
    asof inner join (
        select start_ns, coalesce(input_tokens, -1) as input, coalesce(output_tokens, -1) as output
        from lone_calls
    ) as c
        on c.input = o.input and c.output = o.output and c.start_ns >= o.from_ns
    where c.start_ns <= o.start_ns + 600000000000
)
select trace_hi, trace_lo from traces_of_runs
union
select trace_hi, trace_lo from lone_twins
union
select trace_hi, trace_lo from inner_twins
except
select trace_hi, trace_lo from derive_traces;

insert into derive_traces
select trace_hi, trace_lo from derive_more;

insert into derive_spans
select distinct on (s.trace_hi, s.trace_lo, s.span_id, s.start_ns)
    s.trace_hi,
    s.trace_lo,
    s.span_id,
    s.parent_span_id,
    s.start_ns,
    -- A span that has not ended came with an end of 0.
    if(s.start_ns > 0 and s.start_ns + s.duration_ns <= 0, s.start_ns, s.start_ns + s.duration_ns) as end_ns,
    s.start_ns > 0 and s.start_ns + s.duration_ns <= 0 as is_running,
    s.resource_id,
    s.scope_id,
    coalesce(s.name, a.name) as name,
    s.kind,
    s.status,
    s.rest ->> 'status_message' as status_message
from span_rows as s
inner join derive_more using (trace_hi, trace_lo)
left join span_sets as a on a.set_id = s.set_id
where s.start_ns between getvariable('derive_from_ns') and getvariable('derive_to_ns');
