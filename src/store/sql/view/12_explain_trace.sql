-- Question: which rule saw what in this trace, and why is it a run or none?
-- Needs: a trace id, 32 hex digits: from explain_trace('...')
create or replace macro explain_trace(wanted_trace_id) as table
with
spans as (
    select
        s.* exclude (name),
        coalesce(s.name, a.name) as name,
        f.rule,
        f.marker,
        f.step,
        f.pipeline,
        f.run_id,
        f.usage,
        f.input_tokens,
        f.output_tokens,
        coalesce(f.quiet, f.rule is null and s.kind > 1) as is_quiet,
        coalesce(f.ignored, false) as is_ignored
    from span_rows as s
    left join span_sets as a on a.set_id = s.set_id
    left join span_facts as f using (trace_hi, trace_lo, span_id, start_ns)
    where s.trace_hi = cast('0x' || left(wanted_trace_id, 16) as ubigint) and s.trace_lo = cast('0x' || right(wanted_trace_id, 16) as ubigint)
),
run_spans as (
    select r.run_key, r.pipeline, r.run_id, r.rule, r.outcome, r.state, r.root_span_id, r.started_ns, m.first_ns, m.last_ns
    from run_traces as m
    inner join run_rows as r using (run_key)
    where m.trace_hi = cast('0x' || left(wanted_trace_id, 16) as ubigint) and m.trace_lo = cast('0x' || right(wanted_trace_id, 16) as ubigint)
),
why_none as (
    select case
        when bool_and(is_quiet) then 'no run: every span is plain request instrumentation (HTTP, RPC, database, messaging)'
        when bool_and(is_quiet or is_ignored) then 'no run: rules say it is no part of any (' || string_agg(distinct rule, ', ' order by rule) filter (where is_ignored) || ')'
        when count(*) filter (where not is_quiet) = 1 and bool_or(usage = 'call')
            then 'no run: a second record of a model call that a run holds already'
        else 'no run: its root is not part of any, or it was not derived yet'
    end as reason
    from spans
)
select
    s.start_ns,
    printf('%016x', s.span_id) as span_id,
    case when s.parent_span_id <> 0 then printf('%016x', s.parent_span_id) end as parent_span_id,
    s.name,
    coalesce(s.rule, case when s.is_quiet then 'quiet' else 'plain' end) as rule,
    case
        when r.run_key is null then (select reason from why_none)
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
    r.state
from spans as s
left join run_spans as r on s.start_ns between r.first_ns and r.last_ns
left join step_rows as t on t.run_key = r.run_key and t.span_id = s.span_id and t.started_ns = s.start_ns
left join model_calls as c on c.run_key = r.run_key and c.span_id = s.span_id and c.started_ns = s.start_ns
order by s.start_ns, s.span_id;
