-- Question: which spans are the steps of each run, and which step is around each span?
-- Needs: derive_nodes, derive_links (02), derive_members (04), derive_heads (05)
-- Leaves: temp tables derive_candidates, derive_near, derive_deep; derive_inside (node, unit, step_node), derive_failed
--         (node), derive_steps.

-- A step is what a rule says, else a plain child of a plain run span. What a rule wants only at the top
-- is no step inside another one, and nothing repeats the name of the step around it.
create or replace temp table derive_candidates as
select
    m.unit,
    m.node,
    p.node as parent,
    case
        when n.node = h.node then null
        when n.marker is not null and n.step = coalesce(r.pipeline, r.step) then null
        when n.step is not null then n.step
        when not n.is_plain or n.usage is not null or m.is_surrounding then null
        when l.parent = h.node and r.marker is null then n.name
        when h.node is null and p.node is null then n.name
    end as name,
    n.top_only,
    coalesce(n.attempt, 1) as attempt
from derive_members as m
inner join derive_nodes as n using (node)
left join derive_links as l using (node)
left join derive_members as p on p.node = l.parent and p.unit = m.unit
left join derive_heads as h on h.unit = m.unit
left join derive_nodes as r on r.node = h.node;

-- Level by level, as deep as programs go.
create or replace temp table derive_near as
with recursive walk as (
    select
        node,
        name,
        case when name is not null then node end as step_node,
        case when name is not null then attempt end as attempt,
        0 as depth
    from derive_candidates
    where parent is null
    union all
    select
        node,
        case when is_step then name else name_above end,
        case when is_step then node else step_above end,
        case when is_step then attempt else attempt_above end,
        depth + 1
    from (
        select
            c.node,
            c.name,
            c.attempt,
            w.name as name_above,
            w.step_node as step_above,
            w.attempt as attempt_above,
            w.depth,
            c.name is not null
                and not (c.top_only and w.name is not null)
                and (w.name is null or c.name <> w.name or c.attempt <> w.attempt) as is_step
        from walk as w
        inner join derive_candidates as c on c.parent = w.node
        where w.depth < 24
    )
)
select node, name, step_node, attempt
from walk;

-- Below that each level would cost a look at every span, for a thousand levels. So each span first knows itself alone,
-- and then takes over what is known of the stretch above it, again and again: stretches double. What is around a
-- span depends on what is around that, but where a candidate may stand anywhere, the step that it is in has its
-- name: the nearest such candidate tells the name. Where there is none, the step from above does, or the outermost
-- of those that stand only at the top.
create or replace temp table derive_deep as
with recursive walk(node, jump, depth, top, nearest, outermost) using key (node) as (
    select
        c.node,
        case when n.node is null then c.parent end,
        1,
        n.node,
        case when c.name is not null and not c.top_only then c.node end,
        case when c.name is not null and c.top_only then c.node end
    from derive_candidates as c
    anti join derive_near as own on own.node = c.node
    left join derive_near as n on n.node = c.parent
    union
    select
        w.node,
        u.jump,
        w.depth + u.depth,
        u.top,
        coalesce(w.nearest, u.nearest),
        coalesce(u.outermost, w.outermost)
    from walk as w
    inner join recurring.walk as u on u.node = w.jump
    -- Deeper is a hostile request, not a program. What is its own ancestor has no top.
    where w.depth < 1000
),
labelled as (
    select
        w.node,
        t.step_node as step_above,
        case when w.nearest is null and t.name is not null then t.name else c.name end as name,
        case when w.nearest is null and t.name is not null then t.attempt else c.attempt end as attempt
    from walk as w
    inner join derive_near as t on t.node = w.top
    left join derive_candidates as c on c.node = coalesce(w.nearest, w.outermost)
)
select
    c.node,
    c.parent,
    l.step_above,
    case
        when c.name is null then null
        when coalesce(a.name, n.name) is null then c.node
        when c.top_only then null
        when c.name <> coalesce(a.name, n.name) or c.attempt <> coalesce(a.attempt, n.attempt) then c.node
    end as step_node
