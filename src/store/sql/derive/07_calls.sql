-- Question: which spans are the model calls of each run, each counted once?
-- Needs: derive_nodes (02), derive_tree (03), derive_members (04), derive_inside, derive_steps (06)
-- Leaves: temp table derive_calls; derive_prices, empty: what the price tables say is filled in before 08.

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
    select
        bearing_above as node,
        count(*) as leaves,
        count(cost_usd) as costed,
        sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0)) as tokens
    from leaves
    where bearing_above is not null
    group by bearing_above
),
-- A sum may state what its calls do not: if it is over one call, the model and the details of the tokens; the cost, by
-- their tokens.
filled as (
    select
        c.model as own_model,
        c.* replace (
            coalesce(c.model, a.model) as model,
            coalesce(c.provider, a.provider) as provider,
            coalesce(c.cached_tokens, a.cached_tokens) as cached_tokens,
            coalesce(c.cache_write_tokens, a.cache_write_tokens) as cache_write_tokens,
            coalesce(c.reasoning_tokens, a.reasoning_tokens) as reasoning_tokens
        )
    from leaves as c
    left join shared as s on s.node = c.bearing_above
    left join derive_nodes as a on a.node = case when s.leaves = 1 then s.node end
),
complete as (
    select
        c.unit,
        c.node,
        -- What states a model and tokens, with nothing below it that does, is a call whatever it calls itself.
        case
            when c.usage = 'aggregate' and c.own_model is not null and c.rule not like '%perfline.usage%' then 'call'
            else c.usage
        end as usage,
        c.span_id,
        c.scope_id,
        c.start_ns,
        c.end_ns,
        c.status,
        c.outcome,
        c.model,
        c.provider,
        c.operation,
        -- Cached tokens are part of the input; more of them than input were counted beside it.
        coalesce(coalesce(c.cached_tokens, 0) + coalesce(c.cache_write_tokens, 0) > c.input_tokens, false) as is_cache_beside,
        case
            when coalesce(c.cached_tokens, 0) + coalesce(c.cache_write_tokens, 0) > c.input_tokens
                then c.input_tokens + coalesce(c.cached_tokens, 0) + coalesce(c.cache_write_tokens, 0)
            else c.input_tokens
        end as input_tokens,
        c.output_tokens,
        c.cached_tokens,
        c.cache_write_tokens,
        c.reasoning_tokens,
        coalesce(
            c.cost_usd,
            case
                when s.costed = 0 and s.tokens > 0
                    then a.cost_usd * (coalesce(c.input_tokens, 0) + coalesce(c.output_tokens, 0)) / s.tokens
                when s.costed = 0 then a.cost_usd / s.leaves
            end
        ) as cost_usd
    from filled as c
    left join shared as s on s.node = c.bearing_above
    left join derive_nodes as a on a.node = s.node
),
-- Two instrumentations side by side: the inner record of the same call goes.
several as (
    select unit
    from complete
    group by unit
    having min(scope_id) < max(scope_id)
),
mixed as (
    select *
    from complete
    semi join several using (unit)
),
single as (
    select c.*
    from complete as c
    where not exists (
        select 1
        from mixed as o
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
    case when c.cost_usd is not null then 'stated' end as cost_source,
    i.step_node,
    s.step,
    s.span_id as step_span_id,
    s.start_ns as step_started_ns
from single as c
left join derive_inside as i on i.node = c.node and i.unit = c.unit
left join derive_steps as s on s.node = i.step_node and s.unit = c.unit;

create or replace temp table derive_prices (node bigint, cost_usd double, source varchar);
