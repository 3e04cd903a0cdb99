-- Question: which span is the run itself, and which runs are second records of a model call?
-- Needs: derive_nodes, derive_links (02), derive_tree (03), derive_groups, derive_members (04)
-- Leaves: temp table derive_heads (unit, node, is_sure); thins out derive_members.

-- The run span is the marker, else the only topmost span; or a root beside which there are but steps, in traces of
-- their own.
create or replace temp table derive_heads as
with
anchored as (
    select m.unit, min(g.anchor) as node
    from derive_members as m
    inner join derive_groups as g using (node)
    where g.kind = 'a' and m.unit = g.grouping
    group by m.unit
),
topmost as (
    select m.unit, m.node, n.marker is null and n.step is not null as is_step, n.parent_span_id = 0 as is_root
    from derive_members as m
    inner join derive_nodes as n using (node)
    left join derive_links as l using (node)
    left join derive_members as p on p.node = l.parent and p.unit = m.unit
    where p.node is null and not n.is_quiet and not m.is_surrounding
),
rooted as (
    select t.unit, min(t.node) as node
    from topmost as t
    inner join derive_groups as g using (node)
    where g.kind = 'l' and t.unit = g.grouping
    group by t.unit
),
single as (
    select t.unit, coalesce(min(t.node) filter (where not t.is_step), min(t.node)) as node
    from topmost as t
    group by t.unit
    having count(*) = 1 or (count(*) filter (where not t.is_step) = 1 and bool_or(t.is_root and not t.is_step))
)
select
    s.unit,
    s.node,
    -- A run span that has not ended is not the end of its run.
    (n.marker = 'run' is true or n.parent_span_id = 0) and not n.is_running as is_sure
from (
    select unit, node from anchored
    union all
    select unit, node from rooted
    union all
    select unit, node
    from single
    where unit not in (select unit from anchored union all select unit from rooted)
) as s
inner join derive_nodes as n using (node)
-- A step is no run: where every span is a step there is no run span.
where n.marker is not null or n.step is null or (n.parent_span_id = 0 and n.run_id is null);

-- Quiet roots: no topmost span was left for them above.
insert into derive_heads
select u.unit, min(g.root), not bool_or(n.is_running and n.node = g.root)
from derive_members as u
inner join derive_groups as g using (node)
inner join derive_nodes as n using (node)
where g.kind = 'l' and u.unit = g.grouping and u.unit not in (select unit from derive_heads)
group by u.unit;

-- The same call seen by two instrumentations, once as a trace of its own: the lone one goes.
create or replace temp table derive_twins as
with
busy as (
    select m.unit, count(*) filter (where not n.is_quiet) as spans
    from derive_members as m
    inner join derive_nodes as n using (node)
    group by m.unit
),
lone as (
    select h.unit, n.*
    from derive_heads as h
    inner join busy as b using (unit)
    inner join derive_nodes as n using (node)
    where b.spans = 1 and n.usage = 'call' and n.parent_span_id = 0
)
select distinct l.unit
from lone as l
inner join derive_nodes as c
    on c.usage = 'call'
    and c.parent_span_id <> 0
    and c.resource_id = l.resource_id
    and coalesce(c.model = l.model, true)
    and c.input_tokens is not distinct from l.input_tokens
    and c.output_tokens is not distinct from l.output_tokens
    and c.start_ns <= l.start_ns + 5000000
    and c.end_ns >= l.end_ns - 5000000;

delete from derive_heads
where unit in (select unit from derive_twins);

delete from derive_members
where unit in (select unit from derive_twins);
