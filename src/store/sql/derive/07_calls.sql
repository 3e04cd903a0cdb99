-- Question: which spans are the model calls of each run, each counted once?
-- Needs: derive_nodes (02), derive_tree (03), derive_members (04), derive_inside, derive_steps (06)
-- Leaves: temp table derive_calls.

create or replace temp table derive_calls as
with
spans as (
    select m.unit, t.usage_above, t.bearing_above, n.*
    from derive_members as m
    inner join derive_nodes as n using (node)
    inner join derive_tree as t using (node)
    where n.usage is not null
),
-- What has a statement below it states a sum; what states nothing is a call only where nothing around or below does.
leaves as (
    select *
    from spans
    where case
        when is_bearing then node not in (select bearing_above from spans where is_bearing and bearing_above is not null)
        else bearing_above is null
            and node not in (select usage_above from spans where usage_above is not null)
    end
),
shared as (
    select bearing_above as node, count(*) as leaves
    from leaves
    where bearing_above is not null
    group by bearing_above
),
-- Where a sum is over one call, it may state what the call does not.
complete as (
    select
        c.unit,
        c.node,
        c.usage,
        c.span_id,
        c.scope_id,
        c.start_ns,
        c.end_ns,
        c.status,
        c.outcome,
        coalesce(c.model, a.model) as model,
        coalesce(c.provider, a.provider) as provider,
        c.operation,
        c.input_tokens,
        c.output_tokens,
        c.cached_tokens,
        c.cache_write_tokens,
        c.reasoning_tokens,
        coalesce(c.cost_usd, a.cost_usd) as cost_usd
    from leaves as c
    left join shared as s on s.node = c.bearing_above and s.leaves = 1
    left join derive_nodes as a on a.node = s.node
),
-- Two instrumentations side by side: the inner record of the same call goes.
single as (
    select c.*
    from complete as c
    where not exists (
        select 1
        from complete as o
        where o.unit = c.unit
            and o.node <> c.node
            and o.scope_id <> c.scope_id
            and o.model is not distinct from c.model
            and o.input_tokens = c.input_tokens
            and o.output_tokens is not distinct from c.output_tokens
            and o.start_ns <= c.start_ns
            and o.end_ns >= c.end_ns
            and (o.start_ns < c.start_ns or o.end_ns > c.end_ns or o.node < c.node)
    )
)
select
    c.* exclude (status, outcome),
    coalesce(c.outcome, case when c.status = 2 then 'failure' else 'success' end) as outcome,
    i.step_node,
    s.step
from single as c
left join derive_inside as i on i.node = c.node and i.unit = c.unit
left join derive_steps as s on s.node = i.step_node and s.unit = c.unit;
