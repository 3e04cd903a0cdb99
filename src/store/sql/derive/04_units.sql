-- Question: which spans make one run?
-- Needs: derive_nodes, derive_links (02), derive_tree (03)
-- Leaves: temp tables derive_members (node, unit), derive_units.

-- A first grouping within each trace. Kinds: a: below a marker; p: by a run id of the span; w: by a run id
-- of the resource; l: below the plain root of the trace; o: below a span whose parent is missing.
create or replace temp table derive_groups as
with
-- Markers whose common parent is missing belong together.
anchors as (
    select
        n.node as anchor,
        min(n.node) over (
            partition by
                n.trace_hi, n.trace_lo, n.rule, t.run_id,
                case when n.node = t.root and n.parent_span_id <> 0 then n.parent_span_id else 0 end,
                case when n.node = t.root and n.parent_span_id <> 0 then 0 else n.node end
        ) as head
    from derive_tree as t
    inner join derive_nodes as n on n.node = t.node
    where t.anchor = t.node
),
trees as (
    select
        t.root,
        bool_and(n.is_quiet or n.is_ignored) as is_nothing,
        bool_or(t.anchor is not null) as has_anchor
    from derive_tree as t
    inner join derive_nodes as n on n.node = t.node
    group by t.root
),
kinds as (
    select
        n.node,
        n.trace_hi,
        n.trace_lo,
        n.start_ns,
        n.end_ns,
        n.is_repeated,
        n.resource_id,
        t.root,
        a.head as anchor,
        coalesce(t.run_id, n.resource_run_id) as run_id,
        -- Who takes the id of the resource takes its name, too.
        coalesce(n.pipeline, case when t.run_id is null then n.resource_pipeline end) as pipeline,
        case
            when a.head is not null then 'a'
            when e.is_nothing then null
            when t.run_id is not null then 'p'
            when r.is_ignored then null
            when e.has_anchor then null
            when n.resource_run_id is not null then 'w'
            when r.parent_span_id = 0 then 'l'
            else 'o'
        end as kind
    from derive_tree as t
    inner join derive_nodes as n on n.node = t.node
    inner join derive_nodes as r on r.node = t.root
    inner join trees as e on e.root = t.root
    left join anchors as a on a.anchor = t.anchor
)
select
    *,
    case kind
        when 'a' then 'a' || anchor
        when 'p' then 'p' || hash(trace_hi, trace_lo, run_id)
        when 'w' then 'w' || hash(trace_hi, trace_lo, run_id)
        when 'l' then 'l' || root
        when 'o' then 'o' || hash(trace_hi, trace_lo, case when is_repeated then resource_id end)
    end as grouping
from kinds;

create or replace temp table derive_units as
with
groups as (
    select
        grouping,
        any_value(kind) as kind,
        min(trace_hi) as trace_hi,
        min(trace_lo) as trace_lo,
        min(start_ns) as first_ns,
        max(end_ns) as last_ns,
        min(run_id) as run_id,
        min(pipeline) as pipeline,
        min(anchor) as anchor,
        min(root) as root,
        case when bool_or(is_repeated) then min(resource_id) end as resource_id
    from derive_groups
    where kind is not null
    group by grouping
),
heads as (
    select
        g.grouping,
        g.kind,
        g.trace_hi,
        g.trace_lo,
        g.first_ns,
        g.last_ns,
        g.resource_id,
        n.node,
        n.run_id,
        coalesce(n.pipeline, n.resource_pipeline) as pipeline
    from groups as g
    inner join derive_nodes as n on n.node = coalesce(g.anchor, g.root)
    where g.kind in ('a', 'l')
),
-- What has no head of its own joins the nearest head of its run id, else of its trace.
near as (
    select g.grouping, h.grouping as unit
    from groups as g
    inner join heads as h on h.run_id = g.run_id
    -- Airflow names the runs of all DAGs of one schedule alike.
    where g.kind in ('p', 'w') and coalesce(h.pipeline = g.pipeline, true)
    union
    select g.grouping, h.grouping
    from groups as g
    inner join heads as h
        on h.trace_hi = g.trace_hi
        and h.trace_lo = g.trace_lo
        and h.resource_id is not distinct from g.resource_id
    where g.kind in ('w', 'o')
),
joined as (
    select
        g.grouping,
        h.grouping as unit
    from near as n
    inner join groups as g on g.grouping = n.grouping
    inner join heads as h on h.grouping = n.unit
    -- Of both sides in one: two comparisons would be taken before the keys are, every group held against every head.
    where greatest(h.first_ns - g.last_ns, g.first_ns - h.last_ns) <= 86400000000000
    qualify row_number() over (
        partition by g.grouping
        order by
            h.trace_hi = g.trace_hi and h.trace_lo = g.trace_lo desc,
            greatest(h.first_ns - g.last_ns, g.first_ns - h.last_ns, 0),
            abs(h.first_ns - g.first_ns),
            -- Names of groupings hold numbers of nodes: 10 before 9, where other traces are read beside.
            h.node
    ) = 1
),
-- The rest is held together by its run id or its trace; a day of silence parts it.
loose as (
    select
        g.*,
        case
            when g.kind = 'o' then g.grouping
            when min(g.pipeline) over (partition by g.run_id) < max(g.pipeline) over (partition by g.run_id)
                then 'r' || hash(g.run_id, g.pipeline)
            else 'r' || hash(g.run_id)
        end as bundle
    from groups as g
    anti join joined as j using (grouping)
    where g.kind in ('p', 'w', 'o')
),
parted as (
    select
        *,
        first_ns > max(last_ns) over (
            partition by bundle order by first_ns, grouping rows between unbounded preceding and 1 preceding
        ) + 86400000000000 as is_new
    from loose
),
numbered as (
    select
        *,
        count(*) filter (where is_new) over (partition by bundle order by first_ns, grouping) as part
    from parted
)
select grouping, grouping as unit from heads
union all
select grouping, unit from joined
union all
select grouping, bundle || '.' || part from numbered;

create or replace temp table derive_members as
with
placed as (
    select g.node, g.trace_hi, g.trace_lo, u.unit
    from derive_groups as g
    left join derive_units as u using (grouping)
),
-- Spans outside of every run, in a trace of one run, are its surroundings.
only_units as (
    select trace_hi, trace_lo, min(unit) as unit
    from placed
    where unit is not null
    group by trace_hi, trace_lo
    having count(distinct unit) = 1
)
select
    p.node,
    coalesce(p.unit, o.unit) as unit,
    p.unit is null as is_surrounding
from placed as p
left join only_units as o using (trace_hi, trace_lo)
where coalesce(p.unit, o.unit) is not null;
