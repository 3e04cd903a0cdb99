-- Question: which run marker is around each span?
-- Needs: derive_nodes, derive_links (02)
-- Leaves: temp table derive_tree.

-- The outermost marker wins; a weak one (`root`) counts only where nothing but quiet spans is around it.
create or replace temp table derive_tree as
with recursive walk as (
    select
        n.node,
        n.node as root,
        0 as depth,
        case when n.marker is not null then n.node end as anchor,
        n.is_quiet as is_all_quiet,
        n.run_id,
        case when n.usage is not null then n.node end as usage_self,
        null::bigint as usage_above,
        case when n.is_bearing then n.node end as bearing_self,
        null::bigint as bearing_above
    from derive_nodes as n
    anti join derive_links as l using (node)
    union all
    select
        c.node,
        w.root,
        w.depth + 1,
        coalesce(w.anchor, case when c.marker = 'run' or (c.marker = 'root' and w.is_all_quiet) then c.node end),
        w.is_all_quiet and c.is_quiet,
        coalesce(c.run_id, w.run_id),
        case when c.usage is not null then c.node end,
        coalesce(w.usage_self, w.usage_above),
        case when c.is_bearing then c.node end,
        coalesce(w.bearing_self, w.bearing_above)
    from walk as w
    inner join derive_links as l on l.parent = w.node
    inner join derive_nodes as c on c.node = l.node
    -- Deeper is a hostile request, not a program.
    where w.depth < 1000
)
select * from walk;

-- Spans that are their own ancestors have no root: each stands for itself.
insert into derive_tree
select
    n.node,
    n.node,
    0,
    case when n.marker is not null then n.node end,
    n.is_quiet,
    n.run_id,
    case when n.usage is not null then n.node end,
    null,
    case when n.is_bearing then n.node end,
    null
from derive_nodes as n
anti join derive_tree as t using (node);
