-- Question: what is each run, in one row?
-- Needs: everything that 01 to 08 leave
-- Leaves: temp tables derive_scores, derive_runs (unit, and the columns of runs).

create or replace temp table derive_names as
select id, min(name) as name
from id_names
where at_ns between getvariable('derive_from_ns') and getvariable('derive_to_ns')
group by id;

-- A score belongs to the run of its span, one of a trace as a whole to the run of the trace that started last
-- before it: however long after, but where the trace id came again meanwhile.
create or replace temp table derive_scores as
with
again as (
    select trace_hi, trace_lo, first_ns
    from run_traces
    where first_ns > getvariable('derive_to_ns')
),
said as (
    select distinct q.trace_hi, q.trace_lo, q.span_id, q.start_ns, q.name, q.score, q.label, q.at_ns
    from score_rows as q
    semi join derive_traces using (trace_hi, trace_lo)
    anti join again as a
        on a.trace_hi = q.trace_hi and a.trace_lo = q.trace_lo and a.first_ns <= q.at_ns
    where q.at_ns >= getvariable('derive_from_ns')
),
placed as (
    select
        m.unit,
        case when q.span_id <> 0 then n.node end as node,
        q.name,
        q.score,
        q.label,
        q.at_ns,
        -- A log record names its span without saying when it started: ids may come again.
        row_number() over (
            partition by q.trace_hi, q.trace_lo, q.span_id, q.start_ns, q.name, q.score, q.label, q.at_ns
            order by n.start_ns <= q.at_ns desc, n.start_ns desc, m.unit
        ) as place
    from said as q
    inner join derive_nodes as n
        on n.trace_hi = q.trace_hi
        and n.trace_lo = q.trace_lo
        and (q.span_id = 0 or (n.span_id = q.span_id and coalesce(n.start_ns = q.start_ns, true)))
    inner join derive_members as m on m.node = n.node
    left join derive_heads as h on h.unit = m.unit and h.node = n.node
    where q.span_id <> 0 or h.node is not null
)
select distinct unit, node, name, score, label, at_ns
from placed
where place = 1;

