-- Question: which run marker is around each span?
-- Needs: derive_nodes, derive_links (02)
-- Leaves: temp table derive_tree.

-- The outermost marker wins; a weak one (`root`) counts only where nothing but quiet spans is around it.
-- Each span first knows itself alone, as the stretch of one span that ends before its parent. Then it takes over what
-- is known of the stretch above, again and again: stretches double, so that a thousand levels take ten rounds. Level by
-- level each would cost a look at every span. Of a stretch, `anchor` is its outermost marker if all above it is quiet,
-- `run_anchor` if it is not; jump is the span above it, null at the root.
create or replace temp table derive_tree as
with recursive walk(
    node, jump, root, depth, run_anchor, anchor, is_all_quiet, run_id, usage_self, usage_above, bearing_self, bearing_above
) using key (node) as (
    select
        n.node,
        l.parent,
        n.node,
        1,
        case when n.marker = 'run' then n.node end,
        case when n.marker is not null then n.node end,
        n.is_quiet,
        n.run_id,
        case when n.usage is not null then n.node end,
        null::bigint,
        case when n.is_bearing then n.node end,
        null::bigint
    from derive_nodes as n
    left join derive_links as l using (node)
    union
    select
        w.node,
        u.jump,
        u.root,
        w.depth + u.depth,
        coalesce(u.run_anchor, w.run_anchor),
        coalesce(u.anchor, case when u.is_all_quiet then w.anchor else w.run_anchor end),
        w.is_all_quiet and u.is_all_quiet,
        coalesce(w.run_id, u.run_id),
        w.usage_self,
        coalesce(w.usage_above, u.usage_self, u.usage_above),
        w.bearing_self,
        coalesce(w.bearing_above, u.bearing_self, u.bearing_above)
    from walk as w
    inner join recurring.walk as u on u.node = w.jump
    -- Deeper is a hostile request, not a program.
    where w.depth <= 1000
)
select node, root, anchor, run_id, usage_above, bearing_above
from walk
where jump is null and depth <= 1001;

-- Spans that are their own ancestors have no root, and those that lie too deep have none in reach: each stands for
-- itself.
insert into derive_tree
select
    n.node,
    n.node,
    case when n.marker is not null then n.node end,
    n.run_id,
    null,
    null
from derive_nodes as n
anti join derive_tree as t using (node);
