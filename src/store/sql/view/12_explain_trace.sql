-- Question: which rule saw what in this trace, and why is it a run or none?
-- Needs: a trace id, 32 hex digits: from explain_trace('...'); null: every trace
create or replace macro explain_trace(wanted_trace_id) as table
with
-- Folded before anything is read: one trace is found by its id, without reading the others.
spans as not materialized (
    select
        s.* exclude (name),
        coalesce(s.name, a.name) as name,
        f.rule,
        f.usage,
        f.run_id,
        f.input_tokens,
        f.output_tokens,
        m.run_key,
        coalesce(f.quiet, f.rule is null and s.kind > 1) as is_quiet,
        coalesce(f.ignored, false) as is_ignored
    from span_rows as s
    left join span_sets as a on a.set_id = s.set_id
    left join span_facts as f using (trace_hi, trace_lo, span_id, start_ns)
    left join span_membership as m using (trace_hi, trace_lo, span_id, start_ns)
    where wanted_trace_id is null
        or (
            s.trace_hi = try_cast('0x' || left(wanted_trace_id, 16) as ubigint)
            and s.trace_lo = try_cast('0x' || right(wanted_trace_id, 16) as ubigint)
        )
),
why_none as (
    select
        trace_hi,
        trace_lo,
        case
            when bool_and(is_quiet) then 'no run: every span is plain request instrumentation (HTTP, RPC, database, messaging)'
            when bool_and(is_quiet or is_ignored) then 'no run: rules say it is no part of any (' || string_agg(distinct rule, ', ' order by rule) filter (where is_ignored) || ')'
            when count(*) filter (where not is_quiet) = 1 and bool_or(usage = 'call')
                then 'no run: a second record of a model call that a run holds already'
            else 'no run: its root is not part of any, or it was not derived yet'
        end as reason
    from spans
    where run_key is null
    group by trace_hi, trace_lo
)
select
    s.start_ns,
    format('{:016x}', s.span_id) as span_id,
    case when s.parent_span_id <> 0 then format('{:016x}', s.parent_span_id) end as parent_span_id,
    s.name,
    coalesce(s.rule, case when s.is_quiet then 'quiet' else 'plain' end) as rule,
    case
        when r.run_key is null then w.reason
        when r.root_span_id = s.span_id and r.started_ns = s.start_ns then 'run of ' || r.pipeline || ', id ' || r.run_id || ', by ' || r.rule
        when t.step is not null then 'step ' || t.step || ', attempt ' || t.attempt
        when c.span_id is not null then 'model call' || coalesce(' of ' || c.model, '')
        when s.is_ignored then 'ignored by a rule'
        when s.is_quiet then 'plain request instrumentation'
        when s.usage is not null then 'usage stated again: counted elsewhere'
        else 'inside'
    end as part,
    s.run_id,
    s.input_tokens,
    s.output_tokens,
    r.run_key,
    r.outcome,
    r.state,
    format('{:016x}{:016x}', s.trace_hi, s.trace_lo) as trace_id
from spans as s
left join why_none as w using (trace_hi, trace_lo)
left join run_rows as r using (run_key)
left join step_rows as t on t.run_key = s.run_key and t.span_id = s.span_id and t.started_ns = s.start_ns
left join model_calls as c on c.run_key = s.run_key and c.span_id = s.span_id and c.started_ns = s.start_ns
order by min(s.start_ns) over (partition by s.trace_hi, s.trace_lo), s.trace_hi, s.trace_lo, s.start_ns, s.span_id;