create or replace temp table derive_runs as
with
-- Of what began at one moment the first node tells: else the order of arrival would.
members as (
    select
        m.unit,
        min(n.start_ns) as first_ns,
        max(n.end_ns) as last_ns,
        arg_min(n.trace_hi, n.node) as trace_hi,
        arg_min(n.trace_lo, n.node) as trace_lo,
        arg_min(n.resource_id, (n.start_ns, n.node)) as resource_id,
        arg_min(n.pipeline, (n.start_ns, n.node)) filter (where n.pipeline is not null) as pipeline,
        min(n.resource_pipeline) as resource_pipeline,
        arg_min(n.fallback, (n.start_ns, n.node)) filter (where not n.is_quiet) as fallback,
        arg_min(n.rule, (n.start_ns, n.node)) filter (where n.rule is not null and not n.is_quiet) as rule,
        arg_min(coalesce(n.run_id, n.resource_run_id), (n.start_ns, n.node))
            filter (where coalesce(n.run_id, n.resource_run_id) is not null) as run_id,
        max(n.lost_outcome) as lost_outcome,
        max(coalesce(n.branch, n.resource_branch)) as branch,
        max(coalesce(n.revision, n.resource_revision)) as revision,
        max(coalesce(n.environment, n.resource_environment)) as environment,
        max(coalesce(n.host_class, n.resource_host_class)) as host_class,
        max(coalesce(n.cpu_model, n.resource_cpu_model)) as cpu_model,
        max(coalesce(n.cpu_cores, n.resource_cpu_cores)) as cpu_cores,
        max(coalesce(n.host_memory_bytes, n.resource_host_memory_bytes)) as host_memory_bytes,
        max(coalesce(n.runner, n.resource_runner)) as runner,
        max(n.start_ns) as last_start_ns,
        count(f.node) filter (where not n.is_quiet) as failed_spans
    from derive_members as m
    inner join derive_nodes as n using (node)
    left join derive_failed as f using (node)
    where not m.is_surrounding
    group by m.unit
),
failing as (
    select
        s.unit,
        bool_or(s.failure_is_final or s.end_ns >= m.last_start_ns) as is_fatal,
        -- Of what ended at one moment the innermost: it began last.
        arg_min(coalesce(s.error, s.step), (s.end_ns, -s.start_ns, s.node)) as error,
        arg_min(s.error_type, (s.end_ns, -s.start_ns, s.node)) as error_type
    from derive_steps as s
    inner join members as m using (unit)
    where s.last_attempt and s.outcome in ('failure', 'timed_out') and not s.failure_is_nothing
    group by s.unit
),
-- A deep failure that nothing followed: agents whose own spans stay OK.
broken as (
    select
        m.unit,
        arg_max(coalesce(n.error, nullif(n.status_message, '')), (n.start_ns, n.node))
            filter (where n.end_ns >= g.last_start_ns) as error,
        arg_max(n.error_type, (n.start_ns, n.node)) filter (where n.end_ns >= g.last_start_ns) as error_type
    from derive_members as m
    inner join derive_nodes as n using (node)
    inner join members as g on g.unit = m.unit
    -- Where a span says how the run ended, and is no step, its word counts like a status.
    where (n.status = 2 or (n.outcome = 'failure' and n.step is null))
        and not n.is_quiet
        and not n.is_ignored
        and not n.retried
    group by m.unit
    -- No condition of a join: it would be taken before the units are, every node held against every run.
    having bool_or(n.end_ns >= g.last_start_ns)
),
step_counts as (
    select unit, count(distinct step) as steps, max(end_ns) as last_ns
    from derive_steps
    group by unit
),
retries as (
    select unit, sum(tries - 1) as retries
    from (select unit, step, around, max(attempt) as tries from derive_steps group by unit, step, around)
    group by unit
),
calls as (
    select
        unit,
        -- Fractions add up to the same digits in any order of arrival.
        sum(cost_usd order by cost_usd) as cost_usd,
        case when count(distinct cost_source) > 1 then 'mixed' else min(cost_source) end as cost_source,
        count(*) filter (
            where cost_usd is null and usage = 'call' and coalesce(input_tokens, output_tokens) is not null
        ) as unpriced_calls,
        sum(input_tokens) as input_tokens,
        sum(output_tokens) as output_tokens,
        sum(cached_tokens) as cached_tokens,
        sum(cache_write_tokens) as cache_write_tokens,
        sum(reasoning_tokens) as reasoning_tokens,
        nullif(count(*) filter (where usage = 'call'), 0) as api_calls
    from derive_calls
    group by unit
),
models as (
    select unit, arg_max(model, (tokens, model)) as model
    from (
        select unit, model, sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0)) as tokens
        from derive_calls
        where model is not null
        group by unit, model
    )
    group by unit
),
scores as (
    select unit, avg(score order by score, name, at_ns) as quality_score
    from derive_scores
    group by unit
),
heads as (
    select h.unit, h.is_sure, n.*
    from derive_heads as h
    inner join derive_nodes as n using (node)
),
judged as (
    select
        m.unit,
        coalesce(
            h.outcome,
            case
                when h.status = 2 then 'failure'
                when h.fails_inside and m.failed_spans > 0 then 'failure'
                when h.status = 1 and not h.ok_is_weak then 'success'
                when f.is_fatal then 'failure'
                when b.unit is not null and (h.node is null or h.ok_is_weak or h.is_running) then 'failure'
                when h.node is null or h.is_running then coalesce(m.lost_outcome, 'success')
                else coalesce(h.unset_outcome, 'success')
            end
        ) as outcome,
        coalesce(h.is_sure, false) as is_sure,
        coalesce(h.error, nullif(h.status_message, '')) as own_error,
        f.error as step_error,
        b.error as deep_error,
        coalesce(h.error_type, f.error_type, b.error_type) as error_type
    from members as m
    left join heads as h using (unit)
    left join failing as f using (unit)
    left join broken as b using (unit)
),
explained as (
    select
        unit,
        outcome,
        is_sure,
        case
            when outcome in ('failure', 'timed_out', 'cancelled') then left(coalesce(
                case when lower(own_error) not in ('failure', 'failed', 'error', 'cancelled', 'timed_out') then own_error end,
                step_error,
                deep_error
            ), 500)
        end as error,
        case when outcome in ('failure', 'timed_out', 'cancelled') then error_type end as error_type
    from judged
)
select
    m.unit,
    md5(concat_ws(
        '|',
        case when h.node is null and m.run_id is not null then s.service else m.trace_hi || '-' || m.trace_lo end,
        h.span_id,
        coalesce(h.start_ns, m.first_ns),
        coalesce(h.run_id, h.resource_run_id, m.run_id),
        -- Runs of several pipelines may have one id, and begin at one time.
        case when h.node is null and m.run_id is not null then coalesce(m.pipeline, m.resource_pipeline) end
    )) as run_key,
    coalesce(
        h.run_id,
        case when h.node is null then m.run_id end,
        h.resource_run_id,
        printf('%016x%016x', coalesce(h.trace_hi, m.trace_hi), coalesce(h.trace_lo, m.trace_lo))
    ) as run_id,
    coalesce(
        k.name,
        h.pipeline,
        h.resource_pipeline,
        case when h.node is null or not h.is_sure then coalesce(m.pipeline, m.resource_pipeline) end,
        h.fallback,
        s.service,
        m.fallback
    ) as pipeline,
    s.service,
    coalesce(h.trace_hi, m.trace_hi) as trace_hi,
    coalesce(h.trace_lo, m.trace_lo) as trace_lo,
    case when h.is_sure then h.span_id end as root_span_id,
    coalesce(h.start_ns, m.first_ns) as started_ns,
    case
        when h.node is null or h.is_running then m.last_ns
        else greatest(h.end_ns, coalesce(c.last_ns, h.end_ns))
    end as ended_ns,
    coalesce(
        h.duration_s,
        -- Run history without a duration is a span of no length: unknown, never 0.
        case
            when h.rule like 'perfline%' and greatest(h.end_ns, coalesce(c.last_ns, h.end_ns)) = h.start_ns then null
            else (case when h.node is null or h.is_running then m.last_ns else greatest(h.end_ns, coalesce(c.last_ns, h.end_ns)) end
                - coalesce(h.start_ns, m.first_ns)) / 1e9
        end
    ) as duration_s,
    case when e.is_sure then e.outcome else 'unknown' end as outcome,
    case when e.is_sure then 'closed' else 'open' end as state,
    e.outcome as settled_outcome,
    coalesce(h.branch, h.resource_branch, m.branch) as branch,
    coalesce(h.revision, h.resource_revision, m.revision) as revision,
    coalesce(h.environment, h.resource_environment, m.environment) as environment,
    coalesce(h.host_class, h.resource_host_class, m.host_class) as host_class,
    coalesce(h.cpu_model, h.resource_cpu_model, m.cpu_model) as cpu_model,
    coalesce(h.cpu_cores, h.resource_cpu_cores, m.cpu_cores) as cpu_cores,
    coalesce(h.host_memory_bytes, h.resource_host_memory_bytes, m.host_memory_bytes) as host_memory_bytes,
    coalesce(h.runner, h.resource_runner, m.runner) as runner,
    o.model,
    h.input_size,
    coalesce(c.steps, 0)::integer as steps,
    least(coalesce(r.retries, 0), 2147483647)::integer as retries,
    u.cost_usd,
    u.cost_source,
    u.unpriced_calls,
    if(u.input_tokens > 9223372036854775807, 9223372036854775807, u.input_tokens)::bigint as input_tokens,
    if(u.output_tokens > 9223372036854775807, 9223372036854775807, u.output_tokens)::bigint as output_tokens,
    if(u.cached_tokens > 9223372036854775807, 9223372036854775807, u.cached_tokens)::bigint as cached_tokens,
    if(u.cache_write_tokens > 9223372036854775807, 9223372036854775807, u.cache_write_tokens)::bigint as cache_write_tokens,
    if(u.reasoning_tokens > 9223372036854775807, 9223372036854775807, u.reasoning_tokens)::bigint as reasoning_tokens,
    coalesce(h.api_calls, u.api_calls) as api_calls,
    h.peak_memory_bytes,
    h.mean_memory_bytes,
    h.cpu_s,
    h.disk_read_bytes,
    h.disk_write_bytes,
    coalesce(h.peak_memory_bytes, h.cpu_s, h.disk_read_bytes, h.disk_write_bytes) is null as sampled,
    q.quality_score,
    h.items,
    e.error,
    e.error_type,
    error_fingerprint(e.error_type, e.error) as error_fingerprint,
    h.attributes,
    coalesce(h.rule, m.rule, 'local-root') as rule
from members as m
left join heads as h using (unit)
left join resources as s on s.resource_id = coalesce(h.resource_id, m.resource_id)
left join derive_names as k on k.id = h.name_id
left join explained as e using (unit)
left join step_counts as c using (unit)
left join retries as r using (unit)
left join calls as u using (unit)
left join models as o using (unit)
left join scores as q using (unit);
