-- Question: which spans are the steps of each run, and which step is around each span?
-- Needs: derive_nodes, derive_links (02), derive_members (04), derive_heads (05)
-- Leaves: temp tables derive_inside (node, unit, step_node), derive_failed (node), derive_steps.

-- A step is what a rule says, else a plain child of a plain run span. What a rule wants only at the top
-- is no step inside another one, and nothing repeats the name of the step around it.
create or replace temp table derive_inside as
with recursive
candidates as (
    select
        m.unit,
        m.node,
        l.parent,
        h.node as head,
        case
            when n.node = h.node then null
            when n.marker is not null and n.step = coalesce(r.pipeline, r.step) then null
            when n.step is not null then n.step
            when not n.is_plain or n.usage is not null or m.is_surrounding then null
            when l.parent = h.node and r.marker is null then n.name
            when h.node is null and p.node is null then n.name
        end as name,
        n.top_only,
        n.attempt
    from derive_members as m
    inner join derive_nodes as n using (node)
    left join derive_links as l using (node)
    left join derive_members as p on p.node = l.parent and p.unit = m.unit
    left join derive_heads as h on h.unit = m.unit
    left join derive_nodes as r on r.node = h.node
),
walk as (
    select
        c.node,
        c.unit,
        c.name,
        case when c.name is not null then c.node end as step_node,
        case when c.name is not null then c.attempt end as attempt,
        0 as depth
    from candidates as c
    left join derive_members as p on p.node = c.parent and p.unit = c.unit
    where p.node is null
    union all
    select
        node,
        unit,
        case when is_step then name else name_above end,
        case when is_step then node else step_above end,
        case when is_step then attempt else attempt_above end,
        depth + 1
    from (
        select
            c.node,
            c.unit,
            c.name,
            c.attempt,
            w.name as name_above,
            w.step_node as step_above,
            w.attempt as attempt_above,
            w.depth,
            c.name is not null
                and not (c.top_only and w.name is not null)
                and (w.name is null or c.name <> w.name or coalesce(c.attempt, 1) <> coalesce(w.attempt, 1)) as is_step
        from walk as w
        inner join candidates as c on c.parent = w.node and c.unit = w.unit
        where w.depth < 1000
    )
)
select node, unit, step_node, name
from walk;

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
        n.*
    from derive_inside as i
    inner join derive_nodes as n using (node)
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
        span_id,
        resource_id,
        start_ns,
        end_ns,
        attempt,
        failure_is_final,
        failure_is_nothing,
        case
            when outcome is not null then outcome
            when status = 2 then 'failure'
            when fails_inside and node in (select node from failing_inside) then 'failure'
            when status = 1 then 'success'
            else coalesce(unset_outcome, 'success')
        end as outcome,
        coalesce(error, nullif(status_message, '')) as error,
        error_type
    from named
),
-- Without a number of their own: the same name again after a failure has ended is another attempt. What runs
-- beside a failure is no attempt at the same thing.
moments as (
    select unit, step, node, start_ns as at_ns, false as is_end
    from ended
    union all
    select unit, step, node, end_ns, true
    from ended
    where outcome in ('failure', 'timed_out') and attempt is null
),
failures as (
    select
        node,
        is_end,
        count(*) filter (where is_end) over (
            partition by unit, step order by at_ns, is_end desc, node
            rows between unbounded preceding and current row
        ) as failed
    from moments
),
counted as (
    select
        e.*,
        coalesce(
            e.attempt,
            1 + f.failed
                - (e.end_ns <= e.start_ns and e.outcome in ('failure', 'timed_out'))::integer
        )::integer as try
    from ended as e
    inner join failures as f on f.node = e.node and not f.is_end
)
select
    * exclude (attempt),
    try as attempt,
    -- Parallel spans of one name without failures are all last.
    not (
        try < max(try) over (partition by unit, step)
        and (attempt is not null or outcome in ('failure', 'timed_out'))
    ) as last_attempt
from counted;