from labelled as l
inner join derive_candidates as c on c.node = l.node
left join labelled as a on a.node = c.parent
left join derive_near as n on n.node = c.parent;

create or replace temp table derive_inside as
with recursive walk(node, jump, step_node) using key (node) as (
    select node, case when step_node is null then parent end, coalesce(step_node, step_above)
    from derive_deep
    union
    select w.node, u.jump, u.step_node
    from walk as w
    inner join recurring.walk as u on u.node = w.jump
)
select w.node, c.unit, w.step_node, s.name
from (
    select node, step_node from derive_near
    union all
    select node, step_node from walk
) as w
inner join derive_candidates as c on c.node = w.node
left join derive_candidates as s on s.node = w.step_node;

-- Spans that failed and were not tried again: no later span of that name under the same parent.
create or replace temp table derive_failed as
select node
from (
    select
        n.node,
        n.status,
        l.parent,
        n.start_ns,
        max(n.start_ns) over (partition by l.parent, n.name) as last_ns
    from derive_nodes as n
    left join derive_links as l using (node)
)
where status = 2 and (parent is null or start_ns >= last_ns);

create or replace temp table derive_steps as
with
named as (
    select
        i.unit,
        i.node,
        coalesce(
            k.name,
            case when n.step is null then fold_ids(i.name) else i.name end
        ) as step,
        -- Two jobs may have steps of one name: a step is tried again inside what is called alike.
        case when n.attempt is null then fold_ids(a.name) end as around,
        n.*
    from derive_inside as i
    inner join derive_nodes as n using (node)
    left join derive_links as l on l.node = i.node
    left join derive_inside as a on a.node = l.parent and a.unit = i.unit
    left join (
        select id, min(name) as name
        from id_names
        where at_ns between getvariable('derive_from_ns') and getvariable('derive_to_ns')
        group by id
    ) as k on k.id = n.name_id
    where i.step_node = i.node
),
failing_inside as (
    select distinct i.step_node as node
    from derive_inside as i
    inner join derive_failed as f using (node)
),
ended as (
    select
        unit,
        node,
        step,
        around,
        span_id,
        resource_id,
        start_ns,
        end_ns,
        is_running,
        attempt,
        failure_is_final,
        failure_is_nothing,
        case
            when outcome is not null then outcome
            when status = 2 then 'failure'
            when fails_inside and node in (select node from failing_inside) then 'failure'
            when status = 1 then 'success'
            when is_running then 'unknown'
            else coalesce(unset_outcome, 'success')
        end as outcome,
        coalesce(error, nullif(status_message, '')) as error,
        error_type,
        items,
        peak_memory_bytes,
        cpu_s
    from named
),
-- Without a number of their own: the same name again after a failure has ended is another attempt. What runs
-- beside a failure is no attempt at the same thing.
moments as (
    select unit, step, around, node, start_ns as at_ns, false as is_end
    from ended
    union all
    select unit, step, around, node, end_ns, true
    from ended
    where outcome in ('failure', 'timed_out') and attempt is null
),
failures as (
    select
        node,
        is_end,
        count(*) filter (where is_end) over (
            partition by unit, step, around order by at_ns, is_end desc, node
            rows between unbounded preceding and current row
        ) as failed
    from moments
),
counted as (
    select
        e.*,
        -- What failed in no time had ended before it began, and so had whatever did so at the same moment.
        coalesce(
            e.attempt,
            1 + f.failed - case
                when e.end_ns <= e.start_ns and e.outcome in ('failure', 'timed_out')
                    then count(*) filter (
                        where e.attempt is null and e.end_ns <= e.start_ns and e.outcome in ('failure', 'timed_out')
                    ) over (partition by e.unit, e.step, e.around, e.start_ns)
                else 0
            end
        )::integer as try
    from ended as e
    inner join failures as f on f.node = e.node and not f.is_end
)
select
    * exclude (attempt),
    try as attempt,
    -- Parallel spans of one name without failures are all last.
    not (
        try < max(try) over (partition by unit, step, around)
        and (attempt is not null or outcome in ('failure', 'timed_out'))
    ) as last_attempt
from counted;
